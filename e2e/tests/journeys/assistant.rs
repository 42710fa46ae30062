//! The reference assistant behind the edge: what a person is told survives what happens to the processes.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use e2e::assistant::{Crowd, Person};
use serde_json::json;
use testkit::{Mainstay, binaries, http::Answer, mainstay::processes::kill, wait};

pub(crate) const SITE: &str = "assistant/production";
pub(crate) const SECRET_KEY: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
pub(crate) const MANIFEST: &str = include_str!("../../../examples/assistant/mainstay.toml");

/// A machine that serves the assistant, and somebody who is signed in.
pub(crate) fn serving_assistant() -> (Mainstay, PathBuf, Person) {
    serving_assistant_by(MANIFEST)
}

/// The same by another manifest.
pub(crate) fn serving_assistant_by(manifest: &str) -> (Mainstay, PathBuf, Person) {
    serving_assistant_on(Mainstay::start(), manifest)
}

/// The same on a machine of one's own.
pub(crate) fn serving_assistant_on(mainstay: Mainstay, manifest: &str) -> (Mainstay, PathBuf, Person) {
    let folder = mainstay.folder().join("assistant");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("mainstay.toml"), manifest).expect("the manifest");
    fs::copy(binaries::path("assistant"), folder.join("assistant")).expect("it was built");
    place_secrets(&mainstay, "ASSISTANT_FIRST_USER=ana\nASSISTANT_FIRST_PASSWORD=correct-horse\n");
    mainstay.cli_in(&folder, &["deploy"]).expect_code(0);
    let person = Person::sign_in(mainstay.http(), "localhost", "ana", "correct-horse").expect("signed in");
    (mainstay, folder, person)
}

/// The assistant's secrets where the machine looks for them: its key, and `more` lines.
pub(crate) fn place_secrets(mainstay: &Mainstay, more: &str) {
    let site = mainstay.data().join("apps").join(SITE);
    fs::create_dir_all(&site).expect("the site's folder");
    let secrets = site.join("secrets.env");
    fs::write(&secrets, format!("ASSISTANT_SECRET_KEY={SECRET_KEY}\n{more}")).expect("the secrets");
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).expect("own file");
}

#[test]
fn an_answer_goes_on_over_a_killed_edge_and_the_model_is_not_asked_twice() {
    let (mainstay, _, person) = serving_assistant();
    let following = person.say("edge", "count to 8 slowly").expect("accepted");
    let edge = mainstay.edge_pid();
    let (told, reconnects) = following.to_the_end(|| kill(edge)).expect("the whole answer");
    assert!(told.text.contains('8') && told.resets == 0, "{told:?}");
    assert!(reconnects >= 1, "the connection broke with the edge");
}

#[test]
fn an_answer_survives_the_death_of_every_web_process_whole_and_once() {
    let (mainstay, _, person) = serving_assistant();
    let following = person.say("web", "count to 8 slowly").expect("accepted");
    let instances = mainstay.instances(SITE);
    let (told, _) =
        following.to_the_end(|| instances.values().copied().for_each(kill)).expect("the whole answer");
    assert!(told.text.contains('8') && told.resets <= 1, "{told:?}");
    wait::until("all instances are back", Duration::from_secs(30), || {
        let back = mainstay.instances(SITE);
        back.len() == instances.len() && back.values().all(|pid| !instances.values().any(|old| old == pid))
    });
}

#[test]
fn the_assistant_is_replaced_while_people_use_it_and_nobody_notices() {
    let (mainstay, folder, person) = serving_assistant();
    let crowd = Crowd::start(&person, 4);
    fs::write(folder.join("RELEASE"), "2").expect("written");
    mainstay.cli_in(&folder, &["deploy"]).expect_code(0);
    mainstay.cli_in(&folder, &["rollback"]).expect_code(0);
    let seen = crowd.finish();
    assert!(seen.failures.is_empty(), "of {}: {:?}", seen.asked, seen.failures);
    assert!(!seen.written.is_empty());
}

#[test]
fn a_reminder_comes_once_over_a_deploy_and_killed_instances() {
    const TASKS: usize = 24;
    let (mainstay, folder, person) = serving_assistant();
    // Half a minute of them, in which a release is replaced and what serves is killed.
    for n in 0..TASKS {
        let at = jiff::Timestamp::now().as_second() + 4 + i64::try_from(n).unwrap_or_default();
        let at = jiff::Timestamp::from_second(at).expect("in range").to_zoned(jiff::tz::TimeZone::UTC);
        let task = json!({"title": format!("Task {n}"), "due_day": at.date().to_string(), "due_time": at.strftime("%H:%M:%S").to_string()});
        person.post("/api/tasks", &format!("task-{n}"), &task, 201).expect("added");
    }
    let reminders = || {
        let listed = person.get_json("/api/reminders").ok()?;
        let mut tasks: Vec<String> = listed["reminders"]
            .as_array()?
            .iter()
            .filter_map(|reminder| reminder["task_id"].as_str().map(str::to_owned))
            .collect();
        tasks.sort();
        Some(tasks)
    };
    wait::until("the first reminder", Duration::from_secs(60), || {
        reminders().is_some_and(|tasks| !tasks.is_empty())
    });
    mainstay.instances(SITE).values().copied().for_each(kill);
    fs::write(folder.join("RELEASE"), "2").expect("written");
    mainstay.cli_in(&folder, &["deploy"]).expect_code(0);
    wait::until("all of them", Duration::from_secs(120), || {
        reminders().is_some_and(|tasks| tasks.len() >= TASKS)
    });
    let told = reminders().expect("an answer");
    let mut once = told.clone();
    once.dedup();
    assert_eq!((told.len(), once.len()), (TASKS, TASKS), "{told:?}");
}

const TUS: &str = "tus-resumable: 1.0.0";

fn header(answer: &Answer, name: &str) -> String {
    let found = answer.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

#[test]
fn an_upload_outlives_edge_and_web_and_everything_goes_out_and_comes_in_again() {
    let (mainstay, _, person) = serving_assistant();
    let entry = person.post("/api/journal", "entry", &json!({"text": "At the river"}), 201).expect("written");
    let announce = format!("/api/journal/{}/attachments", entry["entry"]["id"].as_str().expect("an id"));
    let bytes: Vec<u8> =
        b"%PDF-1.7\n".iter().copied().chain((0..3_000_000_u32).map(|n| (n % 251) as u8)).collect();
    let length = format!("upload-length: {}", bytes.len());
    let announced =
        person.ask("POST", &announce, &[TUS, &length, "upload-metadata: filename cml2ZXIucGRm"], &[]);
    let at = header(&announced.expect("an answer"), "location");
    let mut sent = 0;
    for (n, piece) in bytes.chunks(1_000_000).enumerate() {
        // What died comes back by itself, and the upload is where it was.
        wait::until("the next piece is taken", Duration::from_secs(60), || {
            let Ok(told) = person.ask("HEAD", &at, &[TUS], &[]) else { return false };
            if header(&told, "upload-offset") != sent.to_string() {
                return false;
            }
            let head =
                [TUS, &format!("upload-offset: {sent}"), "content-type: application/offset+octet-stream"];
            person.ask("PATCH", &at, &head, piece).is_ok_and(|answer| answer.status == 204)
        });
        sent += piece.len();
        match n {
            0 => kill(mainstay.edge_pid()),
            1 => mainstay.instances(SITE).values().copied().for_each(kill),
            _ => {}
        }
    }
    let stored = person.get(&at).expect("an answer");
    assert_eq!((stored.status, stored.body == bytes), (200, true));
    assert_eq!(header(&stored, "content-disposition"), "attachment; filename*=UTF-8''river.pdf");
    let archive = person.get("/api/export").expect("an answer");
    assert_eq!(archive.status, 200);
    let imported = person.ask("POST", "/api/import", &["content-type: application/x-tar"], &archive.body);
    let imported = imported.expect("an answer").json();
    assert_eq!((&imported["entries"], &imported["attachments"]), (&json!(1), &json!(1)), "{imported}");
    let sessions = person.get_json("/api/sessions").expect("listed");
    assert_eq!(sessions["sessions"][0]["address"], "127.0.0.1", "the edge says where somebody signs in from");
}
