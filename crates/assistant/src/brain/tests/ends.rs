//! What is said with a beginning and an end keeps both, in what is read, in questions and in their answers.

use super::{
    sentences::{check_all, read},
    *,
};

#[test]
fn both_ends_of_what_is_said_with_two_are_kept() {
    check_all(&[
        ("dentist friday 3 to 5 pm", "dentist (until 17:00) · 2026-11-27 15:00"),
        ("from Monday to Wednesday vacation", "vacation (until Wed 25 Nov) · 2026-11-23"),
        ("vacation Monday to Wednesday", "vacation (until Wed 25 Nov) · 2026-11-23"),
        ("call 9-10 tomorrow", "asks Sun 22 Nov, 09:00 to 10:00 | Sun 22 Nov, 21:00 to 22:00"),
        ("call Ben tomorrow from 9 to 10", "asks Sun 22 Nov, 09:00 to 10:00 | Sun 22 Nov, 21:00 to 22:00"),
        ("call tomorrow 9-10", "asks Sun 22 Nov, 09:00 to 10:00 | Sun 22 Nov, 21:00 to 22:00"),
        ("call Ben tomorrow 9-10am", "call Ben (until 10:00) · 2026-11-22 09:00"),
        ("call Ben tomorrow between 14:00 and 15:30", "call Ben (until 15:30) · 2026-11-22 14:00"),
        ("lunch with Ben tomorrow 11:30am to 1", "lunch with Ben (until 13:00) · 2026-11-22 11:30"),
        ("party on Friday from 8pm to 1am", "party (until 01:00) · 2026-11-27 20:00"),
        ("holiday from 23 December to 2 January", "holiday (until Sat 2 Jan 2027) · 2026-12-23"),
        ("conference 1 to 5 April", "conference (until Mon 5 Apr 2027) · 2027-04-01"),
        ("course 1 to 5 April at 9am", "course (until Mon 5 Apr 2027) · 2027-04-01 09:00"),
        ("gym every Monday 6 to 7pm", "gym (until 19:00) · 2026-11-23 18:00 · FREQ=WEEKLY;BYDAY=MO"),
        (
            "gym every Monday at 6pm until 8 December",
            "gym · 2026-11-23 18:00 · FREQ=WEEKLY;BYDAY=MO;UNTIL=20261208T235959Z",
        ),
        // Of a period no end is said, and what is no time stays as it is.
        ("fix the roof next week", "fix the roof · 2026-11-23"),
        ("watch Real win 3-2 tomorrow", "watch Real win 3-2 · 2026-11-22"),
        ("read pages 9-10 tomorrow", "read pages 9-10 · 2026-11-22"),
    ]);
}

#[test]
fn the_answer_to_a_question_keeps_both_ends() {
    let mut answered = 0;
    for sentence in [
        "task: call Ben tomorrow from 9 to 10",
        "task: call Ben tomorrow from 11 to 1",
        "task: gym every Monday from 5 to 6",
        "task: course 1 to 5 April at 5",
        "task: meet Ben 7:00-8:00 tomorrow",
    ] {
        let Understood::Choose { choices, .. } = understood(sentence) else {
            panic!("{sentence}: {:?}", understood(sentence))
        };
        for choice in choices.iter().filter(|choice| choice.instead.contains(':')) {
            let read = read(&choice.instead);
            let end = choice.label.rsplit(" to ").next().expect("an end").split(',').next().expect("words");
            assert!(read.contains(&format!("(until {end}")), "{sentence}: {choice:?} is read as {read}");
            answered += 1;
        }
    }
    assert!(answered >= 9, "only {answered} answers were tried");
}

#[test]
fn a_task_that_is_moved_to_a_time_with_an_end_has_it() {
    let Understood::Do(Command::EditTask { draft, .. }) = understood("move call Anna to Friday 3 to 5pm")
    else {
        panic!("{:?}", understood("move call Anna to Friday 3 to 5pm"))
    };
    assert_eq!(
        (draft.title.as_str(), draft.due.map(|due| due.day.to_string())),
        ("Call Anna (until 17:00)", Some("2026-11-27".to_owned()))
    );
    let Understood::Do(Command::AddTask(draft)) =
        understood("remind me on Friday from 3pm to 5pm to paint the fence")
    else {
        panic!("{:?}", understood("remind me on Friday from 3pm to 5pm to paint the fence"))
    };
    assert_eq!(draft.title, "paint the fence (until 17:00)");
    let Understood::Do(Command::AddTask(draft)) =
        understood("remind me from Monday to Wednesday to feed the cat")
    else {
        panic!("{:?}", understood("remind me from Monday to Wednesday to feed the cat"))
    };
    assert_eq!(draft.title, "feed the cat (until Wed 25 Nov)");
}
