//! Labels that Traefik reads: hosts and paths of a service. Of other labels it is said that nobody reads them.

use std::ops::RangeInclusive;

use super::super::{
    GuessedRoute, GuessedService,
    account::{Scribe, Source},
    guess::Target,
    tree::Node,
};
use crate::config::manifest::{is_host, is_plain_path};

pub(super) fn read(
    node: &Node,
    what: &str,
    source: &Source,
    (service, routes): (&mut GuessedService, &mut Vec<GuessedRoute>),
    scribe: &mut Scribe<'_>,
) {
    let pairs = node
        .entries()
        .iter()
        .map(|entry| (entry.line..=entry.node.end, entry.key.as_str(), entry.node.text()));
    let items = node.items().iter().map(|item| {
        let (name, value) = item.text().unwrap_or_default().split_once('=').unwrap_or_default();
        (item.line..=item.end, name, Some(value))
    });
    for (at, name, value) in pairs.chain(items) {
        let at = *at.start()..=(*at.end()).max(*at.start());
        label((at, name, value.unwrap_or_default()), what, source, (service, routes), scribe);
    }
}

fn label(
    (at, name, value): (RangeInclusive<usize>, &str, &str),
    what: &str,
    source: &Source,
    (service, routes): (&mut GuessedService, &mut Vec<GuessedRoute>),
    scribe: &mut Scribe<'_>,
) {
    let what = format!("{what}.{name}");
    let is_router = name.starts_with("traefik.http.routers.");
    if is_router && name.ends_with(".rule") {
        match rule(value) {
            Some((hosts, path_prefix)) => {
                scribe.took(at.clone(), what, format!("a route: {} {path_prefix}", hosts.join(" ")));
                service.web = true;
                let target = Target::Named(service.name.clone(), None);
                let (file, lines) = (source.file.clone(), Some(at));
                routes.push(GuessedRoute {
                    file,
                    lines,
                    hosts,
                    path_prefix,
                    target,
                    ..GuessedRoute::default()
                });
            }
            None => {
                scribe.left(at, what, "only `Host` and one `PathPrefix` are taken over: write a [[route]]")
            }
        }
        return;
    }
    if name.ends_with(".loadbalancer.server.port")
        && let Ok(port) = value.parse()
    {
        service.web = true;
        service.ports.push(port);
        scribe.took(at, what, "it takes requests, on HOST and PORT");
        return;
    }
    let why = match name {
        _ if is_router && name.contains(".tls") => {
            "certificates stand in machine.toml ([acme], [[certificate]]), `tls` in the route"
        }
        _ if name.contains(".middlewares.") => {
            "a [[route]] has redirects, rewrites, headers, limits and compression of its own"
        }
        _ if ["traefik", "caddy"].iter().any(|proxy| name.starts_with(proxy)) => "it is about another proxy",
        _ => "nothing reads it",
    };
    scribe.left(at, what, why);
}

/// Host(`a`) || Host(`b`), Host(`a`, `b`), Host(`a`) && PathPrefix(`/x`).
fn rule(text: &str) -> Option<(Vec<String>, String)> {
    let (mut hosts, mut path): (Vec<String>, Option<String>) = (Vec::new(), None);
    if text.contains("||") && text.contains("&&") {
        return None;
    }
    let is_any = text.contains("||");
    for part in text.split("||").flat_map(|part| part.split("&&")) {
        let (name, rest) = part.trim().split_once('(')?;
        let words = rest.strip_suffix(')')?.split(',').map(|word| word.trim().trim_matches(['`', '"', '\'']));
        for word in words {
            match name {
                "Host" if is_host(&word.to_ascii_lowercase()) => hosts.push(word.to_ascii_lowercase()),
                "PathPrefix" if is_plain_path(word) && path.is_none() && !is_any => {
                    path = Some(word.trim_end_matches('/').to_owned())
                }
                _ => return None,
            }
        }
    }
    hosts.sort();
    hosts.dedup();
    let path = path.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
    Some((hosts, path))
}

#[cfg(test)]
mod tests {
    use super::rule;

    #[test]
    fn rules_of_hosts_and_one_path_are_routes_and_others_are_not() {
        let read = |text| rule(text).map(|(hosts, path)| (hosts.join(" "), path));
        let meant = |hosts: &str, path: &str| Some((hosts.to_owned(), path.to_owned()));
        assert_eq!(read("Host(`A.test`) || Host(`b.test`)"), meant("a.test b.test", "/"));
        assert_eq!(read("Host(`a.test`, `b.test`) && PathPrefix(`/api/`)"), meant("a.test b.test", "/api"));
        assert_eq!(read("PathPrefix(`/x`)"), meant("", "/x"));
        for other in [
            "Host(`a`) || PathPrefix(`/x`)",
            "(Host(`a`) || Host(`b`)) && PathPrefix(`/x`)",
            "HostRegexp(`.+`)",
            "!Host(`a`)",
            "Host(`a`",
            "",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
