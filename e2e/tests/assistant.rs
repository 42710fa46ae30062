//! The assistant by itself, without an edge: what the first minute asks of it works, so a failure behind the edge is the
//! edge's.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::assistant::{Crowd, Person};
use serde_json::json;
use testkit::{binaries, mainstay::free_port, wait};

struct App {
    child: Child,
    at: SocketAddr,
    _folder: tempfile::TempDir,
}

impl App {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let mut web = Command::new(binaries::path("assistant"));
        web.arg("web").current_dir(folder.path()).env_clear().env("PORT", port.to_string());
        web.env("ASSISTANT_DATA", folder.path()).env("ASSISTANT_SECRET_KEY", "a".repeat(40));
        web.env("ASSISTANT_FIRST_USER", "ana").env("ASSISTANT_FIRST_PASSWORD", "correct horse");
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
