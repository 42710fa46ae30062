//! When a schedule is due: cron's grammar, read in a time zone.
//!
//! The grammar and the search on a calendar without zones are croner's. The zone is laid over it here, because what a
//! clock that is put forward or back means is a promise to operators: a schedule that runs in every hour follows the time
//! that passes; one that names hours follows the clock on the wall, and each of its times happens once a day, always.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

/// Bound: a longer text is no schedule.
const TEXT_BYTES_MAX: usize = 256;
/// No zone puts its clock back by more than this at once.
const FOLD_MAX: SignedDuration = SignedDuration::from_hours(3);
/// Bound: moments that one search looks at, each either due or a change of the zone's offset.
const STEPS_MAX: usize = 20_000;

/// A schedule in its time zone.
#[derive(Clone, Debug)]
pub struct Timetable {
    cron: Cron,
    zone: TimeZone,
    /// It runs in every hour.
    hourly: bool,
}

/// Why there is no such timetable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimetableError {
    #[error("{0}")]
    Grammar(String),
    #[error("no day of any year fits it")]
    Never,
    #[error("this machine knows no time zone `{0}`")]
    NoSuchZone(String),
}

impl Timetable {
    /// Reads a schedule of five fields (minute, hour, day of month, month, day of week), of six with seconds before
    /// them, or `@hourly` and its like; and the name of a zone in the IANA's list.
    ///
    /// # Errors
    /// The grammar; a day that never comes; a zone that nobody here knows.
    pub fn parse(schedule: &str, timezone: &str) -> Result<Self, TimetableError> {
        if schedule.len() > TEXT_BYTES_MAX {
            return Err(TimetableError::Grammar(format!("it is longer than {TEXT_BYTES_MAX} bytes")));
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron =
            parser.parse(schedule.trim()).map_err(|error| TimetableError::Grammar(error.to_string()))?;
        let zone = zone(timezone).ok_or_else(|| TimetableError::NoSuchZone(timezone.to_owned()))?;
        // A leap day comes at most eight years after the last one.
        let never = cron.find_next_occurrence(&DateTime::constant(2096, 3, 1, 0, 0, 0, 0), true).is_err();
        let hourly = cron.pattern.hours.values().len() == 24;
        if never { Err(TimetableError::Never) } else { Ok(Self { cron, zone, hourly }) }
    }

    /// The first moment after `at`; `None` when the calendar ends before it.
    pub fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        if self.hourly { self.next_passed(at) } else { self.next_on_the_wall(at) }
    }

    /// The last moment until `at`, which may be that moment itself.
    pub fn last_until(&self, at: Timestamp) -> Option<Timestamp> {
        if self.hourly { self.last_passed(at) } else { self.last_on_the_wall(at) }
    }

    /// A moment as its operator reads it: in this schedule's zone.
    pub fn told(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    fn next_on_the_wall(&self, at: Timestamp) -> Option<Timestamp> {
        let mut civil = self.cron.find_next_occurrence(&self.civil(at), true).ok()?;
        for _ in 0..STEPS_MAX {
            // In an hour that is there for the second time, what it names has been.
            match self.once(civil)? {
                moment if moment > at => return Some(moment),
                _ => civil = self.cron.find_next_occurrence(&civil, false).ok()?,
            }
        }
        None
    }

    fn last_on_the_wall(&self, at: Timestamp) -> Option<Timestamp> {
        // Where the clock was put back just now, the wall has shown later times already.
        let before = at.checked_sub(FOLD_MAX).ok()?;
        let offset = |at: Timestamp| i64::from(self.zone.to_offset(at).seconds());
        let put_back = SignedDuration::from_secs((offset(before) - offset(at)).max(0));
        let from = self.civil(at).checked_add(put_back).ok()?;
        let mut civil = self.cron.find_previous_occurrence(&from, true).ok()?;
        for _ in 0..STEPS_MAX {
            match self.once(civil)? {
                moment if moment <= at => return Some(moment),
                _ => civil = self.cron.find_previous_occurrence(&civil, false).ok()?,
            }
        }
        None
    }

    /// The one moment at which the wall shows this time: the first of two, and the end of the gap where the clock is put
    /// over it.
    fn once(&self, civil: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => {
                // The earlier reading of a time in a gap lies before the change.
                let before = ambiguous.earlier().ok()?;
                Some(self.zone.following(before).next()?.timestamp())
            }
            AmbiguousOffset::Fold { .. } | AmbiguousOffset::Unambiguous { .. } => ambiguous.earlier().ok(),
        }
    }

    fn next_passed(&self, at: Timestamp) -> Option<Timestamp> {
        let (mut from, mut inclusive) = (at, false);
        for _ in 0..STEPS_MAX {
            let change = self.zone.following(from).next().map(|change| change.timestamp());
            let civil = self.cron.find_next_occurrence(&self.civil(from), inclusive).ok()?;
            let moment = self.zone.to_offset(from).to_timestamp(civil).ok()?;
            match change {
                Some(change) if moment >= change => (from, inclusive) = (change, true),
                _ => return Some(moment),
            }
        }
        None
    }

    fn last_passed(&self, at: Timestamp) -> Option<Timestamp> {
        let mut from = at;
        for _ in 0..STEPS_MAX {
            let civil = self.cron.find_previous_occurrence(&self.civil(from), true).ok()?;
            let moment = self.zone.to_offset(from).to_timestamp(civil).ok()?;
            // The offset of `from` holds since the last change, that moment itself included.
            let after = from.checked_add(SignedDuration::from_nanos(1)).ok()?;
            match self.zone.preceding(after).next().map(|change| change.timestamp()) {
                Some(change) if moment < change => {
                    from = change.checked_sub(SignedDuration::from_nanos(1)).ok()?;
                }
                _ => return Some(moment),
            }
        }
        None
    }

    /// What the wall shows; schedules know no parts of a second.
    fn civil(&self, at: Timestamp) -> DateTime {
        let shown = self.zone.to_datetime(at);
        shown.with().subsec_nanosecond(0).build().unwrap_or(shown)
    }
}

/// Only names of the list: `Europe/Berlin`, `UTC`. What a person's own machine is set to is no zone of the app's.
fn zone(name: &str) -> Option<TimeZone> {
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    TimeZone::get(name).ok()
}
