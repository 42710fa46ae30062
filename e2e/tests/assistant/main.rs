//! The assistant by itself, without an edge: what the first minute asks of it works, so a failure behind the edge is the
//! edge's.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::assistant::{Crowd, Person};
use serde_json::json;
use testkit::{binaries, mainstay::free_port, registry, wait};

mod described;
mod load;

struct App {
    web: Child,
    worker: Option<Child>,
    at: SocketAddr,
    folder: tempfile::TempDir,
}

impl App {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(vars: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let mut web = command(folder.path(), "web");
        web.env("PORT", port.to_string());
        web.env("ASSISTANT_FIRST_USER", "ana").env("ASSISTANT_FIRST_PASSWORD", "correct horse");
        let web = web.envs(vars.iter().copied()).spawn().expect("it was built");
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait::until("the assistant is ready", Duration::from_secs(20), || {
            testkit::http::ask(at, "localhost", "GET", "/health/ready", &[], &[])
                .is_ok_and(|answer| answer.status == 200)
        });
        Self { web, worker: None, at, folder }
    }

    /// The same with the process that works in the background.
    fn start_with_worker() -> Self {
        let mut app = Self::start();
        let worker = command(app.folder.path(), "worker").spawn().expect("it was built");
        let files = format!("/proc/{}/fd", worker.id());
        let database = app.folder.path().join("assistant.db");
        app.worker = Some(worker);
        wait::until("the worker has its database", Duration::from_secs(20), || {
            let open = fs::read_dir(&files).into_iter().flatten().flatten();
            open.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file == database)
        });
        app
    }

    fn pids(&self) -> Vec<u32> {
        [Some(&self.web), self.worker.as_ref()].into_iter().flatten().map(Child::id).collect()
    }

    fn person(&self) -> Person {
        Person::sign_in(self.at, "localhost", "ana", "correct horse").expect("signed in")
    }
}

impl Drop for App {
    fn drop(&mut self) {
        for child in [Some(&mut self.web), self.worker.as_mut()].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const SECRET_KEY: &str = "a key that nobody but these tests has ever had";

/// The binary with its data in `folder`.
fn command(folder: &Path, what: &str) -> Command {
    let mut command = Command::new(binaries::path("assistant"));
    command.arg(what).current_dir(folder).env_clear().stdout(Stdio::null()).stderr(Stdio::null());
    command.env("ASSISTANT_DATA", folder).env("ASSISTANT_SECRET_KEY", SECRET_KEY);
    command
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
