//! Somebody moves to another time zone: moments stay, and are told on the clock of where they are now.

use jiff::{
    ToSpan, Zoned,
    civil::{DateTime, Time},
    tz::TimeZone,
};

use super::{
    days::{field, submit},
    *,
};

async fn live_in(bench: &Bench, token: &str, zone: &str) {
    let moved = submit(bench, token, "/settings/zone", &[("zone", zone)]).await;
    assert_eq!(moved.status, StatusCode::SEE_OTHER, "{}", moved.body);
}

/// `day` at 20:00 in Madrid.
fn evening(days: i64) -> Zoned {
    let madrid = TimeZone::get("Europe/Madrid").expect("a zone");
    let day = Zoned::now().with_time_zone(madrid.clone()).date().checked_add(days.days()).expect("a day");
    DateTime::from_parts(day, Time::constant(20, 0, 0, 0)).to_zoned(madrid).expect("a moment")
}

fn in_tokyo(at: &Zoned) -> Zoned {
    at.with_time_zone(TimeZone::get("Asia/Tokyo").expect("a zone"))
}

/// The lists of a page of tasks: heading, and what stands below it.
fn part<'p>(page: &'p str, heading: &str) -> &'p str {
    let rest = page.split(&format!("<h2>{heading} ")).nth(1).unwrap_or_default();
    rest.split("<h2>").next().unwrap_or_default()
}

#[tokio::test]
async fn a_task_keeps_its_moment_when_its_owner_moves_and_is_told_on_the_new_clock() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    live_in(&bench, &token, "Europe/Madrid").await;
    let at = evening(1);
    let new = json!({"title": "call Anna", "due_day": at.date().to_string(), "due_time": "20:00"});
    let task = bench.post(&token, "/api/tasks", new).await;
    let (id, due_at) = (task.text("/task/id"), task.text("/task/due_at"));
    let whole = json!({"title": "pay rent", "due_day": at.date().to_string()});
    bench.post(&token, "/api/tasks", whole).await;
    let page = bench.get(&token, "/tasks").await.body;
    assert!(part(&page, "Tomorrow").contains("call Anna") && page.contains("tomorrow, 20:00"), "{page}");

    live_in(&bench, &token, "Asia/Tokyo").await;
    let there = in_tokyo(&at);
    let (day, time) = (there.date().to_string(), there.strftime("%H:%M").to_string());
    let today = in_tokyo(&Zoned::now()).date();
    let heading = |days: i64| if days == 1 { "Tomorrow" } else { "Later" };
    let ahead = i64::from(today.until(there.date()).expect("days").get_days());
    let page = bench.get(&token, "/tasks").await.body;
    assert!(part(&page, heading(ahead)).contains("call Anna"), "{ahead} days ahead: {page}");
    assert!(page.contains(&format!(", {time}")) && !page.contains("20:00"), "{time}: {page}");
    let history = bench.get(&token, "/history").await.body;
    assert!(history.contains(&format!(", {time}")) && !history.contains("20:00"), "{history}");
    let stored = bench.get(&token, &format!("/api/tasks/{id}")).await;
    assert_eq!((stored.text("/due_at"), stored.text("/zone")), (due_at.clone(), "Europe/Madrid".to_owned()));
    // It is asked for by the day that it has here.
    let asked =
        bench.post(&token, "/api/say", json!({"text": format!("what is on my plate on {day}")})).await;
    let line = asked.text("/reply");
    assert!(line.contains("call Anna") && line.contains(&time), "{line}");

    // Its form has the time of here; left alone it changes nothing.
    let path = format!("/tasks/{id}");
    let form = bench.get(&token, &path).await.body;
    assert_eq!((field(&form, "day"), field(&form, "time")), (day.clone(), time.clone()));
    let save = async |title: &str, time: &str, rev: &str| {
        let fields = [
            ("title", title),
            ("day", day.as_str()),
            ("time", time),
            ("tags", ""),
            ("repeats", ""),
            ("rev", rev),
        ];
        let saved = submit(&bench, &token, &path, &fields).await;
        assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
        bench.get(&token, &format!("/api/tasks/{id}")).await
    };
    let renamed = save("call Anna back", &time, "1").await;
    assert_eq!(
        (renamed.text("/due_at"), renamed.text("/zone")),
        (due_at.clone(), "Europe/Madrid".to_owned())
    );

    live_in(&bench, &token, "Europe/Madrid").await;
    let page = bench.get(&token, "/tasks").await.body;
    assert!(part(&page, "Tomorrow").contains("call Anna back") && page.contains("tomorrow, 20:00"), "{page}");

    // A time that is typed here is one of here, also where it reads as it was said there.
    live_in(&bench, &token, "Asia/Tokyo").await;
    let moved = save("call Anna back", "20:00", "2").await;
    let expected = there.with().hour(20).minute(0).build().expect("a moment").timestamp();
    assert_eq!(
        (moved.text("/zone"), moved.text("/due_at").parse().ok()),
        ("Asia/Tokyo".to_owned(), Some(expected))
    );
}

#[tokio::test]
async fn a_time_that_reads_as_it_was_said_elsewhere_is_meant_here() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    live_in(&bench, &token, "Europe/Madrid").await;
    let at = evening(2);
    let day = at.date().to_string();
    let new = json!({"title": "call Anna", "due_day": day, "due_time": "20:00"});
    let id = bench.post(&token, "/api/tasks", new).await.text("/task/id");
    live_in(&bench, &token, "Asia/Tokyo").await;
    let fields = [
        ("title", "call Anna"),
        ("day", day.as_str()),
        ("time", "20:00"),
        ("tags", ""),
        ("repeats", ""),
        ("rev", "1"),
    ];
    let saved = submit(&bench, &token, &format!("/tasks/{id}"), &fields).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let stored = bench.get(&token, &format!("/api/tasks/{id}")).await;
    let tokyo = in_tokyo(&at).time_zone().clone();
    let meant = at.datetime().to_zoned(tokyo).expect("a moment").timestamp();
    assert_eq!(
        (stored.text("/zone"), stored.text("/due_at").parse().ok()),
        ("Asia/Tokyo".to_owned(), Some(meant))
    );
    let page = bench.get(&token, "/tasks").await.body;
    assert!(page.contains(", 20:00"), "{page}");
}

#[tokio::test]
async fn what_comes_again_stays_on_the_clock_on_which_it_was_said() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    live_in(&bench, &token, "Europe/Madrid").await;
    let said = bench.post(&token, "/api/say", json!({"text": "task: stretch every day at 20:00"})).await;
    assert_eq!(said.text("/outcome"), "done", "{}", said.body);
    live_in(&bench, &token, "Asia/Tokyo").await;
    let first = bench.get(&token, "/api/tasks").await;
    let (id, day) = (first.text("/tasks/0/id"), first.text("/tasks/0/due_day"));
    bench.post(&token, &format!("/api/tasks/{id}/done"), json!({})).await;
    let next = bench.get(&token, "/api/tasks").await;
    assert_eq!(
        (next.text("/tasks/0/due_time"), next.text("/tasks/0/zone")),
        ("20:00".to_owned(), "Europe/Madrid".to_owned())
    );
    assert_ne!(next.text("/tasks/0/due_day"), day);
    let at: jiff::Timestamp = next.text("/tasks/0/due_at").parse().expect("a moment");
    let there = at.to_zoned(TimeZone::get("Asia/Tokyo").expect("a zone"));
    let page = bench.get(&token, "/tasks").await.body;
    assert!(page.contains(&there.strftime("%H:%M").to_string()), "{there}: {page}");
}
