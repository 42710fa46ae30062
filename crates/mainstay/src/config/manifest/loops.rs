//! Redirects that send a client round and round, found by following them as a browser would.

use std::collections::BTreeSet;

use edge::Redirects;
use model::manifest::Route;

use super::Draft;
use crate::config::{decode::Problems, problem::Problem};

/// After so many hops browsers give up (Fetch, "HTTP-redirect fetch").
const HOPS_MAX: usize = 20;
/// Of a walk that has no end.
const PLACES_TOLD: usize = 4;
/// Stands for each host of a route that names none.
const ANY_HOST: &str = "any-host.invalid";
/// Stands for all that is below a path.
const BELOW: &str = "/x";

/// Each redirect is followed from where it begins, over all routes of the manifest. A circle is told once.
pub(super) fn redirects_come_to_an_end(draft: &Draft, problems: &mut Problems) {
    let routes = &draft.manifest.routes;
    let redirects = Redirects::of(routes);
    let mut told = BTreeSet::new();
    for (n, (route, written)) in routes.iter().zip(&draft.routes).enumerate() {
        for (m, span) in written.at.redirects.iter().enumerate().filter(|_| !written.doubtful) {
            let circle = starts(route, m).into_iter().find_map(|start| circle(&redirects, routes, start));
            let Some(circle) = circle.filter(|circle| !told.contains(&(n, m)) && circle.has(n, m)) else {
                continue;
            };
            told.extend(circle.redirects.iter().copied());
            problems.push(
                Problem::new("redirect-loop", span.clone(), format!("clients are sent round and round: {}", circle.told()))
                    .help("let `to` lead where no redirect is meant, or give the redirect the one `host` that it is for"),
            );
        }
    }
}

/// Hosts and paths that a redirect is meant for.
fn starts(route: &Route, redirect: usize) -> Vec<(String, String)> {
    let Some(redirect) = route.redirects.get(redirect) else { return Vec::new() };
    let hosts: Vec<&str> = match &redirect.host {
        Some(host) => vec![host],
        None if route.hosts.is_empty() => vec![ANY_HOST],
        None => route.hosts.iter().map(String::as_str).collect(),
    };
    let paths = match redirect.from.strip_suffix("/*") {
        // Or below the route's prefix, where the redirect is meant for more than the route gets.
        Some(path) => {
            vec![format!("{path}{BELOW}"), format!("{}{BELOW}", route.path_prefix.trim_end_matches('/'))]
        }
        None => vec![redirect.from.clone()],
    };
    let with = |host: &str| paths.iter().map(|path| (host.to_owned(), path.clone())).collect::<Vec<_>>();
    hosts.into_iter().flat_map(with).collect()
}

/// What a client walks that never arrives.
struct Circle {
    /// As `host/path`, from the first to the one that it has seen already.
    places: Vec<String>,
    /// Route and redirect of each hop that comes again.
    redirects: Vec<(usize, usize)>,
}

impl Circle {
    fn has(&self, route: usize, redirect: usize) -> bool {
        self.redirects.contains(&(route, redirect))
    }

    fn told(&self) -> String {
        self.places.join(" → ").replace(ANY_HOST, "any host")
    }
}

fn circle(redirects: &Redirects, routes: &[Route], start: (String, String)) -> Option<Circle> {
    let mut seen = vec![start];
    let mut hops = Vec::new();
    for _ in 0..HOPS_MAX {
        let (host, path) = seen.last()?;
        let hop = redirects.follow(host, path)?;
        let next = place(&hop.to, host, routes)?;
        hops.push((hop.route, hop.redirect));
        let again = seen.iter().position(|known| *known == next);
        seen.push(next);
        if let Some(first) = again {
            return Some(round(&seen[first..], &hops[first..]));
        }
    }
    // Each time elsewhere, and never at an end.
    Some(round(&seen[..PLACES_TOLD], &hops))
}

fn round(places: &[(String, String)], hops: &[(usize, usize)]) -> Circle {
    let places = places.iter().map(|(host, path)| format!("{host}{path}")).collect();
    Circle { places, redirects: hops.to_vec() }
}

/// Host and path of where a client is sent; `None`: to somebody else.
fn place(to: &str, host: &str, routes: &[Route]) -> Option<(String, String)> {
    if to.starts_with('/') {
        return Some((host.to_owned(), to.to_owned()));
    }
    let to: http::Uri = to.parse().ok()?;
    let there = to.host()?.to_ascii_lowercase();
    let is_ours = there == host || routes.iter().any(|route| route.hosts.contains(&there));
    let path = to.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    is_ours.then(|| (there, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use model::EnvName;

    use crate::config::manifest::parse;

    /// Code and words of what is wrong with a manifest that ends so.
    fn told(routes: &str) -> Vec<(String, String)> {
        let text = format!(
            "manifest = 1\n[app]\nname = \"shop\"\n[release]\ndir = \".\"\n[service.web]\ncommand = [\"web\"]\nlisten = \"tcp\"\n\
             [service.web.probes]\nreadiness = {{ http = \"/ready\" }}\n{routes}"
        );
        let errors = parse(&text, "mainstay.toml", &EnvName::production()).err();
        let explains = errors.map(|errors| errors.explains()).unwrap_or_default();
        explains.into_iter().map(|one| (one.code, one.message)).collect()
    }

    fn route(hosts: &[&str], redirects: &[&str]) -> String {
        let redirects: String = redirects.iter().map(|one| format!("[[route.redirect]]\n{one}\n")).collect();
        format!("[[route]]\nservice = \"web\"\nhosts = {hosts:?}\n{redirects}")
    }

    const TO_THE_APEX: &str = "to = \"https://shop.example/*\"";

    #[test]
    fn redirects_that_lead_round_and_round_are_told_once_with_their_way() {
        let two =
            ["from = \"/a\"\nto = \"/b\"", "from = \"/b\"\nto = \"/c?x=1\"", "from = \"/c\"\nto = \"/a\""];
        let all = told(&route(&["shop.example"], &two));
        assert_eq!(all.len(), 1, "{all:?}");
        let (code, words) = &all[0];
        assert_eq!(code, "redirect-loop");
        assert!(words.contains("shop.example/a?x=1 → shop.example/b?x=1"), "{words}");

        for endless in ["from = \"/a/*\"\nto = \"/a/b/*\"", "to = \"/*\"\nfrom = \"/x/*\""] {
            let codes: Vec<_> = told(&route(&[], &[endless])).into_iter().map(|(code, _)| code).collect();
            let is_circle = endless.contains("/a/b");
            assert_eq!(codes, if is_circle { vec!["redirect-loop"] } else { vec![] }, "{endless}");
        }
    }

    #[test]
    fn a_redirect_to_the_apex_is_for_the_other_hosts_and_not_for_the_apex() {
        let all = told(&route(&["shop.example", "www.shop.example"], &[TO_THE_APEX]));
        assert_eq!(
            all.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(),
            ["redirect-loop"],
            "{all:?}"
        );
        assert!(all[0].1.contains("shop.example/x → shop.example/x"), "{}", all[0].1);
        let only_www = format!("host = \"www.shop.example\"\n{TO_THE_APEX}");
        assert_eq!(told(&route(&["shop.example", "www.shop.example"], &[&only_www])), []);
    }

    #[test]
    fn a_circle_over_two_routes_is_found_and_what_another_machine_does_is_not_guessed() {
        let back = "to = \"https://www.shop.example/*\"";
        let both = route(&["www.shop.example"], &[TO_THE_APEX]) + &route(&["shop.example"], &[back]);
        assert_eq!(told(&both).len(), 1);
        assert_eq!(told(&route(&["www.shop.example"], &[TO_THE_APEX])), []);
        assert_eq!(
            told(&route(&[], &[TO_THE_APEX])),
            [],
            "a name that leads here by no word of the manifest"
        );
        assert_eq!(told(&route(&[], &["from = \"/a\"\nto = \"/b\""])), []);
    }
}
