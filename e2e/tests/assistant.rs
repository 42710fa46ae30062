//! The assistant by itself, without an edge: what the first minute asks of it works, so a failure behind the edge is the
//! edge's.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::assistant::{Crowd, Person};
use serde_json::json;
use testkit::{binaries, mainstay::free_port, registry, wait};

struct App {
    child: Child,
    at: SocketAddr,
    _folder: tempfile::TempDir,
}

impl App {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(vars: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let mut web = Command::new(binaries::path("assistant"));
        web.arg("web").current_dir(folder.path()).env_clear().env("PORT", port.to_string());
        web.env("ASSISTANT_DATA", folder.path()).env("ASSISTANT_SECRET_KEY", "a".repeat(40));
        web.env("ASSISTANT_FIRST_USER", "ana").env("ASSISTANT_FIRST_PASSWORD", "correct horse");
        web.envs(vars.iter().copied());
        let child = web.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it was built");
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait::until("the assistant is ready", Duration::from_secs(20), || {
            testkit::http::ask(at, "localhost", "GET", "/health/ready", &[], &[])
                .is_ok_and(|answer| answer.status == 200)
        });
        Self { child, at, _folder: folder }
    }

    fn person(&self) -> Person {
        Person::sign_in(self.at, "localhost", "ana", "correct horse").expect("signed in")
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_chats_and_stores_what_it_streamed() {
    let app = App::start();
    let told = app.person().chat("k1", "count to 20").expect("an answer");
    assert!(told.text.contains("20") && told.resets == 0, "{told:?}");
}

#[test]
fn it_takes_a_sentence_as_a_task_and_a_journal_entry_once() {
    let app = App::start();
    let person = app.person();
    for _ in 0..2 {
        let said = json!({ "text": "remind me to call Anna tomorrow at 5pm" });
        let answer = person.post("/api/say", "one-task", &said, 200).expect("understood");
        assert_eq!(answer["outcome"], "done", "{answer}");
        person.post("/api/journal", "one-entry", &json!({ "text": "a good day" }), 201).expect("written");
    }
    let tasks = person.get_json("/api/tasks").expect("tasks");
    assert_eq!(tasks["tasks"].as_array().map(Vec::len), Some(1), "{tasks}");
    let entries = person.get_json("/api/journal?q=good").expect("entries");
    assert_eq!(entries["entries"].as_array().map(Vec::len), Some(1), "{entries}");
}

#[test]
fn a_crowd_is_served() {
    let app = App::start();
    let crowd = Crowd::start(&app.person(), 4);
    wait::until("the crowd has asked", Duration::from_secs(30), || crowd.asked() > 60);
    let seen = crowd.finish();
    assert!(seen.failures.is_empty() && !seen.written.is_empty(), "{:?}", seen.failures);
}

#[test]
fn a_wrong_password_is_refused() {
    let app = App::start();
    let refused = Person::sign_in(app.at, "localhost", "ana", "wrong").expect_err("refused");
    assert!(refused.contains("401"), "{refused}");
}

/// A model server that nobody here wrote, from npm; it speaks both protocols.
struct ModelServer {
    child: Child,
    at: SocketAddr,
}

impl ModelServer {
    fn start() -> Self {
        let tools = registry::node("model-server", &["@copilotkit/aimock@1.43.0"]);
        let port = free_port();
        let script = r#"
            const { LLMock } = require("node:module").createRequire(process.argv[1] + "/")("@copilotkit/aimock");
            const server = new LLMock({ port: Number(process.argv[2]), chunkSize: 4, latency: 5 });
            server.on({ userMessage: "moon" }, { content: "The <b>moon</b> is far, ](javascript:alert(1)) says the model." });
            server.on({ userMessage: "overload" }, { error: { message: "overloaded", type: "server_error" }, status: 503 });
            server.start();"#;
        let mut node = Command::new("node");
        node.args(["-e", script]).arg(&tools).arg(port.to_string()).stdout(Stdio::null());
        let child = node.spawn().expect("node was installed");
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait::until("the model server listens", Duration::from_secs(20), || {
            std::net::TcpStream::connect(at).is_ok()
        });
        Self { child, at }
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_model_server_of_either_kind_answers_and_when_it_does_not_the_brain_does() {
    let server = ModelServer::start();
    for (kind, path) in [("openai", "/v1"), ("ollama", "")] {
        let url = format!("http://{}{path}", server.at);
        let app = App::start_with(&[
            ("ASSISTANT_MODEL_URL", &url),
            ("ASSISTANT_MODEL_KIND", kind),
            ("ASSISTANT_MODEL_NAME", "gpt-4o-mini"),
            ("ASSISTANT_MODEL_KEY", "a key for tests"),
        ]);
        let person = app.person();
        let told = person.chat("k1", "tell me of the moon").expect("an answer");
        assert_eq!(told.text, "The <b>moon</b> is far, ](javascript:alert(1)) says the model.", "{kind}");
        let told = person.chat("k2", "overload yourself").expect("an answer");
        assert!(told.text.contains("built-in brain"), "{kind}: {told:?}");
        let done = person.chat("k3", "remind me to call Anna tomorrow at 5pm").expect("an answer");
        assert!(done.text.starts_with("Noted:"), "{kind}: what the brain knows it does itself: {done:?}");
    }
}

#[test]
fn no_request_that_the_description_allows_or_forbids_gets_an_answer_that_it_does_not_know() {
    let tools = registry::python("schemathesis", &["schemathesis==4.32.5"]);
    let app = App::start();
    let token = app.person().token().to_owned();
    let site = format!("http://{}/openapi.json", app.at);
    let mut python = Command::new("/usr/bin/python3");
    python.env("PYTHONPATH", &tools).args([
        "-m",
        "schemathesis.cli",
        "run",
        &site,
        "--no-color",
        "--seed",
        "7",
    ]);
    python.args(["--max-examples", "25", "--generation-deterministic", "--header"]);
    python.arg(format!("Authorization: Bearer {token}"));
    // An answer that is written is read elsewhere, a WebSocket is no request, and this one ends the session of all others.
    for path in ["/api/messages/{id}/stream", "/api/ws", "/api/logout"] {
        python.args(["--exclude-path", path]);
    }
    let checks =
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    let seen = python.args(["--checks", checks]).output().expect("Python is there");
    let said = String::from_utf8_lossy(&seen.stdout);
    assert!(seen.status.success(), "{said}\n{}", String::from_utf8_lossy(&seen.stderr));
}
