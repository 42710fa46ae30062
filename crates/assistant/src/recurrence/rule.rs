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

/// The rule as it is kept: its UNTIL is a time on the wall clock, of a day its last second.
pub(super) fn check(text: &str) -> Result<String, String> {
    let no_rule = || format!("\"{text}\" is no rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO");
    if text.chars().count() > CHARS_MAX {
        return Err(format!("a rule has at most {CHARS_MAX} characters"));
    }
    // Also keeps a second line out of what is parsed.
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '=' | ';' | ',' | '+' | '-')) {
        return Err(no_rule());
    }
    let kept = with_until(text, |until| {
        let wall = wall(until).ok_or_else(|| {
            format!("UNTIL is a day such as 20261224 or a time such as 20261224T170000Z, and not \"{until}\"")
        })?;
        Ok::<_, String>(written(wall))
    })?;
    // Whether it is over yet is asked where it begins.
    let endless = without_until(&kept);
    let rule = parse(&endless).ok_or_else(no_rule)?;
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
    set(&endless, ANY_DAY).ok_or_else(no_rule)?;
    first(&endless, ANY_DAY, |_| true).map(|_| kept).ok_or_else(|| format!("\"{text}\" never comes"))
}

/// The rule with another UNTIL, where it has one.
pub(super) fn with_until<E>(text: &str, other: impl Fn(&str) -> Result<String, E>) -> Result<String, E> {
    let parts = text.split(';').map(|part| match part.strip_prefix("UNTIL=") {
        Some(until) => Ok(format!("UNTIL={}", other(until)?)),
        None => Ok(part.to_owned()),
    });
    Ok(parts.collect::<Result<Vec<_>, E>>()?.join(";"))
}

pub(super) fn without_until(text: &str) -> String {
    text.split(';').filter(|part| !part.starts_with("UNTIL=")).collect::<Vec<_>>().join(";")
}

/// `20261224`, which ends with its last second, or `20261224T170000`, with a Z or without.
pub(super) fn wall(until: &str) -> Option<DateTime> {
    let day = |text| Date::strptime("%Y%m%d", text).ok();
    match until.split_once('T') {
        None if until.len() == 8 => Some(day(until)?.at(23, 59, 59, 0)),
        Some(_) => DateTime::strptime("%Y%m%dT%H%M%S", until.trim_end_matches('Z')).ok(),
        None => None,
    }
}

/// As [`check`] keeps it.
pub(super) fn written(until: DateTime) -> String {
    until.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The first time of the rule, begun at `start`, that `fits`.
pub(super) fn first(text: &str, start: DateTime, fits: impl Fn(DateTime) -> bool) -> Option<DateTime> {
    let times = set(text, start)?.limit();
    (&times).into_iter().take(PASSED_MAX).filter_map(|at| civil(at.timestamp())).find(|at| fits(*at))
}

/// The distance of a rule that is nothing but one: `FREQ` and `INTERVAL`.
pub(super) fn pace(text: &str) -> Option<Span> {
    let only = text.split(';').all(|part| part.starts_with("FREQ=") || part.starts_with("INTERVAL="));
    let rule = parse(text).filter(|_| only)?;
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

fn parse(text: &str) -> Option<RRule<Unvalidated>> {
    text.parse().ok()
}

fn set(text: &str, start: DateTime) -> Option<RRuleSet> {
    let lines = format!("DTSTART:{}Z\nRRULE:{text}", start.strftime("%Y%m%dT%H%M%S"));
    lines.parse().ok()
}

fn civil(seconds: i64) -> Option<DateTime> {
    let days = i32::try_from(seconds.div_euclid(86_400)).ok()?;
    let of_day = i32::try_from(seconds.rem_euclid(86_400)).ok()?;
    let day = Date::constant(1970, 1, 1).checked_add(days.days()).ok()?;
    let time = Time::midnight().checked_add(of_day.seconds()).ok()?;
    Some(DateTime::from_parts(day, time))
}
