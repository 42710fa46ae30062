//! The journal: a page a day, tags, Markdown, entries that are edited in two tabs.

use super::{
    days::{field, submit},
    *,
};

async fn write(bench: &Bench, token: &str, day: &str, text: &str) -> String {
    let written = bench.post(token, "/api/journal", json!({"text": text, "day": day})).await;
    assert_eq!(written.status, StatusCode::CREATED, "{}", written.body);
    written.text("/entry/id")
}

async fn texts(bench: &Bench, token: &str, path: &str) -> Vec<String> {
    let entries = bench.get(token, path).await.json()["entries"].clone();
    let text = |entry: &Value| entry["text"].as_str().unwrap_or_default().to_owned();
    entries.as_array().expect("entries").iter().map(text).collect()
}

/// Long ones would make the list of them slow to come and slow to read.
#[tokio::test]
async fn the_list_shows_the_beginning_of_a_long_entry_and_its_day_all_of_it() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let text = format!("{}the very end", "a long walk by the river. ".repeat(400));
    bench.post(&ana, "/api/journal", json!({"text": text})).await;
    bench.post(&ana, "/api/journal", json!({"text": "a short one"})).await;
    let list = bench.get(&ana, "/journal").await.body;
    assert!(list.contains("a short one") && !list.contains("the very end"), "{list}");
    assert_eq!(list.matches("Read on").count(), 1);
    let (_, rest) = list.split_once("button quiet\" href=\"/journal/").expect("a way on");
    let way = rest.split('#').next().expect("an address");
    assert!(bench.get(&ana, &format!("/journal/{way}")).await.body.contains("the very end"));
}

#[tokio::test]
async fn an_entry_is_changed_only_if_it_is_what_was_read_and_every_change_goes_back() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let path = format!("/api/journal/{}", write(&bench, &token, "2026-11-21", "rain #garden").await);
    let read = bench.get(&token, &path).await;
    assert_eq!(read.headers[header::ETAG].as_bytes(), b"\"1\"");
    assert_eq!(read.json()["tags"], json!(["garden"]));
    let patch = async |body: Value, tag: &str| {
        bench.ask(&token, "PATCH", &path, Some(body), &[("if-match", tag)]).await
    };
    let first = patch(json!({"text": "sun #home"}), "\"1\"").await;
    assert_eq!(
        (first.status, first.json()["entry"]["rev"].clone()),
        (StatusCode::OK, json!(2)),
        "{}",
        first.body
    );
    assert_eq!(first.headers[header::ETAG].as_bytes(), b"\"2\"");
    assert_eq!(first.json()["entry"]["day"], "2026-11-21", "what is not named stays");
    let stale = patch(json!({"text": "snow"}), "\"1\"").await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{}", stale.body);
    let second = patch(json!({"day": "2026-11-20"}), "\"2\"").await;
    assert_eq!(patch(json!({"text": " "}), "*").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        bench.get(&token, "/api/search?q=rain").await.json()["hits"],
        json!([]),
        "found by what it was"
    );
    // Back through all of it, one after the other, to the entry as it was written, and to none.
    for undo in [&second, &first] {
        let undone = bench.post(&token, &format!("/api/undo/{}", undo.text("/undo_id")), json!({})).await;
        assert_eq!(undone.status, StatusCode::OK, "{}", undone.body);
    }
    let back = bench.get(&token, &path).await.json();
    assert_eq!((&back["text"], &back["day"]), (&json!("rain #garden"), &json!("2026-11-21")));
    let gone = bench.ask(&token, "DELETE", &path, None, &[]).await;
    assert_eq!(bench.get(&token, &path).await.status, StatusCode::NOT_FOUND);
    bench.post(&token, &format!("/api/undo/{}", gone.text("/undo_id")), json!({})).await;
    assert_eq!(bench.get(&token, &path).await.status, StatusCode::OK);
}

#[tokio::test]
async fn two_tabs_edit_one_entry_and_nothing_is_lost() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let entry = write(&bench, &token, "2026-11-21", "one\ntwo").await;
    let path = format!("/entries/{entry}");
    let page = bench.get(&token, &path).await.body;
    let read = ["rev", "was_day", "was_text"].map(|name| (name, field(&page, name)));
    let tab = async |day: &str, text: &str, read: &[(&str, String)]| {
        let mut fields = vec![("day", day), ("text", text), ("back", "/journal")];
        fields.extend(read.iter().map(|(name, value)| (*name, value.as_str())));
        submit(&bench, &token, &path, &fields).await
    };
    // As a browser sends lines.
    let first = tab("2026-11-21", "one\r\ntwo\r\nthree", &read).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.body);
    let second = tab("2026-11-20", "one\r\ntwo", &read).await;
    assert_eq!(second.status, StatusCode::PRECONDITION_FAILED);
    assert!(
        second.body.contains("<td>one\ntwo\nthree</td>") && second.body.contains("<td>2026-11-20</td>"),
        "{}",
        second.body
    );
    assert_eq!(texts(&bench, &token, "/api/journal").await, ["one\ntwo\nthree"], "not overwritten");
    // The day that one tab changed and the text that the other did stand together in the form.
    assert_eq!(field(&second.body, "day"), "2026-11-20");
    assert!(second.body.contains("required>\none\ntwo\nthree</textarea>"), "{}", second.body);
    let read = ["rev", "was_day", "was_text"].map(|name| (name, field(&second.body, name)));
    let merged = tab("2026-11-20", "one\r\ntwo\r\nthree", &read).await;
    let to = merged.headers[header::LOCATION].to_str().expect("text");
    assert!(to.starts_with("/journal/2026-11-20?said="), "{to}");
    let refused = tab("soon", "one", &[("rev", "3".to_owned())]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("is no day") && refused.body.contains("required>\none</textarea>"));
    bench.ask(&token, "DELETE", &format!("/api/journal/{entry}"), None, &[]).await;
    let gone = tab("2026-11-20", "four", &read).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(gone.body.contains("required>\nfour</textarea>"), "what was typed can be written again");
}

#[tokio::test]
async fn tags_in_a_text_lead_to_the_entries_that_bear_them() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let other = bench.sign_in("ben").await;
    write(&bench, &other, "2026-11-21", "not mine #garden").await;
    for n in 0..3 {
        write(&bench, &token, &format!("2026-11-1{n}"), &format!("dug {n} #Garden")).await;
    }
    write(&bench, &token, "2026-11-20", "a garden, issue #12 and #gardening").await;
    let tagged = texts(&bench, &token, "/api/journal?tag=Garden").await;
    assert_eq!(tagged, ["dug 2 #Garden", "dug 1 #Garden", "dug 0 #Garden"]);
    assert_eq!(texts(&bench, &token, "/api/journal?tag=%23garden&limit=1&after=1").await, ["dug 1 #Garden"]);
    assert_eq!(texts(&bench, &token, "/api/journal?tag=garden&q=1").await, ["dug 1 #Garden"]);
    assert_eq!(texts(&bench, &token, "/api/journal?tag=gard").await, [""; 0]);
    let page = bench.get(&token, "/journal?tag=garden").await.body;
    assert!(
        page.contains("#garden · 3") && page.contains("#gardening · 1") && !page.contains("issue"),
        "{page}"
    );
}

#[tokio::test]
async fn a_day_has_its_page_to_read_and_to_write_on() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    write(&bench, &token, "2026-02-28", "the day").await;
    write(&bench, &token, "2026-03-01", "the next day").await;
    let page = bench.get(&token, "/journal/2026-02-28").await.body;
    assert!(
        page.contains("Saturday, 28 February 2026")
            && page.contains("the day")
            && !page.contains("the next day")
    );
    assert!(page.contains("href=\"/journal/2026-02-27\"") && page.contains("href=\"/journal/2026-03-01\""));
    let (day, back) = (field(&page, "day"), field(&page, "back"));
    let written =
        submit(&bench, &token, "/journal", &[("text", "later"), ("day", &day), ("back", &back)]).await;
    assert!(
        written.headers[header::LOCATION]
            .to_str()
            .is_ok_and(|to| to.starts_with("/journal/2026-02-28?said="))
    );
    assert_eq!(texts(&bench, &token, "/api/journal?day=2026-02-28").await, ["later", "the day"]);
    let asked = bench.get(&token, "/journal?day=2026-03-01").await;
    assert_eq!(
        (asked.status, asked.headers[header::LOCATION].as_bytes()),
        (StatusCode::SEE_OTHER, b"/journal/2026-03-01".as_slice())
    );
    for (path, status) in [
        ("/journal/2026-02-30", 404),
        ("/journal/soon", 404),
        ("/journal/9999-12-31", 200),
        ("/journal/-009999-01-01", 200),
    ] {
        assert_eq!(bench.get(&token, path).await.status.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn markdown_of_an_entry_is_shown_and_nothing_in_it_runs_or_is_fetched() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let text = "# Plan\n- *dig*\n- sow\n\nfirst line\nsecond line\n\n<script>alert(1)</script> ![x](https://evil.example/a.png) [go](javascript:alert(1))";
    write(&bench, &token, "2026-11-21", text).await;
    let page = bench.get(&token, "/journal").await.body;
    for shown in
        ["<h2>Plan</h2>", "<em>dig</em>", "<li>sow</li>", "first line<br>\nsecond line", "&lt;script&gt;"]
    {
        assert!(page.contains(shown), "no {shown} in {page}");
    }
    for never in ["<script>alert", "src=\"https://evil", "href=\"javascript:"] {
        assert!(!page.contains(never), "{never} in {page}");
    }
}

#[tokio::test]
async fn the_history_shows_fifty_things_and_takes_each_back() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    for n in 0..51 {
        bench.post(&token, "/api/tasks", json!({"title": format!("thing {n}.")})).await;
    }
    let page = bench.get(&token, "/history").await.body;
    assert_eq!(page.matches("data-do=\"undo\"").count(), 50);
    assert!(page.contains("thing 50.") && !page.contains("thing 0."));
    let history = bench.get(&token, "/api/history?limit=50").await.json();
    let ids: Vec<String> = history["commands"]
        .as_array()
        .expect("commands")
        .iter()
        .map(|one| one["id"].as_str().expect("an id").to_owned())
        .collect();
    for id in &ids {
        let undone = submit(&bench, &token, &format!("/undo/{id}"), &[("back", "/history")]).await;
        assert!(
            undone.headers[header::LOCATION].to_str().is_ok_and(|to| to.starts_with("/history?said=")),
            "{}",
            undone.body
        );
    }
    assert_eq!(bench.get(&token, "/history").await.body.matches("data-do=\"undo\"").count(), 0);
    let left = bench.get(&token, "/api/tasks?state=all").await.json();
    assert_eq!(left["tasks"].as_array().map(Vec::len), Some(1));
}
