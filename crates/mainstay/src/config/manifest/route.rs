//! `[[route]]`: which requests go to which service.

use std::ops::Range;

use model::{
    ByteSize, ServiceName, Span,
    manifest::{Balance, Route, RouteTls},
};

use super::text;
use crate::config::{
    decode::{Later, Section},
    problem::Problem,
};

/// Where the parts of a route were written.
pub(crate) struct Places {
    pub route: Range<usize>,
    pub service: Range<usize>,
}

const LATER: &[Later] = &[
    Later { key: "response_buffering", instead: "answers are never buffered in this version" },
    Later { key: "rate_limit", instead: "rate limits come in a later version" },
    Later { key: "strip_prefix", instead: "the app gets the path as the client sent it" },
];

pub(super) const TLS: [(&str, RouteTls); 3] =
    [("required", RouteTls::Required), ("optional", RouteTls::Optional), ("off", RouteTls::Off)];
pub(super) const BALANCES: [(&str, Balance); 2] =
    [("least_connections", Balance::LeastConnections), ("round_robin", Balance::RoundRobin)];

pub(super) fn route(section: &mut Section<'_, '_, '_>) -> Option<(Route, Places)> {
    section.later(LATER);
    let hosts = section.strings("hosts").map(|hosts| hosts.value).unwrap_or_default();
    let hosts: Vec<String> = hosts.into_iter().filter_map(|host| text::host(section, host)).collect();
    let path_prefix = path_prefix(section);
    let service = section.parsed::<ServiceName>("service", "bad-name", "the name of a service");
    if !section.has("service") {
        section.missing("service", "service = \"web\"");
    }
    let tls = section.one_of("tls", &TLS);
    let balance = section.one_of("balance", &BALANCES);
    let response_header_timeout = section.duration("response_header_timeout");
    let idle_timeout = section.duration("idle_timeout");
    let max_request_body = section.size("max_request_body");
    let service = service?;
    let places = Places { route: section.span(), service: service.span };
    let route = Route {
        hosts,
        path_prefix: path_prefix.unwrap_or_else(|| "/".to_owned()),
        service: service.value,
        tls: tls.unwrap_or(RouteTls::Optional),
        balance: balance.unwrap_or(Balance::LeastConnections),
        response_header_timeout: response_header_timeout.unwrap_or(Span::secs(120)),
        idle_timeout: idle_timeout.unwrap_or(Span::secs(300)),
        max_request_body: max_request_body.unwrap_or(ByteSize::mib(50)),
    };
    Some((route, places))
}

fn path_prefix(section: &mut Section<'_, '_, '_>) -> Option<String> {
    let text = section.string("path_prefix")?;
    let plain = text.value.bytes().all(|b| b.is_ascii_graphic()) && !text.value.contains(['?', '#']);
    let climbs = text.value.split('/').any(|part| part == "." || part == "..");
    if text.value.starts_with('/') && plain && !climbs && !text.value.contains("//") {
        return Some(text.value);
    }
    section.problem(
        Problem::new("bad-request-path", text.span, "`path_prefix` must be a path")
            .help("it starts with `/`, and has no `?`, `#`, `..`, space or `//`: `\"/api\"`"),
    );
    None
}
