//! `[[route]]`: which requests go to which service.

use std::ops::Range;

use model::{
    ServiceName,
    manifest::{Affinity, Balance, Route, RouteTls},
};

use super::{compress, rate_limit, rules, text};
use crate::config::decode::{Later, Section};

/// Where the parts of a route were written.
pub(crate) struct Places {
    pub route: Range<usize>,
    pub service: Range<usize>,
    /// In the order of the route's redirects.
    pub redirects: Vec<Range<usize>>,
}

const LATER: &[Later] = &[
    Later { key: "response_buffering", instead: "answers are never buffered in this version" },
    Later {
        key: "strip_prefix",
        instead: "write `[[route.rewrite]]` with `from = \"/api/*\"` and `to = \"/*\"`",
    },
];

pub(super) const TLS: [(&str, RouteTls); 3] =
    [("required", RouteTls::Required), ("optional", RouteTls::Optional), ("off", RouteTls::Off)];
pub(super) const BALANCES: [(&str, Balance); 2] =
    [("least_connections", Balance::LeastConnections), ("round_robin", Balance::RoundRobin)];

pub(super) const AFFINITIES: [(&str, Affinity); 2] =
    [("cookie", Affinity::Cookie), ("address", Affinity::Address)];

pub(super) fn route(section: &mut Section<'_, '_, '_>) -> Option<(Route, Places)> {
    section.later(LATER);
    let hosts = section.strings("hosts").map(|hosts| hosts.value).unwrap_or_default();
    let hosts: Vec<String> = hosts.into_iter().filter_map(|host| text::host(section, host)).collect();
    let path_prefix =
        section.string("path_prefix").and_then(|path| text::plain_path(section, "path_prefix", path));
    let service = section.parsed::<ServiceName>("service", "bad-name", "the name of a service");
    if !section.has("service") {
        section.missing("service", "service = \"web\"");
    }
    let tls = section.one_of("tls", &TLS);
    let balance = section.one_of("balance", &BALANCES);
    let affinity = section.one_of("affinity", &AFFINITIES);
    let response_header_timeout = section.duration("response_header_timeout");
    let idle_timeout = section.duration("idle_timeout");
    let max_request_body = section.size("max_request_body");
    let rate_limits = rate_limit::rate_limits(section);
    let cors = section.table("cors", rules::cors);
    let prefix = path_prefix.as_deref().unwrap_or("/");
    let headers =
        section.table("headers", |headers| Some(rules::headers(headers, prefix))).unwrap_or_default();
    let redirects = section.tables("redirect", rules::redirect).unwrap_or_default();
    let rewrites = section.tables("rewrite", rules::rewrite).unwrap_or_default();
    let access = section.table("access", rules::access);
    let compress = section.table("compress", compress::compress);
    let (redirect_spans, redirects) = redirects.into_iter().map(|at| (at.span, at.value)).unzip();
    let rewrites = rewrites.into_iter().map(|at| at.value).collect();
    let service = service?;
    let places = Places { route: section.span(), service: service.span, redirects: redirect_spans };
    let default = Route::to(service.value);
    let route = Route {
        hosts,
        path_prefix: path_prefix.unwrap_or(default.path_prefix),
        tls: tls.unwrap_or(default.tls),
        balance: balance.unwrap_or(default.balance),
        affinity,
        response_header_timeout: response_header_timeout.unwrap_or(default.response_header_timeout),
        idle_timeout: idle_timeout.unwrap_or(default.idle_timeout),
        max_request_body: max_request_body.unwrap_or(default.max_request_body),
        rate_limits,
        cors,
        headers,
        redirects,
        rewrites,
        access,
        compress,
        ..default
    };
    Some((route, places))
}
