//! Tasks as iCalendar to-dos (RFC 5545, 3.6.2), and back. Written and read by the crate `icalendar`.
//!
//! What was meant is written: a day, or a wall-clock time with the name of its zone, whose rules stand beside it.

use icalendar::{Calendar, Component, Property, Todo};
use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use kit::clock;

use crate::{
    accounts::Account,
    error::{Error, Result},
    ids,
    recurrence::{self, Mode, Recurrence},
    tasks::{self, Due, State, Task, tags},
};

pub(crate) mod zones;

pub(crate) const HEAD: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Mainstay//Assistant//EN\r\n";
pub(crate) const FOOT: &str = "END:VCALENDAR\r\n";
/// Bound: components within components; the parser goes down by recursion.
const DEPTH_MAX: usize = 8;
const UTC: &str = "%Y%m%dT%H%M%SZ";

/// One to-do.
pub(crate) fn todo(task: &Task) -> String {
    let mut todo = Todo::with_uid(&task.id);
    todo.summary(&task.title);
    todo.add_property("DTSTAMP", utc(task.created_at));
    todo.add_property("CREATED", utc(task.created_at));
    match task.state {
        State::Open => todo.add_property("STATUS", "NEEDS-ACTION"),
        State::Done => todo.add_property("STATUS", "COMPLETED"),
    };
    if let Some(done_at) = task.done_at {
        todo.add_property("COMPLETED", utc(done_at));
    }
    if let Some(due) = task.due {
        todo.append_property(day_property("DUE", due, task.zone.as_deref()));
    }
    for tag in &task.tags {
        todo.add_multi_property("CATEGORIES", tag);
    }
    // What is counted from the day on which it was done has no word in a calendar; `everything.jsonl` has it.
    if let Some(recurrence) = task.recurrence.as_ref().filter(|recurrence| recurrence.mode == Mode::Fixed) {
        todo.append_property(day_property("DTSTART", recurrence.start, task.zone.as_deref()));
        let zone = task.zone.as_deref().filter(|_| recurrence.start.time.is_some());
        let zone = zone.and_then(|zone| TimeZone::get(zone).ok());
        todo.add_property("RRULE", recurrence::for_calendar(&recurrence.rule, zone.as_ref()));
    }
    // Writing to a String cannot fail.
    todo.try_into_string().unwrap_or_default()
}

fn day_property(name: &str, due: Due, zone: Option<&str>) -> Property {
    let Some(time) = due.time else {
        let mut property = Property::new(name, due.day.strftime("%Y%m%d").to_string());
        return property.add_parameter("VALUE", "DATE").done();
    };
    let wall = DateTime::from_parts(due.day, time).strftime("%Y%m%dT%H%M%S").to_string();
    let mut property = Property::new(name, wall);
    if let Some(zone) = zone {
        property.add_parameter("TZID", zone);
    }
    property.done()
}

fn utc(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or_default().strftime(UTC).to_string()
}

/// The tasks of a calendar, and how many events are beside them; times without a zone are where `who` lives.
///
/// # Errors
/// It is no calendar, it holds no to-do, or one of them does not fit.
pub(crate) fn read(text: &str, who: &Account) -> Result<(Vec<Task>, u64)> {
    let depth = text.lines().try_fold(0_usize, |depth, line| match line.get(..4) {
        Some(word) if word.eq_ignore_ascii_case("BEGI") => (depth < DEPTH_MAX).then_some(depth + 1),
        Some(word) if word.eq_ignore_ascii_case("END:") => Some(depth.saturating_sub(1)),
        _ => Some(depth),
    });
    let no_calendar = || Error::Invalid("this is no iCalendar file (RFC 5545)".to_owned());
    depth.ok_or_else(no_calendar)?;
    let calendar: Calendar = text.parse().map_err(|_| no_calendar())?;
    let tasks: Vec<Task> =
        calendar.todos().enumerate().map(|(n, todo)| task(n + 1, todo, who)).collect::<Result<_>>()?;
    match (tasks.is_empty(), calendar.events().count() as u64) {
        (false, events) => Ok((tasks, events)),
        (true, 0) => Err(Error::Invalid("there is no to-do (VTODO) in this file".to_owned())),
        (true, events) => Err(Error::Invalid(format!(
            "there is no to-do (VTODO) in this file; {events} of its parts are events, which are not kept here"
        ))),
    }
}

fn task(n: usize, todo: &Todo, who: &Account) -> Result<Task> {
    let wrong = |what: &str| Error::Invalid(format!("to-do {n}: {what}"));
    let title = tasks::clean_title(todo.get_summary().unwrap_or_default());
    let title = title.map_err(|error| wrong(&error.to_string()))?;
    let created_at = instant(todo.property_value("CREATED")).unwrap_or_else(clock::now_ms);
    let is_done = todo.property_value("STATUS").is_some_and(|status| status == "COMPLETED")
        || todo.property_value("COMPLETED").is_some();
    let done_at = is_done.then(|| instant(todo.property_value("COMPLETED")).unwrap_or_else(clock::now_ms));
    let state = if is_done { State::Done } else { State::Open };
    let mut task = Task {
        id: ids::new_id(),
        title,
        state,
        tags: tags(todo).map_err(|error| wrong(&error.to_string()))?,
        recurrence: None,
        due: None,
        zone: None,
        due_at: None,
        created_at,
        done_at,
        rev: 1,
    };
    if let Some(due) = todo.properties().get("DUE") {
        let (due, zone) = due_of(due, who).ok_or_else(|| wrong("its DUE is neither a day nor a time"))?;
        task.due_at = TimeZone::get(&zone).ok().and_then(|zone| due.instant_ms(&zone));
        (task.due, task.zone) = (Some(due), Some(zone));
        task.recurrence = recurrence(todo, due, who).map_err(|error| wrong(&error))?;
    }
    Ok(task)
}

/// Those that read as ours do; a category of several words is several of them joined.
fn tags(todo: &Todo) -> Result<Vec<String>> {
    let named = todo.multi_properties().get("CATEGORIES").into_iter().flatten();
    let words = named.flat_map(|property| property.value().split(','));
    let words: Vec<String> = words
        .map(|word| word.split_whitespace().collect::<Vec<_>>().join("-"))
        .filter(|word| !word.is_empty())
        .collect();
    tags::clean(&words)
}

/// A rule without a beginning begins when the task is due.
fn recurrence(todo: &Todo, due: Due, who: &Account) -> std::result::Result<Option<Recurrence>, String> {
    let Some(rule) = todo.property_value("RRULE") else { return Ok(None) };
    let start = todo.properties().get("DTSTART").or_else(|| todo.properties().get("DUE"));
    let (start, zone) = start.and_then(|start| due_of(start, who)).unwrap_or((due, who.zone.clone()));
    let zone = TimeZone::get(&zone).ok().filter(|_| start.time.is_some());
    let rule = recurrence::check(&recurrence::of_calendar(rule, zone.as_ref()), Mode::Fixed)?;
    Ok(Some(Recurrence { rule, mode: Mode::Fixed, start }))
}

fn due_of(property: &Property, who: &Account) -> Option<(Due, String)> {
    let value = property.value();
    if let Ok(day) = Date::strptime("%Y%m%d", value) {
        return Some((Due::new(day, None), who.zone.clone()));
    }
    if let Some(ms) = instant(Some(value)) {
        let local = who.local(ms);
        return Some((Due::new(local.date(), Some(local.time())), who.zone.clone()));
    }
    let wall = DateTime::strptime("%Y%m%dT%H%M%S", value).ok()?;
    let zone = property.params().get("TZID").map(|zone| zone.value().trim_start_matches('/').to_owned());
    let zone = zone.filter(|zone| TimeZone::get(zone).is_ok()).unwrap_or_else(|| who.zone.clone());
    Some((Due::new(wall.date(), Some(wall.time())), zone))
}

fn instant(value: Option<&str>) -> Option<i64> {
    let wall = DateTime::strptime(UTC, value?).ok()?;
    wall.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};
    use proptest::prelude::*;

    use super::*;

    fn ana() -> Account {
        Account { id: "a".to_owned(), name: "ana".to_owned(), zone: "Europe/Madrid".to_owned() }
    }

    fn new(title: &str, due: Option<Due>) -> Task {
        // Elsewhere than the account lives: the zone must come along.
        let zone =
            due.map(|due| if due.time.is_some() { "America/New_York" } else { "Europe/Madrid" }.to_owned());
        let due_at = due
            .zip(zone.as_ref())
            .and_then(|(due, zone)| due.instant_ms(&TimeZone::get(zone).expect("a zone")));
        Task {
            id: "x".to_owned(),
            title: title.to_owned(),
            state: State::Done,
            tags: Vec::new(),
            recurrence: None,
            due,
            zone,
            due_at,
            created_at: 1_795_248_900_000,
            done_at: Some(1_795_248_901_000),
            rev: 1,
        }
    }

    fn back(tasks: &[Task]) -> Vec<Task> {
        let text = [HEAD, &tasks.iter().map(todo).collect::<String>(), FOOT].concat();
        let (mut read, _) = read(&text, &ana()).expect("reads");
        read.iter_mut().for_each(|task| "x".clone_into(&mut task.id));
        read
    }

    #[test]
    fn a_task_comes_back_as_it_was() {
        let day = Due::new(date(2026, 11, 30), None);
        let hour = Due::new(date(2026, 3, 29), Some(time(17, 0, 0, 0)));
        let tasks = [
            new("Pay; rent, \"now\"\\", None),
            new("Café ".repeat(60).trim_end(), Some(day)),
            new("Call Anna", Some(hour)),
            Task {
                tags: vec!["home".to_owned(), "phone".to_owned()],
                recurrence: Some(Recurrence {
                    rule: "FREQ=WEEKLY;BYDAY=MO,TH".to_owned(),
                    mode: Mode::Fixed,
                    start: Due::new(date(2026, 3, 23), hour.time),
                }),
                ..new("Water the plants", Some(hour))
            },
        ];
        assert_eq!(back(&tasks), tasks);
    }

    #[test]
    fn the_end_of_a_rule_is_of_the_kind_of_its_beginning() {
        let until = |due: Due, rule: &str| {
            let recurrence = Recurrence { rule: rule.to_owned(), mode: Mode::Fixed, start: due };
            Task { recurrence: Some(recurrence), ..new("Water the plants", Some(due)) }
        };
        let rule = "FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20261203T235959Z";
        let day = until(Due::new(date(2026, 11, 30), None), rule);
        let hour = until(Due::new(date(2026, 11, 30), Some(time(20, 0, 0, 0))), rule);
        assert!(todo(&day).contains("UNTIL=20261203\r\n"), "{}", todo(&day));
        // 20:00 in New York on the last day is after midnight in UTC.
        assert!(todo(&hour).contains("UNTIL=20261204T045959Z\r\n"), "{}", todo(&hour));
        let tasks = [day, hour];
        assert_eq!(back(&tasks), tasks);
    }

    #[test]
    fn what_other_programs_write_is_read() {
        let text = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:1\nSUMMARY:No task\nEND:VEVENT\nBEGIN:VTODO\nUID:2\nSUMMARY:Water\n  the plants\nDUE:20261201T080000Z\nBEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT10M\nEND:VALARM\nEND:VTODO\nEND:VCALENDAR\n";
        let (tasks, events) = read(text, &ana()).expect("reads");
        assert_eq!(events, 1, "the event is counted, not kept");
        assert_eq!((tasks.len(), tasks[0].title.as_str()), (1, "Water the plants"));
        assert_eq!(tasks[0].due, Some(Due::new(date(2026, 12, 1), Some(time(9, 0, 0, 0)))));
    }

    #[test]
    fn what_is_no_calendar_is_refused_and_breaks_nothing() {
        let deep = format!("BEGIN:VCALENDAR\n{}", "BEGIN:VTODO\n".repeat(100_000));
        for text in [
            "",
            "words",
            HEAD,
            &deep,
            "BEGIN:VCALENDAR\nBEGIN:VTODO\nDUE:soon\nSUMMARY:x\nEND:VTODO\nEND:VCALENDAR\n",
        ] {
            assert!(read(text, &ana()).is_err(), "{}", text.get(..40).unwrap_or(text));
        }
    }

    proptest! {
        #[test]
        fn titles_come_back_word_for_word(title in "[a-zA-Zäß😀;:,\\\\\"=]{1,20}( [a-zA-Zäß😀;:,\\\\\"=]{1,90}){0,3}") {
            let tasks = [new(&title, None)];
            prop_assert_eq!(back(&tasks), tasks);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(BEGIN:VCALENDAR\r?\n)?(BEGIN:VTODO\r?\n)?([A-Z]{1,8}(;[A-Z=]{0,6})?:.{0,20}\r?\n){0,6}") {
            let _ = read(&text, &ana());
        }
    }
}
