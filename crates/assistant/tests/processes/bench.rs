//! Starts processes of the built binary and ends them, whatever the test does.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::client::Client;

pub(crate) const PASSWORD: &str = "correct horse";
/// Everything here happens within seconds; beyond this something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One folder of data.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

/// One process. Killed at the end.
pub(crate) struct Process {
    child: Child,
    pub(crate) name: String,
    log: PathBuf,
    pub(crate) client: Client,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{} said:\n{}", self.name, std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The binary with this bench's data and no other environment.
    pub(crate) fn command(&self, vars: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assistant"));
        command.env_clear().env("ASSISTANT_DATA", self.path("data")).env("LOG_LEVEL", "warn");
        command.env("ASSISTANT_FIRST_USER", "ana").env("ASSISTANT_FIRST_PASSWORD", PASSWORD);
        command.envs(vars.iter().copied()).stdin(Stdio::null());
        command
    }

    /// A `web` process, ready. Its name is its `MAINSTAY_INSTANCE`.
    pub(crate) async fn web(&self, name: &str, vars: &[(&str, &str)]) -> Process {
        let socket = self.path(&format!("{name}.sock"));
        let mut command = self.command(vars);
        command.env("MAINSTAY_INSTANCE", name).args([
            "web",
            "--listen",
            &format!("unix:{}", socket.display()),
        ]);
        let log = std::fs::File::options().create(true).append(true).open(self.log_path(name));
        let log = log.expect("a log");
        command.stdout(log.try_clone().expect("a second end")).stderr(log);
        let child = command.spawn().expect("starts");
        let (log, client) = (self.log_path(name), Client::new(&socket));
        let process = Process { child, name: name.to_owned(), log, client };
        process.ready().await;
        process
    }

    /// What all processes of this name have said.
    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.log_path(name)).expect("a log")
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.log"))
    }

    /// Who holds the job of a message: the name of its process.
    pub(crate) fn owner(&self, message: &str) -> Option<String> {
        let db = rusqlite::Connection::open(self.path("data/assistant.db")).expect("opens");
        db.busy_timeout(Duration::from_secs(5)).expect("sets");
        let owner: Option<String> = db
            .query_row("SELECT owner FROM jobs WHERE subject = ?1", [message], |row| row.get(0))
            .expect("asks");
        owner.and_then(|owner| owner.split(' ').next().map(str::to_owned))
    }
}

impl Process {
    async fn ready(&self) {
        let until = Instant::now() + PATIENCE;
        while self.client.try_get("/health/ready").await.is_none_or(|answer| answer.status != 200) {
            assert!(Instant::now() < until, "{} does not become ready", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("a signal");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("kills");
        self.child.wait().expect("is gone");
    }

    pub(crate) async fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("waits") {
                return status;
            }
            assert!(Instant::now() < until, "{} does not end", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Signs in and opens a conversation: (token, conversation).
pub(crate) async fn begin(process: &Process) -> (String, String) {
    let token = process.client.sign_in("ana", PASSWORD).await;
    let conversation = process.client.post(&token, "/api/conversations", json!({})).await.text("/id");
    (token, conversation)
}

/// Says `text` and returns the answer's id.
pub(crate) async fn say(process: &Process, token: &str, conversation: &str, text: &str) -> String {
    let answer = process
        .client
        .post(token, &format!("/api/conversations/{conversation}/messages"), json!({"text": text}))
        .await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.text("/message_id")
}

/// What "count to N" is answered with.
pub(crate) fn counted(to: u32) -> String {
    (1..=to).map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
}

pub(crate) async fn message(process: &Process, token: &str, id: &str) -> Value {
    process.client.get(token, &format!("/api/messages/{id}")).await.json()
}

pub(crate) fn is_gone(path: &Path) -> bool {
    !path.exists()
}
