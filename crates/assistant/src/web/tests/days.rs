//! Tasks that come again, are tagged, edited in two tabs and put off; reminders, the morning summary, the dashboard.

use super::*;

/// A reminder of the task, told just now.
pub(super) fn tell(bench: &Bench, task: &str) -> String {
    let due = "UPDATE tasks SET due_at = 1 WHERE id = ?1";
    database(bench).execute(due, [task]).expect("updates");
    let sql = "INSERT INTO reminders (id, account_id, task_id, title, due_at, told_at)
               SELECT 'r-' || id, account_id, id, title, 1, 1 FROM tasks WHERE id = ?1";
    assert_eq!(database(bench).execute(sql, [task]).expect("inserts"), 1);
    format!("r-{task}")
}

fn database(bench: &Bench) -> rusqlite::Connection {
    let db = rusqlite::Connection::open(bench.folder.path().join("assistant.db")).expect("opens");
    db.busy_timeout(Duration::from_secs(5)).expect("sets");
    db
}

pub(super) async fn submit(bench: &Bench, token: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let page = bench.get(token, "/settings").await.body;
    let csrf = field(&page, "csrf");
    let mut form = format!("csrf={csrf}");
    for (name, value) in fields {
        let value: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        form.push_str(&format!("&{name}={value}"));
    }
    let request = Request::post(path)
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "text/html")
        .header("content-type", "application/x-www-form-urlencoded");
    bench.send(request.body(Body::from(form)).expect("a request")).await
}

/// The value of a field on a page.
pub(super) fn field(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let rest = page.split(&mark).nth(1).unwrap_or_else(|| panic!("no field {name} in {page}"));
    rest.split('"').next().unwrap_or_default().to_owned()
}

async fn titles(bench: &Bench, token: &str, path: &str) -> Vec<String> {
    let tasks = bench.get(token, path).await.json()["tasks"].clone();
    let title = |task: &Value| task["title"].as_str().unwrap_or_default().to_owned();
    tasks.as_array().expect("tasks").iter().map(title).collect()
}

#[tokio::test]
async fn what_comes_again_is_added_completed_and_taken_back() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let new = json!({"title": "Water", "due_day": "2026-03-01", "due_time": "09:00", "tags": ["Home"], "recurrence": {"rule": "FREQ=WEEKLY;BYDAY=MO"}});
    let added = bench.post(&token, "/api/tasks", new).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    assert_eq!(added.json()["task"]["due_day"], "2026-03-02", "the first Monday");
    assert_eq!(added.json()["task"]["recurrence"]["words"], "every Monday");
    let path = format!("/api/tasks/{}", added.text("/task/id"));
    let done = bench.post(&token, &format!("{path}/done"), json!({})).await;
    let open = bench.get(&token, "/api/tasks").await.json();
    assert_eq!(open["tasks"].as_array().map(Vec::len), Some(1));
    let next = &open["tasks"][0];
    assert_ne!(next["id"], added.json()["task"]["id"]);
    assert_eq!((&next["due_time"], &next["tags"]), (&json!("09:00"), &json!(["home"])));
    bench.post(&token, &format!("/api/undo/{}", done.text("/undo_id")), json!({})).await;
    assert_eq!(bench.get(&token, &path).await.json()["state"], "open");
    assert_eq!(titles(&bench, &token, "/api/tasks?state=all").await, ["Water"]);
    for (rule, why) in [
        ("FREQ=HOURLY", "once a day"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never comes"),
        ("FREQ=DAILY;UNTIL=soon", "UNTIL is a day such as 20261224"),
        ("FREQ=DAILY;UNTIL=20200101", "does not come after that day"),
    ] {
        let refused =
            bench.post(&token, "/api/tasks", json!({"title": "x", "recurrence": {"rule": rule}})).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{rule}");
        assert!(refused.body.contains(why), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_day_that_nobody_plans_for_is_refused_however_it_is_sent() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let added = bench.post(&token, "/api/tasks", json!({"title": "Pay", "due_day": "2200-12-31"})).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    let path = format!("/api/tasks/{}", added.text("/task/id"));
    for day in ["-009999-01-01", "0000-01-01", "1899-12-31", "2201-01-01", "9999-12-31"] {
        let refused = bench.post(&token, "/api/tasks", json!({"title": "Pay", "due_day": day})).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{day}: {}", refused.body);
        assert!(refused.body.contains("from the year 1900 to 2200"), "{}", refused.body);
        let changed = bench.ask(&token, "PATCH", &path, Some(json!({"due_day": day})), &[]).await;
        assert_eq!(changed.status, StatusCode::UNPROCESSABLE_ENTITY, "{day}: {}", changed.body);
        let said = bench.post(&token, "/api/say", json!({"text": format!("move pay to {day}")})).await;
        assert_ne!(said.json()["outcome"], "done", "{}", said.body);
    }
    assert_eq!(bench.get(&token, &path).await.json()["due_day"], "2200-12-31");
}

#[tokio::test]
async fn a_task_is_changed_only_if_it_is_what_was_read() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let task = bench
        .post(&token, "/api/tasks", json!({"title": "Pay", "due_day": "2030-05-01", "tags": ["home"]}))
        .await;
    let path = format!("/api/tasks/{}", task.text("/task/id"));
    let tag = bench.get(&token, &path).await.headers[header::ETAG].to_str().expect("text").to_owned();
    assert_eq!(tag, "\"1\"");
    let patch = async |body: Value, tag: &str| {
        bench.ask(&token, "PATCH", &path, Some(body), &[("if-match", tag)]).await
    };
    let changed = patch(json!({"title": "Pay rent", "due_time": "10:00"}), &tag).await;
    assert_eq!(
        (changed.status, changed.headers[header::ETAG].as_bytes()),
        (StatusCode::OK, b"\"2\"".as_slice())
    );
    assert_eq!(changed.json()["task"]["tags"], json!(["home"]), "what is not named stays");
    let stale = patch(json!({"title": "Pay late"}), &tag).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{}", stale.body);
    let several = patch(json!({"due_day": null, "due_time": null}), "\"9\", \"2\"").await;
    assert_eq!((several.status, &several.json()["task"]["due_day"]), (StatusCode::OK, &Value::Null));
    assert_eq!(patch(json!({"tags": []}), "*").await.json()["task"]["tags"], json!([]));
    assert_eq!(patch(json!({"due_time": "10:00"}), "*").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let again = patch(json!({"due_day": "2030-05-04", "recurrence": {"rule": "FREQ=DAILY;INTERVAL=3", "mode": "from_completion"}}), "*").await;
    assert_eq!(again.json()["task"]["recurrence"]["words"], "3 days after I finish");
    assert_eq!(patch(json!({"recurrence": null}), "*").await.json()["task"]["recurrence"], Value::Null);
    assert_eq!(bench.get(&token, &path).await.json()["title"], "Pay rent");
}

#[tokio::test]
async fn two_tabs_edit_one_task_and_nothing_is_lost() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let task = bench
        .post(&token, "/api/tasks", json!({"title": "Call", "due_day": "2030-05-01", "tags": ["home"]}))
        .await
        .text("/task/id");
    let path = format!("/tasks/{task}");
    let page = bench.get(&token, &path).await.body;
    let read: Vec<(String, String)> = ["rev", "was_title", "was_day", "was_time", "was_tags", "was_repeats"]
        .iter()
        .map(|name| ((*name).to_owned(), field(&page, name)))
        .collect();
    let tab = async |title: &str, tags: &str, repeats: &str, read: &[(String, String)]| {
        let mut fields =
            vec![("title", title), ("day", "2030-05-01"), ("time", ""), ("tags", tags), ("repeats", repeats)];
        fields.extend(read.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        submit(&bench, &token, &path, &fields).await
    };
    let first = tab("Call Anna", "#home #phone", "", &read).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.body);
    // The other tab changed the title too, and made it come again.
    let second = tab("Call Ben", "#home", "every Wednesday", &read).await;
    assert_eq!(second.status, StatusCode::PRECONDITION_FAILED);
    for both in
        ["<td>Call Anna</td>", "<td>Call Ben</td>", "<td>#home #phone</td>", "<td>every Wednesday</td>"]
    {
        assert!(second.body.contains(both), "no {both} in {}", second.body);
    }
    assert_eq!(
        bench.get(&token, &format!("/api{path}")).await.json()["title"],
        "Call Anna",
        "not overwritten"
    );
    // The form holds both: what one tab changed stays, what both changed stands as it was written here.
    assert_eq!(field(&second.body, "title"), "Call Ben");
    assert_eq!(field(&second.body, "tags"), "#home #phone");
    assert_eq!(field(&second.body, "repeats"), "every Wednesday");
    let read: Vec<(String, String)> =
        read.iter().map(|(name, _)| (name.clone(), field(&second.body, name))).collect();
    assert_eq!(tab("Call Ben", "#home #phone", "every Wednesday", &read).await.status, StatusCode::SEE_OTHER);
    let merged = bench.get(&token, &format!("/api{path}")).await.json();
    assert_eq!((&merged["title"], &merged["tags"]), (&json!("Call Ben"), &json!(["home", "phone"])));
    assert_eq!(merged["recurrence"]["rule"], "FREQ=WEEKLY;BYDAY=WE");
    bench.ask(&token, "DELETE", &format!("/api{path}"), None, &[]).await;
    let gone = tab("Call Cleo", "#home", "", &read).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert_eq!(field(&gone.body, "title"), "Call Cleo", "what was typed can be added again");
}

#[tokio::test]
async fn a_form_that_does_not_fit_comes_back_as_it_was_typed() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let task = bench.post(&token, "/api/tasks", json!({"title": "Pay"})).await.text("/task/id");
    let path = format!("/tasks/{task}");
    for (repeats, why) in
        [("now and then", "every Monday"), ("monthly on the 31st", "Some months are shorter")]
    {
        let fields = [("rev", "1"), ("title", "Pay rent"), ("day", "2030-05-01"), ("repeats", repeats)];
        let refused = submit(&bench, &token, &path, &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.body.contains(why), "{}", refused.body);
        assert_eq!(
            (field(&refused.body, "title"), field(&refused.body, "repeats")),
            ("Pay rent".to_owned(), repeats.to_owned())
        );
    }
    assert_eq!(bench.get(&token, &format!("/api{path}")).await.json()["title"], "Pay");
}

#[tokio::test]
async fn tags_choose_on_the_page_and_in_the_interface() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    bench.post(&token, "/api/say", json!({"text": "remind me to water the plants tomorrow #Home"})).await;
    submit(&bench, &token, "/tasks", &[("title", "Call Anna #phone")]).await;
    assert_eq!(titles(&bench, &token, "/api/tasks?tag=home").await, ["water the plants"]);
    assert_eq!(titles(&bench, &token, "/api/tasks?tag=%23Phone").await, ["Call Anna"]);
    let page = bench.get(&token, "/tasks?tag=phone").await.body;
    assert!(page.contains("Call Anna") && !page.contains("water the plants"), "{page}");
    assert!(page.contains("href=\"/tasks?tag=home\""), "the other tags are offered");
    assert_eq!(titles(&bench, &token, "/api/tasks?tag=nothing").await, Vec::<String>::new());
}

#[tokio::test]
async fn what_waits_from_before_is_carried_over_and_put_off_by_a_button() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let task = bench
        .post(
            &token,
            "/api/tasks",
            json!({"title": "Pay rent", "due_day": "2026-01-02", "due_time": "17:00"}),
        )
        .await;
    for path in ["/dashboard", "/tasks"] {
        let page = bench.get(&token, path).await.body;
        assert!(page.contains("Pay rent"), "{path}");
        assert!(!page.to_lowercase().contains("overdue"), "{path} blames");
    }
    assert!(bench.get(&token, "/tasks").await.body.contains("Carried over"));
    let id = task.text("/task/id");
    let snoozed = bench.post(&token, &format!("/api/tasks/{id}/snooze"), json!({"until": "tomorrow"})).await;
    let tomorrow =
        jiff::Timestamp::now().in_tz("Europe/Madrid").expect("a zone").date().tomorrow().expect("a day");
    assert_eq!(snoozed.json()["task"]["due_day"], tomorrow.to_string(), "{}", snoozed.body);
    assert_eq!(snoozed.json()["task"]["due_time"], "17:00", "the time stays");
    let answer = submit(&bench, &token, &format!("/tasks/{id}/next-week"), &[("back", "/tasks")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let due = bench.get(&token, &format!("/api/tasks/{id}")).await.text("/due_day");
    let due: jiff::civil::Date = due.parse().expect("a day");
    assert!(due >= tomorrow && due.weekday() == jiff::civil::Weekday::Monday, "{due}");
}

#[tokio::test]
async fn a_reminder_is_shown_by_one_page_and_stands_there_until_it_is_seen() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let task = bench.post(&token, "/api/tasks", json!({"title": "Call Anna"})).await.text("/task/id");
    let id = tell(&bench, &task);
    let shown = format!("/api/reminders/{id}/shown");
    let claims = (0..6).map(|_| bench.post(&token, &shown, json!({})));
    let first = join_all(claims).await.iter().filter(|answer| answer.json()["first"] == true).count();
    assert_eq!(first, 1);
    let page = bench.get(&token, "/dashboard").await.body;
    assert!(page.contains("While you were away") && page.contains("Call Anna"));
    assert_eq!(bench.get(&token, "/api/reminders").await.json()["reminders"][0]["shown"], true);
    let later = bench.post(&token, &format!("/api/tasks/{task}/snooze"), json!({"until": "tomorrow"})).await;
    assert_eq!(bench.get(&token, "/api/reminders").await.json()["reminders"], json!([]), "it was put off");
    bench.post(&token, &format!("/api/undo/{}", later.text("/undo_id")), json!({})).await;
    let seen = submit(&bench, &token, &format!("/reminders/{id}/seen"), &[]).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    assert!(!bench.get(&token, "/dashboard").await.body.contains("While you were away"));
    assert_eq!(bench.get(&token, "/api/reminders").await.json()["reminders"], json!([]));
    assert_eq!(
        bench.post(&token, &format!("/api/reminders/{id}/seen"), json!({})).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_summary_is_made_at_the_hour_that_was_chosen() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    assert_eq!(bench.get(&token, "/api/summary").await.json(), json!({"at": "08:00", "today": null}));
    let now = || jiff::Timestamp::now().in_tz("Europe/Madrid").expect("a zone");
    while now().hour() == 23 && now().minute() == 59 && now().second() > 50 {
        // The day is nearly over, and its last summary with it.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // As late in the day as it may be: today's usual morning is over, and was nobody's.
    database(&bench).execute("DELETE FROM jobs WHERE queue = 'day'", []).expect("deletes");
    let today = now().date();
    bench.post(&token, "/api/tasks", json!({"title": "Call Anna", "due_day": today})).await;
    bench.post(&token, "/api/tasks", json!({"title": "Pay rent", "due_day": "2026-01-02"})).await;
    assert_eq!(
        submit(&bench, &token, "/settings/morning", &[("at", "soon")]).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let over = submit(&bench, &token, "/settings/morning", &[("at", "00:00")]).await;
    assert_eq!(over.status, StatusCode::SEE_OTHER);
    let queued = "SELECT count(*) FROM jobs WHERE state = 'queued' AND subject LIKE 'summary %'";
    let planned =
        |bench: &Bench| -> i64 { database(bench).query_row(queued, [], |row| row.get(0)).expect("asks") };
    let before = planned(&bench);
    let at = now().saturating_add(jiff::Span::new().seconds(3));
    let set =
        submit(&bench, &token, "/settings/morning", &[("at", &at.strftime("%H:%M:%S").to_string())]).await;
    assert_eq!(set.status, StatusCode::SEE_OTHER);
    let made = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let summary = bench.get(&token, "/api/summary").await.json();
            if !summary["today"].is_null() {
                return summary;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let made = made.await.expect("in time");
    assert_eq!(made["today"]["text"], "One thing today: Call Anna. Carried over: Pay rent.");
    assert!(bench.get(&token, "/dashboard").await.body.contains("One thing today: Call Anna."));
    assert_eq!(before, 1, "the next morning is planned, and only that");
    assert_eq!(planned(&bench), before, "and the same after it");
}

#[tokio::test]
async fn a_card_that_fails_shows_its_own_error_and_the_rest_stands() {
    for (table, broken) in [
        ("journal_entries", vec!["Your journal"]),
        ("summaries", vec!["Your morning summary"]),
        ("reminders", vec!["Your reminders"]),
        ("conversations", vec!["Your conversations"]),
        ("tasks", vec!["Your reminders", "What is now", "Today", "What was carried over", "Your week"]),
    ] {
        let bench = bench().await;
        let token = bench.sign_in("ana").await;
        bench.post(&token, "/api/tasks", json!({"title": "Pay rent", "due_day": "2026-01-02"})).await;
        bench.post(&token, "/api/journal", json!({"text": "rain at the café"})).await;
        let drop = format!("PRAGMA foreign_keys = OFF; DROP TABLE {table}");
        database(&bench).execute_batch(&drop).expect("drops");
        let id = [("x-request-id", "dashboard-17")];
        let page = bench.ask(&token, "GET", "/dashboard", None, &id).await;
        assert_eq!(page.status, StatusCode::OK, "{table}");
        assert_eq!(
            page.body.matches("cannot be shown right now").count(),
            broken.len(),
            "{table}: {}",
            page.body
        );
        for card in &broken {
            assert!(page.body.contains(&format!("{card} cannot be shown right now")), "{table}: {card}");
        }
        assert_eq!(page.body.matches("Request dashboard-17").count(), broken.len(), "{table}");
        assert_eq!(page.body.contains("Pay rent"), table != "tasks", "{table}");
        assert_eq!(page.body.contains("rain at the café"), table != "journal_entries", "{table}");
    }
}
