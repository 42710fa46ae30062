//! Putting a task off, by buttons and keys: how long each takes.

use jiff::{
    ToSpan,
    civil::{DateTime, Time},
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::Due;
use crate::{
    accounts::Account,
    command::Command,
    error::{Error, Result},
};

/// For how long a task is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Snooze {
    LaterToday,
    Tomorrow,
    NextWeek,
}

/// The command that puts a task off: three hours, to the full hour, but not past midnight; the same time tomorrow; or on
/// Monday.
///
/// # Errors
/// No such task, or today is nearly over.
pub(crate) fn snooze(db: &Connection, who: &Account, id: &str, until: Snooze) -> Result<Command> {
    let time = super::get(db, &who.id, id)?.due_for(who).and_then(|due| due.time);
    let now = who.now().datetime();
    let due = match until {
        Snooze::LaterToday => later_today(now)
            .ok_or_else(|| Error::Conflict("today is nearly over; put it off until tomorrow".to_owned()))?,
        Snooze::Tomorrow => Due::new(now.date().saturating_add(1.day()), time),
        Snooze::NextWeek => {
            let days = i64::from(8 - now.date().weekday().to_monday_one_offset());
            Due::new(now.date().saturating_add(days.days()), time)
        }
    };
    Ok(Command::MoveTask { id: id.to_owned(), due })
}

/// `None`: today is nearly over.
pub(crate) fn later_today(now: DateTime) -> Option<Due> {
    let hour = now.hour() + 3 + i8::from(now.minute() > 0);
    let time = Time::new(hour, 0, 0, 0).ok()?;
    Some(Due::new(now.date(), Some(time)))
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};

    use super::*;

    #[test]
    fn later_today_is_a_full_hour_of_today() {
        let later = |hour, minute| later_today(datetime(2026, 11, 21, hour, minute, 0, 0));
        let at = |hour| Some(Due::new(date(2026, 11, 21), Some(Time::constant(hour, 0, 0, 0))));
        assert_eq!(later(10, 0), at(13));
        assert_eq!(later(10, 1), at(14));
        assert_eq!(later(20, 0), at(23));
        assert_eq!((later(20, 1), later(23, 59)), (None, None));
    }
}
