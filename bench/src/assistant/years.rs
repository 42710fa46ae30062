//! Somebody who has written for years: how soon a search among a hundred thousand entries and a sentence are answered.

use std::time::{Duration, Instant};

use e2e::{
    assistant::Person,
    busy::{self, Figures},
};
use rusqlite::{Connection, params};
use serde_json::json;
use testkit::binaries;

use super::{App, SECRET_KEY};
use crate::cpu;

const ROWS: u32 = 100_000;
const WORDS: usize = 30;
const ASKED: u32 = 300;
/// What a search may take in 95 of 100 cases.
const BAR: Duration = Duration::from_millis(30);
const SEARCH: &str = "/api/search";
const SAY: &str = "POST /api/say";

pub(super) fn measure() -> bool {
    let app = App::start();
    let invited = busy::invite(1, &binaries::path("assistant"), app.folder.path(), SECRET_KEY, app.at);
    let [person] = invited.as_slice() else { unreachable!("one was invited") };
    fill(&app);
    let mut figures = Figures::default();
    let pids = [app.child.id()];
    let before = cpu::time_ns(&pids);
    search(person, &mut figures);
    let searched = Duration::from_nanos(cpu::time_ns(&pids) - before) / ASKED;
    say(person, &mut figures);
    let late = figures.percentile(SEARCH, 95);
    println!("\n{ROWS} entries of one person: {searched:.1?} CPU per search");
    print!("{figures}");
    println!(
        "bar: a search within {} ms in 95 of 100: {}",
        BAR.as_millis(),
        if late < BAR { "met" } else { "missed" }
    );
    late < BAR
}

/// Entries of thirty words each; every tenth was in the café.
fn fill(app: &App) {
    let mut db = Connection::open(app.folder.path().join("assistant.db")).expect("the database opens");
    db.busy_timeout(Duration::from_secs(30)).expect("it waits for the assistant");
    let tx = db.transaction().expect("a transaction begins");
    let sql = "INSERT INTO journal_entries (id, account_id, day, text, created_at, rev)
        SELECT ?1, id, '2026-01-01', ?2, ?3, 1 FROM accounts";
    let mut seed = 17;
    for n in 0..ROWS {
        let text: Vec<String> = (0..WORDS).map(|_| word(&mut seed)).collect();
        let place = if n % 10 == 0 { "in the café" } else { "in the house" };
        let text = format!("{} {place}", text.join(" "));
        let mut insert = tx.prepare_cached(sql).expect("the table is there");
        insert.execute(params![format!("e{n}"), text, n]).expect("an entry is stored");
    }
    tx.commit().expect("they are stored");
}

/// A word of a language of 32,768, the nth of them said with a share of about 1/n, as Zipf found; by the generator of Lehmer (Park, Miller, 1988).
fn word(seed: &mut u64) -> String {
    *seed = *seed * 48_271 % 2_147_483_647;
    let magnitude = 1 << (*seed % 15);
    let nth = magnitude + *seed / 15 % magnitude;
    let letters =
        (0..5).map(|at| char::from(b'a' + u8::try_from((nth * 7_919) / 26_u64.pow(at) % 26).unwrap_or(0)));
    letters.collect()
}

fn search(person: &Person, figures: &mut Figures) {
    let mut seed = 4_711;
    for n in 0..ASKED {
        let query = match n % 5 {
            0 => "cafe".to_owned(),
            1 => word(&mut seed),
            2 => format!("the+{}", word(&mut seed)),
            3 => format!("{}+{}+{}", word(&mut seed), word(&mut seed), word(&mut seed)),
            // Somebody who still types.
            _ => word(&mut seed).chars().take(3).collect(),
        };
        let begun = Instant::now();
        let found = person.get_json(&format!("{SEARCH}?q={query}&limit=20")).expect("a search is answered");
        figures.add(SEARCH, begun.elapsed());
        let hits = found["hits"].as_array().map(Vec::len);
        assert!(n % 5 != 0 || hits == Some(20), "{query}: {found}");
    }
}

fn say(person: &Person, figures: &mut Figures) {
    for n in 0..ASKED {
        let body = json!({ "text": format!("remind me to call {n} tomorrow at 5pm") });
        let begun = Instant::now();
        let said = person.post("/api/say", &format!("call-{n}"), &body, 200).expect("a sentence is done");
        figures.add(SAY, begun.elapsed());
        assert_eq!(said["outcome"], "done", "{said}");
    }
}
