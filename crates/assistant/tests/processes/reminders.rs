//! Reminders over real processes: told once, whoever dies in that moment; planned by a command that ends.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use jiff::{ToSpan, Zoned, tz::TimeZone};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::bench::{Bench, PASSWORD, PATIENCE, Process};

/// What a page hears, as it comes.
type Heard = Arc<Mutex<Vec<Value>>>;

async fn listen(process: &Process, token: &str) -> Heard {
    let mut request = "ws://test/api/ws".into_client_request().expect("a request");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    let stream = process.client.connect().await.expect("connects");
    let (socket, _) = tokio_tungstenite::client_async(request, stream).await.expect("upgrades");
    let heard = Heard::default();
    tokio::spawn(hear(socket, Arc::clone(&heard)));
    heard
}

async fn hear<S>(mut socket: WebSocketStream<S>, heard: Heard)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            heard.lock().expect("no panic").push(serde_json::from_str(&text).expect("JSON"));
        }
    }
}

/// A task that is due `seconds` from now. Returns its id.
async fn due_in(process: &Process, token: &str, title: &str, seconds: i64) -> String {
    let at: Zoned = jiff::Timestamp::now().to_zoned(TimeZone::UTC).saturating_add(seconds.seconds());
    let body = json!({"title": title, "due_day": at.date(), "due_time": at.strftime("%H:%M:%S").to_string()});
    process.client.post(token, "/api/tasks", body).await.text("/task/id")
}

fn database(bench: &Bench) -> rusqlite::Connection {
    let db = rusqlite::Connection::open(bench.path("data/assistant.db")).expect("opens");
    db.busy_timeout(Duration::from_secs(5)).expect("sets");
    db
}

fn count(bench: &Bench, sql: &str) -> i64 {
    database(bench).query_row(sql, [], |row| row.get(0)).expect("asks")
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn each_reminder_is_told_once_over_a_deploy_and_a_kill_in_that_moment() {
    const TASKS: i64 = 40;
    let bench = Bench::new();
    let mut old = [bench.web("web.1.1", &[]).await, bench.web("web.1.2", &[]).await];
    let token = old[0].client.sign_in("ana", PASSWORD).await;
    // They come one after the other while processes are killed and replaced.
    for n in 0..TASKS {
        due_in(&old[0], &token, &format!("Task {n}"), 2 + n / 8).await;
    }
    until("the first reminder", || count(&bench, "SELECT count(*) FROM reminders") > 0).await;
    old[1].kill();
    let new = bench.web("web.2.1", &[]).await;
    old[0].signal(Signal::USR1);
    old[0].signal(Signal::TERM);
    assert!(old[0].end().await.success());
    until("all reminders", || count(&bench, "SELECT count(*) FROM reminders") >= TASKS).await;
    let doubled = "SELECT count(*) FROM (SELECT 1 FROM reminders GROUP BY task_id HAVING count(*) > 1)";
    assert_eq!((count(&bench, "SELECT count(*) FROM reminders"), count(&bench, doubled)), (TASKS, 0));
    let open = "SELECT count(*) FROM jobs WHERE queue = 'day' AND subject LIKE 'task %' AND state <> 'done'";
    assert_eq!(count(&bench, open), 0, "nothing is told again later");
    let listed = new.client.get(&token, "/api/reminders").await.json();
    assert_eq!(listed["reminders"].as_array().map(Vec::len), usize::try_from(TASKS).ok());
}

#[tokio::test]
async fn pages_at_two_instances_hear_it_and_one_shows_it() {
    let bench = Bench::new();
    let (one, other) = (bench.web("web.1.1", &[]).await, bench.web("web.1.2", &[]).await);
    let token = one.client.sign_in("ana", PASSWORD).await;
    let pages = [listen(&one, &token).await, listen(&other, &token).await];
    let task = due_in(&one, &token, "Call Anna", 2).await;
    let done = due_in(&one, &token, "Done before", 2).await;
    one.client.post(&token, &format!("/api/tasks/{done}/done"), json!({})).await;
    until("the reminder", || count(&bench, "SELECT count(*) FROM reminders") > 0).await;
    let open = "SELECT count(*) FROM jobs WHERE queue = 'day' AND subject LIKE 'task %' AND state <> 'done'";
    until("the other's job", || count(&bench, open) == 0).await;
    let reminders = other.client.get(&token, "/api/reminders").await.json();
    let id = reminders["reminders"][0]["id"].as_str().expect("an id").to_owned();
    // What both pages hear after it, they hear after all that was told of it.
    let marker = one.client.post(&token, "/api/tasks", json!({"title": "Marker"})).await.text("/task/id");
    let all_heard =
        |page: &Heard| page.lock().expect("no panic").iter().any(|message| message["id"] == marker.as_str());
    until("both pages hear of the last task", || pages.iter().all(all_heard)).await;
    let mut firsts = 0;
    for process in [&one, &other] {
        let claim = process.client.post(&token, &format!("/api/reminders/{id}/shown"), json!({})).await;
        firsts += usize::from(claim.json()["first"] == true);
    }
    assert_eq!(firsts, 1);
    for page in pages {
        let heard = page.lock().expect("no panic").clone();
        let told: Vec<&Value> = heard.iter().filter(|message| message["type"] == "reminder").collect();
        assert_eq!(told.len(), 1, "{heard:?}");
        assert_eq!((&told[0]["title"], &told[0]["task_id"]), (&json!("Call Anna"), &json!(task)));
    }
}

#[tokio::test]
async fn plan_day_moves_instants_to_where_they_were_meant_and_repeats_nothing() {
    let bench = Bench::new();
    let web = bench.web("web.1.1", &[]).await;
    let token = web.client.sign_in("ana", PASSWORD).await;
    let task = due_in(&web, &token, "Call Anna", 86_400).await;
    let meant = count(&bench, "SELECT due_at FROM tasks");
    let plan = || bench.command(&[]).arg("plan-day").output().expect("runs");
    // As if it had been derived from a database of time zones that is old now, and its job were gone.
    let db = database(&bench);
    db.execute("UPDATE tasks SET due_at = due_at - 3600000", []).expect("updates");
    db.execute("DELETE FROM jobs WHERE queue = 'day'", []).expect("deletes");
    let rev = count(&bench, "SELECT rev FROM tasks");
    let output = plan();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("planned for 1 accounts; 1 instants moved"), "{said}");
    assert_eq!(count(&bench, "SELECT due_at FROM tasks"), meant);
    assert_eq!(count(&bench, "SELECT rev FROM tasks"), rev, "what was meant is the same");
    let jobs = || {
        let sql = "SELECT group_concat(subject || ' ' || lease_until, ';') FROM (SELECT * FROM jobs WHERE queue = 'day' ORDER BY subject)";
        database(&bench).query_row(sql, [], |row| row.get::<_, String>(0)).expect("asks")
    };
    let planned = jobs();
    assert!(planned.contains(&format!("task {task} {meant} {meant}")), "{planned}");
    assert!(planned.contains("summary "), "{planned}");
    let again = String::from_utf8_lossy(&plan().stdout).into_owned();
    assert!(again.contains("0 instants moved"), "{again}");
    assert_eq!(jobs(), planned);
}
