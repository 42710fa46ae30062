//! What every answer carries to protect pages and people, whatever the address; cookies; what browsers report back.

use super::*;

/// Header, and what it must be; the policy is looked at apart, since it holds a nonce.
const ALWAYS: [(&str, &str); 8] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), payment=(), usb=()"),
    ("reporting-endpoints", "csp=\"/csp-reports\""),
    ("x-request-id", ""),
];

const POLICY: [&str; 10] = [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "report-uri /csp-reports",
    "report-to csp",
    "script-src 'nonce-",
];

fn assert_protected(answer: &Answer, what: &str) {
    for (name, value) in ALWAYS {
        let sent = answer.headers.get(name).and_then(|sent| sent.to_str().ok());
        assert!(sent.is_some_and(|sent| value.is_empty() || sent == value), "{what}: {name} is {sent:?}");
    }
    let policy = answer.headers["content-security-policy"].to_str().expect("text");
    let parts: Vec<&str> = policy.split(';').map(str::trim).collect();
    for wanted in POLICY {
        assert!(
            parts.iter().any(|part| *part == wanted || (wanted.ends_with('-') && part.starts_with(wanted))),
            "{what}: no {wanted} in {policy}"
        );
    }
    assert_eq!(parts.len(), POLICY.len(), "{what}: {policy}");
    assert!(!policy.contains("unsafe"), "{what}: {policy}");
    let keep = answer.headers[header::CACHE_CONTROL].to_str().expect("text");
    assert!(keep == "no-store" || what.contains("/assets/"), "{what}: {keep}");
}

fn filled(path: &str) -> String {
    let path = path.replace("{id}", "none").replace("{act}", "done").replace("{token}", "none");
    path.replace("{version}", "1").replace("{file}", "app.js")
}

#[tokio::test]
async fn every_page_and_every_route_is_protected_for_strangers_and_for_those_signed_in() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let mut asked = 0;
    for who in ["", &token] {
        for (path, _) in pages::TABLE {
            for method in ["GET", "POST"] {
                let path = filled(path);
                let answer = bench.ask(who, method, &path, None, &[("accept", "text/html")]).await;
                assert!(answer.status.as_u16() < 500, "{method} {path}: {}", answer.body);
                assert_protected(&answer, &format!("{method} {path}"));
                asked += 1;
            }
        }
        for route in routes::TABLE.iter().filter(|route| route.path != "/api/logout") {
            for operation in route.operations {
                let path = filled(route.path);
                let body = operation.body.map(|_| json!({}));
                let method = operation.method.to_uppercase();
                assert_protected(
                    &bench.ask(who, &method, &path, body, &[]).await,
                    &format!("{method} {path}"),
                );
                asked += 1;
            }
        }
    }
    let missing = bench.get(&token, "/nowhere").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_protected(&missing, "/nowhere");
    assert!(asked > 100, "only {asked} were asked");
}

#[tokio::test]
async fn a_nonce_is_never_given_twice() {
    let bench = bench().await;
    let policy = async || bench.get("", "/login").await.headers["content-security-policy"].clone();
    assert_ne!(policy().await, policy().await);
}

#[tokio::test]
async fn reports_of_browsers_are_counted_by_directive_and_bounded() {
    let bench = bench().await;
    let send = async |kind: &str, body: String| {
        let request = Request::post("/csp-reports").header(header::CONTENT_TYPE, kind);
        bench.send(request.body(Body::from(body)).expect("a request")).await
    };
    let old = json!({"csp-report": {"violated-directive": "img-src 'self'", "blocked-uri": "https://evil.test/leak?words"}});
    assert_eq!(send("application/csp-report", old.to_string()).await.status, StatusCode::NO_CONTENT);
    let new = json!([
        {"type": "csp-violation", "body": {"effectiveDirective": "script-src-elem", "blockedURL": "inline"}},
        {"type": "csp-violation", "body": {"effectiveDirective": "made-up words", "blockedURL": "words"}},
        {"type": "deprecation", "body": {"id": "x"}},
    ]);
    assert_eq!(send("application/reports+json", new.to_string()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(send("application/csp-report", "words".to_owned()).await.status, StatusCode::BAD_REQUEST);
    let large = send("application/csp-report", " ".repeat(20 * 1_024)).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", large.body);
    let mut last = StatusCode::NO_CONTENT;
    for _ in 0..200 {
        last = send("application/csp-report", old.to_string()).await.status;
        if last == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "nothing bounds them");
    let metrics = bench.get("", "/metrics").await.body;
    for counted in [
        "directive=\"img-src\"",
        "directive=\"script-src-elem\"} 1",
        "directive=\"other\"} 1",
        "directive=\"dropped\"} 1",
    ] {
        assert!(metrics.contains(&format!("csp_reports_total{{{counted}")), "no {counted} in {metrics}");
    }
    assert!(!metrics.contains("words") && !metrics.contains("evil"), "{metrics}");
}

#[tokio::test]
async fn cookies_are_strict_and_a_plain_one_is_no_good_over_https() {
    let bench = bench().await;
    let login = json!({"user": "ana", "password": testing::PASSWORD});
    let plain = bench.post("", "/api/login", login.clone()).await;
    let cookie = plain.headers[header::SET_COOKIE].to_str().expect("text").to_owned();
    assert!(
        cookie.starts_with("session=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let secure = bench.ask("", "POST", "/api/login", Some(login), &[("x-forwarded-proto", "https")]).await;
    let cookie = secure.headers[header::SET_COOKIE].to_str().expect("text").to_owned();
    assert!(
        cookie.starts_with("__Host-session=") && cookie.contains("Secure") && !cookie.contains("Domain"),
        "{cookie}"
    );
    let pair = format!("session={}", plain.text("/token"));
    let over_https =
        bench.ask("", "GET", "/api/me", None, &[("cookie", &pair), ("x-forwarded-proto", "https")]).await;
    assert_eq!(over_https.status, StatusCode::UNAUTHORIZED);
}
