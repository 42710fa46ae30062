//! Phrases, and titles that only look like them. Saturday 21 November 2026, 10:00 in Madrid.

use jiff::civil::{date, datetime, time};
use proptest::prelude::*;

use super::*;

mod elsewhere;
mod impossible;

fn context(direction: Direction) -> Context {
    Context {
        now: datetime(2026, 11, 21, 10, 0, 0, 0).in_tz("Europe/Madrid").expect("a zone"),
        direction,
        habits: Habits::default(),
        day: None,
    }
}

/// What was read, in short: `2026-11-22 17:00`, `2026-11-22`, `a..b`, `ask x | y`, `-`; then what is left of the text.
fn check(text: &str, expected: &str) {
    let show = |reading: Reading| match reading {
        Reading::Nothing => "-".to_owned(),
        Reading::Found { meaning: Meaning::Day(day), spans, .. } => {
            format!("{day} = {}", without(text, &spans))
        }
        Reading::Found { meaning: Meaning::At(Moment { day, time: at, .. }), spans, .. } => {
            format!("{day} {} = {}", at.strftime("%H:%M"), without(text, &spans))
        }
        Reading::Found { meaning: Meaning::Days(from, to), spans, .. } => {
            format!("{from}..{to} = {}", without(text, &spans))
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
    check("brunch on Sunday at 11:30 am", "2026-11-22 11:30 = brunch");
    check("report next week", "2026-11-23..2026-11-29 = report");
    check("clean up this weekend", "2026-11-21..2026-11-22 = clean up");
    check("call mum tonight", "2026-11-21 20:00 = call mum");
    check("run tomorrow morning", "2026-11-22 09:00 = run");
    check("run tomorrow morning at 7:30 am", "2026-11-22 07:30 = run");
    check("lunch at noon", "2026-11-21 12:00 = lunch");
    check("stand-up at 9am", "2026-11-22 09:00 = stand-up");
    check("dinner on Saturday at 8pm", "2026-11-28 20:00 = dinner");
    check("party on Sat", "2026-11-28 = party");
    check("call Anna a week on Monday", "2026-11-30 = call Anna");
    check("tomorrow call Anna at 5pm", "2026-11-22 17:00 = call Anna");
    check("at 9am call Anna on Monday about the car", "2026-11-23 09:00 = call Anna about the car");
    check("Tuesday next week dentist", "2026-11-24 = dentist");
    check("dentist on the 5th of next month", "2026-12-05 = dentist");
    check("train on 2026-11-24 at 11:05", "2026-11-24 11:05 = train");
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
    check("meet Sam tomorrow at quarter to 1", "ask Sun 22 Nov, 00:45 | Sun 22 Nov, 12:45");
    check("visit the Sun at 5", "ask Sun 22 Nov, 05:00 | Sat 21 Nov, 17:00");
}

#[test]
fn what_repeats_is_asked_and_never_taken_for_one_date() {
    check("take out the trash every Monday", "ask Mon 23 Nov | No date, keep the words");
    check("drink water every day at 10:30 am", "ask Sat 21 Nov, 10:30 | No date, keep the words");
    check("call mum every other Sunday at 5pm", "ask Sun 22 Nov, 17:00 | No date, keep the words");
    check("take pills daily at 8pm", "ask Sat 21 Nov, 20:00 | No date, keep the words");
    check("water the plants every week", "-");
    let text = "take out the trash every Monday at 9am";
    let Reading::Ask { spans, choices, .. } = read(text, &context(Direction::Ahead)) else {
        panic!("must be asked")
    };
    let said: Vec<String> = choices.iter().map(|choice| instead(text, &spans, &choice.instead)).collect();
    assert_eq!(
        said,
        ["take out the trash on 2026-11-23 at 09:00", "take out the trash \"every Monday at 9am\""]
    );
    check(&said[1], "-");
}

#[test]
fn a_date_that_other_words_move_is_asked_and_never_taken() {
    let keep = "No date, keep the words";
    check("call Anna on Monday or Tuesday", &format!("ask Mon 23 Nov | Tue 24 Nov | {keep}"));
    check("call Anna Monday and Ben Tuesday", &format!("ask Mon 23 Nov | Tue 24 Nov | {keep}"));
    check("call Anna in two weeks on Monday", &format!("ask Sat 5 Dec | Mon 23 Nov | {keep}"));
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
    check("leave at 5 to 6 pm tomorrow", "2026-11-22 17:55 = leave");
    check("meet from 5 to 6pm tomorrow", "2026-11-22 17:00 = meet");
    check("meet 11-1pm tomorrow", "2026-11-22 11:00 = meet");
    check("leave at 17h", "2026-11-21 17:00 = leave");
    check("order at seven", "ask Sun 22 Nov, 07:00 | Sat 21 Nov, 19:00");
    check("look at one thing", "-");
    check("call Anna tomorrow evening at 7", "2026-11-22 19:00 = call Anna");
    check("meet Anna on Monday from 5pm to 6pm", "2026-11-23 17:00 = meet Anna");
}

#[test]
fn what_people_type_in_haste() {
    check("call John 5pm", "2026-11-21 17:00 = call John");
    check("remind tues 3pm dentist", "2026-11-24 15:00 = remind dentist");
    check("lunch w/ Sam fri 12:30 pm", "2026-11-27 12:30 = lunch w/ Sam");
    check("gym tmrw 7am", "2026-11-22 07:00 = gym");
    check("pay rent 1st dec", "2026-12-01 = pay rent");
    check("party sat 8pm", "2026-11-28 20:00 = party");
    check("flight on 12/25 at 6:15am", "2026-12-25 06:15 = flight");
    check("pick up kids at 3:30 tomorrow afternoon", "2026-11-22 15:30 = pick up kids");
    check("book flights next month", "2026-12-01..2026-12-31 = book flights");
    check("submit report by eod tomorrow", "2026-11-22 = submit report");
    check("submit report tomorrow eod", "2026-11-22 = submit report");
    check("water plants tomorrow first thing", "2026-11-22 09:00 = water plants");
    check("friday call Anna", "2026-11-27 = call Anna");
    check("friday drinks", "ask Fri 27 Nov | No date, keep the words");
    check("call mum in the evening", "2026-11-21 20:00 = call mum");
    check("meeting tomorrow from 3 to 4pm", "2026-11-22 15:00 = meeting");
    check("call the vet within 2 hours", "2026-11-21 12:00 = call the vet");
    check("dentist in three weeks' time", "2026-12-12 = dentist");
    check("renew passport in a year and a half", "2028-05-21 = renew passport");
    check("standup tomorrow 9.30", "ask Sun 22 Nov, 09:30 | Sun 22 Nov, 21:30");
    check("holiday from 23 Dec to 3 Jan", "2026-12-23..2027-01-03 = holiday");
    check("call Anna at 17.30", "2026-11-21 17:30 = call Anna");
    check("movie at 9 tonight", "2026-11-21 21:00 = movie");
    check("deadline 15 December 2026 5pm", "2026-12-15 17:00 = deadline");
    check("vet appointment Wednesday the 25th at 4pm", "2026-11-25 16:00 = vet appointment");
    check("plan trip over Christmas", "2026-12-25 = plan trip");
    check("buy gifts before Christmas", "2026-12-25 = buy gifts");
    check("review the day after Christmas", "2026-12-26 = review");
    check("3pm Tuesday: call with Berlin", "2026-11-24 15:00 = call with Berlin");
    check("visit grandma on Sunday afternoon", "2026-11-22 15:00 = visit grandma");
}

#[test]
fn what_is_not_reckoned_with_is_asked_and_never_dropped() {
    let keep = "No date, keep the words";
    check("take pills at 8am and at 20:00", &format!("ask Sun 22 Nov, 08:00 | Sat 21 Nov, 20:00 | {keep}"));
    check("party the night before Christmas", &format!("ask Fri 25 Dec | {keep}"));
    check("water the plants Mon, Wed and Fri", &format!("ask Mon 23 Nov | Wed 25 Nov | Fri 27 Nov | {keep}"));
    check("book a hotel for June", &format!("ask Tue 1 Jun to Wed 30 Jun | {keep}"));
    check("the last week of October", "-");
    check("listen to December 1963", &format!("ask Sun 1 Dec 1963 to Tue 31 Dec 1963 | {keep}"));
    check("clean up yesterday", &format!("ask Fri 20 Nov | {keep}"));
    check("pay invoice within 30 days", "2026-12-21 = pay invoice");
    check("run for 30 minutes at 6am", "2026-11-22 06:00 = run for 30 minutes");
    check("book flight 12.12.", "2026-12-12 = book flight");
    check("clean windows on the first of the month", "2026-12-01 = clean windows");
    check("clean windows at the beginning of the month", "2026-12-01 = clean windows");
    check("gym at five thirty", "ask Sun 22 Nov, 05:30 | Sat 21 Nov, 17:30");
    check("gym at six-thirty pm", "2026-11-21 18:30 = gym");
    check("gym from 17 to 18 tomorrow", "2026-11-22 17:00 = gym");
    check("meet around 7 tomorrow evening", "2026-11-22 19:00 = meet");
    check("7 tomorrow morning run", "2026-11-22 07:00 = run");
    check("lunch with Ben thurs 12ish", "ask Thu 26 Nov, 00:00 | Thu 26 Nov, 12:00");
    check("in an hour's time call Anna", "2026-11-21 11:00 = call Anna");
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
        "watch Friday the 13th",
        "watch Next Friday",
        "play Last Christmas on piano",
        "listen to Friday on My Mind",
        "on second thought call Ben",
        "first thing to do: sleep",
        "year end report",
        "2h parking ticket",
        "learn about the May Fourth movement",
        "buy 2 tickets for 12 euros",
        "the March issue of the paper",
        "ask June about the rent",
        "print 3 copies of the May report",
        "clean the 2nd floor",
        "meet Ed in room 101",
        "read Fahrenheit 451",
        "read chapters 3 to 5",
        "bake at 180 for 40 minutes",
        "buy 6-8 eggs",
        "fix bug in 2.10.3",
        "watch Saturday Night Live",
        "read The Thursday Murder Club",
        "listen to Friday I'm in Love",
        "see the Monday team",
        "set the heating to 20",
        "add half a cup of sugar",
        "find a two week course",
        "buy a 24 hour pass",
        "book a weekend trip",
        "study for 2 hours",
        "sketch the night sky",
        "play 1812 Overture",
        "review PR 1204",
        "get the 10 bus",
        "call 5 people",
        "write 3 pages a day",
        "save 10% of the pay",
        "watch The Morning After",
        "visit at 12 Main Street",
        "read Second Spring",
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
    let Reading::Ask { spans, choices, .. } = read(text, &context(Direction::Ahead)) else {
        panic!("must be asked")
    };
    let said = instead(text, &spans, &choices[1].instead);
    assert_eq!(said, "call Anna on 2026-11-21 at 17:00 about the car");
    assert!(
        matches!(read(&said, &context(Direction::Ahead)), Reading::Found { meaning: Meaning::At(Moment { day, time: at, .. }), .. } if day == date(2026, 11, 21) && at == time(17, 0, 0, 0))
    );
}

#[test]
fn days_begin_where_the_person_lives() {
    let now = datetime(2026, 11, 21, 23, 30, 0, 0).in_tz("UTC").expect("a zone");
    let madrid = Context {
        now: now.in_tz("Europe/Madrid").expect("a zone"),
        direction: Direction::Ahead,
        habits: Habits::default(),
        day: None,
    };
    assert!(
        matches!(read("call tomorrow", &madrid), Reading::Found { meaning: Meaning::Day(day), .. } if day == date(2026, 11, 23))
    );
}

#[test]
fn no_minute_ahead_is_cut_short() {
    let at = |second, text: &str| {
        let now = datetime(2026, 11, 21, 10, 0, second, 0).in_tz("Europe/Madrid").expect("a zone");
        match read(text, &Context { now, ..context(Direction::Ahead) }) {
            Reading::Found { meaning: Meaning::At(moment), .. } => moment.time.to_string(),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(at(0, "stretch in 1 minute"), "10:01:00");
    assert_eq!(at(1, "stretch in 1 minute"), "10:02:00");
    assert_eq!(at(55, "stretch in 1 minute"), "10:02:00");
    assert_eq!(at(30, "stretch in 2 hours"), "12:01:00");
}

#[test]
fn a_known_habit_is_not_asked_about() {
    let mut knows = context(Direction::Ahead);
    for lesson in ["hour:5:pm", "order:month", "hour:7:am"] {
        knows.habits.learn(Lesson::parse(lesson).expect("a lesson"));
    }
    let at = |text: &str| match read(text, &knows) {
        Reading::Found { meaning, .. } => format!("{} {:?}", meaning.first_day(), meaning.time()),
        other => format!("{other:?}"),
    };
    assert_eq!(at("call Anna at 5"), "2026-11-21 Some(17:00:00)");
    assert_eq!(at("call Anna at half five"), "2026-11-21 Some(17:30:00)");
    assert_eq!(at("run at 7"), "2026-11-22 Some(07:00:00)");
    assert_eq!(
        at("dinner tonight at 7"),
        "2026-11-21 Some(19:00:00)",
        "what is said goes before what is known"
    );
    assert_eq!(at("dentist on 3/4"), "2027-03-04 None");
    assert!(at("call Anna at 6").starts_with("Ask"));
}

proptest! {
    #[test]
    fn any_day_of_any_year_is_read_from_without_panic(
        year in prop_oneof![-9999_i16..=-9990, -3_i16..=3, 1990_i16..=2040, 9990_i16..=9999],
        month in 1_i8..=12,
        day in 1_i8..=28,
        hour in 0_i8..=23,
        zone in "(Europe/Madrid|America/New_York|Australia/Lord_Howe|Pacific/Kiritimati|UTC)",
        text in "(on |by |in |since |from |the )?(tomorrow|yesterday|next week|the week after next|last weekend|next month|last year|the end of next year|new year's eve|29 february|30 feb|the 31st|3/4|in 9999 years|9999 months ago|in 9999 days|in 9999 hours|friday week|a fortnight on monday|monday to friday|1 jan - 31 dec|dec 30 to jan 2|may 2200|1900|31.12.9999|9999-12-31T23:59|last night at 11|midnight|in 2h|next friday at 5)( at \\d{1,2}| at 02:30| UTC[+-]\\d\\d:\\d\\d| tonight)?",
    ) {
        let Ok(now) = datetime(year, month, day, hour, 30, 0, 0).in_tz(&zone) else { return Ok(()) };
        for direction in [Direction::Ahead, Direction::Back] {
            let context = Context { now: now.clone(), direction, habits: Habits::default(), day: None };
            if let Reading::Ask { prompt, choices, .. } = read(&text, &context) {
                // What is out of reach can only be kept as words.
                prop_assert!(choices.len() > 1 || prompt == FAR, "one choice is no question: {choices:?} for {text}");
            }
            let _ = read_whole(&text, &context);
        }
    }

    #[test]
    fn any_text_is_read_without_panic_and_spans_are_true(text in "\\PC{0,60}", tail in "(tomorrow|at 5pm|on the 5th|in 3 days|next friday|29 february|at|in|3/4/99)( at \\d{1,3}){0,2}") {
        for text in [text.clone(), format!("{text} {tail}")] {
            for direction in [Direction::Ahead, Direction::Back] {
                if let Reading::Found { spans, .. } | Reading::Ask { spans, .. } = read(&text, &context(direction)) {
                    prop_assert!(spans.iter().all(|span| text.get(span.clone()).is_some()), "{spans:?} in {text}");
                }
            }
        }
    }
}
