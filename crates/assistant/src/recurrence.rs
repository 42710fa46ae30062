//! Tasks that come again: an RFC 5545 rule on the wall clock, counted from its schedule or from when it was done.
//!
//! A rule knows no zone: each time it gives is a wall-clock time, and the zone of the task makes an instant of it, so
//! 09:00 stays 09:00 when clocks change. `rule` expands rules, `phrase` reads them out of sentences, `words` tells them.

use std::convert::Infallible;

use jiff::{
    ToSpan,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use crate::tasks::Due;

pub(crate) mod phrase;
mod rule;
pub(crate) mod words;

#[cfg(test)]
mod tests;

/// What the next time is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// The schedule: "every Monday".
    Fixed,
    /// The day on which it was done: "3 days after I finish".
    FromCompletion,
}

/// How a task comes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recurrence {
    /// RFC 5545, section 3.3.10, without `RRULE:`, such as `FREQ=WEEKLY;BYDAY=MO`.
    pub(crate) rule: String,
    pub(crate) mode: Mode,
    /// DTSTART on the wall clock: the time at which the schedule has this task.
    pub(crate) start: Due,
}

/// A rule that has no beginning yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repeats {
    pub(crate) rule: String,
    pub(crate) mode: Mode,
    /// The time of day, where it was said.
    pub(crate) time: Option<Time>,
    /// The day from which it holds, where it was said.
    pub(crate) from: Option<Date>,
}

/// Whether `rule` can be followed, in a sentence that says why not. Takes up to 0.1 s for a rule that never comes, so
/// never on a thread that others wait for.
///
/// # Errors
/// The rule cannot be read, is finer than a day, or never comes.
pub(crate) fn check(rule: &str, mode: Mode) -> Result<String, String> {
    let rule = rule.trim().trim_start_matches("RRULE:").to_ascii_uppercase();
    let rule = rule::check(&rule)?;
    if mode == Mode::FromCompletion && rule::pace(&rule).is_none() {
        return Err("a rule that counts from completion has FREQ and INTERVAL only".to_owned());
    }
    Ok(rule)
}

/// The rule as a calendar has it: UNTIL is of the same kind as the beginning (RFC 5545, 3.3.10), a day or an instant.
/// `zone`: of a beginning with a time.
pub(crate) fn for_calendar(rule: &str, zone: Option<&TimeZone>) -> String {
    let other = |until: &str| -> Result<String, Infallible> {
        let said = rule::wall(until).map(|wall| match zone {
            None => wall.strftime("%Y%m%d").to_string(),
            Some(zone) => match wall.to_zoned(zone.clone()) {
                Ok(at) => at.timestamp().strftime("%Y%m%dT%H%M%SZ").to_string(),
                Err(_) => until.to_owned(),
            },
        });
        Ok(said.unwrap_or_else(|| until.to_owned()))
    };
    let Ok(rule) = rule::with_until(rule, other);
    rule
}

/// A calendar's rule as it is kept here, to be checked: an instant of UNTIL is told by the clock of `zone`.
pub(crate) fn of_calendar(rule: &str, zone: Option<&TimeZone>) -> String {
    let other = |until: &str| -> Result<String, Infallible> {
        let instant = until.strip_suffix('Z').and_then(rule::wall).zip(zone);
        let wall = instant.and_then(|(utc, zone)| {
            Some(utc.to_zoned(TimeZone::UTC).ok()?.with_time_zone(zone.clone()).datetime())
        });
        Ok(wall.map_or_else(|| until.to_owned(), rule::written))
    };
    let Ok(rule) = rule::with_until(rule, other);
    rule
}

impl Repeats {
    /// The recurrence and when it is first due: on `day` or after it; without a day not before `now`. `None`: never.
    pub(crate) fn starting(
        &self,
        day: Option<Date>,
        time: Option<Time>,
        now: DateTime,
    ) -> Option<(Recurrence, Due)> {
        let (time, day) = (self.time.or(time), self.from.or(day));
        let start = wall(Due::new(day.unwrap_or(now.date()), time));
        let floor = match (day, time) {
            (None, Some(_)) => now,
            _ => start,
        };
        let first = match self.mode {
            // The first of its weekdays, days or months, whatever the pace from then on.
            Mode::Fixed => rule::first(&rule::without_interval(&self.rule), start, |at| at >= floor)?,
            Mode::FromCompletion if start < floor => start.checked_add(1.day()).ok()?,
            Mode::FromCompletion => start,
        };
        let due = Due::new(first.date(), time);
        Some((Recurrence { rule: self.rule.clone(), mode: self.mode, start: due }, due))
    }
}

impl Recurrence {
    /// The next one after that which was due at `due` and is done at `now`, wall clock of the task's zone. Times that
    /// passed meanwhile are left out. `None`: it was the last.
    pub(crate) fn next(&self, due: Due, now: DateTime) -> Option<(Self, Due)> {
        let next = match self.mode {
            Mode::Fixed => {
                let passed = match self.start.time {
                    Some(_) => wall(due).max(now),
                    None => wall(Due::new(due.day.max(now.date()), None)),
                };
                rule::first(&self.rule, wall(self.start), |at| at > passed)?
            }
            Mode::FromCompletion => {
                wall(Due { day: now.date(), ..self.start }).checked_add(rule::pace(&self.rule)?).ok()?
            }
        };
        let due = Due::new(next.date(), self.start.time);
        Some((Self { start: due, ..self.clone() }, due))
    }
}

fn wall(due: Due) -> DateTime {
    DateTime::from_parts(due.day, due.time.unwrap_or(Time::midnight()))
}
