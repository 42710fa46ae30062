//! Which task is meant, where several are called so, and where none is.

use super::*;

fn said(sentence: &str, open: &[Task]) -> Vec<(String, String)> {
    let (now, done) = (datetime(2026, 11, 21, 10, 0, 0, 0).in_tz("Europe/Madrid").expect("a zone"), done());
    let habits = Habits::default();
    let knowledge = Knowledge { now, open, done: &done, habits: &habits, dates: Dates::Read };
    match understand(sentence, &knowledge) {
        Understood::Choose { choices, .. } => {
            choices.into_iter().map(|choice| (choice.label, choice.instead)).collect()
        }
        other => vec![(String::new(), format!("{other:?}"))],
    }
}

fn due(id: &str, day: Option<Date>, created_at: i64) -> Task {
    Task { due: day.map(|day| Due::new(day, None)), created_at, ..task(id, "dup", State::Open) }
}

#[test]
fn of_tasks_with_one_title_none_is_taken_without_asking() {
    let open = [
        due("id-one-aaaa1111", Some(date(2026, 11, 22)), 0),
        due("id-two-bbbb2222", Some(date(2026, 11, 27)), 0),
        due("id-three-cccc3333", None, 1_000),
        due("id-four-dddd4444", None, 3_600_000),
    ];
    let labels = [
        "dup · tomorrow",
        "dup · Fri 27 Nov",
        "dup · no date, added Thu 1 Jan, 01:00:01",
        "dup · no date, added Thu 1 Jan, 02:00:00",
    ];
    for sentence in ["done with dup", "delete dup", "move dup to sunday"] {
        let choices = said(sentence, &open);
        assert_eq!(choices.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>(), labels, "{sentence}");
        for ((_, instead), task) in choices.iter().zip(&open) {
            let [(_, done)] = said(instead, &open).try_into().expect("one meaning");
            assert!(done.contains(&format!("id: \"{}\"", task.id)), "{instead} is {done}");
            assert!(done.starts_with("Do("), "{instead} is {done}");
        }
    }
}

#[test]
fn a_task_that_is_not_there_is_named_and_nothing_else_is_tried() {
    for (sentence, name, is_done) in [
        ("done with the dishes", "the dishes", false),
        ("done with pay rent", "pay rent", true),
        ("please delete yoga", "yoga", false),
        ("delete task yoga", "yoga", false),
        ("move yoga to Friday", "yoga", false),
        ("mark yoga as done", "yoga", false),
        ("done with \"Call Ben\" [0000abcd]", "\"Call Ben\" [0000abcd]", false),
    ] {
        check(sentence, &format!("NoSuchTask {{ name: {name:?}, is_done: {is_done} }}"));
    }
    // What is told of one's day is a model's to answer, and so is what names nothing.
    for sentence in ["I finished the marathon in four hours", "delete everything", "move yoga to the garden"]
    {
        check(sentence, "-");
    }
}
