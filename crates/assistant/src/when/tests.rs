//! Phrases, and titles that only look like them. Saturday 21 November 2026, 10:00 in Madrid.

use jiff::civil::{date, datetime, time};
use proptest::prelude::*;

use super::*;

fn context(direction: Direction) -> Context {
    Context { now: datetime(2026, 11, 21, 10, 0, 0, 0).in_tz("Europe/Madrid").expect("a zone"), direction }
}

/// What was read, in short: `2026-11-22 17:00`, `2026-11-22`, `a..b`, `ask x | y`, `-`; then what is left of the text.
fn check(text: &str, expected: &str) {
    let show = |reading: Reading| match reading {
        Reading::Nothing => "-".to_owned(),
        Reading::Found { meaning: Meaning::Day(day), span } => format!("{day} = {}", without(text, &span)),
        Reading::Found { meaning: Meaning::At(day, at), span } => {
            format!("{day} {} = {}", at.strftime("%H:%M"), without(text, &span))
        }
        Reading::Found { meaning: Meaning::Days(from, to), span } => {
            format!("{from}..{to} = {}", without(text, &span))
        }
        Reading::Ask { choices, .. } => {
            format!("ask {}", choices.into_iter().map(|choice| choice.label).collect::<Vec<_>>().join(" | "))
        }
    };
    assert_eq!(show(read(text, &context(Direction::Ahead))), expected, "{text}");
}

#[test]
fn days_and_times_ahead() {
    check("call Anna tomorrow at 5pm", "2026-11-22 17:00 = call Anna");
    check("call Anna at 5 pm tomorrow", "2026-11-22 17:00 = call Anna");
    check("pay rent friday", "2026-11-27 = pay rent");
    check("pay rent on Friday", "2026-11-27 = pay rent");
    check("tomorrow call Anna", "2026-11-22 = call Anna");
    check("on Monday, water the plants", "2026-11-23 = water the plants");
    check("dentist on 3 December at 09:30", "2026-12-03 09:30 = dentist");
    check("dentist on the 3rd of December", "2026-12-03 = dentist");
    check("dentist Dec 3rd, 2027", "2027-12-03 = dentist");
    check("renew passport by 2027-01-15", "2027-01-15 = renew passport");
    check("stretch in 20 minutes", "2026-11-21 10:20 = stretch");
    check("stretch in half an hour", "2026-11-21 10:30 = stretch");
    check("check the oven in an hour", "2026-11-21 11:00 = check the oven");
    check("water plants in 3 days at 9am", "2026-11-24 09:00 = water plants");
    check("report next week", "2026-11-23..2026-11-29 = report");
    check("clean up this weekend", "2026-11-21..2026-11-22 = clean up");
    check("call mum tonight", "2026-11-21 20:00 = call mum");
    check("run tomorrow morning", "2026-11-22 09:00 = run");
    check("run tomorrow morning at 7:30 am", "2026-11-22 07:30 = run");
    check("lunch at noon", "2026-11-21 12:00 = lunch");
    check("stand-up at 9am", "2026-11-22 09:00 = stand-up");
    check("brunch on Sunday at 11:30", "2026-11-22 11:30 = brunch");
    check("train at 17:05", "2026-11-21 17:05 = train");
    check("ship it the day after tomorrow", "2026-11-23 = ship it");
    check("pay on the 5th", "2026-12-05 = pay");
    check("party on Fri", "2026-11-27 = party");
    check("meet Sam on Tuesday at half past 3 pm", "2026-11-24 15:30 = meet Sam");
    check("meet Sam at a quarter to five in the afternoon", "2026-11-21 16:45 = meet Sam");
    check("call the bank in the morning", "2026-11-22 09:00 = call the bank");
    check("dinner on Saturday at 9am", "2026-11-28 09:00 = dinner");
    check("wake up at 8 in the morning", "2026-11-22 08:00 = wake up");
    check("visit on 24.12.2026", "2026-12-24 = visit");
    check("visit on 24/12", "2026-12-24 = visit");
    check("today finish the slides", "2026-11-21 = finish the slides");
}

#[test]
fn two_meanings_are_asked() {
    check("call Anna at 5", "ask Sun 22 Nov, 05:00 | Sat 21 Nov, 17:00");
    check("call Anna tomorrow at 5", "ask Sun 22 Nov, 05:00 | Sun 22 Nov, 17:00");
    check("dentist next Sunday", "ask Sun 22 Nov | Sun 29 Nov");
    check("dentist next Friday", "2026-11-27 = dentist");
    check("tea at 5:30", "ask Sun 22 Nov, 05:30 | Sat 21 Nov, 17:30");
    check("dentist on 3/4", "ask Thu 4 Mar | Sat 3 Apr");
    check("party on Sat", "ask Sat 21 Nov | Sat 28 Nov");
    check("dinner on Saturday at 8pm", "ask Sat 21 Nov, 20:00 | Sat 28 Nov, 20:00");
    check("meet Sam tomorrow at quarter to 1", "ask Sun 22 Nov, 00:45 | Sun 22 Nov, 12:45");
    check("visit the Sun at 5", "ask Sun 22 Nov, 05:00 | Sat 21 Nov, 17:00");
}

#[test]
fn what_repeats_is_asked_and_never_taken_for_one_date() {
    check("take out the trash every Monday", "ask Mon 23 Nov | No date, keep the words");
    check("drink water every day at 10:30", "ask Sat 21 Nov, 10:30 | No date, keep the words");
    check("call mum every other Sunday at 5pm", "ask Sun 22 Nov, 17:00 | No date, keep the words");
    check("take pills daily at 8pm", "ask Sat 21 Nov, 20:00 | No date, keep the words");
    check("water the plants every week", "-");
    let text = "take out the trash every Monday at 9am";
    let Reading::Ask { span, choices, .. } = read(text, &context(Direction::Ahead)) else {
        panic!("must be asked")
    };
    let said: Vec<String> = choices.iter().map(|choice| instead(text, &span, &choice.instead)).collect();
    assert_eq!(
        said,
        ["take out the trash on 2026-11-23 at 09:00", "take out the trash \"every Monday at 9am\""]
    );
    check(&said[1], "-");
}

#[test]
fn a_date_that_other_words_move_is_asked_and_never_taken() {
    let keep = "No date, keep the words";
    check("call Anna on Monday or Tuesday", &format!("ask Mon 23 Nov | {keep}"));
    check("call Anna Monday and Ben Tuesday", &format!("ask Tue 24 Nov | {keep}"));
    check("call Anna in two weeks on Monday", &format!("ask Sat 5 Dec | {keep}"));
    check("call Anna a week on Monday", &format!("ask Mon 23 Nov | {keep}"));
    check("call Anna 10 minutes before 5pm", &format!("ask Sat 21 Nov, 17:00 | {keep}"));
    check("call Anna the day before my exam on 12 March", &format!("ask Fri 12 Mar | {keep}"));
    check("call Anna a week on 2026-11-23", "2026-11-23 = call Anna a week");
    check("buy The Sunday Telegraph on Tuesday", "2026-11-24 = buy The Sunday Telegraph");
    check("watch Friday Night Lights tomorrow", "2026-11-22 = watch Friday Night Lights");
    check("review the Monday report on Tuesday", "2026-11-24 = review the Monday report");
}

#[test]
fn a_day_said_twice_is_one_and_two_days_are_asked() {
    check("call Anna on Friday 4 December", "2026-12-04 = call Anna");
    check("call Anna Thu 3 Dec 5pm", "2026-12-03 17:00 = call Anna");
    check("call Anna on Friday the 4th", "2026-12-04 = call Anna");
    check("call Anna on Friday the 5th", "ask Fri 27 Nov | Sat 5 Dec");
}

#[test]
fn hours_as_people_say_them() {
    check("leave at 5 o'clock in the afternoon", "2026-11-21 17:00 = leave");
    check("leave at 5.30pm", "2026-11-21 17:30 = leave");
    check("leave at 17h", "2026-11-21 17:00 = leave");
    check("order at seven", "ask Sun 22 Nov, 07:00 | Sat 21 Nov, 19:00");
    check("look at one thing", "-");
    check("call Anna tomorrow evening at 7", "2026-11-22 19:00 = call Anna");
    check("meet Anna on Monday from 5pm to 6pm", "2026-11-23 17:00 = meet Anna");
}

#[test]
fn a_weekend_that_has_begun_has_no_saturday_any_more() {
    let now = datetime(2026, 11, 22, 10, 0, 0, 0).in_tz("Europe/Madrid").expect("a zone");
    let sunday = Context { now, direction: Direction::Ahead };
    assert!(
        matches!(read("buy milk this weekend", &sunday), Reading::Found { meaning, .. } if meaning.first_day() == date(2026, 11, 22))
    );
}

#[test]
fn titles_are_left_alone() {
    for title in [
        "read The 5th Wave",
        "buy a monitor",
        "buy paprika",
        "watch Tomorrow Never Dies",
        "Tomorrow Never Dies",
        "watch The Day After Tomorrow",
        "buy Black Friday tickets",
        "plan Black Friday",
        "watch Any Given Sunday",
        "watch \"Friday\"",
        "watch “Saturday” tomorrowish",
        "read 1984",
        "book a table for 10",
        "meditate for 10 minutes",
        "drink 7 up",
        "watch 3:10 to Yuma",
        "ask about the 24/7 support",
        "see Saturday Night Live sketches",
        "get vitamin d for the sun",
        "march on",
        "ask may",
        "learn second language",
        "fix the sat nav",
        "Midnight in Paris",
        "buy 5 apples",
        "mondays are hard",
        "walk in the morning light",
        "read Half Past Midnight",
        "buy a Sunday",
        "read The Man Who Was Thursday",
        "rewatch Before Sunrise",
        "listen to Ruby Tuesday",
        "sell at 5.30",
        "watch Friday the 13th",
    ] {
        check(title, "-");
    }
}

#[test]
fn bare_weekdays_look_back_when_the_question_does() {
    let back = |text| read(text, &context(Direction::Back));
    assert!(
        matches!(back("what did I do on Monday"), Reading::Found { meaning: Meaning::Day(day), .. } if day == date(2026, 11, 16))
    );
    assert!(
        matches!(back("what did I write yesterday"), Reading::Found { meaning: Meaning::Day(day), .. } if day == date(2026, 11, 20))
    );
    assert!(
        matches!(back("what did I do 3 days ago"), Reading::Found { meaning: Meaning::Day(day), .. } if day == date(2026, 11, 18))
    );
}

#[test]
fn an_answered_question_reads_as_one_thing() {
    let text = "call Anna at 5 about the car";
    let Reading::Ask { span, choices, .. } = read(text, &context(Direction::Ahead)) else {
        panic!("must be asked")
    };
    let said = instead(text, &span, &choices[1].instead);
    assert_eq!(said, "call Anna on 2026-11-21 at 17:00 about the car");
    assert!(
        matches!(read(&said, &context(Direction::Ahead)), Reading::Found { meaning: Meaning::At(day, at), .. } if day == date(2026, 11, 21) && at == time(17, 0, 0, 0))
    );
}

#[test]
fn days_begin_where_the_person_lives() {
    let now = datetime(2026, 11, 21, 23, 30, 0, 0).in_tz("UTC").expect("a zone");
    let madrid = Context { now: now.in_tz("Europe/Madrid").expect("a zone"), direction: Direction::Ahead };
    assert!(
        matches!(read("call tomorrow", &madrid), Reading::Found { meaning: Meaning::Day(day), .. } if day == date(2026, 11, 23))
    );
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic_and_spans_are_true(text in "\\PC{0,60}", tail in "(tomorrow|at 5pm|on the 5th|in 3 days|next friday|29 february|at|in|3/4/99)( at \\d{1,3}){0,2}") {
        for text in [text.clone(), format!("{text} {tail}")] {
            for direction in [Direction::Ahead, Direction::Back] {
                if let Reading::Found { span, .. } | Reading::Ask { span, .. } = read(&text, &context(direction)) {
                    prop_assert!(text.get(span.clone()).is_some(), "{span:?} in {text}");
                }
            }
        }
    }
}
