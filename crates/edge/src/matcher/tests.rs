use model::manifest::Route;
use proptest::prelude::*;

use super::*;

fn route(hosts: &[String], prefix: &str) -> Route {
    Route { hosts: hosts.to_vec(), path_prefix: prefix.to_owned(), ..Route::to("web".parse().unwrap()) }
}

/// What the words say, without any structure: the oracle.
fn by_the_words(routes: &[Route], host: &str, path: &str) -> Option<usize> {
    let wanted: Vec<&str> = path[1..].split('/').collect();
    let prefix_len = |route: &Route| {
        let prefix: Vec<&str> = segments(&route.path_prefix).collect();
        wanted.starts_with(&prefix).then_some(prefix.len())
    };
    let longest = |any: bool| {
        let named = routes.iter().enumerate().filter(|(_, route)| match any {
            true => route.hosts.is_empty(),
            false => route.hosts.iter().any(|known| known == host),
        });
        let fitting = named.filter_map(|(index, route)| Some((prefix_len(route)?, index)));
        fitting.max_by_key(|(len, index)| (*len, std::cmp::Reverse(*index))).map(|(_, index)| index)
    };
    longest(false).or_else(|| longest(true))
}

fn prefixes() -> impl Strategy<Value = String> {
    proptest::collection::vec("[ab]{1,2}", 0..4).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn hosts() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[xyz]", 0..3)
}

proptest! {
    #[test]
    fn a_lookup_says_what_the_words_say(
        routes in proptest::collection::vec((hosts(), prefixes()), 0..12),
        host in "[wxyz]",
        path in prefixes(),
    ) {
        let routes: Vec<Route> = routes.iter().map(|(hosts, prefix)| route(hosts, prefix)).collect();
        prop_assert_eq!(Matcher::new(&routes).find(&host, &path), by_the_words(&routes, &host, &path));
    }

    #[test]
    fn no_host_or_path_makes_it_panic(host in ".{0,20}", path in ".{0,40}") {
        let routes = [route(&[], "/"), route(&["[::1]".to_owned()], "/a")];
        let _ = Matcher::new(&routes).find(&normal_host(&host), &path);
    }
}

#[test]
fn a_prefix_matches_whole_segments_only() {
    let matcher = Matcher::new(&[route(&[], "/"), route(&[], "/api/")]);
    assert_eq!(matcher.find("x", "/api"), Some(1));
    assert_eq!(matcher.find("x", "/api/v1"), Some(1));
    assert_eq!(matcher.find("x", "/apis"), Some(0));
    assert_eq!(matcher.find("x", "//api"), Some(0));
}

#[test]
fn hosts_lose_port_case_and_dot() {
    for (given, normal) in [
        ("Example.COM:8080", "example.com"),
        ("example.com.", "example.com"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("", ""),
        ("[broken", "[broken"),
    ] {
        assert_eq!(normal_host(given), normal, "{given}");
    }
}
