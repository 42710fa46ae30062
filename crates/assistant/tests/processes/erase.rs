//! After an account was erased nothing names it, also not in a copy of before that was put back; with real processes,
//! and every byte of the data folder looked at.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::json;

use crate::bench::{Bench, PATIENCE, Process};

const NAME: &str = "zebulonia";
/// One in each kind of content; of the index of words the end is looked for, since it keeps beginnings once.
const PLANTED: [&str; 6] =
    ["qvtaskqv", "wkjournalwk", "xzchatxz", "yqfilenameyq", "vwfilebytesvw", "kjtitlekj"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Which of `words` stand in which file, in any letters.
fn traces(folder: &Path, words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(folder) {
        let bytes = fs::read(&path).expect("reads").to_ascii_lowercase();
        for word in words {
            let word = word.to_ascii_lowercase();
            let is_there = bytes.windows(word.len()).any(|piece| piece == word.as_bytes())
                || path.to_string_lossy().to_ascii_lowercase().contains(&word);
            if is_there {
                found.push(format!("{word} in {}", path.display()));
            }
        }
    }
    found
}

fn stored(bench: &Bench) -> Connection {
    let db = Connection::open(bench.path("data/assistant.db")).expect("opens");
    db.busy_timeout(Duration::from_secs(5)).expect("sets");
    db
}

fn run(bench: &Bench, arguments: &[&str]) -> (bool, String) {
    let done = bench.command(&[]).args(arguments).output().expect("runs");
    (
        done.status.success(),
        [String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)].concat(),
    )
}

fn add_user(bench: &Bench) {
    let mut command = bench.command(&[]);
    command.args(["user", "add", NAME, "--password-stdin"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().expect("starts");
    child.stdin.take().expect("an end").write_all(b"correct horse\n").expect("writes");
    assert!(child.wait().expect("ends").success());
}

/// Plants words in every kind of content; some of it is deleted and changed again, since that leaves traces too.
async fn plant(web: &Process, token: &str) {
    let client = &web.client;
    for n in 0..30 {
        client.post(token, "/api/tasks", json!({"title": format!("{} {n}", PLANTED[0])})).await;
        client
            .post(token, "/api/journal", json!({"text": format!("{} {n} and more of it", PLANTED[1])}))
            .await;
    }
    for gone in ["tasks", "journal_entries"] {
        let said = client.post(token, "/api/say", json!({"text": "undo"})).await;
        assert_eq!(said.status, 200, "{gone}: {}", said.body);
    }
    let conversation =
        client.post(token, "/api/conversations", json!({"title": PLANTED[5]})).await.text("/id");
    let say = format!("/api/conversations/{conversation}/messages");
    let said = client.post(token, &say, json!({"text": PLANTED[2]})).await;
    client.follow(token, &said.text("/message_id"), "").await.rest().await;
    let entry = client.get(token, "/api/journal").await.text("/entries/0/id");
    client.upload(token, &entry, &format!("{}.txt", PLANTED[3]), PLANTED[4].as_bytes()).await;
}

async fn gone(bench: &Bench) {
    let until = Instant::now() + PATIENCE;
    let left = || -> i64 {
        let sql = "SELECT (SELECT count(*) FROM accounts WHERE name = ?1) + (SELECT count(*) FROM scrubs)";
        stored(bench).query_row(sql, [NAME], |row| row.get(0)).expect("asks")
    };
    while left() > 0 {
        assert!(Instant::now() < until, "the account is not erased");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn nothing_names_an_account_that_was_erased_and_a_restored_copy_is_erased_again() {
    let bench = Bench::new();
    let mut web = bench.web("web", &[("ASSISTANT_BUILTIN_PACE", "0ms")]).await;
    add_user(&bench);
    let token = web.client.sign_in(NAME, "correct horse").await;
    plant(&web, &token).await;
    let ana = web.client.sign_in("ana", "correct horse").await;
    web.client.post(&ana, "/api/journal", json!({"text": "stays here"})).await;
    let id: String = stored(&bench)
        .query_row("SELECT id FROM accounts WHERE name = ?1", [NAME], |row| row.get(0))
        .expect("asks");
    let mut words = vec![NAME.to_owned(), id];
    words.extend(PLANTED.iter().flat_map(|word| [(*word).to_owned(), word.chars().skip(3).collect()]));
    let old = bench.path("old.db");
    stored(&bench).execute("VACUUM INTO ?1", [old.to_str().expect("UTF-8")]).expect("copies");

    let archive = bench.path("export.tar");
    let (done, said) = run(&bench, &["export", NAME, archive.to_str().expect("UTF-8")]);
    assert!(done, "{said}");
    let exported = fs::read(&archive).expect("reads");
    assert!(PLANTED.iter().all(|word| exported.windows(word.len()).any(|piece| piece == word.as_bytes())));
    assert!(!run(&bench, &["export", NAME, archive.to_str().expect("UTF-8")]).0, "nothing is written over");

    let copy = |from: &Path, to: &Path| {
        assert!(
            std::process::Command::new("cp")
                .arg("-a")
                .args([from, to])
                .status()
                .is_ok_and(|done| done.success())
        );
    };
    copy(&bench.path("data/files"), &bench.path("old-files"));

    let asked = web.client.post(&token, "/api/erase", json!({"password": "correct horse"})).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    web.signal(rustix::process::Signal::TERM);
    web.end().await;
    let data = bench.path("data");
    let before = traces(&data, &words);
    assert!(
        words.iter().all(|word| before.iter().any(|found| found.starts_with(&word.to_lowercase()))),
        "{before:#?}"
    );
    let web = bench.web("web", &[]).await;
    assert_eq!(web.client.get(&token, "/api/me").await.status, 200, "erased before its time");
    drop(web);
    stored(&bench).execute("UPDATE erasures SET erase_at = 1", []).expect("ages");
    let mut web = bench.web("web", &[]).await;
    gone(&bench).await;
    assert_eq!(web.client.get(&token, "/api/me").await.status, 401);
    assert_eq!(web.client.get(&ana, "/api/journal?q=stays").await.text("/entries/0/text"), "stays here");
    assert_eq!(traces(&data, &words), Vec::<String>::new());
    web.signal(rustix::process::Signal::TERM);
    web.end().await;
    assert_eq!(traces(&data, &words), Vec::<String>::new());

    let (whole, said) = run(&bench, &["audit", "verify"]);
    assert!(whole && said.contains("the audit is whole"), "{said}");
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(bench.path(&format!("data/assistant.db{end}")));
    }
    fs::copy(&old, bench.path("data/assistant.db")).expect("restores");
    let _ = fs::remove_dir_all(bench.path("data/files"));
    copy(&bench.path("old-files"), &bench.path("data/files"));
    assert!(!traces(&data, &words).is_empty(), "the copy is of before");
    let (done, said) = run(&bench, &["erase", "--replay"]);
    assert!(done && said.contains("erased again: 1"), "{said}");
    assert_eq!(traces(&data, &words), Vec::<String>::new());
    let (done, said) = run(&bench, &["erase", "--replay"]);
    assert!(done && said.contains("erased again: 0"), "{said}");
}

#[tokio::test]
async fn an_audit_that_was_tampered_with_is_told() {
    let bench = Bench::new();
    let web = bench.web("web", &[]).await;
    for _ in 0..3 {
        web.client.sign_in("ana", "correct horse").await;
    }
    let (whole, said) = run(&bench, &["audit", "verify"]);
    let head = said.trim().rsplit(' ').next().expect("a row").to_owned();
    assert!(whole && head.starts_with("3:"), "{said}");
    assert!(run(&bench, &["audit", "verify", "--head", &head]).0);
    stored(&bench).execute("DELETE FROM audit WHERE n = 3", []).expect("cuts");
    assert!(run(&bench, &["audit", "verify"]).0, "a cut end is only found by what was written down");
    let (whole, said) = run(&bench, &["audit", "verify", "--head", &head]);
    assert!(!whole && said.contains("cut off"), "{said}");
    stored(&bench).execute("UPDATE audit SET at = 1 WHERE n = 1", []).expect("changes");
    let (whole, said) = run(&bench, &["audit", "verify"]);
    assert!(!whole && said.contains("row 1 is not what was written"), "{said}");
}

#[tokio::test]
async fn an_upload_that_was_given_up_is_removed_after_a_day() {
    let bench = Bench::new();
    let web = bench.web("web", &[]).await;
    let ana = web.client.sign_in("ana", "correct horse").await;
    let entry = web.client.post(&ana, "/api/journal", json!({"text": "x"})).await.text("/entry/id");
    let id = web.client.announce(&ana, &entry, "half.txt", 10).await.text("/id");
    assert_eq!(web.client.piece(&ana, &id, 0, b"half").await.status, 204);
    let of_uploads = || files(&bench.path("data")).iter().filter(|path| path.ends_with(&id)).count();
    assert_eq!(of_uploads(), 1);
    drop(web);
    stored(&bench).execute("UPDATE attachments SET created_at = created_at - 86400001", []).expect("ages");
    let _web = bench.web("web", &[]).await;
    let rows = || -> i64 {
        stored(&bench).query_row("SELECT count(*) FROM attachments", [], |row| row.get(0)).expect("asks")
    };
    let until = Instant::now() + PATIENCE;
    while of_uploads() > 0 || rows() > 0 {
        assert!(Instant::now() < until, "it stays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
