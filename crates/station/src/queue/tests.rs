//! What the queue promises: each event once, whatever dies between, and nothing beyond its bounds.

use std::{collections::HashMap, fs, path::Path, time::Duration};

use api::station::{Cursor, Event, News};
use model::Secret;
use serde_json::json;

use super::{Limits, Moment, Queue};
use crate::{hook::Hook, settings};

fn hook(url: &str, events: &str) -> Hook {
    let said = settings::Hook {
        url: url.to_owned(),
        events: vec![events.to_owned()],
        apps: vec!["shop".parse().expect("a name")],
        secret: Some("A".to_owned()),
    };
    Hook::new(&said, &HashMap::from([("A".to_owned(), Secret::new("long enough to be a key"))]))
        .expect("a hook")
}

fn event(n: usize, app: &str) -> Event {
    Event {
        id: format!("evt_{n}"),
        name: "deploy.served".to_owned(),
        at: "2026-11-29T12:00:00.000Z".to_owned(),
        site: Some(format!("{app}/production").parse().expect("a site")),
        past: false,
        data: json!({ "n": n }),
    }
}

fn news(after: u64, events: Vec<Event>) -> News {
    News { cursor: Cursor { keeper: "K1".to_owned(), after }, complete: true, events, tests: Vec::new() }
}

fn moment(unix_ms: i64) -> Moment {
    Moment { unix_ms, stamp: "2026-11-29T12:00:00.000Z".to_owned() }
}

fn ids(queue: &Queue, hook: &Hook, at: i64) -> Vec<String> {
    queue.due(&hook.key, &moment(at), 100).expect("readable").into_iter().map(|one| one.id).collect()
}

/// What a process that dies now leaves on the disk: the files as they are, opened by another.
fn after_death(folder: &Path) -> (tempfile::TempDir, Queue) {
    let copy = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(folder).expect("there").flatten() {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copied");
    }
    let queue = Queue::open(&copy.path().join("q")).expect("usable after a death");
    (copy, queue)
}

#[test]
fn what_is_told_again_is_queued_once_and_what_is_not_wanted_never() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = Queue::open(&folder.path().join("q")).expect("a queue");
    let hooks = [hook("https://a/", "deploy.*"), hook("https://b/", "*.aborted")];
    let past = Event { past: true, ..event(3, "shop") };
    let told = news(3, vec![event(1, "shop"), event(2, "blog"), past.clone()]);
    assert_eq!(queue.take(&told, &hooks, &moment(0)).expect("taken"), 1);
    let again = News { cursor: Cursor { keeper: "K2".to_owned(), after: 4 }, ..told };
    let again = News {
        events: [again.events.clone(), vec![Event { past: false, ..past }, event(4, "shop")]].concat(),
        ..again
    };
    assert_eq!(queue.take(&again, &hooks, &moment(0)).expect("taken"), 1);
    assert_eq!(ids(&queue, &hooks[0], 0), ["evt_1", "evt_4"]);
    assert_eq!(ids(&queue, &hooks[1], 0), Vec::<String>::new());
    assert_eq!(queue.cursor().expect("read"), again.cursor);
}

#[test]
fn a_death_between_any_two_writes_leaves_all_of_what_was_told_or_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = Queue::open(&folder.path().join("q")).expect("a queue");
    let hooks = [hook("https://a/", "*")];
    let events: Vec<Event> = (1..=3).map(|n| event(n, "shop")).collect();
    // Each statement of a transaction that is not committed, seen by who opens what a death would leave.
    {
        let change = queue.db.transaction().expect("begun");
        for one in &events {
            super::keep(&change, one, "K1", &hooks, &moment(0)).expect("kept");
            let (_copy, other) = after_death(folder.path());
            assert_eq!(ids(&other, &hooks[0], 0), Vec::<String>::new());
            assert_eq!(other.cursor().expect("read"), Cursor::default());
        }
    }
    queue.take(&news(3, events.clone()), &hooks, &moment(0)).expect("taken");
    let (_copy, mut other) = after_death(folder.path());
    assert_eq!(ids(&other, &hooks[0], 0), ["evt_1", "evt_2", "evt_3"]);
    assert_eq!(other.cursor().expect("read").after, 3);
    // It was delivered, and whoever did it died before it was written down: it is sent again, under the same id.
    let due = other.due(&hooks[0].key, &moment(0), 1).expect("read");
    assert_eq!(other.take(&news(3, events), &hooks, &moment(0)).expect("taken"), 0);
    other.delivered(&due[0], &moment(0)).expect("written");
    assert_eq!(ids(&other, &hooks[0], 0), ["evt_2", "evt_3"]);
}

#[test]
fn what_failed_waits_its_time_and_a_clock_that_goes_back_holds_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = Queue::open(&folder.path().join("q")).expect("a queue");
    let hooks = [hook("https://a/", "*")];
    let day = 86_400_000;
    queue.take(&news(1, vec![event(1, "shop")]), &hooks, &moment(day)).expect("taken");
    let due = queue.due(&hooks[0].key, &moment(day), 1).expect("read").remove(0);
    queue.failed(&due, "no", Duration::from_secs(60), &moment(day)).expect("written");
    assert_eq!(ids(&queue, &hooks[0], day + 59_999), Vec::<String>::new());
    assert_eq!(queue.next_in(&hooks[0].key, &moment(day)).expect("read"), Some(Duration::from_secs(60)));
    assert_eq!(ids(&queue, &hooks[0], day + 60_000), ["evt_1"]);
    assert_eq!(ids(&queue, &hooks[0], 0), ["evt_1"], "a day back is no reason to wait a day");
    let again = queue.due(&hooks[0].key, &moment(day + 60_000), 1).expect("read").remove(0);
    assert_eq!(again.tries, 1);
}

#[test]
fn what_is_given_up_is_told_until_the_keeper_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = Queue::open(&folder.path().join("q")).expect("a queue");
    let hooks = [hook("https://a/x?token=1", "*")];
    queue.take(&news(1, vec![event(1, "shop")]), &hooks, &moment(0)).expect("taken");
    let due = queue.due(&hooks[0].key, &moment(0), 1).expect("read").remove(0);
    queue.gave_up(&due, &hooks[0], "it answered 410", &moment(0)).expect("written");
    let (report, mark) = queue.report(&hooks).expect("read");
    assert_eq!((report.dead.len(), report.dead[0].url.as_str()), (1, "https://a/x"));
    let state = &report.hooks[&hooks[0].key];
    assert_eq!((state.queued, state.dead), (0, 1));
    assert!(state.last_error.as_ref().is_some_and(|why| why.ends_with("it answered 410")));
    queue.told(mark).expect("written");
    assert!(queue.report(&hooks).expect("read").0.dead.is_empty());
    let bodies: i64 = queue.db.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).expect("read");
    assert_eq!(bodies, 0, "nobody needs it any more");
}

#[test]
fn a_full_queue_gives_the_oldest_up_with_a_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = Queue::open(&folder.path().join("q")).expect("a queue");
    queue.limits = Limits { deliveries_max: 3, ..queue.limits };
    let hooks = [hook("https://a/", "*")];
    queue.take(&news(5, (1..=5).map(|n| event(n, "shop")).collect()), &hooks, &moment(0)).expect("taken");
    assert_eq!(ids(&queue, &hooks[0], 0), ["evt_3", "evt_4", "evt_5"]);
    let (report, _) = queue.report(&hooks).expect("read");
    let dead: Vec<&str> = report.dead.iter().map(|dead| dead.id.as_str()).collect();
    assert_eq!(dead, ["evt_1", "evt_2"]);
    queue.limits = Limits { body_bytes_max: 1, ..queue.limits };
    queue.take(&news(6, vec![event(6, "shop")]), &hooks, &moment(0)).expect("taken");
    assert_eq!(ids(&queue, &hooks[0], 0), Vec::<String>::new());
}

#[test]
fn a_webhook_that_is_gone_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = Queue::open(&folder.path().join("q")).expect("a queue");
    let hooks = [hook("https://a/", "*"), hook("https://b/", "*")];
    queue.take(&news(1, vec![event(1, "shop")]), &hooks, &moment(0)).expect("taken");
    queue.keep_only(&hooks[1..]).expect("written");
    assert_eq!(ids(&queue, &hooks[0], 0), Vec::<String>::new());
    assert_eq!(ids(&queue, &hooks[1], 0), ["evt_1"]);
}

/// A file as version 1 wrote it, with one delivery for `hook`, and `user_version`.
fn recorded(path: &Path, hook: &Hook, version: u32) {
    let text =
        include_str!("../../tests/recorded/v1/queue.sql").replace("'HOOK'", &format!("'{}'", hook.key));
    let db = rusqlite::Connection::open(path).expect("a file");
    db.execute_batch(&text).expect("the text of a queue");
    db.pragma_update(None, "user_version", version).expect("written");
}

#[test]
fn a_queue_of_version_1_is_read_and_one_of_a_newer_version_is_refused_and_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, hook) = (folder.path().join("q"), hook("https://a/", "deploy.*"));
    recorded(&file, &hook, 1);
    let queue = Queue::open(&file).expect("it reads");
    assert_eq!(queue.cursor().expect("readable"), Cursor { keeper: "K1".to_owned(), after: 7 });
    let due = queue.due(&hook.key, &moment(1), 100).expect("readable");
    assert_eq!((due.len(), due[0].id.as_str(), due[0].tries), (1, "evt_1", 3));

    let newer = folder.path().join("newer");
    recorded(&newer, &hook, 2);
    let refused = Queue::open(&newer).err().expect("it is of tomorrow").to_string();
    assert!(refused.contains("the format 2; this station reads up to 1"), "{refused}");
    let db = rusqlite::Connection::open(&newer).expect("a file");
    let left: i64 = db.query_row("SELECT count(*) FROM delivery", [], |row| row.get(0)).expect("there");
    assert_eq!(left, 1);
}
