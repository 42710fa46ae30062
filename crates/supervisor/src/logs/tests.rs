//! Reading logs, as claims.

use std::{fs, io::Write as _, path::Path, time::Duration};

use super::*;

fn line(second: u32, text: &str) -> String {
    format!("2026-11-21T10:00:{second:02}.000000000Z stdout F {text}\n")
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("open")
        .write_all(text.as_bytes())
        .expect("written");
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

fn all() -> Query {
    Query { tail: 100, ..Query::default() }
}

#[test]
fn a_line_keeps_its_stream_its_mark_and_its_spaces() {
    let parsed =
        Line::parse("web.1.1", "2026-11-21T10:00:00.000000001Z stderr P  two  spaces ").expect("a line");
    assert_eq!(
        (parsed.stream, parsed.partial, parsed.text.as_str()),
        (Stream::Stderr, true, " two  spaces ")
    );
    let empty = Line::parse("web.1.1", "2026-11-21T10:00:00.000000001Z stdout F ").expect("an empty line");
    assert_eq!(empty.text, "");
    for bad in ["", "half a li", "2026-11-21T10:00:00Z stdin F x", "yesterday stdout F x"] {
        assert_eq!(Line::parse("web.1.1", bad), None, "{bad}");
    }
}

#[test]
fn lines_of_all_instances_come_by_time_and_rotated_files_before_current_ones() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "web/web.1.1.log.2", &line(1, "a"));
    write(dir.path(), "web/web.1.1.log.1", &line(2, "b"));
    write(dir.path(), "web/web.1.1.log", &line(4, "d"));
    write(dir.path(), "worker/worker.1.1.log", &line(3, "c"));
    assert_eq!(texts(&read(dir.path(), &all()).expect("read")), ["a", "b", "c", "d"]);
    let last = Query { tail: 2, ..all() };
    assert_eq!(texts(&read(dir.path(), &last).expect("read")), ["c", "d"]);
}

#[test]
fn a_query_picks_service_instance_release_text_and_age() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "web/web.1.1.log", &line(1, "one red"));
    write(dir.path(), "web/web.2.1.log", &line(2, "two red"));
    write(dir.path(), "web/web.2.2.log", &line(3, "three blue"));
    write(dir.path(), "migrate/migrate.log", &line(4, "four red"));
    let picked = |query: Query| texts(&read(dir.path(), &query).expect("read")).join(", ");
    assert_eq!(picked(Query { release: Some(2), ..all() }), "two red, three blue");
    assert_eq!(picked(Query { instance: Some("web.2.2".parse().expect("a name")), ..all() }), "three blue");
    assert_eq!(
        picked(Query { service: Some("web".parse().expect("a name")), ..all() }),
        "one red, two red, three blue"
    );
    assert_eq!(picked(Query { grep: Some("red".into()), ..all() }), "one red, two red, four red");
    let three: jiff::Timestamp = "2026-11-21T10:00:03Z".parse().expect("a time");
    assert_eq!(picked(Query { since: Some(three.into()), ..all() }), "three blue, four red");
}

#[test]
fn the_last_lines_of_a_long_file_are_read_across_blocks() {
    let dir = tempfile::tempdir().expect("a folder");
    let long: String =
        (0..5000).map(|n| line(n % 60, &format!("{n} {}", "x".repeat(n as usize % 90)))).collect();
    write(dir.path(), "web/web.1.1.log", &format!("{long}2026-11-21T10:00:00.0Z stdout F not yet whol"));
    let path = dir.path().join("web/web.1.1.log");
    let last = tail_of_file(&path, 3000).expect("read");
    let expected: Vec<&str> = long.lines().skip(2000).collect();
    assert_eq!(last, expected);
}

#[test]
fn a_missing_folder_has_no_lines() {
    assert_eq!(read(Path::new("/nonexistent/logs"), &all()).expect("read"), []);
}

#[test]
fn reading_on_takes_only_whole_lines() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("web/web.1.1.log");
    assert_eq!(read_from(&path, 0).expect("nothing yet"), (Vec::new(), 0));
    write(dir.path(), "web/web.1.1.log", &format!("{}2026-11-21T10:00:02", line(1, "a")));
    let (lines, next) = read_from(&path, 0).expect("read");
    assert_eq!(texts(&lines), ["a"]);
    write(dir.path(), "web/web.1.1.log", ".000000000Z stdout F b\n");
    assert_eq!(texts(&read_from(&path, next).expect("read").0), ["b"]);
}

#[tokio::test]
async fn following_goes_across_rotation_and_to_new_files() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "web/web.1.1.log", &line(1, "before"));
    let mut follow = Follow::begin(dir.path(), all()).expect("begun");
    write(dir.path(), "web/web.1.1.log", &line(2, "a"));
    assert_eq!(texts(&follow.next().await.expect("lines")), ["a"]);
    write(dir.path(), "web/web.1.1.log", &line(3, "b"));
    fs::rename(dir.path().join("web/web.1.1.log"), dir.path().join("web/web.1.1.log.1")).expect("rotated");
    write(dir.path(), "web/web.1.1.log", &line(4, "c"));
    write(dir.path(), "web/web.2.1.log", &line(5, "d"));
    assert_eq!(texts(&follow.next().await.expect("lines")), ["b", "c", "d"]);
    let nothing = tokio::time::timeout(Duration::from_millis(250), follow.next()).await;
    assert!(nothing.is_err(), "nothing more was written");
}

#[tokio::test]
async fn a_follower_that_is_far_behind_gets_all_of_a_rotated_file() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "web/web.1.1.log", &line(1, "before"));
    let mut follow = Follow::begin(dir.path(), all()).expect("begun");
    // More than one look takes.
    let many: String = (0..40_000).map(|n| line(2, &format!("{n}"))).collect();
    assert!(many.len() > 1 << 20);
    write(dir.path(), "web/web.1.1.log", &many);
    fs::rename(dir.path().join("web/web.1.1.log"), dir.path().join("web/web.1.1.log.1")).expect("rotated");
    write(dir.path(), "web/web.1.1.log", &line(3, "after"));
    let lines = follow.next().await.expect("lines");
    assert_eq!(lines.len(), 40_001);
    assert_eq!(lines.last().map(|line| line.text.as_str()), Some("after"));
}
