//! What holds for whom, without sockets.

use http::Request;
use model::Span;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn given(name: &str, requests: u32) -> RateLimit {
    RateLimit {
        name: name.parse().unwrap(),
        paths: Vec::new(),
        methods: Vec::new(),
        requests: requests.try_into().unwrap(),
        per: Span::secs(60),
        burst: requests.try_into().unwrap(),
        key: LimitKey::Address,
        exempt: Vec::new(),
        body: None,
    }
}

fn site() -> Arc<str> {
    "shop/production".into()
}

fn asked(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
    let request = Request::builder().method(method).uri(path);
    let with = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    with.body(()).unwrap().into_parts().0
}

/// How many of ten such requests pass.
fn of_ten(memory: &Memory, limits: &[Limit], asked: &Parts, client: &str) -> usize {
    let client = client.parse().unwrap();
    (0..10).filter(|_| check(memory, limits, asked, client, SECOND).1.is_ok()).count()
}

#[test]
fn clients_are_told_apart_by_address_header_or_cookie() {
    let memory = Memory::default();
    let limit = |name: &str, key| vec![memory.limit(&site(), &RateLimit { key, ..given(name, 3) })];
    let plain = asked("GET", "/", &[]);
    let by_address = limit("a", LimitKey::Address);
    for client in ["1.2.3.4", "1.2.3.5", "2001:db8:0:1::1", "2001:db8:0:2::1"] {
        assert_eq!(of_ten(&memory, &by_address, &plain, client), 3, "{client}");
    }
    assert_eq!(of_ten(&memory, &by_address, &plain, "2001:db8:0:1::2"), 0, "a /64 is one client");

    let by_header = limit("h", LimitKey::Header("x-api-key".into()));
    for key in ["one", "two"] {
        assert_eq!(of_ten(&memory, &by_header, &asked("GET", "/", &[("X-Api-Key", key)]), "1.2.3.4"), 3);
    }
    let moved = of_ten(&memory, &by_header, &asked("GET", "/", &[("x-api-key", "one")]), "9.9.9.9");
    assert_eq!(moved, 0, "the key counts, wherever it comes from");
    assert_eq!(of_ten(&memory, &by_header, &plain, "1.2.3.4"), 3, "without one the address");

    let by_cookie = limit("c", LimitKey::Cookie("sid".into()));
    let with = |cookie| asked("GET", "/", &[("cookie", cookie)]);
    assert_eq!(of_ten(&memory, &by_cookie, &with("theme=dark; sid=one"), "1.2.3.4"), 3);
    assert_eq!(of_ten(&memory, &by_cookie, &with("sid=one;x=y"), "1.2.3.4"), 0);
    assert_eq!(of_ten(&memory, &by_cookie, &with("xsid=one"), "1.2.3.4"), 3, "it is another's name");
}

#[test]
fn a_limit_holds_for_its_paths_and_methods_and_not_for_the_exempt() {
    let memory = Memory::default();
    let limits = vec![memory.limit(
        &site(),
        &RateLimit {
            paths: vec!["/api/auth/login".into(), "/signin".into()],
            methods: vec!["POST".into()],
            exempt: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            ..given("login", 5)
        },
    )];
    let login = asked("POST", "/api/auth/login", &[]);
    assert_eq!(of_ten(&memory, &limits, &login, "1.2.3.4"), 5);
    assert_eq!(
        of_ten(&memory, &limits, &asked("POST", "/%73ignin", &[]), "1.2.3.4"),
        0,
        "one quota for all paths"
    );
    for free in
        [asked("GET", "/api/auth/login", &[]), asked("POST", "/api/auth", &[]), asked("POST", "/", &[])]
    {
        assert_eq!(of_ten(&memory, &limits, &free, "1.2.3.4"), 10);
        assert!(check(&memory, &limits, &free, "1.2.3.4".parse().unwrap(), SECOND).0.is_none());
    }
    for exempt in ["10.1.2.3", "2001:db8::1"] {
        assert_eq!(of_ten(&memory, &limits, &login, exempt), 10, "{exempt}");
    }
}

#[test]
fn several_limits_must_all_let_it_pass_and_the_tightest_is_told() {
    let memory = Memory::default();
    let limits = vec![memory.limit(&site(), &given("all", 8)), memory.limit(&site(), &given("few", 2))];
    let (asked, client) = (asked("GET", "/", &[]), "1.2.3.4".parse().unwrap());
    let told = |told: Option<Told>| {
        let told = told.unwrap();
        [told.policy, told.state].map(|value| value.to_str().unwrap().to_owned())
    };
    let (first, passed) = check(&memory, &limits, &asked, client, SECOND);
    assert!(passed.is_ok());
    assert_eq!(told(first), ["\"few\";q=2;w=60", "\"few\";r=1;t=30"]);
    assert!(check(&memory, &limits, &asked, client, SECOND).1.is_ok());
    let (third, refused) = check(&memory, &limits, &asked, client, SECOND);
    let refused = refused.unwrap_err();
    assert_eq!((refused.limit, refused.retry_after), (1, 30));
    assert_eq!(told(third), ["\"few\";q=2;w=60", "\"few\";r=0;t=60"]);
    assert_eq!(memory.refused()[1], ("shop/production".into(), "few".into(), 1));
}

#[test]
fn the_next_table_goes_on_with_what_was_spent_and_another_site_does_not_feel_it() {
    let memory = Memory::default();
    let (asked, client) = (asked("GET", "/", &[]), "1.2.3.4");
    let first = vec![memory.limit(&site(), &given("api", 3))];
    assert_eq!(of_ten(&memory, &first, &asked, client), 3);
    let next = vec![memory.limit(&site(), &given("api", 6))];
    assert_eq!(
        of_ten(&memory, &next, &asked, client),
        0,
        "a minute's three are spent, and it fills by six a minute"
    );
    let other = vec![memory.limit(&"shop/staging".into(), &given("api", 3))];
    assert_eq!(of_ten(&memory, &other, &asked, client), 3);
    assert_eq!(memory.keys().unwrap().live(SECOND), 2);
    assert!(Memory::default().keys().is_none());
}
