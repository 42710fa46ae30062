//! What the edge itself says, leaves out or sends elsewhere (RATE-04, HDR-12, HDR-13, W-E2, W-E19, W-E24).

use std::collections::BTreeMap;

use edge::table::Table;
use http::Response;
use model::{
    Span,
    manifest::{Access, Cors, Headers, RateLimit, Redirect, Rewrite, Route, RouteTls},
};

use super::support::*;

fn ruled(app: &App, change: impl FnOnce(&mut Route)) -> Table {
    let mut table = live(&[app]);
    change(&mut table.sites[0].routes[0].route);
    table
}

fn lines(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
    lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Answers with its request's first line and headers, and says things that it should not.
async fn talkative() -> App {
    App::start(|request| async move {
        let mut text = format!("{} {}\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        Response::builder()
            .header("access-control-allow-origin", "*")
            .header("x-powered-by", "cobol")
            .header("x-frame-options", "SAMEORIGIN")
            .header("server", "app")
            .body(full(text))
            .unwrap()
    })
    .await
}

fn cors() -> Cors {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Cors {
        origins: words(&["https://shop.example.com", "http://localhost:3000"]),
        methods: words(&["GET", "PUT"]),
        headers: words(&["Content-Type", "Authorization"]),
        expose: words(&["X-Total"]),
        credentials: true,
        max_age: Span::secs(600),
    }
}

async fn ask(edge: &Edge, method: &str, path: &str, head: &str) -> String {
    edge.raw(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{head}Connection: close\r\n\r\n")).await
}

#[tokio::test]
async fn pages_of_allowed_origins_may_ask_and_read_and_others_are_told_nothing() {
    let app = talkative().await;
    let edge = Edge::start(&ruled(&app, |route| route.cors = Some(cors()))).await;
    let preflight = "Origin: https://shop.example.com\r\nAccess-Control-Request-Method: PUT\r\n";
    let answer = ask(&edge, "OPTIONS", "/x", preflight).await;
    assert_eq!((status(&answer), body(&answer).as_str()), (204, ""), "the edge answers: {answer}");
    for (name, value) in [
        ("access-control-allow-origin", "https://shop.example.com"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "Content-Type, Authorization"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "600"),
        ("vary", "Origin"),
    ] {
        assert_eq!(header(&answer, name), Some(value), "{name} in {answer}");
    }
    let answer = ask(&edge, "GET", "/x", "Origin: http://localhost:3000\r\n").await;
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("http://localhost:3000"));
    assert_eq!(header(&answer, "access-control-expose-headers"), Some("X-Total"));
    assert!(body(&answer).starts_with("GET /x\n"), "{answer}");

    let stranger = "Origin: https://evil.example\r\nAccess-Control-Request-Method: PUT\r\n";
    for (method, head) in [("OPTIONS", stranger), ("GET", "Origin: https://evil.example\r\n"), ("GET", "")] {
        let answer = ask(&edge, method, "/x", head).await;
        assert!(status(&answer) < 300, "it is no error: {answer}");
        assert!(!answer.to_lowercase().contains("access-control-"), "{answer}");
        assert_eq!(header(&answer, "vary"), Some("Origin"), "a cache must not mix them up");
    }
    let answer = ask(&edge, "OPTIONS", "/x", "").await;
    assert!(body(&answer).starts_with("OPTIONS /x\n"), "that is no preflight: {answer}");
}

#[tokio::test]
async fn an_api_for_everybody_says_so() {
    let app = talkative().await;
    let all = Cors { origins: vec!["*".into()], credentials: false, ..cors() };
    let edge = Edge::start(&ruled(&app, |route| route.cors = Some(all))).await;
    let answer = ask(&edge, "GET", "/", "Origin: https://any.example\r\n").await;
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
    assert_eq!((header(&answer, "vary"), header(&answer, "access-control-allow-credentials")), (None, None));
}

#[tokio::test]
async fn every_answer_of_a_route_has_its_headers_and_hsts_is_for_tls_alone() {
    let app = talkative().await;
    let headers = Headers {
        default: lines(&[
            ("strict-transport-security", "max-age=31536000"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        ]),
        set: lines(&[("server", "shop")]),
        remove: vec!["x-powered-by".into()],
        ..Headers::default()
    };
    let limit = RateLimit {
        name: "few".parse().unwrap(),
        paths: vec!["/few".into()],
        methods: Vec::new(),
        requests: 1.try_into().unwrap(),
        per: Span::secs(3600),
        burst: 1.try_into().unwrap(),
        key: model::manifest::LimitKey::Address,
        exempt: Vec::new(),
        body: None,
    };
    let table = ruled(&app, |route| {
        route.headers = headers;
        route.rate_limits = vec![limit];
        route.redirects = vec![Redirect { host: None, from: "/old".into(), to: "/new".into(), status: 301 }];
    });
    let edge = Edge::start(&table).await;
    let answer = ask(&edge, "GET", "/", "").await;
    assert_eq!(header(&answer, "x-frame-options"), Some("SAMEORIGIN"), "the app's own word");
    assert_eq!(header(&answer, "server"), Some("shop"), "the manifest's word in the app's place");
    assert_eq!(header(&answer, "x-powered-by"), None);
    assert_eq!(status(&ask(&edge, "GET", "/few", "").await), 200);
    // W-E2: also what the edge answers itself.
    for (path, wanted) in [("/few", 429), ("/old", 301)] {
        let answer = ask(&edge, "GET", path, "").await;
        assert_eq!(status(&answer), wanted, "{answer}");
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"), "{answer}");
        assert_eq!(header(&answer, "x-frame-options"), Some("DENY"), "{answer}");
        assert_eq!(header(&answer, "strict-transport-security"), None, "never over plain HTTP (W-E19)");
    }
    let over_tls = super::tls::get_over_tls(&edge, "/").await;
    assert_eq!(header(&over_tls, "strict-transport-security"), None, "no CA has signed it: {over_tls}");
    let folder = tempfile::tempdir().unwrap();
    let signed = super::tls::signed_by_a_ca(folder.path(), "localhost");
    let edge = Edge::start_with(&table, |settings| settings.tls.certificates = vec![signed]).await;
    let over_tls = super::tls::get_over_tls(&edge, "/").await;
    assert_eq!(header(&over_tls, "strict-transport-security"), Some("max-age=31536000"), "{over_tls}");
}

#[tokio::test]
async fn an_app_is_told_what_the_manifest_says_and_not_what_it_keeps_back() {
    let app = talkative().await;
    let headers = Headers {
        request_set: lines(&[("x-api-version", "2")]),
        request_remove: vec!["x-debug".into()],
        ..Headers::default()
    };
    let table = ruled(&app, |route| {
        route.headers = headers;
        route.rewrites = vec![Rewrite { from: "/api/*".into(), to: "/*".into() }];
    });
    let edge = Edge::start(&table).await;
    let answer = ask(&edge, "GET", "/api/v1/x?y=1", "X-Api-Version: 9\r\nX-Debug: 1\r\nX-Kept: 1\r\n").await;
    let told = body(&answer);
    assert!(told.starts_with("GET /v1/x?y=1\n"), "{told}");
    assert!(told.contains("x-api-version: 2\n") && told.contains("x-kept: 1\n"), "{told}");
    assert!(!told.contains("x-debug") && !told.contains(": 9"), "{told}");
    assert!(body(&ask(&edge, "GET", "/apis", "").await).starts_with("GET /apis\n"), "whole segments");
    let line = edge.log_with(|line| line["path"] == "/api/v1/x").await;
    assert_eq!(line["status"], 200, "the log has what the client asked");
}

#[tokio::test]
async fn clients_are_sent_elsewhere_and_no_instance_is_asked() {
    let app = talkative().await;
    let redirect = |host: Option<&str>, from: &str, to: &str, status| Redirect {
        host: host.map(str::to_owned),
        from: from.into(),
        to: to.into(),
        status,
    };
    let table = ruled(&app, |route| {
        route.redirects = vec![
            redirect(Some("www.example.com"), "/*", "https://example.com/*", 308),
            redirect(None, "/old/*", "/new/*", 301),
        ];
        route.tls = RouteTls::Optional;
    });
    let edge = Edge::start(&table).await;
    edge.ready().await;
    let www = "GET /a?b=c HTTP/1.1\r\nHost: WWW.example.com:81\r\nConnection: close\r\n\r\n";
    let answer = edge.raw(www).await;
    assert_eq!((status(&answer), header(&answer, "location")), (308, Some("https://example.com/a?b=c")));
    let answer = ask(&edge, "POST", "/old/x", "Content-Length: 3\r\n").await;
    assert_eq!((status(&answer), header(&answer, "location")), (301, Some("/new/x")));
    assert_eq!(status(&ask(&edge, "GET", "/new/x", "").await), 200);
    let line = edge.log_with(|line| line["status"] == 308).await;
    assert!(line.get("upstream").is_none(), "{line}");
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_and_the_app_is_not_told_of_it() {
    let app = talkative().await;
    // Of `open sesame`.
    let digest = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";
    let access = Access {
        tokens: [("ana".to_owned(), digest.to_owned())].into(),
        exempt: vec!["127.0.0.9/32".parse().unwrap()],
        open: vec!["/hooks".into()],
    };
    let edge = Edge::start(&ruled(&app, |route| route.access = Some(access))).await;
    let answer = ask(&edge, "GET", "/", "").await;
    assert_eq!((status(&answer), header(&answer, "x-robots-tag")), (401, Some("noindex")));
    assert_eq!(header(&answer, "www-authenticate"), Some("Basic realm=\"access\", charset=\"UTF-8\""));
    assert!(!answer.contains("GET /"), "the app was not asked: {answer}");
    assert_eq!(status(&ask(&edge, "GET", "/", "Authorization: Bearer open sesam\r\n").await), 401);
    // `ana:open sesame`.
    for shown in ["Basic YW5hOm9wZW4gc2VzYW1l", "Bearer open sesame"] {
        let answer = ask(&edge, "GET", "/", &format!("Authorization: {shown}\r\n")).await;
        assert_eq!((status(&answer), header(&answer, "x-robots-tag")), (200, Some("noindex")), "{answer}");
        assert!(!body(&answer).contains("authorization"), "it is ours: {answer}");
    }
    assert_eq!(status(&ask(&edge, "GET", "/hooks/x", "").await), 200);
    let exempt = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&raw_from([127, 0, 0, 9], edge.http, exempt).await), 200);
    assert_eq!(edge.log_with(|line| line["status"] == 401).await["cause"], "no-token");
}
