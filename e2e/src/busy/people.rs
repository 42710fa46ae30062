//! One of the people: reads a page, writes something, thinks; afterwards looks whether all of it is there once.

use std::{sync::atomic::Ordering, thread, time::Duration, time::Instant};

use serde_json::{Value, json};

use super::Seen;
use crate::assistant::{Person, Result};

/// Between two turns of one person.
const THINKS: Duration = Duration::from_millis(500);
const PAGES: [&str; 8] = [
    "/dashboard",
    "/tasks",
    "/journal",
    "/chat",
    "/settings",
    "/api/tasks",
    "/api/journal?q=busy",
    "/api/history",
];
/// Rows that one list gives.
const ROWS: usize = 500;

/// What one person was told is stored.
pub(super) struct Written<'a> {
    person: &'a Person,
    entries: Vec<String>,
    tasks: Vec<String>,
}

/// Until `seen` says that it ends.
pub(super) fn work<'a>(n: usize, person: &'a Person, seen: &Seen) -> Written<'a> {
    let mut written = Written { person, entries: Vec::new(), tasks: Vec::new() };
    for turn in 0_usize.. {
        if seen.ends.load(Ordering::SeqCst) {
            break;
        }
        let page = PAGES[(n + turn) % PAGES.len()];
        timed(seen, page, || match person.get(page)? {
            answer if answer.status == 200 => Ok(()),
            answer => Err(format!("{}: {}", answer.status, answer.text())),
        });
        written.write(n, turn, seen);
        thread::sleep(THINKS);
    }
    written
}

fn timed(seen: &Seen, kind: &'static str, ask: impl FnOnce() -> Result<()>) -> bool {
    let began = Instant::now();
    let asked = ask();
    let took = began.elapsed();
    seen.figures.lock().expect("nobody panicked").add(kind, took);
    asked.map_err(|failure| seen.fails(format!("{kind} after {took:?}: {failure}"))).is_ok()
}

impl Written<'_> {
    fn write(&mut self, n: usize, turn: usize, seen: &Seen) {
        let (person, key) = (self.person, format!("busy-{n}-{turn}"));
        let post = |path: &str, body: &Value, status: u16| person.post(path, &key, body, status);
        match (n + turn) % 3 {
            0 => {
                let text = format!("busy thought {turn}");
                if timed(seen, "POST /api/journal", || {
                    post("/api/journal", &json!({"text": text}), 201).map(drop)
                }) {
                    self.entries.push(text);
                }
            }
            1 => {
                let title = format!("busy errand {turn}");
                if timed(seen, "POST /api/tasks", || {
                    post("/api/tasks", &json!({"title": title}), 201).map(drop)
                }) {
                    self.tasks.push(title);
                }
            }
            _ => {
                let said = json!({"text": "remind me to call Anna tomorrow at 5pm"});
                if timed(seen, "POST /api/say", || match post("/api/say", &said, 200)? {
                    answer if answer["outcome"] == "done" => Ok(()),
                    answer => Err(answer.to_string()),
                }) {
                    self.tasks.push("call Anna".to_owned());
                }
            }
        }
    }

    /// How much of it is stored once; what is not, has failed.
    pub(super) fn check(self, seen: &Seen) -> usize {
        let lists = [
            ("/api/journal?", "entries", "text", self.entries),
            ("/api/tasks?state=all&", "tasks", "title", self.tasks),
        ];
        let check = |(path, list, field, mut wanted): (_, _, _, Vec<String>)| {
            wanted.sort();
            match all(self.person, path, list, field) {
                Ok(stored) if stored == wanted => wanted.len(),
                Ok(stored) => {
                    seen.fails(format!("of {list} {wanted:?} were acknowledged, {stored:?} are stored"));
                    0
                }
                Err(failure) => {
                    seen.fails(format!("{list} cannot be read: {failure}"));
                    0
                }
            }
        };
        lists.into_iter().map(check).sum()
    }
}

/// One field of every row, sorted.
fn all(person: &Person, path: &str, list: &str, field: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    loop {
        let page = person.get_json(&format!("{path}limit={ROWS}&after={}", found.len()))?;
        let rows = page[list].as_array().ok_or_else(|| format!("no list: {page}"))?;
        found.extend(rows.iter().map(|row| row[field].as_str().unwrap_or_default().to_owned()));
        if page["next"].is_null() {
            found.sort();
            return Ok(found);
        }
    }
}
