//! Whole years, minute by minute, in zones that change their clocks in every way there is.

use std::collections::BTreeSet;

use jiff::{
    SignedDuration, Timestamp,
    civil::{DateTime, date},
    tz::{AmbiguousOffset, TimeZone},
};
use proptest::prelude::*;

use super::{at, coming, table};
use crate::{Timetable, TimetableError};

/// Usual ones, half an hour, at midnight, twice in Ramadan, and none.
const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "UTC",
];

/// A schedule as sets of what fits, and as the text that says so.
#[derive(Clone, Debug)]
struct Fields {
    text: String,
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    weekdays: BTreeSet<i8>,
}

impl Fields {
    fn fits(&self, civil: DateTime) -> bool {
        self.minutes.contains(&civil.minute())
            && self.hours.contains(&civil.hour())
            && self.weekdays.contains(&civil.weekday().to_sunday_zero_offset())
    }

    /// Every moment of a year, by trying each of its minutes.
    fn moments(&self, zone: &TimeZone, year: i16) -> Vec<Timestamp> {
        let mut moments = BTreeSet::new();
        let minute = SignedDuration::from_mins(1);
        if self.hours.len() == 24 {
            let mut moment = zone.to_timestamp(date(year, 1, 1).at(0, 0, 0, 0)).unwrap();
            while zone.to_datetime(moment).year() == year {
                moments.extend(self.fits(zone.to_datetime(moment)).then_some(moment));
                moment += minute;
            }
            return moments.into_iter().collect();
        }
        let mut civil = date(year, 1, 1).at(0, 0, 0, 0);
        while civil.year() == year {
            moments.extend(self.fits(civil).then(|| once(zone, civil)));
            civil = civil.checked_add(minute).unwrap();
        }
        moments.into_iter().collect()
    }
}

/// The first moment at which the wall shows this time or, where it never does, a later one.
fn once(zone: &TimeZone, mut civil: DateTime) -> Timestamp {
    loop {
        let shown = zone.to_ambiguous_timestamp(civil);
        if !matches!(shown.offset(), AmbiguousOffset::Gap { .. }) {
            return shown.earlier().unwrap();
        }
        civil = civil.checked_add(SignedDuration::from_mins(1)).unwrap();
    }
}

fn list(set: &BTreeSet<i8>, all: usize) -> String {
    if set.len() == all {
        return "*".to_owned();
    }
    set.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

prop_compose! {
    fn fields()(
        minutes in proptest::collection::btree_set(0..60i8, 1..4),
        // Most clocks change in the first hours of a day.
        some in prop_oneof![proptest::collection::btree_set(0..4i8, 1..3), proptest::collection::btree_set(0..24i8, 1..6)],
        hourly in proptest::bool::weighted(0.3),
        days in proptest::collection::btree_set(0..7i8, 1..4),
        daily in proptest::bool::weighted(0.6),
    ) -> Fields {
        let hours = if hourly { (0..24).collect() } else { some };
        let weekdays = if daily { (0..7).collect() } else { days };
        let text = format!("{} {} * * {}", list(&minutes, 60), list(&hours, 24), list(&weekdays, 7));
        Fields { text, minutes, hours, weekdays }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_timetable_is_what_trying_every_minute_of_a_year_finds(
        fields in fields(), zone in proptest::sample::select(&ZONES[..]), year in 2020..2032i16,
    ) {
        let timetable = table(&fields.text, zone);
        let moments = fields.moments(&TimeZone::get(zone).unwrap(), year);
        let instant = SignedDuration::from_nanos(1);
        for pair in moments.windows(2) {
            let told = |what: &str| format!("{what} {} of `{}` in {zone}", pair[1], fields.text);
            prop_assert_eq!(timetable.next_after(pair[0]), Some(pair[1]), "{}", told("after"));
            prop_assert_eq!(timetable.next_after(pair[1] - instant), Some(pair[1]), "{}", told("just before"));
            prop_assert_eq!(timetable.last_until(pair[1]), Some(pair[1]), "{}", told("at"));
            prop_assert_eq!(timetable.last_until(pair[1] - instant), Some(pair[0]), "{}", told("until before"));
        }
    }

    #[test]
    fn no_text_makes_it_panic_or_search_for_long(text in "[0-9*/,@a-zL#W? -]{0,40}") {
        if let Ok(timetable) = Timetable::parse(&text, "Europe/Berlin") {
            let next = timetable.next_after(at("2026-03-29T00:00:00Z"));
            prop_assert!(next.is_none_or(|next| timetable.last_until(next) == Some(next)), "{}", text);
        }
    }
}

#[test]
fn what_names_its_hour_runs_once_where_the_clock_is_put_forward() {
    // At 02:00 of 29 March it is 03:00.
    assert_eq!(
        coming("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
        ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    );
    // Two that fall into the same gap, and one that stands at its end, are one run.
    assert_eq!(
        coming("15,45 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3),
        ["2026-03-29T03:00:00+02:00", "2026-03-29T03:15:00+02:00", "2026-03-29T03:45:00+02:00"]
    );
}

#[test]
fn what_names_its_hour_runs_once_where_the_clock_is_put_back() {
    // At 03:00 of 25 October it is 02:00.
    assert_eq!(
        coming("30 2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", 2),
        ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]
    );
    let table = table("30 2 * * *", "Europe/Berlin");
    // Asked within the hour that is there again, the run of the first one was the last.
    assert_eq!(table.last_until(at("2026-10-25T01:10:00Z")), Some(at("2026-10-25T00:30:00Z")));
}

#[test]
fn what_runs_every_hour_follows_the_time_that_passes() {
    assert_eq!(
        coming("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2),
        ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]
    );
    assert_eq!(
        coming("30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 3),
        ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"]
    );
}

#[test]
fn seconds_leap_days_and_names_are_read() {
    assert_eq!(coming("*/20 * * * * *", "UTC", "2026-01-01T00:00:30Z", 1), ["2026-01-01T00:00:40+00:00"]);
    assert_eq!(coming("0 0 29 2 *", "UTC", "2097-01-01T00:00:00Z", 1), ["2104-02-29T00:00:00+00:00"]);
    assert_eq!(coming("@daily", "Asia/Kolkata", "2026-01-01T00:00:00Z", 1), ["2026-01-02T00:00:00+05:30"]);
    assert_eq!(coming("0 9 * * MON-FRI", "UTC", "2026-11-27T09:00:00Z", 1), ["2026-11-30T09:00:00+00:00"]);
}

#[test]
fn what_is_no_schedule_says_why() {
    let why = |schedule: &str, zone: &str| Timetable::parse(schedule, zone).unwrap_err();
    for wrong in ["", "* * * *", "61 * * * *", "* * * * * * *", "x * * * *", "@reboot", &"1,".repeat(200)] {
        assert!(matches!(why(wrong, "UTC"), TimetableError::Grammar(_)), "{wrong}");
    }
    assert_eq!(why("0 0 30 2 *", "UTC"), TimetableError::Never);
    assert_eq!(why("0 0 * * *", "Europe/Berlim"), TimetableError::NoSuchZone("Europe/Berlim".to_owned()));
}
