//! What people write and what opens their accounts stands in no log, at no level.

use std::{process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{
    bench::{Bench, PASSWORD, PATIENCE},
    client::Client,
};

const PLANTED: &str = "xylophonist";
/// What a model says before it breaks off with words that repeat the question, as real servers do.
const ANSWERED: &str = "bassoonist";
const BROKEN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a bassoonist\"}}]}\n\ndata: {\"error\":{\"message\":\"too long: xylophonist\"}}\n\n";

#[tokio::test]
async fn words_of_people_and_secrets_are_in_no_log_even_at_trace() {
    let bench = Bench::new();
    let socket = bench.path("web.sock");
    let key = "9f2c7c1d0b7f4f6b8a4be2c3d4e5f607";
    let (model, asked) = crate::models::model(BROKEN).await;
    let mut command = bench.command(&[
        ("LOG_LEVEL", "trace"),
        ("ASSISTANT_SECRET_KEY", key),
        ("ASSISTANT_BUILTIN_PACE", "0ms"),
        ("ASSISTANT_MODEL_URL", &model),
        ("ASSISTANT_MODEL_NAME", "tiny"),
        ("ASSISTANT_MODEL_KEY", "key-of-the-model"),
    ]);
    let listen = format!("unix:{}", socket.display());
    let child = command
        .args(["web", "--listen", &listen])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
    // Read while it runs, or a full pipe would stop it.
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().expect("ends"));
    let client = Client::new(&socket);
    let until = std::time::Instant::now() + PATIENCE;
    while client.try_get("/health/ready").await.is_none_or(|answer| answer.status != 200) {
        assert!(std::time::Instant::now() < until, "it does not become ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let token = client.sign_in("ana", PASSWORD).await;
    client.post(&token, "/api/journal", json!({"text": format!("met the {PLANTED}")})).await;
    client.get(&token, &format!("/api/journal?q={PLANTED}")).await;
    client.post(&token, "/api/tasks", json!({"title": PLANTED, "due_day": PLANTED})).await;
    client
        .post(&token, "/api/say", json!({"text": format!("remind me to call the {PLANTED} tomorrow")}))
        .await;
    let conversation = client.post(&token, "/api/conversations", json!({"title": PLANTED})).await.text("/id");
    let said = client
        .post(&token, &format!("/api/conversations/{conversation}/messages"), json!({"text": PLANTED}))
        .await;
    let told = client.follow(&token, &said.text("/message_id"), "").await.rest().await;
    assert_eq!(crate::client::shown(&told), format!("a {ANSWERED}"));
    assert!(asked.await.expect("was asked").contains(PLANTED));
    client.get("", &format!("/{PLANTED}")).await;
    let entry = client.post(&token, "/api/journal", json!({"text": PLANTED})).await.text("/entry/id");
    let file = client.upload(&token, &entry, &format!("{PLANTED}.txt"), PLANTED.as_bytes()).await;
    client.get(&token, &format!("/api/attachments/{file}")).await;
    client.announce(&token, &entry, &format!("../{PLANTED}"), 5).await;
    let refused = client.announce(&token, &entry, &format!("{PLANTED}.png"), 12).await.text("/id");
    client.piece(&token, &refused, 0, b"\0xylophonist").await;
    let agent = [("user-agent", PLANTED), ("content-type", "application/json")];
    let wrong = json!({"user": PLANTED, "password": PLANTED}).to_string();
    client.ask("none", "POST", "/api/login", &agent, wrong).await;
    client.post(&token, "/api/password", json!({"old": PLANTED, "new": PLANTED})).await;
    client.post(&token, "/api/erase", json!({"password": PLANTED})).await;
    let export = client.get(&token, "/api/export").await.body;
    assert!(export.contains(PLANTED));
    for (kind, body) in [
        ("application/x-tar", PLANTED.to_owned()),
        ("text/calendar", format!("BEGIN:VCALENDAR\n{PLANTED}")),
        ("text/markdown", PLANTED.to_owned()),
    ] {
        client.ask(&token, "POST", "/api/import", &[("content-type", kind)], body).await;
    }
    let report = json!({"csp-report": {"violated-directive": PLANTED, "blocked-uri": PLANTED, "document-uri": PLANTED}});
    client
        .ask(
            "none",
            "POST",
            "/csp-reports",
            &[("content-type", "application/csp-report")],
            report.to_string(),
        )
        .await;
    let metrics = client.get("none", "/metrics").await.body;
    assert!(metrics.contains("http_requests_total") && !metrics.contains(PLANTED), "{metrics}");
    kill_process(pid, Signal::TERM).expect("a signal");
    let output = output.await.expect("joins");
    let log =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(log.lines().count() > 10, "it logs: {log}");
    assert!(
        log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "every line is JSON: {log}"
    );
    for secret in [PLANTED, ANSWERED, PASSWORD, key, "key-of-the-model", &token] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "a log line holds what is private");
    }
}
