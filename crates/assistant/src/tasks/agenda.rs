//! Open tasks by when they are due on the clock of whoever looks.
//!
//! A day belongs to no zone. A time does: it is a moment, which another zone may have on another day. Rows of the zone
//! that is asked for are compared as they are written, others by their instant.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rusqlite::{Connection, ToSql, named_params};

use super::{Due, Task};
use crate::{accounts::Account, error::Result};

/// Bound: rows that one look at some days takes.
const OF_DAYS_MAX: u32 = 500;

/// Which heading of the list an open task stands under, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    CarriedOver,
    Today,
    Tomorrow,
    Later,
    SomeDay,
}

impl Group {
    pub(crate) const ALL: [Self; 5] =
        [Self::CarriedOver, Self::Today, Self::Tomorrow, Self::Later, Self::SomeDay];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::CarriedOver => "Carried over",
            Self::Today => "Today",
            Self::Tomorrow => "Tomorrow",
            Self::Later => "Later",
            Self::SomeDay => "Some day",
        }
    }

    fn of(due: Option<Due>, today: Date) -> Self {
        match due.map(|due| due.day) {
            None => Self::SomeDay,
            Some(day) if day < today => Self::CarriedOver,
            Some(day) if day == today => Self::Today,
            Some(day) if day == today.saturating_add(1.day()) => Self::Tomorrow,
            Some(_) => Self::Later,
        }
    }
}

impl Task {
    /// When it is due on the clocks of `zone`. A time that comes twice there bears its offset.
    pub(crate) fn due_in(&self, zone: &TimeZone) -> Option<Due> {
        let due = self.due?;
        let moved = self.due_at.filter(|_| self.zone.as_deref() != zone.iana_name());
        let Some(at) = moved.and_then(|at| Timestamp::from_millisecond(at).ok()) else { return Some(due) };
        let local = at.to_zoned(zone.clone());
        let comes_twice = zone.to_ambiguous_timestamp(local.datetime()).is_ambiguous();
        let offset_seconds = comes_twice.then(|| local.offset().seconds());
        Some(Due { day: local.date(), time: Some(local.time()), offset_seconds })
    }

    /// When it is due where `who` lives now.
    pub(crate) fn due_for(&self, who: &Account) -> Option<Due> {
        self.due_in(&who.time_zone())
    }

    pub(crate) fn group(&self, who: &Account, today: Date) -> Group {
        Group::of(self.due_for(who), today)
    }
}

/// The number of a row's [`Group`]. `:today` and `:next` are days, `:starts`, `:ends` and `:next_ends` the instants at
/// which they begin and end.
const GROUP: &str = "CASE
    WHEN due_day IS NULL THEN 4
    WHEN due_at IS NULL OR zone IS :zone THEN CASE WHEN due_day < :today THEN 0 WHEN due_day = :today THEN 1 WHEN due_day = :next THEN 2 ELSE 3 END
    WHEN due_at < :starts THEN 0 WHEN due_at < :ends THEN 1 WHEN due_at < :next_ends THEN 2 ELSE 3 END";
const TAGGED: &str = "(:tag IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = :tag))";
const IN_ORDER: &str = "due_day IS NULL, due_day, due_time IS NULL, due_time, created_at, id";

/// The days that [`GROUP`] tells apart.
struct Days {
    today: String,
    next: String,
    starts: i64,
    ends: i64,
    next_ends: i64,
}

impl Days {
    fn of(who: &Account) -> Self {
        let today = who.now().date();
        let next = today.saturating_add(1.day());
        Self {
            today: today.to_string(),
            next: next.to_string(),
            starts: start_ms(who, today),
            ends: start_ms(who, next),
            next_ends: start_ms(who, next.saturating_add(1.day())),
        }
    }
}

/// The instant at which a day begins where `who` lives.
fn start_ms(who: &Account, day: Date) -> i64 {
    let start = day.to_zoned(who.time_zone());
    // Only the last days of the calendar begin at no instant.
    start.map_or(i64::MAX, |start| start.timestamp().as_millisecond())
}

/// A page of the open tasks in the order of their groups, of one tag or of all.
///
/// # Errors
/// The database's.
pub(crate) fn open(
    db: &Connection,
    who: &Account,
    tag: Option<&str>,
    (limit, offset): (u32, u32),
) -> Result<Vec<Task>> {
    let sql = format!(
        "SELECT * FROM tasks WHERE account_id = :account AND state = 'open' AND {TAGGED}
         ORDER BY {GROUP}, {IN_ORDER} LIMIT :limit OFFSET :offset"
    );
    let days = Days::of(who);
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map(
        named_params! {":account": who.id, ":zone": who.zone, ":tag": tag, ":today": days.today, ":next": days.next,
            ":starts": days.starts, ":ends": days.ends, ":next_ends": days.next_ends, ":limit": limit, ":offset": offset},
        Task::from_row,
    )?;
    let mut tasks: Vec<Task> = rows.collect::<std::result::Result<_, _>>()?;
    sort(&mut tasks, who);
    Ok(tasks)
}

/// How many open tasks each group has, in the order of [`Group::ALL`].
///
/// # Errors
/// The database's.
pub(crate) fn counts(db: &Connection, who: &Account, tag: Option<&str>) -> Result<[u32; 5]> {
    let sql = format!(
        "SELECT {GROUP}, count(*) FROM tasks WHERE account_id = :account AND state = 'open' AND {TAGGED} GROUP BY 1"
    );
    let days = Days::of(who);
    let mut query = db.prepare_cached(&sql)?;
    let mut rows = query.query(
        named_params! {":account": who.id, ":zone": who.zone, ":tag": tag, ":today": days.today, ":next": days.next,
            ":starts": days.starts, ":ends": days.ends, ":next_ends": days.next_ends},
    )?;
    let mut counts = [0; 5];
    while let Some(row) = rows.next()? {
        let group: u32 = row.get(0)?;
        if let Some(count) = counts.get_mut(group as usize) {
            *count = row.get(1)?;
        }
    }
    Ok(counts)
}

/// Those due up to the day `until`, those of before included; the first due first.
///
/// # Errors
/// The database's.
pub(crate) fn due_until(db: &Connection, who: &Account, until: Date) -> Result<Vec<Task>> {
    due(db, who, (None, until))
}

/// Those due from one day to another, the first due first.
///
/// # Errors
/// The database's.
pub(crate) fn due_between(db: &Connection, who: &Account, from: Date, to: Date) -> Result<Vec<Task>> {
    due(db, who, (Some(from), to))
}

fn due(db: &Connection, who: &Account, (from, to): (Option<Date>, Date)) -> Result<Vec<Task>> {
    // The days of two zones lie at most two apart, which the index finds.
    let sql = format!(
        "SELECT * FROM tasks WHERE account_id = :account AND state = 'open' AND due_day >= :near AND due_day <= :far
         AND iif(due_at IS NULL OR zone IS :zone, due_day >= :from AND due_day <= :to, due_at >= :starts AND due_at < :ends)
         ORDER BY {IN_ORDER} LIMIT :limit"
    );
    // Days are compared as they are written, which holds from year 0 on.
    let from = from.filter(|from| *from > Date::ZERO);
    let written = |day: Option<Date>| day.map_or_else(String::new, |day| day.to_string());
    let (first, last) = (written(from), to.to_string());
    let near = written(from.map(|from| from.saturating_sub(2.days())));
    let far = to.saturating_add(2.days()).to_string();
    let starts = from.map_or(i64::MIN, |from| start_ms(who, from));
    let ends = start_ms(who, to.saturating_add(1.day()));
    let params: &[(&str, &dyn ToSql)] = named_params! {":account": who.id, ":zone": who.zone, ":near": near, ":far": far,
    ":from": first, ":to": last, ":starts": starts, ":ends": ends, ":limit": OF_DAYS_MAX};
    let mut query = db.prepare_cached(&sql)?;
    let mut tasks: Vec<Task> =
        query.query_map(params, Task::from_row)?.collect::<std::result::Result<_, _>>()?;
    sort(&mut tasks, who);
    Ok(tasks)
}

/// By day, then by time, whole days last, those without a day behind all; equal ones stay in their order.
fn sort(tasks: &mut [Task], who: &Account) {
    let zone = who.time_zone();
    tasks.sort_by_key(|task| {
        let due = task.due_in(&zone);
        (due.is_none(), due.map(|due| (due.day, due.time.is_none(), due.time)))
    });
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;
    use crate::tasks::State;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    /// As somebody in `of` says it.
    fn task(due: Due, of: &str) -> Task {
        Task {
            id: "t".to_owned(),
            title: "call Anna".to_owned(),
            state: State::Open,
            tags: Vec::new(),
            recurrence: None,
            due: Some(due),
            zone: Some(of.to_owned()),
            due_at: due.instant_ms(&zone(of)),
            created_at: 0,
            done_at: None,
            rev: 1,
        }
    }

    fn at(month: i8, day: i8, hour: i8, minute: i8) -> Due {
        Due::new(date(2026, month, day), Some(time(hour, minute, 0, 0)))
    }

    #[test]
    fn a_moment_is_told_on_the_clock_of_where_one_is_on_both_sides_of_a_clock_change() {
        let (madrid, tokyo) = ("Europe/Madrid", "Asia/Tokyo");
        // Madrid's clocks change on 25 October and on 29 March, Tokyo's never.
        for (of, said, there, read) in [
            (madrid, at(10, 24, 20, 0), tokyo, at(10, 25, 3, 0)),
            (madrid, at(10, 25, 20, 0), tokyo, at(10, 26, 4, 0)),
            (madrid, at(3, 28, 20, 0), tokyo, at(3, 29, 4, 0)),
            (madrid, at(3, 29, 20, 0), tokyo, at(3, 30, 3, 0)),
            (tokyo, at(3, 29, 9, 30), madrid, at(3, 29, 1, 30)),
            // The hour after 2 is none there.
            (tokyo, at(3, 29, 10, 30), madrid, at(3, 29, 3, 30)),
        ] {
            let task = task(said, of);
            assert_eq!(task.due_in(&zone(there)), Some(read), "{said:?} of {of} in {there}");
            assert_eq!(task.due_in(&zone(of)), Some(said), "back home it is what was said");
        }
    }

    #[test]
    fn a_moment_whose_hour_comes_twice_is_told_with_its_offset() {
        let twice = |hour| task(at(10, 25, hour, 30), "Asia/Tokyo").due_in(&zone("Europe/Madrid"));
        assert_eq!(twice(9), Some(Due { offset_seconds: Some(7_200), ..at(10, 25, 2, 30) }));
        assert_eq!(twice(10), Some(Due { offset_seconds: Some(3_600), ..at(10, 25, 2, 30) }));
    }

    #[test]
    fn a_day_is_the_same_day_everywhere() {
        let whole = Due::new(date(2026, 10, 25), None);
        assert_eq!(task(whole, "Europe/Madrid").due_in(&zone("Asia/Tokyo")), Some(whole));
    }
}
