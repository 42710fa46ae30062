//! The steps of `cargo xtask run --check` after the deploy: what a person does in the first minute, and what must not
//! be noticed meanwhile. Prints a line a step: `ok …` or `FAILED …`.
//!
//! Arguments: the binary `mainstay`, its data folder, the app's folder, the URL, name and password.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use e2e::assistant::{Crowd, Person, Result, Seen};
use serde_json::json;

/// How long something may take to become true after it was done.
const SOON: Duration = Duration::from_secs(20);
const SITE: &str = "assistant";

struct Minute {
    mainstay: PathBuf,
    data: PathBuf,
    app: PathBuf,
    at: SocketAddr,
    host: String,
    user: String,
    password: String,
}

fn main() -> ExitCode {
    let minute = match Minute::from_arguments() {
        Ok(minute) => minute,
        Err(why) => {
            println!("FAILED to begin: {why}");
            return ExitCode::FAILURE;
        }
    };
    if minute.live() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Minute {
    fn from_arguments() -> Result<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [mainstay, data, app, url, user, password] = arguments.as_slice() else {
            return Err("MAINSTAY DATA APP URL NAME PASSWORD are needed".into());
        };
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let at = host.parse().map_err(|error| format!("{url}: {error}"))?;
        let (user, password) = (user.clone(), password.clone());
        Ok(Self { mainstay: mainstay.into(), data: data.into(), app: app.into(), at, host, user, password })
    }

    /// All steps; a step without which the rest means nothing ends it.
    fn live(&self) -> bool {
        let Some(person) = step("sign in through the edge", || {
            Person::sign_in(self.at, &self.host, &self.user, &self.password)
        }) else {
            return false;
        };
        let mut good = true;
        good &=
            step("chat: the answer streams to its end and is stored as it was streamed", || chat(&person))
                .is_some();
        good &= step("write a journal entry", || journal(&person)).is_some();
        good &= step("add a task by a sentence", || task(&person)).is_some();
        good &= step("read both back", || read_back(&person)).is_some();
        good &= step("a second release under load: nobody notices", || self.replace(&person)).is_some();
        good &= step("kill -9 of the keeper under load: nobody notices", || self.kill(&person)).is_some();
        good &= step("roll back under load: nobody notices", || self.roll_back(&person)).is_some();
        good & step("everything written is still there", || read_back(&person)).is_some()
    }

    /// A long answer is open over the whole deploy and must reach its end on its one connection.
    fn replace(&self, person: &Person) -> Result<()> {
        let before = self.release()?;
        std::fs::write(self.app.join("RELEASE"), "the second one\n").map_err(|error| error.to_string())?;
        let crowd = Crowd::start(person, 4);
        let listener = person.clone();
        let answer = thread::spawn(move || listener.chat("over-the-deploy", "count to 15 slowly"));
        let deployed = self.mainstay(&["deploy"]);
        let told = answer.join().map_err(|_| "the reader of the stream panicked")?;
        nothing_failed(person, crowd.finish())?;
        deployed?;
        let told = told.map_err(|why| format!("the stream over the deploy: {why}"))?;
        if told.resets > 0 {
            return Err("the answer over the deploy began anew".into());
        }
        self.until_release(|release| release > before)
    }

    fn kill(&self, person: &Person) -> Result<()> {
        let crowd = Crowd::start(person, 4);
        let pid = self.keeper()?;
        let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
        if !killed.is_ok_and(|status| status.success()) {
            return Err(format!("could not kill {pid}"));
        }
        let back = until("another keeper answers", || self.keeper().is_ok_and(|other| other != pid));
        let asked = crowd.asked();
        let used = until("the site is used on", || crowd.asked() > asked + 40);
        nothing_failed(person, crowd.finish())?;
        back.and(used)
    }

    fn roll_back(&self, person: &Person) -> Result<()> {
        let before = self.release()?;
        let crowd = Crowd::start(person, 4);
        let rolled = self.mainstay(&["rollback"]);
        nothing_failed(person, crowd.finish())?;
        rolled?;
        self.until_release(|release| release < before)
    }

    /// The release that answers, in the app's own word.
    fn release(&self) -> Result<u64> {
        let answer = testkit::http::ask(self.at, &self.host, "GET", "/api/version", &[], &[]);
        let answer = answer.map_err(|error| error.to_string())?;
        let version: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        version["release"].as_u64().ok_or_else(|| format!("no release in {version}"))
    }

    fn until_release(&self, wanted: impl Fn(u64) -> bool) -> Result<()> {
        until("the app itself says the new number", || self.release().is_ok_and(&wanted))
    }

    fn keeper(&self) -> Result<u64> {
        let machine = self.mainstay(&["status", "--machine", "--json"])?;
        let machine: serde_json::Value = serde_json::from_str(&machine).map_err(|error| error.to_string())?;
        machine["machine"]["keeper"]["pid"].as_u64().ok_or_else(|| format!("no keeper in {machine}"))
    }

    /// Runs a command of the app's folder; its standard output.
    fn mainstay(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.mainstay);
        command.args(arguments).args(["--app", SITE]).arg("--data").arg(&self.data).current_dir(&self.app);
        let output = command.output().map_err(|error| error.to_string())?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let words = arguments.join(" ");
        if output.status.success() {
            Ok(out.into_owned())
        } else {
            Err(format!("mainstay {words}: {}\n{out}{err}", output.status))
        }
    }
}

fn chat(person: &Person) -> Result<()> {
    let told = person.chat("first-chat", "hello, what can you do?")?;
    if told.text.trim().is_empty() { Err("an empty answer".into()) } else { Ok(()) }
}

fn journal(person: &Person) -> Result<()> {
    let body = json!({ "text": "The first entry, written through the edge." });
    person.post("/api/journal", "first-entry", &body, 201).map(drop)
}

fn task(person: &Person) -> Result<()> {
    let said = json!({ "text": "remind me to call Anna tomorrow at 5pm" });
    let answer = person.post("/api/say", "first-task", &said, 200)?;
    if answer["outcome"] == "done" { Ok(()) } else { Err(format!("not done: {answer}")) }
}

fn read_back(person: &Person) -> Result<()> {
    let tasks = person.get_json("/api/tasks")?.to_string();
    let entries = person.get_json("/api/journal?q=first")?.to_string();
    if !tasks.contains("Anna") {
        return Err(format!("no task about Anna: {tasks}"));
    }
    if entries.contains("written through the edge") {
        Ok(())
    } else {
        Err(format!("no first entry: {entries}"))
    }
}

/// Every request was answered, and every acknowledged entry is there once.
fn nothing_failed(person: &Person, seen: Seen) -> Result<()> {
    if let Some(first) = seen.failures.first() {
        return Err(format!("{} of {} requests failed, the first: {first}", seen.failures.len(), seen.asked));
    }
    for text in seen.written {
        let path = format!("/api/journal?q={}", text.replace(' ', "%20"));
        let found = person.get_json(&path)?;
        let entries = found["entries"].as_array().cloned().unwrap_or_default();
        let times = entries.iter().filter(|entry| entry["text"] == text.as_str()).count();
        // Three crowds write the same words, one after the other, each with the same key: done once all the same.
        if times != 1 {
            return Err(format!("{text:?} was acknowledged and is there {times} times"));
        }
    }
    Ok(())
}

fn until(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + SOON;
    while !condition() {
        if Instant::now() > deadline {
            return Err(format!("waited {SOON:?} in vain: {what}"));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Does one step and says how it went; `None`: it failed.
fn step<T>(name: &str, act: impl FnOnce() -> Result<T>) -> Option<T> {
    let began = Instant::now();
    let done = act();
    let took = began.elapsed().as_secs_f64();
    match done {
        Ok(value) => {
            println!("ok     {name} ({took:.1} s)");
            Some(value)
        }
        Err(why) => {
            println!("FAILED {name}: {why}");
            None
        }
    }
}
