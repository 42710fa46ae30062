//! How fast a person is answered who has written for years. Measured by hand, since the machine must be quiet:
//! `cargo test --release -p assistant --test processes speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::bench::{Bench, PASSWORD};

const ROWS: u32 = 100_000;
const ASKED: usize = 300;
/// Twenty times what it should be: a machine that does other work is no failure, a search that reads everything is one.
const MOST: Duration = Duration::from_millis(600);

/// A word of a language of 32,768, the nth of them said with a share of about 1/n, as Zipf found; by the generator of Lehmer (Park, Miller, 1988).
fn word(seed: &mut u64) -> String {
    *seed = *seed * 48_271 % 2_147_483_647;
    let magnitude = 1 << (*seed % 15);
    let nth = magnitude + *seed / 15 % magnitude;
    let letters =
        (0..5).map(|at| char::from(b'a' + u8::try_from((nth * 7_919) / 26_u64.pow(at) % 26).unwrap_or(0)));
    letters.collect()
}

fn fill(bench: &Bench) {
    let mut db = rusqlite::Connection::open(bench.path("data/assistant.db")).expect("opens");
    db.busy_timeout(Duration::from_secs(30)).expect("sets");
    let tx = db.transaction().expect("begins");
    let sql = "INSERT INTO journal_entries (id, account_id, day, text, created_at, rev) SELECT ?1, id, '2026-01-01', ?2, ?3, 1 FROM accounts";
    let mut seed = 17;
    for n in 0..ROWS {
        let text: Vec<String> = (0..30).map(|_| word(&mut seed)).collect();
        let cafe = if n % 10 == 0 { "in the café" } else { "in the house" };
        let text = format!("{} {cafe}", text.join(" "));
        tx.prepare_cached(sql)
            .expect("prepares")
            .execute(rusqlite::params![format!("e{n}"), text, n])
            .expect("inserts");
    }
    tx.commit().expect("commits");
}

fn report(what: &str, mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    let at = |percent: usize| took[took.len() * percent / 100];
    println!(
        "{what}: p50 {:?}, p95 {:?}, slowest {:?} of {}",
        at(50),
        at(95),
        took[took.len() - 1],
        took.len()
    );
    at(95)
}

#[tokio::test]
#[ignore = "fills a database for a minute, and measures times"]
async fn a_search_over_a_hundred_thousand_rows_and_a_sentence_are_answered_soon() {
    let bench = Bench::new();
    let web = bench.web("web", &[]).await;
    let token = web.client.sign_in("ana", PASSWORD).await;
    fill(&bench);
    let mut seed = 4_711;
    let before = web.cpu();
    let (mut searches, mut sentences) = (Vec::new(), Vec::new());
    for n in 0..ASKED {
        let query = match n % 5 {
            0 => "cafe".to_owned(),
            1 => word(&mut seed),
            2 => format!("the+{}", word(&mut seed)),
            3 => format!("{}+{}+{}", word(&mut seed), word(&mut seed), word(&mut seed)),
            // Somebody who still types.
            _ => word(&mut seed)[..3].to_owned(),
        };
        let begun = Instant::now();
        let found = web.client.get(&token, &format!("/api/search?q={query}&limit=20")).await;
        searches.push(begun.elapsed());
        assert_eq!(found.status, 200, "{}", found.body);
        if n % 5 == 0 {
            assert_eq!(found.json()["hits"].as_array().map(Vec::len), Some(20));
        }
    }
    let cpu_of_searches = web.cpu() - before;
    for n in 0..ASKED {
        let begun = Instant::now();
        let said = web
            .client
            .post(&token, "/api/say", json!({"text": format!("remind me to call {n} tomorrow at 5pm")}))
            .await;
        sentences.push(begun.elapsed());
        assert_eq!(said.json()["outcome"], "done", "{}", said.body);
    }
    println!("on a processor: {:?} a search", cpu_of_searches / u32::try_from(ASKED).expect("a few hundred"));
    assert!(report("search over 100,000 rows", searches) < MOST);
    assert!(report("a sentence, done and stored", sentences) < MOST);
}
