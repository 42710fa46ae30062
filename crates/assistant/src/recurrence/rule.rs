//! Rules expanded by the crate `rrule`: the only file that knows it and the clock it is built on.
//!
//! Wall-clock times go in and come out as if they were UTC, so no clock change and no second database of time zones
//! has a say here.

use jiff::{
    Span, ToSpan,
    civil::{Date, DateTime, Time},
};
use rrule::{Frequency, RRule, RRuleSet, Unvalidated};

/// Bound: what a client may send.
const CHARS_MAX: usize = 300;
/// Bound: times of a rule that are passed over; daily for fifty years.
const PASSED_MAX: usize = 20_000;
/// A day from which every rule that ever comes does so.
const ANY_DAY: DateTime = DateTime::constant(2024, 1, 1, 0, 0, 0, 0);

pub(super) fn check(text: &str) -> Result<(), String> {
    if text.chars().count() > CHARS_MAX {
        return Err(format!("a rule has at most {CHARS_MAX} characters"));
    }
    // Also keeps a second line out of what is parsed.
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '=' | ';' | ',' | '+' | '-')) {
        return Err(format!("\"{text}\" is no rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO"));
    }
    let rule = parse(text).map_err(|why| format!("\"{text}\" is no rule of RFC 5545: {why}"))?;
    let finer = !matches!(
        rule.get_freq(),
        Frequency::Daily | Frequency::Weekly | Frequency::Monthly | Frequency::Yearly
    );
    if finer
        || !(rule.get_by_hour().is_empty()
            && rule.get_by_minute().is_empty()
            && rule.get_by_second().is_empty())
    {
        return Err("a task comes again once a day at most; its time of day is due_time".to_owned());
    }
    if rule.get_count().is_some() {
        return Err("COUNT is not kept; say UNTIL instead".to_owned());
    }
    set(text, ANY_DAY).map_err(|why| format!("\"{text}\" is no rule of RFC 5545: {why}"))?;
    first(text, ANY_DAY, |_| true).map(|_| ()).ok_or_else(|| format!("\"{text}\" never comes"))
}

/// The first time of the rule, begun at `start`, that `fits`.
pub(super) fn first(text: &str, start: DateTime, fits: impl Fn(DateTime) -> bool) -> Option<DateTime> {
    let times = set(text, start).ok()?.limit();
    (&times).into_iter().take(PASSED_MAX).filter_map(|at| civil(at.timestamp())).find(|at| fits(*at))
}

/// The distance of a rule that is nothing but one: `FREQ` and `INTERVAL`.
pub(super) fn pace(text: &str) -> Option<Span> {
    let only = text.split(';').all(|part| part.starts_with("FREQ=") || part.starts_with("INTERVAL="));
    let rule = parse(text).ok().filter(|_| only)?;
    let interval = i64::from(rule.get_interval());
    Some(match rule.get_freq() {
        Frequency::Daily => interval.days(),
        Frequency::Weekly => interval.weeks(),
        Frequency::Monthly => interval.months(),
        Frequency::Yearly => interval.years(),
        _ => return None,
    })
}

pub(super) fn without_interval(text: &str) -> String {
    text.split(';').filter(|part| !part.starts_with("INTERVAL=")).collect::<Vec<_>>().join(";")
}

fn parse(text: &str) -> Result<RRule<Unvalidated>, String> {
    text.parse().map_err(|error: rrule::RRuleError| error.to_string())
}

fn set(text: &str, start: DateTime) -> Result<RRuleSet, String> {
    let lines = format!("DTSTART:{}Z\nRRULE:{text}", start.strftime("%Y%m%dT%H%M%S"));
    lines.parse().map_err(|error: rrule::RRuleError| error.to_string())
}

fn civil(seconds: i64) -> Option<DateTime> {
    let days = i32::try_from(seconds.div_euclid(86_400)).ok()?;
    let of_day = i32::try_from(seconds.rem_euclid(86_400)).ok()?;
    let day = Date::constant(1970, 1, 1).checked_add(days.days()).ok()?;
    let time = Time::midnight().checked_add(of_day.seconds()).ok()?;
    Some(DateTime::from_parts(day, time))
}
