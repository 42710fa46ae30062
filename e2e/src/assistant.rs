//! A person who uses the reference assistant, through the edge, by its JSON interface (`crates/assistant/API.md`).

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use testkit::http::{self, Answer};

/// What failed, in words.
pub type Result<T> = std::result::Result<T, String>;

/// How long an answer may take, where nobody says otherwise.
const PATIENCE: Duration = Duration::from_secs(90);

const BEARER: &str = "authorization: Bearer ";

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Person {
    at: SocketAddr,
    host: String,
    authorization: String,
}

/// A streamed answer, read to its own end.
#[derive(Clone, Debug)]
pub struct Told {
    pub message: String,
    pub text: String,
    /// How often the text began anew because the process that answered was lost.
    pub resets: usize,
}

impl Person {
    /// # Errors
    /// Anything but a token.
    pub fn sign_in(at: SocketAddr, host: &str, user: &str, password: &str) -> Result<Self> {
        let body = json!({ "user": user, "password": password }).to_string();
        let head = ["content-type: application/json"];
        let answer = http::ask(at, host, "POST", "/api/login", &head, body.as_bytes()).map_err(words)?;
        let token = expect(answer, 200)?["token"].as_str().map(str::to_owned).ok_or("no token")?;
        Ok(Self { at, host: host.to_owned(), authorization: format!("{BEARER}{token}") })
    }

    /// What opens the interface to whoever sends it.
    pub fn token(&self) -> &str {
        self.authorization.trim_start_matches(BEARER)
    }

    /// # Errors
    /// No answer.
    pub fn get(&self, path: &str) -> Result<Answer> {
        http::ask(self.at, &self.host, "GET", path, &[&self.authorization], &[]).map_err(words)
    }

    /// # Errors
    /// No answer, or another status than 200.
    pub fn get_json(&self, path: &str) -> Result<Value> {
        expect(self.get(path)?, 200)
    }

    /// A POST that is done once, however often it is sent with this `key`.
    ///
    /// # Errors
    /// No answer, or another status than `status`.
    pub fn post(&self, path: &str, key: &str, body: &Value, status: u16) -> Result<Value> {
        let head = [
            self.authorization.as_str(),
            "content-type: application/json",
            &format!("idempotency-key: {key}"),
        ];
        let body = body.to_string();
        let answer = http::ask(self.at, &self.host, "POST", path, &head, body.as_bytes()).map_err(words)?;
        expect(answer, status)
    }

    /// Any request, with `head` of its own.
    ///
    /// # Errors
    /// No answer.
    pub fn ask(&self, method: &str, path: &str, head: &[&str], body: &[u8]) -> Result<Answer> {
        let head: Vec<&str> = [self.authorization.as_str()].into_iter().chain(head.iter().copied()).collect();
        http::ask(self.at, &self.host, method, path, &head, body).map_err(words)
    }

    /// Says `text` in a new conversation and reads the streamed answer to its end, on one connection.
    ///
    /// # Errors
    /// The stream ends without `done`, or its digest or the stored message differ from what was streamed.
    pub fn chat(&self, key: &str, text: &str) -> Result<Told> {
        let Following { stream, told, .. } = self.say(key, text)?;
        let answer = self.get(&stream)?;
        if answer.status != 200 {
            return Err(format!("the stream answered {}: {}", answer.status, answer.text()));
        }
        let told = read_events(told.message, &answer.text())?;
        let stored = self.get_json(&format!("/api/messages/{}", told.message))?;
        if stored["text"] != told.text.as_str() {
            return Err(format!("streamed {:?}, stored {}", told.text, stored["text"]));
        }
        Ok(told)
    }
}

/// An answer at work, followed across broken connections as a browser does it. A clone is another reader.
#[derive(Clone, Debug)]
pub struct Following {
    person: Person,
    stream: String,
    last_id: Option<String>,
    seen: Vec<String>,
    told: Told,
    patience: Duration,
    /// How often a connection broke off and another took its place.
    pub reconnects: usize,
}

impl Person {
    /// Says `text` and returns at once; [`Following::to_the_end`] reads.
    ///
    /// # Errors
    /// Not accepted.
    pub fn say(&self, key: &str, text: &str) -> Result<Following> {
        let conversation = self.post("/api/conversations", &format!("{key}-c"), &json!({}), 201)?;
        let id = conversation["id"].as_str().ok_or("a conversation without id")?;
        let path = format!("/api/conversations/{id}/messages");
        let accepted = self.post(&path, &format!("{key}-m"), &json!({ "text": text }), 202)?;
        let message = accepted["message_id"].as_str().ok_or("no message_id")?.to_owned();
        let stream = accepted["stream"].as_str().ok_or("no stream")?.to_owned();
        let told = Told { message, text: String::new(), resets: 0 };
        let person = self.clone();
        Ok(Following {
            person,
            stream,
            last_id: None,
            seen: Vec::new(),
            told,
            patience: PATIENCE,
            reconnects: 0,
        })
    }
}

impl Following {
    /// Waits for the end for so long.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Reads until `done`, with `Last-Event-ID` after each break. `started` is called once the first text has come.
    ///
    /// # Errors
    /// An event came twice, the text is not what the end says, or there was no end in time.
    pub fn to_the_end(mut self, started: impl FnOnce()) -> Result<(Told, usize)> {
        let mut started = Some(started);
        let deadline = std::time::Instant::now() + self.patience;
        loop {
            let done = self.read_on(&mut started)?;
            if let Some(data) = done {
                let whole = testkit::fakeapp::answer::digest(self.told.text.as_bytes());
                let good = data["sha256"] == whole.as_str() && data["status"] == "done";
                let Self { told, reconnects, .. } = self;
                return if good {
                    Ok((told, reconnects))
                } else {
                    Err(format!("the end says {data}: {told:?}"))
                };
            }
            if std::time::Instant::now() > deadline {
                return Err(format!("no end after {} connections: {:?}", self.reconnects + 1, self.told));
            }
            self.reconnects += 1;
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// One connection; the data of `done`, if it came.
    fn read_on(&mut self, started: &mut Option<impl FnOnce()>) -> Result<Option<Value>> {
        let resume = self.last_id.as_ref().map(|id| format!("last-event-id: {id}"));
        let mut head = vec![self.person.authorization.as_str(), "accept: text/event-stream"];
        head.extend(resume.as_deref());
        let (mut event, mut data, mut id) = (String::new(), Value::Null, None::<String>);
        let (mut done, mut twice) = (None, None);
        let (told, seen, last_id) = (&mut self.told, &mut self.seen, &mut self.last_id);
        // What breaks off is what this is about: the lines that came before the break count.
        let _ = http::lines(self.person.at, &self.person.host, &self.stream, &head, |line| {
            if let Some(name) = line.strip_prefix("event:") {
                event = name.trim().to_owned();
            } else if let Some(value) = line.strip_prefix("id:") {
                id = Some(value.trim().to_owned());
            } else if let Some(json) = line.strip_prefix("data:") {
                data = serde_json::from_str(json.trim()).unwrap_or_default();
            } else if line.is_empty() && !event.is_empty() {
                if let Some(id) = id.take() {
                    if seen.contains(&id) {
                        twice = Some(id.clone());
                    }
                    seen.push(id.clone());
                    *last_id = Some(id);
                }
                match event.as_str() {
                    "text" => told.text.push_str(data["text"].as_str().unwrap_or_default()),
                    "reset" => {
                        told.text.clear();
                        told.resets += 1;
                    }
                    "done" => done = Some(data.take()),
                    _ => {}
                }
                event.clear();
                if !told.text.is_empty()
                    && let Some(started) = started.take()
                {
                    started();
                }
            }
            done.is_none()
        });
        match twice {
            Some(id) => Err(format!("event {id} came twice")),
            None => Ok(done),
        }
    }
}

/// Puts the events of a whole stream together and checks them against the last one.
fn read_events(message: String, stream: &str) -> Result<Told> {
    let mut told = Told { message, text: String::new(), resets: 0 };
    for event in stream.split("\n\n") {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let data: Value = field("data:").and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
        match field("event:") {
            Some("text") => told.text.push_str(data["text"].as_str().unwrap_or_default()),
            Some("reset") => {
                told.text.clear();
                told.resets += 1;
            }
            Some("done") => {
                let whole = testkit::fakeapp::answer::digest(told.text.as_bytes());
                let good = data["sha256"] == whole.as_str() && data["status"] == "done";
                return if good {
                    Ok(told)
                } else {
                    Err(format!("the end says {data}, the text is {:?}", told.text))
                };
            }
            _ => {}
        }
    }
    let tail: String = stream.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
    Err(format!("the stream ended without `done`: …{tail}"))
}

/// A few people who go on using the site: read pages, write journal entries.
pub struct Crowd {
    stopping: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    failures: Arc<Mutex<Vec<String>>>,
    threads: Vec<thread::JoinHandle<Vec<String>>>,
}

/// What a crowd saw.
pub struct Seen {
    pub asked: u64,
    pub failures: Vec<String>,
    /// Journal entries whose writing was acknowledged.
    pub written: Vec<String>,
}

impl Crowd {
    pub fn start(person: &Person, people: usize) -> Self {
        let stopping = Arc::<AtomicBool>::default();
        let asked = Arc::<AtomicU64>::default();
        let failures = Arc::<Mutex<Vec<String>>>::default();
        let start = |n| {
            let (person, stopping, asked) = (person.clone(), Arc::clone(&stopping), Arc::clone(&asked));
            let failures = Arc::clone(&failures);
            thread::spawn(move || live(&person, n, &stopping, &asked, &failures))
        };
        let threads = (0..people).map(start).collect();
        Self { stopping, asked, failures, threads }
    }

    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// # Panics
    /// When one of its threads did.
    pub fn finish(self) -> Seen {
        self.stopping.store(true, Ordering::SeqCst);
        let threads = self.threads.into_iter();
        let written = threads.flat_map(|thread| thread.join().expect("a person does not panic")).collect();
        let failures = self.failures.lock().expect("nobody panicked").clone();
        Seen { asked: self.asked.load(Ordering::SeqCst), failures, written }
    }
}

fn live(
    person: &Person,
    n: usize,
    stopping: &AtomicBool,
    asked: &AtomicU64,
    failures: &Mutex<Vec<String>>,
) -> Vec<String> {
    const PAGES: [&str; 5] = ["/dashboard", "/api/me", "/tasks", "/api/tasks", "/journal"];
    let mut written = Vec::new();
    for turn in 0_usize.. {
        if stopping.load(Ordering::SeqCst) {
            break;
        }
        let page = PAGES[turn % PAGES.len()];
        // Pages redirect those who carry only a token to the sign-in; that is an answer too.
        let read = person.get(page).and_then(|answer| match answer.status {
            200 | 303 => Ok(()),
            status => Err(format!("{page}: {status}")),
        });
        let text = format!("crowd {n} wrote {turn}");
        let mut write = || {
            let key = format!("crowd-{n}-{turn}");
            person
                .post("/api/journal", &key, &json!({ "text": text }), 201)
                .map(|_| written.push(text.clone()))
        };
        let wrote = if turn.is_multiple_of(4) { write() } else { Ok(()) };
        asked.fetch_add(1, Ordering::SeqCst);
        if let Err(failure) = read.and(wrote) {
            failures.lock().expect("nobody panicked").push(failure);
        }
        thread::sleep(Duration::from_millis(50));
    }
    written
}

fn expect(answer: Answer, status: u16) -> Result<Value> {
    if answer.status != status {
        return Err(format!("expected {status}, got {}: {}", answer.status, answer.text()));
    }
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn words(error: http::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_put_together_and_a_cut_one_is_an_error() {
        let digest = testkit::fakeapp::answer::digest(b"two");
        let whole = format!(
            "retry: 300\n\nid: 1.1\nevent: text\ndata: {{\"text\":\"one\"}}\n\nid: 2.0\nevent: reset\ndata: {{\"attempt\":2}}\n\n\
             id: 2.1\nevent: text\ndata: {{\"text\":\"two\"}}\n\nid: 2.2\nevent: done\ndata: {{\"status\":\"done\",\"sha256\":\"{digest}\"}}\n\n"
        );
        let told = read_events("m".into(), &whole).expect("whole");
        assert_eq!((told.text.as_str(), told.resets), ("two", 1));
        assert!(read_events("m".into(), &whole[..whole.len() - 90]).is_err());
        assert!(read_events("m".into(), &whole.replace(&digest, "0")).is_err());
    }
}
