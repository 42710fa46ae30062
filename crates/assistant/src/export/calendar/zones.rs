//! The rules of the zones that a calendar names (VTIMEZONE, RFC 5545, 3.6.5), for programs that know none by its name.
//!
//! Each change of a zone's clocks between the first and the last time that is written stands there by itself.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::{
    Timestamp, ToSpan,
    tz::{Offset, TimeZone},
};

use crate::tasks::Task;

/// For how long the rules of what comes again are told.
const AHEAD_YEARS: i64 = 10;

/// The zones of the tasks that were written, each with the instants between which its rules are needed.
#[derive(Default)]
pub(crate) struct Zones(BTreeMap<String, (Timestamp, Timestamp)>);

impl Zones {
    pub(crate) fn note(&mut self, task: &Task) {
        let (Some(zone), Some(at)) = (&task.zone, task.due_at) else { return };
        let Ok(at) = Timestamp::from_millisecond(at) else { return };
        let last = if task.recurrence.is_some() { ahead(at.max(Timestamp::now())) } else { at };
        let (from, to) = self.0.entry(zone.clone()).or_insert((at, last));
        (*from, *to) = ((*from).min(at), (*to).max(last));
    }

    /// Their components.
    pub(crate) fn write(&self) -> String {
        let known = self.0.iter().filter_map(|(name, range)| Some((name, TimeZone::get(name).ok()?, *range)));
        known.map(|(name, zone, range)| component(name, &zone, range)).collect()
    }
}

fn ahead(at: Timestamp) -> Timestamp {
    at.to_zoned(TimeZone::UTC).saturating_add(AHEAD_YEARS.years()).timestamp()
}

fn component(name: &str, zone: &TimeZone, (from, to): (Timestamp, Timestamp)) -> String {
    let mut text = format!("BEGIN:VTIMEZONE\r\nTZID:{name}\r\n");
    // Where its clocks had not changed by then, what holds has held since long ago.
    let before = zone.preceding(from).next().map_or(Timestamp::UNIX_EPOCH.min(from), |last| last.timestamp());
    let changes = zone.following(from).map(|next| next.timestamp()).take_while(|at| *at <= to);
    for at in [before].into_iter().chain(changes) {
        observance(&mut text, zone, at);
    }
    text.push_str("END:VTIMEZONE\r\n");
    text
}

/// What holds from `at` on.
fn observance(text: &mut String, zone: &TimeZone, at: Timestamp) {
    let now = zone.to_offset_info(at);
    let before = at.checked_sub(1.second()).map_or(now.offset(), |before| zone.to_offset(before));
    let kind = if now.dst().is_dst() { "DAYLIGHT" } else { "STANDARD" };
    // Where the hands stood when they were moved.
    let start = before.to_datetime(at).strftime("%Y%m%dT%H%M%S").to_string();
    let (from, to, name) = (offset(before), offset(now.offset()), now.abbreviation());
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "BEGIN:{kind}\r\nDTSTART:{start}\r\nTZOFFSETFROM:{from}\r\nTZOFFSETTO:{to}\r\nTZNAME:{name}\r\nEND:{kind}\r\n"
    );
}

/// `+0200`; with its seconds where a zone had some.
fn offset(offset: Offset) -> String {
    let (sign, seconds) = (if offset.is_negative() { '-' } else { '+' }, offset.seconds().unsigned_abs());
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let rest = if rest == 0 { String::new() } else { format!("{rest:02}") };
    format!("{sign}{hours:02}{minutes:02}{rest}")
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;
    use crate::tasks::{Due, State};

    fn task(zone: &str, month: i8) -> Task {
        let due = Due::new(date(2026, month, 15), Some(time(20, 0, 0, 0)));
        Task {
            id: "t".to_owned(),
            title: "x".to_owned(),
            state: State::Open,
            tags: Vec::new(),
            recurrence: None,
            due: Some(due),
            zone: Some(zone.to_owned()),
            due_at: due.instant_ms(&TimeZone::get(zone).expect("a zone")),
            created_at: 0,
            done_at: None,
            rev: 1,
        }
    }

    fn written(tasks: &[Task]) -> String {
        let mut zones = Zones::default();
        tasks.iter().for_each(|task| zones.note(task));
        zones.write()
    }

    #[test]
    fn each_zone_has_the_rules_that_hold_for_the_times_that_are_written() {
        let text = written(&[task("Europe/Madrid", 2), task("Europe/Madrid", 11)]);
        let found: Vec<&str> = text.split("BEGIN:").skip(2).filter_map(|part| part.lines().next()).collect();
        assert_eq!(found, ["STANDARD", "DAYLIGHT", "STANDARD"], "{text}");
        for start in ["20251026T030000", "20260329T020000", "20261025T030000"] {
            assert!(text.contains(&format!("DTSTART:{start}\r\n")), "no {start} in {text}");
        }
        assert!(text.contains("TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST"), "{text}");
        assert_eq!(text.matches("BEGIN:VTIMEZONE").count(), 1);
    }

    #[test]
    fn a_zone_whose_clocks_never_change_has_one_rule_and_a_day_needs_none() {
        let text = written(&[task("Asia/Tokyo", 2)]);
        assert_eq!(text.matches("BEGIN:STANDARD").count(), 1, "{text}");
        assert!(text.contains("TZOFFSETTO:+0900"), "{text}");
        assert!(written(&[task("UTC", 2)]).contains("TZOFFSETFROM:+0000\r\nTZOFFSETTO:+0000"));
        let day =
            Task { due: Some(Due::new(date(2026, 2, 15), None)), due_at: None, ..task("Asia/Tokyo", 2) };
        assert_eq!(written(&[day]), "");
    }
}
