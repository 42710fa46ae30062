//! The first account by a link: printed once, good at every instance and after a restart, gone after use.

use rusqlite::Connection;

use crate::bench::{Bench, PASSWORD, Process};

/// No account in the settings: an empty value counts as unset.
const NOBODY: [(&str, &str); 2] = [("ASSISTANT_FIRST_USER", ""), ("ASSISTANT_FIRST_PASSWORD", "")];

/// Paths of the links in `text`.
fn links(text: &str) -> Vec<String> {
    let token = |rest: &str| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>();
    text.split("/welcome/").skip(1).map(|rest| format!("/welcome/{}", token(rest))).collect()
}

async fn status(process: &Process, path: &str) -> u16 {
    process.client.try_get(path).await.expect("an answer").status
}

fn stored(bench: &Bench) -> Connection {
    Connection::open(bench.path("data/assistant.db")).expect("opens")
}

fn new_link(bench: &Bench) -> String {
    let made = bench.command(&NOBODY).args(["user", "link"]).output().expect("runs");
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success() && said.contains("works once, until "), "{said}");
    links(&said).pop().expect("a link")
}

#[tokio::test]
async fn of_two_instances_one_prints_a_link_that_works_at_both_until_it_is_used() {
    let bench = Bench::new();
    let (one, two) = (bench.web("one", &NOBODY).await, bench.web("two", &NOBODY).await);
    let said = [bench.log("one"), bench.log("two")].concat();
    let printed = links(&said);
    let [link] = printed.as_slice() else { panic!("not one link in {said}") };
    assert!(said.contains("was printed before and works until"), "the other one says so: {said}");
    let held: String =
        stored(&bench).query_row("SELECT token_hash FROM sign_up_links", [], |row| row.get(0)).expect("asks");
    assert!(!link.ends_with(&held), "the database holds the token itself");

    drop(one);
    let again = bench.web("one", &NOBODY).await;
    assert_eq!(links(&bench.log("one")).len() + links(&bench.log("two")).len(), 1, "printed twice");
    for process in [&again, &two] {
        assert_eq!(status(process, link).await, 200, "looking uses it up");
        assert!(
            process.client.try_get("/login").await.is_some_and(|page| page.body.contains("no account yet"))
        );
    }
    let weak = again.client.form(link, "user=ana&password=short").await;
    assert!(weak.status == 422 && weak.body.contains("8 characters or more"), "{}", weak.body);
    let made = again.client.form(link, "user=ana&password=correct+horse&zone=Europe%2FMadrid").await;
    assert_eq!(made.status, 303, "{}", made.body);
    let token = two.client.sign_in("ana", PASSWORD).await;
    assert_eq!(two.client.get(&token, "/api/me").await.json()["zone"], "Europe/Madrid");
    for process in [&again, &two] {
        assert_eq!(status(process, link).await, 404);
        assert_eq!(process.client.form(link, "user=eve&password=correct+horse").await.status, 404);
    }
}

#[tokio::test]
async fn a_new_link_ends_the_one_before_and_none_outlives_its_time() {
    let bench = Bench::new();
    let web = bench.web("web", &NOBODY).await;
    let printed = links(&bench.log("web")).pop().expect("a link");
    let link = new_link(&bench);
    assert_eq!((status(&web, &printed).await, status(&web, &link).await), (404, 200));
    stored(&bench).execute("UPDATE sign_up_links SET expires_at = expires_at - 86400000", []).expect("ages");
    assert_eq!(status(&web, &link).await, 404);
    assert_eq!(web.client.form(&link, "user=eve&password=correct+horse").await.status, 404);
    // With an account there, a link is an invitation; nobody signs up without one.
    let link = new_link(&bench);
    assert_eq!(web.client.form(&link, "user=ana&password=correct+horse").await.status, 303);
    let taken = new_link(&bench);
    let answer = web.client.form(&taken, "user=ANA&password=correct+horse").await;
    assert!(answer.status == 422 && answer.body.contains("already"), "{}", answer.body);
    assert_eq!(web.client.form(&taken, "user=ben&password=correct+horse").await.status, 303);
}
