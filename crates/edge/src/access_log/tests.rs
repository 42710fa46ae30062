use model::ByteSize;

use super::*;

fn line(path: &str) -> Line<'_> {
    Line {
        unix_ms: 1_700_000_000_123,
        request_id: "01J",
        method: "GET",
        host: b"a\"\xff",
        path,
        query: Some("token=secret"),
        status: 200,
        bytes_in: 1,
        bytes_out: 2,
        duration: Duration::from_micros(12_345),
        ttfb: Some(Duration::from_micros(1_002)),
        upstream: None,
        release: Some(42),
        site: Some("a/production"),
        client: "::1".parse().unwrap(),
        protocol: "HTTP/1.1",
        tls: false,
        class: "http",
        retries: 0,
        cause: None,
        limit: None,
    }
}

#[test]
fn a_line_is_json_whatever_the_client_sent() {
    let mut out = b"{\"time\":\"x\"".to_vec();
    line("/a\"\\\u{1}ü").render(&mut out, false);
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["path"], "/a\"\\\u{1}ü");
    assert_eq!(value["host"], "a\"\u{fffd}");
    assert_eq!(value["duration_ms"], 12.345);
    assert_eq!(value["ttfb_ms"], 1.002);
    assert!(value.get("query").is_none());
}

#[test]
fn numbers_and_addresses_are_as_format_writes_them() {
    for value in [0, 7, 10, 999, 1000, u64::MAX] {
        let mut out = Vec::new();
        digits(&mut out, value, 1);
        assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
    }
    let mut out = Vec::new();
    milliseconds(&mut out, b"", Duration::from_micros(1_007));
    address(&mut out, b" ", "10.0.200.1".parse().unwrap());
    assert_eq!(out, b"1.007 10.0.200.1\"");
}

#[test]
fn seconds_become_dates() {
    assert_eq!(civil(0), "1970-01-01T00:00:00");
    assert_eq!(civil(951_782_400), "2000-02-29T00:00:00");
    assert_eq!(civil(1_700_000_000), "2023-11-14T22:13:20");
}

#[test]
fn files_are_rotated_by_size_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        AccessLog { path: folder.path().join("access.log"), max_bytes: ByteSize(300), keep: 2, query: false };
    let (log, thread) = Log::start(Some(&settings)).unwrap();
    let mut batch = log.batch();
    for n in 0..9 {
        batch.write(&line(&format!("/{n}")));
        batch.flush();
    }
    drop((batch, log));
    thread.unwrap().join().unwrap();
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["access.log", "access.log.1", "access.log.2"]);
    assert!(std::fs::read_to_string(&settings.path).unwrap().contains("\"path\":\"/8\""));
}

/// What two edges do while one drains: each is a process of its own with the file open.
fn two_writers(folder: &Path, max_bytes: u64) -> [Writer; 2] {
    let path = folder.join("access.log");
    let settings = AccessLog { path, max_bytes: ByteSize(max_bytes), keep: 90, query: false };
    [(); 2].map(|()| Writer::open(&settings).unwrap())
}

fn numbered(name: &str, n: usize) -> String {
    format!("{name} {n} {}\n", "x".repeat(100))
}

fn texts(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

fn lines(texts: &[String]) -> std::collections::BTreeSet<&str> {
    texts.iter().flat_map(|text| text.lines()).collect()
}

#[test]
fn two_that_write_one_log_by_turns_keep_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let [mut old, mut new] = two_writers(folder.path(), 4096);
    for n in 0..400 {
        old.write(numbered("old", n).as_bytes()).unwrap();
        new.write(numbered("new", n).as_bytes()).unwrap();
    }
    let texts = texts(folder.path());
    assert!(texts.iter().all(|text| text.len() <= 4096), "no file is beyond its size");
    let full = texts.iter().filter(|text| text.len() > 4096 - 120).count();
    assert_eq!(full + 1, texts.len(), "none was rotated before it was full");
    assert_eq!(lines(&texts).len(), 800);
}

#[test]
fn two_that_write_one_log_at_once_lose_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let writers = ["old", "new"].into_iter().zip(two_writers(folder.path(), 4096));
    let threads: Vec<_> = writers
        .map(|(name, mut writer)| {
            std::thread::spawn(move || {
                (0..400).for_each(|n| writer.write(numbered(name, n).as_bytes()).unwrap());
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let texts = texts(folder.path());
    assert!(texts.len() > 2, "it was rotated");
    assert_eq!(lines(&texts).len(), 800, "every line is in one of the files");
}

#[test]
fn one_that_only_writes_now_and_then_follows_the_other_to_its_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let settings = AccessLog { path: path.clone(), max_bytes: ByteSize(100), keep: 2, query: false };
    let (mut old, mut new) = (Writer::open(&settings).unwrap(), Writer::open(&settings).unwrap());
    let line = |name: &str| format!("{name} {}\n", "x".repeat(60));
    old.write(line("one").as_bytes()).unwrap();
    new.write(line("two").as_bytes()).unwrap();
    old.write(b"three\n").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), line("two") + "three\n");
    std::fs::remove_file(&path).unwrap();
    new.write(b"four\n").unwrap();
    old.write(b"five\n").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\nfive\n", "one that was removed is made anew");
}
