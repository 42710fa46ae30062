//! Answers that outlive the process that writes them.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::json;

use crate::{
    bench::{Bench, Process, begin, counted, message, say},
    client::{Event, shown},
};

fn kinds(events: &[Event], kind: &str) -> usize {
    events.iter().filter(|event| event.kind == kind).count()
}

fn assert_no_id_twice(events: &[Event]) {
    let ids: BTreeSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), events.len(), "an id came twice: {events:?}");
}

/// (who answers, the other one).
fn by_role(bench: &Bench, id: &str, one: Process, other: Process) -> (Process, Process) {
    let owner = bench.owner(id).expect("somebody answers");
    if owner == one.name { (one, other) } else { (other, one) }
}

#[tokio::test]
async fn kill_9_of_whoever_answers_ends_with_the_whole_text_once() {
    let bench = Bench::new();
    let pace = [("ASSISTANT_BUILTIN_PACE", "60ms")];
    let (one, other) = (bench.web("web.1.1", &pace).await, bench.web("web.1.2", &pace).await);
    let (token, conversation) = begin(&one).await;
    let id = say(&one, &token, &conversation, "count to 40").await;
    // Readers in both processes, before anybody dies.
    let mut readers = [one.client.follow(&token, &id, "").await, other.client.follow(&token, &id, "").await];
    for reader in &mut readers {
        assert_eq!(reader.next().await.expect("text comes").kind, "text");
    }
    let (mut dying, living) = by_role(&bench, &id, one, other);
    let mut reader = living.client.follow(&token, &id, "").await;
    let mut seen = vec![reader.next().await.expect("text comes")];
    dying.kill();
    seen.extend(reader.rest().await);
    assert_eq!(kinds(&seen, "reset"), 1, "{seen:?}");
    assert_eq!(kinds(&seen, "done"), 1);
    assert_no_id_twice(&seen);
    assert_eq!(shown(&seen), counted(40));
    let stored = message(&living, &token, &id).await;
    assert_eq!(
        (stored["text"].as_str(), stored["attempt"].as_u64(), stored["status"].as_str()),
        (Some(counted(40).as_str()), Some(2), Some("done"))
    );
    assert_eq!(seen.last().map(|event| &event.data["chars"]), Some(&json!(counted(40).chars().count())));
}

#[tokio::test]
async fn a_command_said_in_chat_is_done_once_though_it_is_answered_twice() {
    let bench = Bench::new();
    let pace = [("ASSISTANT_BUILTIN_PACE", "400ms")];
    let (one, other) = (bench.web("web.1.1", &pace).await, bench.web("web.1.2", &pace).await);
    let (token, conversation) = begin(&one).await;
    let id = say(&one, &token, &conversation, "remind me to call Anna tomorrow at 5pm").await;
    let mut reader = one.client.follow(&token, &id, "").await;
    reader.next().await.expect("it is being answered, so it is done");
    let (mut dying, living) = by_role(&bench, &id, one, other);
    let reader = living.client.follow(&token, &id, "").await;
    dying.kill();
    let seen = reader.rest().await;
    assert_eq!(shown(&seen), "Noted: “call Anna”, tomorrow, 17:00.");
    assert_eq!(message(&living, &token, &id).await["attempt"], 2);
    let tasks = living.client.get(&token, "/api/tasks").await.json();
    assert_eq!(tasks["tasks"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_stopping_process_gives_its_answer_back_and_another_finishes_it_at_once() {
    let bench = Bench::new();
    let vars = [("ASSISTANT_BUILTIN_PACE", "100ms"), ("ASSISTANT_DRAIN_LIMIT", "2s")];
    let (one, other) = (bench.web("web.1.1", &vars).await, bench.web("web.1.2", &vars).await);
    let (token, conversation) = begin(&one).await;
    let id = say(&one, &token, &conversation, "count to 45").await;
    let mut first = one.client.follow(&token, &id, "").await;
    first.next().await.expect("text comes");
    let (mut leaving, staying) = by_role(&bench, &id, one, other);
    let here = leaving.client.follow(&token, &id, "").await;
    let there = staying.client.follow(&token, &id, "").await;
    leaving.signal(Signal::TERM);
    let here = here.rest().await;
    assert_eq!(kinds(&here, "done"), 0, "the leaving process lets its readers go");
    assert!(leaving.end().await.success());
    let last = here.last().expect("it read something").id.clone();
    let resumed = staying.client.follow(&token, &id, &last).await.rest().await;
    let all: Vec<Event> = here.into_iter().chain(resumed).collect();
    assert_eq!((shown(&all), kinds(&all, "reset")), (counted(45), 1));
    assert_no_id_twice(&all);
    assert_eq!(shown(&there.rest().await), counted(45));
}

#[tokio::test]
async fn an_answer_that_fits_the_limit_is_finished_before_the_end() {
    let bench = Bench::new();
    let mut one = bench.web("web.1.1", &[("ASSISTANT_BUILTIN_PACE", "50ms")]).await;
    let (token, conversation) = begin(&one).await;
    let id = say(&one, &token, &conversation, "count to 30").await;
    let mut reader = one.client.follow(&token, &id, "").await;
    let mut seen = vec![reader.next().await.expect("text comes")];
    one.signal(Signal::TERM);
    seen.extend(reader.rest().await);
    assert_eq!((shown(&seen), kinds(&seen, "done"), kinds(&seen, "reset")), (counted(30), 1, 0));
    assert!(one.end().await.success());
}

#[tokio::test]
async fn after_the_hint_a_process_takes_nothing_and_another_does() {
    let bench = Bench::new();
    let (hinted, other) = (bench.web("web.1.1", &[]).await, bench.web("web.2.1", &[]).await);
    let (token, conversation) = begin(&hinted).await;
    hinted.signal(Signal::USR1);
    for round in 0..5 {
        let id = say(&hinted, &token, &conversation, "count to 3 slowly").await;
        let mut reader = hinted.client.follow(&token, &id, "").await;
        let first = reader.next().await.expect("text comes");
        // The signal's delivery is not ours to order; what is stored once it has been seen is.
        if round > 0 {
            assert_eq!(bench.owner(&id), Some(other.name.clone()));
        }
        let seen: Vec<Event> = [first].into_iter().chain(reader.rest().await).collect();
        assert_eq!(shown(&seen), counted(3));
    }
}

#[tokio::test]
async fn stop_works_from_another_process() {
    let bench = Bench::new();
    let (one, other) = (bench.web("web.1.1", &[]).await, bench.web("web.1.2", &[]).await);
    let (token, conversation) = begin(&one).await;
    let id = say(&one, &token, &conversation, "count to 600 slowly").await;
    let mut reader = one.client.follow(&token, &id, "").await;
    let mut seen = vec![reader.next().await.expect("text comes")];
    let (_answering, idle) = by_role(&bench, &id, one, other);
    assert_eq!(idle.client.post(&token, &format!("/api/messages/{id}/stop"), json!({})).await.status, 202);
    seen.extend(reader.rest().await);
    assert_eq!(seen.last().map(|event| event.data["status"].clone()), Some(json!("stopped")));
    let stored = message(&idle, &token, &id).await;
    assert_eq!(
        (stored["text"].as_str(), stored["status"].as_str()),
        (Some(shown(&seen).as_str()), Some("stopped"))
    );
}

#[tokio::test]
async fn a_finished_answer_is_replayed_and_then_nothing_more() {
    let bench = Bench::new();
    let one = bench.web("web.1.1", &[("ASSISTANT_BUILTIN_PACE", "0ms")]).await;
    let (token, conversation) = begin(&one).await;
    let id = say(&one, &token, &conversation, "count to 10").await;
    let seen = one.client.follow(&token, &id, "").await.rest().await;
    assert_eq!(shown(&seen), counted(10));
    let again = one.client.follow(&token, &id, "").await.rest().await;
    assert_eq!(again, seen);
    let path = format!("/api/messages/{id}/stream?from={}", seen.last().expect("events").id);
    assert_eq!(one.client.get(&token, &path).await.status, 204);
}
