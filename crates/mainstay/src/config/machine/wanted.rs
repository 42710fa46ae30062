//! For which names this machine gets certificates by ACME. Pure.

use std::collections::BTreeSet;

use certs::settings::Challenge;
use model::manifest::{Route, RouteTls};

use super::{Acme, Certificate, acme::is_name};

/// Bound: of names. What is beyond it is told nowhere, so it is far beyond what one machine serves.
const NAMES_MAX: usize = 1_000;
/// Nobody but this machine finds these, so that no CA can look (RFC 6761, RFC 6762, RFC 9476).
const NEVER: [&str; 1] = ["localhost"];
/// A CA of one's own may find these.
const NOT_PUBLIC: [&str; 7] = ["test", "example", "invalid", "local", "internal", "home.arpa", "alt"];

/// Those of machine.toml and the hosts of routes, without those that have a certificate in files.
pub(crate) fn wanted_names(acme: &Acme, routes: &[Route], own: &[Certificate]) -> Vec<String> {
    let of_routes = routes.iter().filter(|route| acme.routes && route.tls != RouteTls::Off);
    let hosts = of_routes.flat_map(|route| &route.hosts).filter(|host| can_be_found(host, acme));
    let all: BTreeSet<&String> = acme.names.iter().chain(hosts).collect();
    // One that a wildcard covers which is got as well needs none of its own.
    let wild: Vec<String> =
        all.iter().filter(|name| name.starts_with("*.")).map(|name| (*name).clone()).collect();
    let wanted = all.into_iter().filter(|name| !own.iter().any(|files| covers(&files.names, name)));
    let wanted = wanted.filter(|name| name.starts_with("*.") || !covers(&wild, name));
    wanted.take(NAMES_MAX).cloned().collect()
}

fn covers(names: &[String], name: &str) -> bool {
    let wild = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
    names.iter().any(|known| *known == *name || Some(known) == wild.as_ref())
}

fn can_be_found(host: &str, acme: &Acme) -> bool {
    let host = match host.strip_prefix("*.") {
        Some(rest) if acme.challenge == Challenge::Dns01 => rest,
        _ => host,
    };
    let is_below = |top: &&str| host.strip_suffix(*top).is_some_and(|rest| rest.ends_with('.'));
    is_name(host)
        && !NEVER.iter().any(is_below)
        && (acme.ca_file.is_some() || !NOT_PUBLIC.iter().any(is_below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme(ca_file: Option<&str>, names: &[&str]) -> Acme {
        Acme {
            directory: "https://ca.example/".to_owned(),
            rehearsal: None,
            contact: Vec::new(),
            ca_file: ca_file.map(Into::into),
            key: Default::default(),
            profile: None,
            challenge: Default::default(),
            dns_hook: Vec::new(),
            dns_hook_reads: Vec::new(),
            routes: true,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn route(hosts: &[&str], tls: RouteTls) -> Route {
        Route {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            tls,
            ..Route::to("web".parse().expect("a name"))
        }
    }

    #[test]
    fn hosts_that_a_ca_can_find_are_wanted_once_and_those_with_files_are_not() {
        let hosts =
            ["b.acme.dev", "a.acme.dev", "*.acme.dev", "localhost", "app.localhost", "10.0.0.1", "app.test"];
        let routes = [route(&hosts, RouteTls::Required), route(&["a.acme.dev"], RouteTls::Optional)];
        assert_eq!(
            wanted_names(&acme(None, &["c.acme.dev"]), &routes, &[]),
            ["a.acme.dev", "b.acme.dev", "c.acme.dev"]
        );
        let of_ones_own = wanted_names(&acme(Some("/ca.pem"), &[]), &routes, &[]);
        assert_eq!(of_ones_own, ["a.acme.dev", "app.test", "b.acme.dev"]);
        let files =
            |name: &str| Certificate { names: vec![name.to_owned()], cert: "/c".into(), key: "/k".into() };
        assert_eq!(wanted_names(&acme(None, &[]), &routes, &[files("*.acme.dev")]), Vec::<String>::new());
        assert_eq!(wanted_names(&acme(None, &[]), &routes, &[files("a.acme.dev")]), ["b.acme.dev"]);
        let by_dns = Acme { challenge: Challenge::Dns01, ..acme(None, &["a.b.acme.dev"]) };
        assert_eq!(
            wanted_names(&by_dns, &routes, &[]),
            ["*.acme.dev", "a.b.acme.dev"],
            "the wildcard covers one label"
        );
    }

    #[test]
    fn a_route_without_tls_or_a_machine_that_names_its_own_wants_none() {
        let plain = [route(&["a.acme.dev"], RouteTls::Off)];
        assert_eq!(wanted_names(&acme(None, &[]), &plain, &[]), Vec::<String>::new());
        let named = Acme { routes: false, ..acme(None, &["x.acme.dev"]) };
        assert_eq!(wanted_names(&named, &[route(&["a.acme.dev"], RouteTls::Required)], &[]), ["x.acme.dev"]);
    }
}
