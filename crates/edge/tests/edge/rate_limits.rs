//! Who comes too often, and what it costs those who do not (RATE-01 to RATE-03, W-E4, W-E5, W-E10, W-E26).

use edge::table::Table;
use model::{
    Span,
    manifest::{LimitKey, RateLimit},
};

use super::support::*;

/// Three at once, and one more each 20 s.
fn login() -> RateLimit {
    RateLimit {
        name: "login".parse().unwrap(),
        paths: vec!["/login".into()],
        methods: Vec::new(),
        requests: 3.try_into().unwrap(),
        per: Span::secs(60),
        burst: 3.try_into().unwrap(),
        key: LimitKey::Address,
        exempt: vec!["127.0.0.7/32".parse().unwrap()],
        body: None,
    }
}

fn limited(app: &App, limits: Vec<RateLimit>) -> Table {
    let mut table = live(&[app]);
    table.sites[0].routes[0].route.rate_limits = limits;
    table
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

/// The statuses of so many requests from one address.
async fn statuses(edge: &Edge, client: [u8; 4], path: &str, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(status(&raw_from(client, edge.http, get(path)).await));
    }
    statuses
}

const ONE: [u8; 4] = [127, 0, 0, 1];
const TWO: [u8; 4] = [127, 0, 0, 2];
const EXEMPT: [u8; 4] = [127, 0, 0, 7];

#[tokio::test]
async fn who_comes_too_often_is_429_and_told_when_to_come_back() {
    let app = App::named("ok").await;
    let edge = Edge::start(&limited(&app, vec![login()])).await;
    let first = edge.raw(get("/login")).await;
    assert_eq!(status(&first), 200);
    assert_eq!(header(&first, "ratelimit-policy"), Some("\"login\";q=3;w=60"));
    assert_eq!(header(&first, "ratelimit"), Some("\"login\";r=2;t=20"));
    assert_eq!(header(&first, "retry-after"), None);
    // Connections are spread over both workers: they count together (W-E10).
    assert_eq!(statuses(&edge, ONE, "/login", 5).await, [200, 200, 429, 429, 429]);
    let refused = edge.raw(get("/login")).await;
    assert!(refused.contains("\"code\":\"rate-limited\""), "{refused}");
    let wait: u64 = header(&refused, "retry-after").expect("when to come back").parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait} s");
    assert!(
        header(&refused, "ratelimit").is_some_and(|state| state.starts_with("\"login\";r=0;t=")),
        "{refused}"
    );
    assert_eq!(header(&refused, "ratelimit-policy"), Some("\"login\";q=3;w=60"));
}

#[tokio::test]
async fn others_other_paths_and_the_exempt_do_not_feel_it() {
    let app = App::named("ok").await;
    let edge = Edge::start(&limited(&app, vec![login()])).await;
    assert_eq!(statuses(&edge, ONE, "/login", 4).await, [200, 200, 200, 429]);
    assert_eq!(
        statuses(&edge, ONE, "/%6cogin/", 1).await,
        [429],
        "another spelling is no way around it (W-E5)"
    );
    assert_eq!(statuses(&edge, TWO, "/login", 1).await, [200]);
    assert_eq!(statuses(&edge, EXEMPT, "/login", 6).await, [200; 6]);
    let free = edge.raw(get("/")).await;
    assert_eq!((status(&free), header(&free, "ratelimit")), (200, None));
    edge.ready().await;
}

#[tokio::test]
async fn the_log_and_the_figures_name_the_limit() {
    let app = App::named("ok").await;
    let edge = Edge::start(&limited(&app, vec![login()])).await;
    assert_eq!(statuses(&edge, ONE, "/login", 5).await, [200, 200, 200, 429, 429]);
    let line = edge.log_with(|line| line["status"] == 429).await;
    assert_eq!((&line["limit"], &line["cause"]), (&"login".into(), &"rate-limited".into()), "{line}");
    assert_eq!((line.get("upstream"), &line["client"]), (None, &"127.0.0.1".into()), "{line}");
    edge.counts(&[
        "edge_rate_limited_total{site=\"assistant/production\",limit=\"login\"} 2",
        "edge_rate_limit_keys 1",
        "edge_rate_limit_forgotten_total 0",
        "http_requests_total{method=\"GET\",route=\"*/\",status_code=\"429\"} 2",
    ])
    .await;
}

#[tokio::test]
async fn another_table_changes_the_limit_and_forgets_nothing() {
    let app = App::named("ok").await;
    let edge = Edge::start(&limited(&app, vec![login()])).await;
    assert_eq!(statuses(&edge, ONE, "/login", 4).await, [200, 200, 200, 429]);
    let mut next = limited(&app, vec![RateLimit { per: Span::secs(30), ..login() }]);
    next.epoch = 2;
    edge.serve(&next).await;
    assert_eq!(statuses(&edge, ONE, "/login", 1).await, [429]);
    let answer = raw_from(TWO, edge.http, get("/login")).await;
    assert_eq!(header(&answer, "ratelimit-policy"), Some("\"login\";q=3;w=30"));
    let mut none = limited(&app, Vec::new());
    none.epoch = 3;
    edge.serve(&none).await;
    assert_eq!(statuses(&edge, ONE, "/login", 5).await, [200; 5]);
}

#[tokio::test]
async fn the_operators_words_are_the_answer_where_there_are_any() {
    let app = App::named("ok").await;
    let words =
        r#"{"error":"Too many requests from this IP, please try again later.","retryAfter":"15 minutes"}"#;
    let limit =
        RateLimit { body: Some(words.into()), paths: Vec::new(), burst: 1.try_into().unwrap(), ..login() };
    let edge = Edge::start(&limited(&app, vec![limit])).await;
    assert_eq!(statuses(&edge, ONE, "/", 1).await, [200]);
    let refused = edge.raw(get("/")).await;
    assert_eq!((status(&refused), body(&refused).as_str()), (429, words));
    assert_eq!(header(&refused, "content-type"), Some("application/json"));
    assert!(
        header(&refused, "retry-after").is_some() && header(&refused, "ratelimit").is_some(),
        "{refused}"
    );
    // A probe is no client: instances stay ready however often they are asked (W-E26).
    edge.ready().await;
    assert_eq!(edge.log_with(|line| line["status"] == 429).await["limit"], "login");
}

#[tokio::test]
async fn a_body_that_nobody_reads_ends_its_connection_behind_the_429() {
    let app = App::named("ok").await;
    let limit = RateLimit { paths: Vec::new(), burst: 1.try_into().unwrap(), ..login() };
    let edge = Edge::start(&limited(&app, vec![limit])).await;
    assert_eq!(statuses(&edge, ONE, "/", 1).await, [200]);
    let answer = edge.raw("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf").await;
    assert_eq!(status(&answer), 429);
    assert_eq!(header(&answer, "connection"), Some("close"));
}
