//! The interface over its real router and a real database, without a socket.

use std::time::Duration;

use axum::{body::Body, extract::Request};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use kit::config::Reading;
use serde_json::{Value, json};
use tower_service::Service;

use super::*;
use crate::{cli::testing, settings::TABLE};

mod accounts;
mod answers;
mod attachments;
mod branches;
mod chat;
mod data;
mod days;
mod foreign;
mod forms;
mod headers;
mod injection;
mod journal;
mod listed;
mod models;
mod pages_of_lists;
mod search;
mod times;
mod zones;

struct Bench {
    folder: Arc<tempfile::TempDir>,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    fn text(&self, pointer: &str) -> String {
        self.json()
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {pointer} in {}", self.body))
            .to_owned()
    }
}

async fn bench() -> Bench {
    bench_with(&[]).await
}

/// Telling its health in that dialect.
async fn bench_in(dialect: &str) -> Bench {
    bench_with(&[("ASSISTANT_HEALTH", dialect)]).await
}

/// The same with settings of its own.
async fn bench_with(more: &[(&str, &str)]) -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let vars = [
        ("ASSISTANT_DATA", folder.path().to_str().expect("UTF-8")),
        ("ASSISTANT_METRICS_TOKEN", "a-token-for-metrics"),
        ("ASSISTANT_BUILTIN_PACE", "0ms"),
    ];
    let vars = vars.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = Settings::of(Reading::of(TABLE, vars)).expect("valid");
    let app = testing::app(&settings, &["ana", "ben"]).await;
    Bench { folder: folder.into(), router: app.router() }
}

impl Bench {
    /// The same app, for another holder.
    fn share(&self) -> Self {
        Self { folder: Arc::clone(&self.folder), router: self.router.clone() }
    }

    async fn send(&self, request: Request) -> Answer {
        let response = self.router.clone().call(request).await.expect("never fails");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    async fn ask(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(
            request
                .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
                .expect("a request"),
        )
        .await
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        self.ask(token, "GET", path, None, &[]).await
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.ask(token, "POST", path, Some(body), &[]).await
    }

    /// A form of a page, from whoever has `token`.
    async fn form(&self, token: &str, path: &str, fields: &str) -> Answer {
        let csrf = self.csrf(token).await;
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(format!("csrf={csrf}&{fields}"))).expect("a request")).await
    }

    /// A form of a page with a file in it, as sent from the page of today's journal.
    async fn file(&self, token: &str, path: &str, name: &str, bytes: &[u8]) -> Answer {
        self.file_under(token, path, "", (name, bytes)).await
    }

    /// The same under a key of the form.
    async fn file_under(&self, token: &str, path: &str, key: &str, (name, bytes): (&str, &[u8])) -> Answer {
        let part = |name: &str| format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"");
        let mut body = Vec::new();
        for (name, value) in [("csrf", self.csrf(token).await.as_str()), ("key", key), ("back", "/journal")] {
            body.extend(format!("{}\r\n\r\n{value}\r\n", part(name)).bytes());
        }
        body.extend(format!("{}; filename=\"{name}\"\r\n\r\n", part("file")).bytes());
        body.extend(bytes);
        body.extend(b"\r\n--edge--\r\n");
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=edge");
        self.send(request.body(Body::from(body)).expect("a request")).await
    }

    async fn csrf(&self, token: &str) -> String {
        let page = self.get(token, "/settings").await.body;
        let rest = page.split("name=\"csrf\" value=\"").nth(1).expect("a token");
        rest.split('"').next().expect("a token").to_owned()
    }

    /// Sends `bytes` in one piece; the attachment's id.
    async fn upload(&self, token: &str, entry: &str, name: &str, bytes: &[u8]) -> String {
        let id = self.announce(token, entry, name, bytes.len()).await.text("/id");
        let sent = self.piece(token, &id, 0, bytes).await;
        assert_eq!(sent.status, StatusCode::NO_CONTENT, "{}", sent.body);
        id
    }

    async fn announce(&self, token: &str, entry: &str, name: &str, size: usize) -> Answer {
        let (size, name) = (size.to_string(), format!("filename {}", STANDARD.encode(name)));
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("upload-length", size.as_str()),
            ("upload-metadata", name.as_str()),
        ];
        self.ask(token, "POST", &format!("/api/journal/{entry}/attachments"), None, &headers).await
    }

    async fn piece(&self, token: &str, id: &str, offset: usize, bytes: &[u8]) -> Answer {
        let request = Request::patch(format!("/api/attachments/{id}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header("tus-resumable", "1.0.0")
            .header("upload-offset", offset.to_string())
            .header(header::CONTENT_TYPE, "application/offset+octet-stream");
        self.send(request.body(Body::from(bytes.to_vec())).expect("a request")).await
    }

    /// The database, beside the app.
    fn stored(&self) -> rusqlite::Connection {
        let db = rusqlite::Connection::open(self.folder.path().join("assistant.db")).expect("opens");
        db.busy_timeout(Duration::from_secs(5)).expect("sets");
        db
    }

    async fn sign_in(&self, user: &str) -> String {
        let answer = self.post("", "/api/login", json!({"user": user, "password": testing::PASSWORD})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.text("/token")
    }
}

#[tokio::test]
async fn every_described_operation_exists_and_asks_who_is_there() {
    let bench = bench().await;
    for route in routes::TABLE {
        for operation in route.operations {
            let path = route.path.replace("{id}", "none");
            let answer = bench
                .ask("", &operation.method.to_uppercase(), &path, operation.body.map(|_| json!({})), &[])
                .await;
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{} {path}", operation.method);
            let described = openapi::description();
            let responses = &described["paths"][route.path][operation.method]["responses"];
            assert!(
                responses.get(answer.status.as_str()).is_some(),
                "{} {path} answers {}, which is not described",
                operation.method,
                answer.status
            );
            if operation.access == routes::Access::SignedIn {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{} {path}", operation.method);
            }
        }
    }
}

#[tokio::test]
async fn methods_that_are_not_described_are_refused() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    for route in routes::TABLE {
        for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::POST] {
            if route.operations.iter().any(|operation| operation.method.eq_ignore_ascii_case(method.as_str()))
            {
                continue;
            }
            let answer =
                bench.ask(&token, method.as_str(), &route.path.replace("{id}", "none"), None, &[]).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {}", route.path);
            assert_eq!(answer.json()["status"], 405);
        }
    }
}

#[tokio::test]
async fn a_key_does_a_thing_once_even_when_sent_at_the_same_time() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let key = [("idempotency-key", "k-1")];
    let sends =
        (0..8).map(|_| bench.ask(&token, "POST", "/api/tasks", Some(json!({"title": "Pay rent"})), &key));
    let answers = join_all(sends).await;
    let ids: std::collections::BTreeSet<String> =
        answers.iter().map(|answer| answer.text("/task/id")).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(
        answers.iter().filter(|answer| answer.headers.contains_key("idempotency-replayed")).count(),
        7
    );
    let other = bench.ask(&token, "POST", "/api/tasks", Some(json!({"title": "Something else"})), &key).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    let elsewhere = bench.ask(&token, "POST", "/api/journal", Some(json!({"text": "Pay rent"})), &key).await;
    assert_eq!(elsewhere.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bench.get(&token, "/api/tasks").await.json()["tasks"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_box_does_and_undoes_over_the_interface() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let said =
        bench.post(&token, "/api/say", json!({"text": "remind me to call Anna tomorrow at 5pm"})).await;
    assert_eq!(said.json()["understood"], "Task: call Anna · tomorrow, 17:00");
    assert_eq!(bench.get(&token, "/api/tasks").await.json()["tasks"][0]["due_time"], "17:00");
    let path = format!("/api/undo/{}", said.text("/undo_id"));
    assert_eq!(bench.post(&token, &path, json!({})).await.status, StatusCode::OK);
    assert_eq!(bench.post(&token, &path, json!({})).await.status, StatusCode::CONFLICT);
    assert_eq!(bench.get(&token, "/api/tasks").await.json()["tasks"], json!([]));
}

#[tokio::test]
async fn a_sentence_is_read_while_it_is_typed_and_nothing_is_done() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let read = async |text: &str| {
        bench.get(&token, &format!("/api/read?text={}", text.replace(' ', "%20"))).await.json()["understood"]
            .clone()
    };
    assert_eq!(read("remind me to call Anna tomorrow at 5pm").await, "Task: call Anna · tomorrow, 17:00");
    assert_eq!(read("remind me to").await, Value::Null);
    assert_eq!(read("what is on my plate tomorrow").await, "Plan: tomorrow");
    assert_eq!(bench.get(&token, "/api/tasks?state=all").await.json()["tasks"], json!([]));
    let task = bench.post(&token, "/api/tasks", json!({"title": "Call Anna"})).await.text("/task/title");
    assert_eq!(read("done with anna").await, format!("Done: {task}"));
}

#[tokio::test]
async fn another_site_cannot_change_anything_with_our_cookie() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let cookie = format!("session={token}");
    let try_from = async |headers: &[(&str, &str)]| {
        let headers: Vec<_> = [("cookie", cookie.as_str()), ("host", "app.test")]
            .into_iter()
            .chain(headers.iter().copied())
            .collect();
        bench.ask("", "POST", "/api/tasks", Some(json!({"title": "x"})), &headers).await.status
    };
    assert_eq!(try_from(&[("sec-fetch-site", "cross-site")]).await, StatusCode::FORBIDDEN);
    assert_eq!(try_from(&[("sec-fetch-site", "same-site")]).await, StatusCode::FORBIDDEN);
    assert_eq!(try_from(&[("origin", "https://evil.test")]).await, StatusCode::FORBIDDEN);
    assert_eq!(try_from(&[("origin", "null")]).await, StatusCode::FORBIDDEN);
    assert_eq!(try_from(&[("origin", "https://app.test")]).await, StatusCode::CREATED);
    assert_eq!(try_from(&[("sec-fetch-site", "same-origin")]).await, StatusCode::CREATED);
    let form = Request::post("/tasks")
        .header("cookie", &cookie)
        .header("content-type", "application/x-www-form-urlencoded");
    let without_token = bench.send(form.body(Body::from("title=x&csrf=guess")).expect("a request")).await;
    assert_eq!(without_token.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn pages_carry_a_policy_and_lead_strangers_to_the_login() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let html = [("accept", "text/html")];
    for page in ["/dashboard", "/tasks", "/journal", "/chat", "/search", "/history", "/settings"] {
        let stranger = bench.ask("", "GET", page, None, &html).await;
        assert_eq!(
            (stranger.status, stranger.headers[header::LOCATION].as_bytes()),
            (StatusCode::SEE_OTHER, b"/login".as_slice()),
            "{page}"
        );
        let answer = bench.ask(&token, "GET", page, None, &html).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.body);
        let policy = answer.headers["content-security-policy"].to_str().expect("text");
        let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce");
        assert_eq!(
            answer.body.matches("<script").count(),
            answer.body.matches(&format!("nonce=\"{nonce}\"")).count(),
            "{page}"
        );
        assert!(!answer.body.contains("style=\""), "{page} has inline style");
    }
    let missing = bench.ask(&token, "GET", "/nowhere", None, &html).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(missing.body.contains("<html"));
}

#[tokio::test]
async fn what_people_write_is_shown_as_text() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    bench.post(&token, "/api/tasks", json!({"title": "<script>alert(1)</script>"})).await;
    let page = bench.get(&token, "/tasks").await;
    assert!(!page.body.contains("<script>alert") && page.body.contains("&lt;script&gt;alert"));
}

#[tokio::test]
async fn metrics_are_not_for_the_street_and_health_is_short_for_strangers() {
    let bench = bench().await;
    assert_eq!(bench.get("", "/metrics").await.status, StatusCode::OK);
    let street = [("x-forwarded-for", "203.0.113.9")];
    for path in ["/metrics", "/api/metrics"] {
        assert_eq!(bench.ask("", "GET", path, None, &street).await.status, StatusCode::NOT_FOUND);
    }
    let text = bench.get("", "/api/metrics").await.body;
    for family in ["http_requests_total", "event_streams_active", "jobs_running", "database_health_status"] {
        assert!(text.contains(&format!("# TYPE {family} ")), "no {family} in\n{text}");
    }
    assert_eq!(
        bench.ask("a-token-for-metrics", "GET", "/metrics", None, &street).await.status,
        StatusCode::OK
    );
    let stranger = bench.get("", "/api/health").await.json();
    assert_eq!(
        stranger.as_object().map(|body| body.keys().cloned().collect::<Vec<_>>()),
        Some(vec!["status".to_owned(), "timestamp".to_owned()])
    );
}

#[tokio::test]
async fn health_is_told_in_the_dialect_of_the_settings() {
    for (dialect, path, keys) in [
        ("S0", "/api/health?metrics=true", &["checks", "metrics", "uptime", "version"][..]),
        ("S1", "/api/health?detailed=true", &["errors", "metrics", "security"]),
        ("S2", "/health/database/performance", &["response_time_ms"]),
        ("S3", "/health", &["externalServices", "nodeVersion", "services", "responseTime"]),
        ("S4", "/api/health", &["database", "memory"]),
    ] {
        let bench = bench_in(dialect).await;
        let until = std::time::Instant::now() + Duration::from_secs(30);
        while bench.get("", "/health/ready").await.status != StatusCode::OK {
            assert!(std::time::Instant::now() < until, "{dialect} does not become ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let told = bench.get("a-token-for-metrics", path).await;
        assert_eq!(told.status, StatusCode::OK, "{dialect}: {}", told.body);
        for key in keys {
            assert!(told.json().get(*key).is_some(), "{dialect} lacks {key}: {}", told.body);
            assert_eq!(bench.get("", path).await.json().get(*key), None, "{dialect} tells a stranger {key}");
        }
    }
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_told_and_do_nothing() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    for (path, body) in [
        ("/api/tasks", json!({"titel": "x"})),
        ("/api/tasks", json!({"title": " "})),
        ("/api/tasks", json!({"title": "x", "due_day": "tomorrow"})),
        ("/api/tasks", json!({"title": "x", "due_time": "17:00"})),
        ("/api/journal", json!({"text": ""})),
        ("/api/say", json!({"text": "  "})),
    ] {
        let answer = bench.post(&token, path, body.clone()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {body}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    }
    let large = bench.post(&token, "/api/journal", json!({"text": "x".repeat(300 * 1_024)})).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", large.body);
    assert_eq!(bench.get(&token, "/api/journal").await.json()["entries"], json!([]));
    assert_eq!(bench.get(&token, "/api/messages/x/stream?from=abc").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_does_not_fit_is_told_in_one_form_with_its_limit() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let address = bench.get(&token, "/api/journal?after=-1").await;
    assert_eq!(address.status, StatusCode::BAD_REQUEST);
    assert_eq!(address.headers[header::CONTENT_TYPE], "application/problem+json");
    let page = bench.ask(&token, "GET", "/journal?after=-1", None, &[("accept", "text/html")]).await;
    assert!(page.status == StatusCode::BAD_REQUEST && page.body.contains("<html"), "{}", page.body);
    let large = bench.post(&token, "/api/journal", json!({"text": "x".repeat(300 * 1_024)})).await;
    assert!(large.body.contains("at most 256 KiB"), "{}", large.body);
}

#[tokio::test]
async fn forms_lead_back_to_our_own_paths_only() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let page = bench.get(&token, "/tasks").await.body;
    let csrf =
        page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    for (back, path) in [
        ("/journal", "/journal"),
        ("//evil.test", "/dashboard"),
        ("/%09/evil.test", "/dashboard"),
        ("/%5Cevil.test", "/dashboard"),
        ("/x%0D%0Aset-cookie:a=b", "/dashboard"),
        ("https://evil.test", "/dashboard"),
    ] {
        let request = Request::post("/tasks")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/x-www-form-urlencoded");
        let form = Body::from(format!("csrf={csrf}&title=x&back={back}"));
        let answer = bench.send(request.body(form).expect("a request")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{back}");
        let to = answer.headers[header::LOCATION].to_str().expect("text");
        assert_eq!(to.split('?').next(), Some(path), "{back}");
    }
}

#[tokio::test]
async fn what_no_screen_shows_is_no_part_of_a_text() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let task = bench.post(&token, "/api/tasks", json!({"title": "Pay\u{0} the\u{8}\trent"})).await;
    assert_eq!(task.text("/task/title"), "Pay the rent");
    let entry = bench.post(&token, "/api/journal", json!({"text": "one\r\ntwo\u{0}\u{1b}[31m"})).await;
    assert_eq!(entry.text("/entry/text"), "one\ntwo[31m");
    let nothing = bench.post(&token, "/api/tasks", json!({"title": "\u{0}\u{7}"})).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[test]
fn a_database_of_another_release_is_not_called_busy() {
    let problem = problem::Problem::from(error::Error::Db(kit::sqlite::DbError::SchemaRefused));
    assert_eq!(problem.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(problem.detail.contains("this release does not write"), "{}", problem.detail);
}
