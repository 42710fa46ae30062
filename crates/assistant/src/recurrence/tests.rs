//! Rules over clock changes and short months, and phrases there and back.

use jiff::{
    civil::{date, datetime},
    tz::TimeZone,
};
use proptest::prelude::*;

use super::{
    phrase::{Heard, read, read_whole},
    *,
};
use crate::when::{Context, Direction, Habits};

fn context(now: &jiff::Zoned) -> Context {
    Context { now: now.clone(), direction: Direction::Ahead, habits: Habits::default(), day: None }
}

fn repeats(rule: &str, mode: Mode) -> Repeats {
    Repeats { rule: check(rule, mode).expect("a rule"), mode, time: None, from: None }
}

/// Done each time at once: the wall clock and UTC of the first and each that follows.
fn series(rule: &str, zone: &str, day: Date, time: (i8, i8), count: usize) -> Vec<(String, String)> {
    let zone = TimeZone::get(zone).expect("a zone");
    let time = Time::constant(time.0, time.1, 0, 0);
    let begun = repeats(rule, Mode::Fixed).starting(Some(day), Some(time), day.at(0, 0, 0, 0));
    let (mut recurrence, mut due) = begun.expect("comes");
    let mut all = Vec::new();
    for _ in 0..count {
        let instant = due.instant_ms(&zone).expect("an instant");
        let utc = jiff::Timestamp::from_millisecond(instant).expect("in range");
        let at = utc.to_zoned(zone.clone());
        all.push((at.strftime("%m-%d %H:%M").to_string(), utc.strftime("%m-%d %H:%M").to_string()));
        (recurrence, due) = recurrence.next(due, wall(due)).expect("comes again");
    }
    all
}

fn told(series: &[(String, String)]) -> Vec<(&str, &str)> {
    series.iter().map(|(wall, utc)| (wall.as_str(), utc.as_str())).collect()
}

#[test]
fn nine_stays_nine_when_the_clocks_of_madrid_and_new_york_change() {
    let madrid = series("FREQ=WEEKLY;BYDAY=MO", "Europe/Madrid", date(2026, 10, 19), (9, 0), 3);
    let expected =
        [("10-19 09:00", "10-19 07:00"), ("10-26 09:00", "10-26 08:00"), ("11-02 09:00", "11-02 08:00")];
    assert_eq!(told(&madrid), expected);
    let new_york = series("FREQ=WEEKLY;BYDAY=MO", "America/New_York", date(2026, 3, 2), (9, 0), 3);
    let expected =
        [("03-02 09:00", "03-02 14:00"), ("03-09 09:00", "03-09 13:00"), ("03-16 09:00", "03-16 13:00")];
    assert_eq!(told(&new_york), expected);
}

#[test]
fn lord_howe_moves_by_half_an_hour_and_a_skipped_time_by_the_gap() {
    // Clocks go from 02:00 to 02:30 on 4 October 2026.
    let island = series("FREQ=DAILY", "Australia/Lord_Howe", date(2026, 10, 3), (2, 15), 3);
    let expected =
        [("10-03 02:15", "10-02 15:45"), ("10-04 02:45", "10-03 15:45"), ("10-05 02:15", "10-04 15:15")];
    assert_eq!(told(&island), expected);
}

#[test]
fn short_months_and_years_without_a_leap_day_are_left_out_or_end_early() {
    let days = |rule, day| {
        let all = series(rule, "UTC", day, (9, 0), 4);
        all.into_iter().map(|(wall, _)| wall[..5].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(days("FREQ=MONTHLY;BYMONTHDAY=31", date(2027, 1, 1)), ["01-31", "03-31", "05-31", "07-31"]);
    assert_eq!(days("FREQ=MONTHLY;BYMONTHDAY=-1", date(2028, 1, 1)), ["01-31", "02-29", "03-31", "04-30"]);
    let leap = repeats("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", Mode::Fixed);
    let (recurrence, due) =
        leap.starting(Some(date(2026, 1, 1)), None, datetime(2026, 1, 1, 0, 0, 0, 0)).expect("comes");
    let (_, next) = recurrence.next(due, wall(due)).expect("comes again");
    assert_eq!((due.day, next.day), (date(2028, 2, 29), date(2032, 2, 29)));
}

#[test]
fn what_was_missed_is_left_out_and_the_pace_stays() {
    let begun = repeats("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", Mode::Fixed).starting(
        None,
        None,
        datetime(2026, 11, 21, 10, 0, 0, 0),
    );
    let (recurrence, due) = begun.expect("comes");
    assert_eq!(due.day, date(2026, 11, 27), "the next Friday, whatever the pace");
    let (_, next) = recurrence.next(due, datetime(2026, 11, 27, 8, 0, 0, 0)).expect("comes again");
    assert_eq!(next.day, date(2026, 12, 11));
    let (_, late) = recurrence.next(due, datetime(2026, 12, 30, 8, 0, 0, 0)).expect("comes again");
    assert_eq!(late.day, date(2027, 1, 8));
}

#[test]
fn from_completion_counts_from_the_day_it_was_done() {
    let begun =
        Repeats { time: Some(Time::constant(9, 0, 0, 0)), ..repeats("FREQ=MONTHLY", Mode::FromCompletion) }
            .starting(None, None, datetime(2027, 1, 20, 8, 0, 0, 0));
    let (recurrence, due) = begun.expect("comes");
    assert_eq!((due.day, due.time), (date(2027, 1, 20), Some(Time::constant(9, 0, 0, 0))));
    let (_, next) = recurrence.next(due, datetime(2027, 1, 31, 22, 0, 0, 0)).expect("comes again");
    assert_eq!((next.day, next.time), (date(2027, 2, 28), due.time));
}

#[test]
fn rules_that_cannot_be_followed_are_refused_with_the_reason() {
    for (rule, mode, why) in [
        ("FREQ=SOMETIMES", Mode::Fixed, "no rule of RFC 5545"),
        ("every Monday", Mode::Fixed, "no rule of RFC 5545"),
        ("FREQ=DAILY\nRDATE:20260101T000000Z", Mode::Fixed, "no rule of RFC 5545"),
        ("FREQ=HOURLY", Mode::Fixed, "once a day at most"),
        ("FREQ=DAILY;BYHOUR=9,17", Mode::Fixed, "once a day at most"),
        ("FREQ=DAILY;COUNT=3", Mode::Fixed, "UNTIL"),
        ("FREQ=DAILY;INTERVAL=0", Mode::Fixed, "never comes"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", Mode::Fixed, "never comes"),
        ("FREQ=WEEKLY;BYDAY=MO", Mode::FromCompletion, "FREQ and INTERVAL only"),
        ("FREQ=DAILY;UNTIL=SOON", Mode::Fixed, "UNTIL is a day such as 20261224"),
        ("FREQ=DAILY;UNTIL=20261340", Mode::Fixed, "UNTIL is a day such as 20261224"),
        ("FREQ=DAILY;UNTIL=", Mode::Fixed, "UNTIL is a day such as 20261224"),
        ("FREQ=WEEKLY;BYDAY=XX", Mode::Fixed, "no rule of RFC 5545"),
    ] {
        let refused = check(rule, mode).expect_err(rule);
        assert!(refused.contains(why), "{rule}: {refused}");
        assert!(!refused.contains("RRULE"), "the words of a library: {refused}");
    }
    for (rule, kept) in [
        ("FREQ=DAILY;UNTIL=20261224", "FREQ=DAILY;UNTIL=20261224T235959Z"),
        ("FREQ=DAILY;UNTIL=20261224T170000", "FREQ=DAILY;UNTIL=20261224T170000Z"),
        ("FREQ=DAILY;UNTIL=20261224T170000Z;INTERVAL=2", "FREQ=DAILY;UNTIL=20261224T170000Z;INTERVAL=2"),
        // Whether it is over is told where it begins.
        ("FREQ=DAILY;UNTIL=20191224", "FREQ=DAILY;UNTIL=20191224T235959Z"),
    ] {
        assert_eq!(check(rule, Mode::Fixed).as_deref(), Ok(kept));
    }
    assert_eq!(check("RRULE:freq=weekly;byday=mo", Mode::Fixed).as_deref(), Ok("FREQ=WEEKLY;BYDAY=MO"));
    let until = repeats("FREQ=DAILY;UNTIL=20261123T000000Z", Mode::Fixed);
    let (recurrence, due) =
        until.starting(Some(date(2026, 11, 22)), None, datetime(2026, 11, 1, 0, 0, 0, 0)).expect("comes");
    let (last, due) = recurrence.next(due, wall(due)).expect("comes again");
    assert_eq!(last.next(due, wall(due)), None);
}

#[test]
fn phrases_are_rules() {
    let now = datetime(2026, 11, 21, 10, 0, 0, 0).in_tz("Europe/Madrid").expect("a zone");
    for (phrase, rule) in [
        ("every other day", "FREQ=DAILY;INTERVAL=2"),
        ("every weekday", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("every weekend", "FREQ=WEEKLY;BYDAY=SA,SU"),
        ("on Mondays and Thursdays", "FREQ=WEEKLY;BYDAY=MO,TH"),
        ("every Tue, Thu and Sat", "FREQ=WEEKLY;BYDAY=TU,TH,SA"),
        ("every second Monday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"),
        ("every second Monday of the month", "FREQ=MONTHLY;BYDAY=2MO"),
        ("every first Monday", "FREQ=MONTHLY;BYDAY=1MO"),
        ("every last Friday of the month", "FREQ=MONTHLY;BYDAY=-1FR"),
        ("every 15th", "FREQ=MONTHLY;BYMONTHDAY=15"),
        ("monthly on the last day", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("every three months on the 5th", "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=5"),
        ("quarterly", "FREQ=MONTHLY;INTERVAL=3"),
        ("every 3rd of May", "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=3"),
        ("yearly on May 3", "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=3"),
        ("a week after it is done", "FREQ=WEEKLY"),
        ("every 10 days after completion", "FREQ=DAILY;INTERVAL=10"),
    ] {
        let Heard::Found { repeats, .. } = read_whole(phrase, &context(&now)) else {
            panic!("\"{phrase}\" says nothing")
        };
        assert_eq!(repeats.rule, rule, "{phrase}");
        let from = if phrase.contains("after") { Mode::FromCompletion } else { Mode::Fixed };
        assert_eq!(repeats.mode, from, "{phrase}");
    }
    for phrase in
        ["every", "every breath", "every a week", "every 31 April", "in 3 days", "every 0 days", "the daily"]
    {
        assert_eq!(read_whole(phrase, &context(&now)), Heard::Nothing, "{phrase}");
    }
}

fn rules() -> impl Strategy<Value = (String, Mode)> {
    let every = |freq: &str, n: u16| {
        if n == 1 { format!("FREQ={freq}") } else { format!("FREQ={freq};INTERVAL={n}") }
    };
    let freq = prop_oneof![Just("DAILY"), Just("WEEKLY"), Just("MONTHLY"), Just("YEARLY")];
    let days = prop::sample::subsequence(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"], 1..7);
    let every_day = prop_oneof![Just("MO"), Just("WE"), Just("SU")];
    let month_days = prop_oneof![1_i8..=31, Just(-1)];
    prop_oneof![
        (freq.clone(), 1_u16..40).prop_map(move |(freq, n)| (every(freq, n), Mode::Fixed)),
        (freq, 1_u16..40).prop_map(move |(freq, n)| (every(freq, n), Mode::FromCompletion)),
        (1_u16..9, days).prop_map(move |(n, days)| (
            format!("{};BYDAY={}", every("WEEKLY", n), days.join(",")),
            Mode::Fixed
        )),
        (1_u16..9, month_days)
            .prop_map(move |(n, day)| (format!("{};BYMONTHDAY={day}", every("MONTHLY", n)), Mode::Fixed)),
        prop::sample::subsequence((1_i8..=31).collect::<Vec<_>>(), 2..4).prop_map(|days| {
            let days: Vec<String> = days.iter().map(i8::to_string).collect();
            (format!("FREQ=MONTHLY;BYMONTHDAY={}", days.join(",")), Mode::Fixed)
        }),
        (1_i8..=28, every_day).prop_map(|(day, weekday)| {
            (
                format!("FREQ=MONTHLY;BYDAY=1{weekday},{}{weekday}", if day % 2 == 0 { 3 } else { -1 }),
                Mode::Fixed,
            )
        }),
        prop_oneof![Just(1), Just(-1)]
            .prop_map(|nth| (format!("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS={nth}"), Mode::Fixed)),
        (1_u8..=12, 1_u8..=28)
            .prop_map(|(month, day)| (format!("FREQ=YEARLY;BYMONTH={month};BYMONTHDAY={day}"), Mode::Fixed)),
        Just(("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29".to_owned(), Mode::Fixed)),
    ]
}

proptest! {
    /// What a page shows in a field is read again as the same rule, without a question.
    #[test]
    fn a_rule_that_is_told_is_read_as_the_same(
        (rule, mode) in rules(),
        hour in proptest::option::of(0_i8..24),
        until in proptest::option::of(1_i16..800),
        from in proptest::option::of(0_i16..800),
    ) {
        let day = |days: i16| date(2026, 11, 21).saturating_add(i64::from(days).days());
        let until = until.filter(|_| mode == Mode::Fixed);
        let until = until.map_or_else(String::new, |days| format!(";UNTIL={}T235959Z", day(days).strftime("%Y%m%d")));
        let rule = format!("{rule}{until}");
        let time = hour.map(|hour| Time::constant(hour, 30, 0, 0));
        let repeats = Repeats { rule, mode, time, from: from.map(day) };
        let said = words::tell(&repeats);
        let now = datetime(2026, 11, 21, 10, 0, 0, 0).in_tz("Europe/Madrid").expect("a zone");
        match read_whole(&said, &context(&now)) {
            Heard::Found { repeats: read, .. } => prop_assert_eq!(read, repeats, "{}", said),
            other => prop_assert!(false, "\"{}\" is read as {:?}", said, other),
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in "(every|each|on|the|last|31st|monthly|at|5|days|after|I|finish|é| |\"|,){0,12}") {
        let now = datetime(2026, 11, 21, 10, 0, 0, 0).in_tz("Europe/Madrid").expect("a zone");
        if let Heard::Found { spans, .. } | Heard::Ask { spans, .. } = read(&text, &context(&now)) {
            prop_assert!(spans.into_iter().all(|span| text.get(span).is_some()));
        }
    }
}
