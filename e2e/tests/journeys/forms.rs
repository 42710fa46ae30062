//! Forms as a browser without script sends them, through the edge: each does what it says, tells a mistake at its field,
//! and loses nothing (ASSISTANT V1, V6, V9, V10).

use std::time::Duration;

use e2e::{
    assistant::Person,
    plain::{Browser, Form, Page},
};
use serde_json::{Value, json};
use testkit::{Mainstay, wait};

use crate::{
    assistant::serving_assistant,
    models::{Server, serving},
};

const PASSWORD: &str = "correct-horse";

fn sign_in(mainstay: &Mainstay, password: &str) -> Browser {
    let mut browser = Browser::new(mainstay.http(), "localhost");
    let page = press(&mut browser, "/login", "/login", &[("user", "ana"), ("password", password)]);
    assert_eq!((page.status, page.path.as_str()), (200, "/dashboard"), "{}", page.html);
    browser
}

/// Opens `at`, fills in the form that is sent to `action`, and sends it.
fn press(browser: &mut Browser, at: &str, action: &str, fields: &[(&str, &str)]) -> Page {
    let page = browser.get(at).expect("a page");
    assert_eq!(page.status, 200, "{at}: {}", page.html);
    send(browser, &page, action, fields)
}

/// The same on a page that is open already.
fn send(browser: &mut Browser, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
    browser.send(&filled(page, action, fields)).expect("an answer")
}

fn filled(page: &Page, action: &str, fields: &[(&str, &str)]) -> Form {
    let form = page.form(action).expect("is there");
    fields.iter().fold(form, |form, (name, value)| form.with(name, value).expect("is there"))
}

/// What is told at the field, under this status.
fn told(page: &Page, status: u16, action: &str, field: &str) -> String {
    assert_eq!(page.status, status, "{action}: {}", page.html);
    page.error_at(action, field).expect("is told")
}

fn kept(page: &Page, action: &str, field: &str) -> String {
    page.form(action).expect("is there").value(field).expect("is there")
}

fn one(page: &Page, begin: &str, end: &str) -> String {
    let actions = page.actions(begin, end);
    let [action] = actions.as_slice() else {
        panic!("not one {begin}…{end}: {actions:?} in {}", page.html)
    };
    action.clone()
}

#[test]
fn the_settings_are_changed_without_script() {
    let (mainstay, _, person) = serving_assistant();
    let browser = &mut sign_in(&mainstay, PASSWORD);

    let zone = "/settings/zone";
    let wrong = press(browser, "/settings", zone, &[("zone", "Mars/Base")]);
    assert!(told(&wrong, 422, zone, "zone").contains("is no time zone; write one such as"), "{}", wrong.html);
    assert_eq!(kept(&wrong, zone, "zone"), "Mars/Base");
    let right = send(browser, &wrong, zone, &[("zone", "Europe/Lisbon")]);
    assert_eq!((right.path.as_str(), kept(&right, zone, "zone")), ("/settings", "Europe/Lisbon".to_owned()));

    let morning = "/settings/morning";
    let wrong = press(browser, "/settings", morning, &[("at", "late")]);
    assert!(told(&wrong, 422, morning, "at").contains("write one such as 07:30"), "{}", wrong.html);
    assert_eq!(kept(&wrong, morning, "at"), "late");
    let right = send(browser, &wrong, morning, &[("at", "06:15")]);
    assert_eq!(kept(&right, morning, "at"), "06:15");
    let at = person.get_json("/api/summary").expect("told")["at"].clone();
    assert!(at.as_str().is_some_and(|at| at.starts_with("06:15")), "{at}");

    let asked = press(browser, "/dashboard", "/say", &[("text", "remind me to call Carl tomorrow at 5")]);
    let teaches = |form: &Form| form.value("teaches").is_ok_and(|teaches| !teaches.is_empty());
    let offer = asked.forms("/say").into_iter().find(teaches).expect("an answer that teaches");
    browser.send(&offer).expect("taken");
    let forget = "/settings/forget";
    let (first, stale) =
        (browser.get("/settings").expect("a page"), browser.get("/settings").expect("a page"));
    assert!(first.shows("How you say times"), "{}", first.html);
    let forgotten = send(browser, &first, forget, &[]);
    assert!(forgotten.status == 200 && !forgotten.shows("How you say times"), "{}", forgotten.html);
    let again = send(browser, &stale, forget, &[]);
    assert!(
        again.status == 404 && again.shows("There is no such habit. Nothing was changed."),
        "{}",
        again.html
    );
}

#[test]
fn sessions_and_the_password_are_changed_without_script() {
    let (mainstay, _, person) = serving_assistant();
    let browser = &mut sign_in(&mainstay, PASSWORD);
    let mut other = sign_in(&mainstay, PASSWORD);
    let is_in = |other: &mut Browser| other.get("/settings").expect("an answer").path == "/settings";
    let (first, stale) =
        (browser.get("/settings").expect("a page"), browser.get("/settings").expect("a page"));
    // The newest stands first; the person's own session through the interface is the last of the three.
    let end = first.actions("/settings/sessions/", "/end");
    assert_eq!(end.len(), 2, "{}", first.html);
    let ended = send(browser, &first, &end[0], &[]);
    assert_eq!((ended.path.as_str(), ended.actions("/settings/sessions/", "/end").len()), ("/settings", 1));
    let again = send(browser, &stale, &end[0], &[]);
    assert!(
        again.status == 404 && again.shows("There is no such session. Nothing was changed."),
        "{}",
        again.html
    );
    let ended = press(browser, "/settings", "/settings/sessions/end-others", &[]);
    assert_eq!(ended.actions("/settings/sessions/", "/end").len(), 0, "{}", ended.html);
    assert!(!is_in(&mut other) && is_in(browser));
    assert_eq!(person.get("/api/me").expect("an answer").status, 401);

    let mut other = sign_in(&mainstay, PASSWORD);
    let (password, new) = ("/settings/password", "battery-staple");
    let wrong = press(browser, "/settings", password, &[("old", "not this one"), ("new", new)]);
    assert!(
        told(&wrong, 403, password, "old").starts_with("That is not the password that you have now."),
        "{}",
        wrong.html
    );
    assert!(!wrong.shows("not this one") && !wrong.shows(new), "a page shows a password");
    let wrong = send(browser, &wrong, password, &[("old", PASSWORD), ("new", "short")]);
    assert!(told(&wrong, 422, password, "new").contains("8 characters or more"), "{}", wrong.html);
    assert!(is_in(&mut other), "a mistake ended a session");
    let right = send(browser, &wrong, password, &[("old", PASSWORD), ("new", new)]);
    assert_eq!((right.status, right.path.as_str()), (200, "/settings"), "{}", right.html);
    assert!(!is_in(&mut other) && is_in(browser));
    let refused = press(&mut other, "/login", "/login", &[("user", "ana"), ("password", PASSWORD)]);
    assert_eq!((refused.status, kept(&refused, "/login", "user")), (401, "ana".to_owned()));
    assert!(is_in(&mut sign_in(&mainstay, new)));
    let out = press(browser, "/settings", "/logout", &[]);
    assert!(out.path == "/login" && !is_in(browser));
}

#[test]
fn everything_goes_out_comes_in_and_is_erased_without_script() {
    let (mainstay, _, person) = serving_assistant();
    let browser = &mut sign_in(&mainstay, PASSWORD);
    press(browser, "/journal", "/journal", &[("text", "At the river")]);
    assert!(browser.get("/settings").expect("a page").shows("href=\"/api/export\""));
    let export = browser.download("/api/export").expect("an answer");
    assert_eq!((export.status, export.header("content-type")), (200, Some("application/x-tar")));

    let import = "/settings/import";
    let entries = || {
        let listed = person.get_json("/api/journal").expect("listed");
        let texts = listed["entries"].as_array().expect("a list").iter();
        texts.map(|entry| entry["text"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let page = browser.get("/settings").expect("a page");
    let with =
        |name: &str, bytes: &[u8]| page.form(import).and_then(|form| form.with_file("file", name, bytes));
    for (name, bytes, status, words) in [
        ("", b"".as_slice(), 422, "No file was chosen."),
        ("a.zip", b"PK", 415, "An import is a file ending in .tar, .ics or .md."),
        ("a.tar", b"no archive", 422, "Nothing was changed."),
        ("a.ics", b"no calendar", 422, "Nothing was changed."),
        ("a.md", b"", 422, "there is no text in this file"),
    ] {
        let refused = browser.send(&with(name, bytes).expect("is there")).expect("an answer");
        let told = told(&refused, status, import, "file");
        assert!(told.to_lowercase().contains(&words.to_lowercase()), "{name}: {told}");
    }
    assert_eq!(entries(), ["At the river"]);
    // Sent twice, as by a reload of what came of it: once in.
    let form = with("everything.tar", &export.body).expect("is there");
    for _ in 0..2 {
        let taken = browser.send(&form).expect("an answer");
        assert!(taken.status == 200 && taken.path.starts_with("/settings?"), "{}", taken.html);
        assert!(taken.shows("Imported: 1 entry"), "{}", taken.html);
        assert_eq!(entries(), ["At the river", "At the river"]);
    }

    let (erase, cancel) = ("/settings/erase", "/settings/erase/cancel");
    let wrong = press(browser, "/settings", erase, &[("password", "not this one")]);
    assert!(told(&wrong, 403, erase, "password").starts_with("The password is another."), "{}", wrong.html);
    assert_eq!(person.get_json("/api/privacy").expect("told")["erase_at"], Value::Null);
    let asked = send(browser, &wrong, erase, &[("password", PASSWORD)]);
    assert!(asked.shows("Everything of this account is erased on"), "{}", asked.html);
    let stale = browser.get("/settings").expect("a page");
    let cancelled = send(browser, &asked, cancel, &[]);
    assert!(cancelled.status == 200 && cancelled.form(erase).is_ok(), "{}", cancelled.html);
    let again = send(browser, &stale, cancel, &[]);
    assert!(
        again.status == 404 && again.shows("There is no such erasure. Nothing was changed."),
        "{}",
        again.html
    );
    assert_eq!(person.get_json("/api/privacy").expect("told")["erase_at"], Value::Null);
}

/// The conversation once its last answer is whole.
fn whole(browser: &mut Browser, path: &str) -> Page {
    let mut page = browser.get(path).expect("a page");
    wait::until("the answer is whole", Duration::from_secs(60), || {
        page = browser.get(path).expect("a page");
        page.status == 200 && !page.actions("/messages/", "/retry").is_empty() && !page.shows("data-stream")
    });
    page
}

#[test]
fn a_conversation_is_led_without_script() {
    let (mainstay, _, person) = serving_assistant();
    let browser = &mut sign_in(&mainstay, PASSWORD);
    let begun = press(browser, "/chat", "/chat", &[("text", "add buy milk to my tasks")]);
    let path = begun.path.clone();
    assert!(path.starts_with("/chat/"), "{path}");
    let stored = || person.get_json(&path.replace("/chat", "/api/conversations")).expect("told");
    let page = whole(browser, &path);
    let before = stored();

    let wrong = send(browser, &page, &path, &[("text", "  ")]);
    assert!(told(&wrong, 422, &path, "text").contains("A message has 1 to"), "{}", wrong.html);
    let rename = format!("{path}/rename");
    let long = "x".repeat(81);
    let wrong = send(browser, &page, &rename, &[("title", &long)]);
    assert!(told(&wrong, 422, &rename, "title").contains("1 to 80 characters"), "{}", wrong.html);
    assert_eq!(kept(&wrong, &rename, "title"), long);
    let edit = one(&page, "/messages/", "/edit");
    let wrong = send(browser, &page, &edit, &[("text", " ")]);
    assert!(told(&wrong, 422, &edit, "text").contains("A message has 1 to"), "{}", wrong.html);
    let retry = one(&page, "/messages/", "/retry");
    let refused = send(browser, &page, &retry, &[]);
    assert!(refused.status == 409 && refused.shows("That answer did something"), "{}", refused.html);
    assert_eq!(stored(), before, "a mistake changed something");

    let renamed = send(browser, &wrong, &rename, &[("title", "Plans")]);
    assert!(renamed.path == path && renamed.shows("<h1>Plans</h1>"), "{}", renamed.html);
    let undone = send(browser, &page, &one(&page, "/undo/", ""), &[]);
    assert!(undone.path.starts_with(&path) && undone.shows("undone"), "{}", undone.html);
    send(browser, &undone, &retry, &[]);
    assert!(whole(browser, &path).shows("2 of 2"));
    send(browser, &page, &edit, &[("text", "what can you do")]);
    let edited = whole(browser, &path);
    assert!(edited.shows("what can you do") && edited.shows("2 of 2"), "{}", edited.html);
    let back = edited.actions("/messages/", "/choose");
    let first = send(browser, &edited, &back[0], &[]);
    assert!(first.shows("add buy milk to my tasks"), "the first question is gone: {}", first.html);

    let deleted = send(browser, &edited, &format!("{path}/delete"), &[]);
    assert!(deleted.path.starts_with("/chat?said="), "{}", deleted.path);
    assert!(!deleted.shows(&format!("href=\"{path}\"")), "it is still listed: {}", deleted.html);
    assert_eq!(browser.get(&path).expect("an answer").status, 404);
    let undone = send(browser, &deleted, &one(&deleted, "/undo/", ""), &[]);
    assert!(undone.shows(&format!("href=\"{path}\"")), "{}", undone.html);
}

/// A conversation in which a model asks before it does something, because a text from elsewhere stands in it.
fn proposed(person: &Person, browser: &mut Browser, key: &str) -> Page {
    let talk = person.post("/api/conversations", key, &json!({}), 201).expect("made");
    let id = talk["id"].as_str().expect("an id");
    let words = json!({"text": "see to the plant", "sources": [{"origin": "file", "name": "x.txt", "text": "Water it."}]});
    person
        .post(&format!("/api/conversations/{id}/messages"), &format!("{key}-m"), &words, 202)
        .expect("said");
    whole(browser, &format!("/chat/{id}"))
}

#[test]
fn a_proposal_is_accepted_or_refused_without_script() {
    let folder = tempfile::tempdir().expect("a folder");
    let aimock = Server::aimock(folder.path());
    let (mainstay, person) = serving(&[
        ("ASSISTANT_MODEL_URL", aimock.url("/v1")),
        ("ASSISTANT_MODEL_NAME", "a-model".to_owned()),
        ("ASSISTANT_MODEL_KEY", "any".to_owned()),
    ]);
    let browser = &mut sign_in(&mainstay, PASSWORD);
    let titles = || {
        let listed = person.get_json("/api/tasks").expect("listed");
        let tasks = listed["tasks"].as_array().expect("a list").iter();
        tasks.map(|task| task["title"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let page = proposed(&person, browser, "first");
    let refuse = one(&page, "/proposals/", "/decline");
    let refused = send(browser, &page, &refuse, &[]);
    assert!(refused.status == 200 && refused.shows("you said no"), "{}", refused.html);
    let late = send(browser, &page, &one(&page, "/proposals/", "/accept"), &[]);
    assert!(
        late.status == 409 && late.shows("That was decided already. Nothing was changed."),
        "{}",
        late.html
    );
    assert_eq!(titles(), Vec::<String>::new());

    let page = proposed(&person, browser, "second");
    let accept = one(&page, "/proposals/", "/accept");
    for _ in 0..2 {
        let accepted = send(browser, &page, &accept, &[]);
        assert!(accepted.status == 200 && accepted.shows("Water the plant"), "{}", accepted.html);
        assert_eq!(titles(), ["Water the plant"], "twice from one page is once");
    }
    let done = browser.get(&page.path).expect("a page");
    let undone = send(browser, &done, &one(&done, "/undo/", ""), &[]);
    assert!(undone.shows("undone") && titles().is_empty(), "{}", undone.html);
}

#[test]
fn files_are_added_fetched_and_removed_without_script() {
    let (mainstay, _, person) = serving_assistant();
    let browser = &mut sign_in(&mainstay, PASSWORD);
    let (day, at) = ("2026-02-28", "/journal/2026-02-28");
    let page = press(browser, at, "/journal", &[("text", "At the river")]);
    assert!(page.path.starts_with(at), "{}", page.path);
    let action = one(&page, "/journal/", "/attachments");
    let files = || person.get_json(&format!("/api{action}")).expect("listed")["attachments"].clone();
    let with = |page: &Page, name: &str, bytes: &[u8]| {
        page.form(&action).and_then(|form| form.with_file("file", name, bytes)).expect("is there")
    };
    for (name, bytes, status, words) in [
        ("", b"".to_vec(), 422, "No file was chosen."),
        ("run.txt", b"\x7fELF\x02\x01\x01\0".to_vec(), 415, "Nothing of the file was kept."),
        ("empty.txt", Vec::new(), 422, "The file is empty."),
        ("large.txt", vec![b'a'; 10 * 1_024 * 1_024 + 1], 413, "A file has at most 10 MiB."),
    ] {
        // A form of its own, as whoever looks at the page again gets it.
        let page = browser.get(&page.path).expect("a page");
        let refused = browser.send(&with(&page, name, &bytes)).expect("an answer");
        let told = told(&refused, status, &action, "file");
        assert!(told.contains(words), "{name}: {told}");
        assert!(refused.shows("At the river"), "the entry is not shown: {}", refused.html);
        assert_eq!(files(), json!([]), "{name}");
    }
    let page = browser.get(&page.path).expect("a page");
    let form = with(&page, "river.txt", b"words by the river");
    for _ in 0..2 {
        let added = browser.send(&form).expect("an answer");
        assert_eq!((added.status, added.path.as_str()), (200, at), "{}", added.html);
        assert_eq!(files().as_array().map(Vec::len), Some(1), "twice from one page is once");
    }
    let page = browser.get(at).expect("a page");
    let content = files()[0]["content"].as_str().expect("an address").to_owned();
    assert!(page.shows(&format!("href=\"{content}\"")), "{}", page.html);
    let fetched = browser.download(&content).expect("an answer");
    assert_eq!((fetched.status, fetched.body.as_slice()), (200, b"words by the river".as_slice()));
    let stale = browser.get(at).expect("a page");
    let remove = one(&page, "/attachments/", "/delete");
    let removed = send(browser, &page, &remove, &[]);
    assert_eq!((removed.path.as_str(), files()), (at, json!([])), "{}", removed.html);
    let again = send(browser, &stale, &remove, &[]);
    assert!(again.status == 404 && again.shows("there is no such attachment"), "{}", again.html);
    assert_eq!(
        person.get_json(&format!("/api/journal?day={day}")).expect("listed")["entries"][0]["text"],
        "At the river"
    );
}
