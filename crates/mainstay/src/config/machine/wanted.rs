//! For which names this machine gets certificates by ACME. Pure.

use std::collections::BTreeSet;

use certs::settings::Challenge;
use model::{
    Site, host,
    manifest::{Route, RouteTls},
};

use super::{Acme, Certificate, acme::is_name};

/// Bound: of names. What is beyond it is told nowhere, so it is far beyond what one machine serves.
const NAMES_MAX: usize = 1_000;
/// Nobody but this machine finds these, so that no CA can look (RFC 6761, RFC 6762, RFC 9476).
const NEVER: [&str; 1] = ["localhost"];
/// A CA of one's own may find these.
const NOT_PUBLIC: [&str; 7] = ["test", "example", "invalid", "local", "internal", "home.arpa", "alt"];

/// What machine.toml and routes come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct WantedNames {
    /// In order, each once.
    pub names: Vec<String>,
    /// Hosts that get none because their site has so many, in the order of its manifest.
    pub beyond: Vec<(Site, Vec<String>)>,
}

/// Those of machine.toml and the hosts of routes, without those that have a certificate in files.
pub(crate) fn wanted_names(acme: &Acme, sites: &[(Site, Vec<Route>)], own: &[Certificate]) -> WantedNames {
    let has_files = |name: &str| own.iter().any(|files| covers(&files.names, name));
    let mut all: BTreeSet<String> = acme.names.iter().filter(|name| !has_files(name)).cloned().collect();
    let mut beyond = Vec::new();
    for (site, routes) in sites {
        let mut hosts = of_site(acme, routes);
        hosts.retain(|host| !has_files(host));
        let fits = usize::try_from(acme.names_per_site_max).unwrap_or(usize::MAX).min(hosts.len());
        let others = hosts.split_off(fits);
        all.extend(hosts);
        if !others.is_empty() {
            beyond.push((site.clone(), others));
        }
    }
    WantedNames { names: without_covered(all.into_iter().collect()).take(NAMES_MAX).collect(), beyond }
}

/// Each once, in the order of the routes.
fn of_site(acme: &Acme, routes: &[Route]) -> Vec<String> {
    let of_routes = routes.iter().filter(|route| acme.routes && route.tls != RouteTls::Off);
    let hosts = of_routes.flat_map(|route| &route.hosts).filter(|host| can_be_found(host, acme));
    let mut seen = BTreeSet::new();
    without_covered(hosts.filter(|host| seen.insert((*host).clone())).cloned().collect()).collect()
}

/// One that a wildcard covers which is got as well needs none of its own.
fn without_covered(names: Vec<String>) -> impl Iterator<Item = String> {
    let wild: Vec<String> = names.iter().filter(|name| name.starts_with("*.")).cloned().collect();
    names.into_iter().filter(move |name| name.starts_with("*.") || !covers(&wild, name))
}

fn covers(names: &[String], name: &str) -> bool {
    names.iter().any(|known| host::covers(known, name))
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
            names_per_site_max: 100,
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

    fn wanted(acme: &Acme, routes: &[Route], own: &[Certificate]) -> Vec<String> {
        let names = wanted_names(acme, &[("shop/production".parse().expect("a site"), routes.to_vec())], own);
        assert_eq!(names.beyond, []);
        names.names
    }

    #[test]
    fn one_site_gets_no_more_names_than_its_share_and_takes_none_from_others() {
        let site = |name: &str| name.parse::<Site>().expect("a site");
        let invented: Vec<String> = (0..300).map(|n| format!("x{n:03}.acme.dev")).collect();
        let many = route(&invented.iter().map(String::as_str).collect::<Vec<_>>(), RouteTls::Required);
        let sites = [
            (site("aaa/production"), vec![many.clone(), many]),
            (site("shop/production"), vec![route(&["shop.acme.dev"], RouteTls::Required)]),
        ];
        let bounded = wanted_names(&acme(None, &["own.acme.dev"]), &sites, &[]);
        assert_eq!(bounded.names.len(), 102);
        assert!(
            ["own.acme.dev", "shop.acme.dev"].iter().all(|name| bounded.names.contains(&(*name).to_owned()))
        );
        assert_eq!(bounded.beyond, [(site("aaa/production"), invented[100..].to_vec())]);
        let raised = Acme { names_per_site_max: 300, ..acme(None, &[]) };
        assert_eq!(wanted_names(&raised, &sites, &[]).beyond, []);
        let wild = Acme { challenge: Challenge::Dns01, names_per_site_max: 1, ..acme(None, &[]) };
        let covered =
            [(site("shop/production"), vec![route(&["a.acme.dev", "*.acme.dev"], RouteTls::Required)])];
        assert_eq!(wanted_names(&wild, &covered, &[]).names, ["*.acme.dev"]);
    }

    #[test]
    fn hosts_that_a_ca_can_find_are_wanted_once_and_those_with_files_are_not() {
        let hosts =
            ["b.acme.dev", "a.acme.dev", "*.acme.dev", "localhost", "app.localhost", "10.0.0.1", "app.test"];
        let routes = [route(&hosts, RouteTls::Required), route(&["a.acme.dev"], RouteTls::Optional)];
        assert_eq!(
            wanted(&acme(None, &["c.acme.dev"]), &routes, &[]),
            ["a.acme.dev", "b.acme.dev", "c.acme.dev"]
        );
        let of_ones_own = wanted(&acme(Some("/ca.pem"), &[]), &routes, &[]);
        assert_eq!(of_ones_own, ["a.acme.dev", "app.test", "b.acme.dev"]);
        let files =
            |name: &str| Certificate { names: vec![name.to_owned()], cert: "/c".into(), key: "/k".into() };
        assert_eq!(wanted(&acme(None, &[]), &routes, &[files("*.acme.dev")]), Vec::<String>::new());
        assert_eq!(wanted(&acme(None, &[]), &routes, &[files("a.acme.dev")]), ["b.acme.dev"]);
        let by_dns = Acme { challenge: Challenge::Dns01, ..acme(None, &["a.b.acme.dev"]) };
        assert_eq!(
            wanted(&by_dns, &routes, &[]),
            ["*.acme.dev", "a.b.acme.dev"],
            "the wildcard covers one label"
        );
    }

    #[test]
    fn a_route_without_tls_or_a_machine_that_names_its_own_wants_none() {
        let plain = [route(&["a.acme.dev"], RouteTls::Off)];
        assert_eq!(wanted(&acme(None, &[]), &plain, &[]), Vec::<String>::new());
        let named = Acme { routes: false, ..acme(None, &["x.acme.dev"]) };
        assert_eq!(wanted(&named, &[route(&["a.acme.dev"], RouteTls::Required)], &[]), ["x.acme.dev"]);
    }
}
