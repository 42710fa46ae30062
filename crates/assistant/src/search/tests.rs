use std::time::{Duration, Instant};

use proptest::{prop_assert, proptest};

use super::*;
use crate::journal::{self, Filter};

/// A database with the accounts `ana` and `ben`.
struct Bench {
    _folder: tempfile::TempDir,
    db: Connection,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = kit::sqlite::open_writer(&folder.path().join("t.db")).expect("opens");
        crate::schema::MIGRATIONS.up(&mut db).expect("migrates");
        db.execute_batch(
            "INSERT INTO accounts VALUES ('ana', 'ana', '', 'UTC', 0), ('ben', 'ben', '', 'UTC', 0)",
        )
        .expect("accounts");
        Self { _folder: folder, db }
    }

    fn write(&self, account: &str, id: &str, text: &str) {
        let sql = "INSERT INTO journal_entries (id, account_id, day, text, created_at, rev) VALUES (?1, ?2, '2026-11-21', ?3, 0, 1)";
        self.db.execute(sql, [id, account, text]).expect("writes");
    }

    fn run(&self, sql: &str) {
        self.db.execute_batch(sql).expect("runs");
    }

    fn find(&self, account: &str, query: &str) -> Vec<String> {
        let hits = find(&self.db, account, query, None, (100, 0)).expect("finds");
        hits.into_iter().map(|hit| hit.id).collect()
    }
}

#[test]
fn accents_do_not_matter_and_the_last_word_may_be_begun() {
    let bench = Bench::new();
    bench.write("ana", "one", "At the Café, with Zoë");
    for query in ["cafe", "CAFÉ", "cafe\u{301}", "caf", "zoe cafe", "the ca"] {
        assert_eq!(bench.find("ana", query), ["one"], "{query}");
    }
    for query in ["afe", "cafe tea", "c", "ca zoe", "", "#", "\""] {
        assert!(bench.find("ana", query).is_empty(), "{query}");
    }
}

/// The index has no words of these.
#[test]
fn signs_and_scripts_without_blanks_are_found_wherever_they_stand() {
    let bench = Bench::new();
    bench.write("ana", "one", "今天在河边散步,天气很好");
    bench.write("ana", "two", "Party 🎉 with Zoë at the river");
    bench.write("ben", "three", "散步 🎉");
    for (query, found) in [
        ("散步", "one"),
        ("天气", "one"),
        ("天气 散步", "one"),
        ("🎉", "two"),
        ("party 🎉", "two"),
        ("🎉 RIVER", "two"),
    ] {
        assert_eq!(bench.find("ana", query), [found], "{query}");
        let entries = Filter { query: Some(query.to_owned()), ..Filter::default() };
        let entries = journal::list(&bench.db, "ana", &entries, 10, 0).expect("finds");
        assert_eq!(entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), [found], "{query}");
    }
    assert!(bench.find("ana", "散歩").is_empty() && bench.find("ana", "🎉 散步").is_empty());
    let hit = find(&bench.db, "ana", "散步", Some(Kind::Entry), (1, 0)).expect("finds").remove(0);
    assert_eq!(hit.snippet.iter().find(|piece| piece.found).map(|piece| piece.text.as_str()), Some("散步"));
    assert_eq!(hit.text(), "今天在河边散步,天气很好");
}

#[test]
fn ten_thousand_rows_are_looked_through_while_one_waits() {
    let bench = Bench::new();
    bench.run(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
         INSERT INTO journal_entries (id, account_id, day, text, created_at, rev)
         SELECT 'e' || n, 'ana', '2026-11-21', 'a day by the river, number ' || n || iif(n = 17, ' 散步 🎉', ''), n, 1 FROM n",
    );
    let began = Instant::now();
    assert_eq!(
        (bench.find("ana", "散步"), bench.find("ana", "🎉")),
        (vec!["e17".to_owned()], vec!["e17".to_owned()])
    );
    println!("two looks through 10,000 rows: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn nobody_finds_what_another_account_wrote() {
    let bench = Bench::new();
    bench.write("ana", "one", "a secret river, says ben");
    bench.write("ben", "two", "a river");
    assert_eq!(bench.find("ana", "river"), ["one"]);
    assert_eq!(bench.find("ben", "river"), ["two"]);
    // Whose a row is and its kind are no words of its text.
    for query in ["ana", "entry", "secret"] {
        assert!(bench.find("ben", query).is_empty(), "{query}");
    }
}

#[test]
fn every_kind_is_found_as_long_as_it_can_be_shown() {
    let bench = Bench::new();
    bench.write("ana", "e", "river");
    bench.run(
        "INSERT INTO tasks (id, account_id, title, state, created_at, rev) VALUES ('t', 'ana', 'river', 'open', 0, 1);
         INSERT INTO conversations (id, account_id, title, created_at, updated_at) VALUES ('c', 'ana', 'river', 0, 0);
         INSERT INTO messages (id, conversation_id, account_id, role, text, status, created_at) VALUES ('m', 'c', 'ana', 'assistant', '', 'running', 0);
         INSERT INTO attachments (id, account_id, entry_id, name, size, created_at) VALUES ('f', 'ana', 'e', 'river.jpg', 1, 0)",
    );
    let sorted = || {
        let mut found = bench.find("ana", "river");
        found.sort();
        found
    };
    assert_eq!(sorted(), ["c", "e", "t"], "neither an answer nor a file that is still coming");
    bench.run("UPDATE messages SET text = 'a river', status = 'done'; UPDATE attachments SET digest = 'd', media = 'image/jpeg'");
    assert_eq!(sorted(), ["c", "e", "f", "m", "t"]);
    let hits = find(&bench.db, "ana", "river", None, (100, 0)).expect("finds");
    let mut places: Vec<&str> = hits.iter().map(|hit| hit.address.as_str()).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "/chat/c",
            "/chat/c?at=m#m-m",
            "/journal/2026-11-21?at=e#e-e",
            "/journal/2026-11-21?at=e#e-e",
            "/tasks/t"
        ]
    );
    let files = find(&bench.db, "ana", "river", Some(Kind::Attachment), (100, 0)).expect("finds");
    assert_eq!(files.iter().map(|hit| hit.id.as_str()).collect::<Vec<_>>(), ["f"]);
    bench.run("UPDATE conversations SET deleted_at = 1; UPDATE tasks SET title = 'sea'; DELETE FROM journal_entries");
    assert!(sorted().is_empty(), "{:?}", sorted());
    bench.run("UPDATE conversations SET deleted_at = NULL");
    assert_eq!(sorted(), ["c", "m"]);
    assert_eq!(bench.find("ana", "sea"), ["t"]);
    bench.run("DELETE FROM accounts WHERE id = 'ana'");
    let left: i64 = bench
        .db
        .query_row("SELECT (SELECT count(*) FROM search_rows) + (SELECT count(*) FROM search WHERE search MATCH 'ana')", [], |row| row.get(0))
        .expect("asks");
    assert_eq!(left, 0);
}

#[test]
fn what_was_written_before_the_index_and_by_older_code_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut db = kit::sqlite::open_writer(&folder.path().join("t.db")).expect("opens");
    let all = &crate::schema::MIGRATIONS;
    kit::migrations::Migrations { steps: &all.steps[..7], schema_min: 7 }.up(&mut db).expect("up to 7");
    db.execute_batch(
        "INSERT INTO accounts VALUES ('ana', 'ana', '', 'UTC', 0);
         INSERT INTO journal_entries (id, account_id, day, text, created_at, rev) VALUES ('before', 'ana', '2026-11-21', 'river', 0, 1)",
    )
    .expect("old code writes");
    all.up(&mut db).expect("up");
    let bench = Bench { _folder: folder, db };
    bench.write("ana", "after", "river");
    assert_eq!(bench.find("ana", "river"), ["after", "before"]);
}

#[test]
fn the_best_stand_first_and_pages_go_on_where_the_one_before_ended() {
    let bench = Bench::new();
    bench.write("ana", "best", "river river river");
    for n in 0..30 {
        bench.write("ana", &format!("e{n}"), &format!("the river once, in a longer text with words {n}"));
    }
    let page = |limit, offset| {
        let hits = find(&bench.db, "ana", "river", None, (limit, offset)).expect("finds");
        hits.into_iter().map(|hit| hit.id).collect::<Vec<_>>()
    };
    let whole = page(100, 0);
    assert_eq!((whole.len(), whole[0].as_str()), (31, "best"));
    assert_eq!([page(10, 0), page(10, 10), page(100, 20)].concat(), whole);
}

#[test]
fn a_snippet_tells_what_was_found_from_what_stands_around_it() {
    let bench = Bench::new();
    bench.write(
        "ana",
        "one",
        &format!("{} <b>the</b> Café here {}", "before ".repeat(80), "after ".repeat(80)),
    );
    let hits = find(&bench.db, "ana", "cafe", None, (1, 0)).expect("finds");
    let found: Vec<&str> =
        hits[0].snippet.iter().filter(|piece| piece.found).map(|piece| piece.text.as_str()).collect();
    assert_eq!(found, ["Café"]);
    let text = hits[0].text();
    assert!(text.starts_with('…') && text.ends_with('…') && text.contains("<b>the</b> Café here"), "{text}");
}

proptest! {
    #[test]
    fn whatever_is_typed_is_a_query_and_never_an_operator(query in "\\PC{0,60}", more in "( OR | NOT |\\*|\"|\\{text\\}|:|\\^|NEAR\\()?") {
        let bench = Bench::new();
        bench.write("ben", "two", "river");
        let found = find(&bench.db, "ana", &format!("{query}{more}river"), None, (10, 0));
        prop_assert!(found.is_ok_and(|hits| hits.is_empty()));
    }
}
