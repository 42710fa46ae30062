//! The morning summary: a few sentences by rules, made once a day at the person's hour.

use std::fmt::Write as _;

use jiff::{
    ToSpan,
    civil::{Date, Time},
};
use kit::{clock, jobs, live};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::{
    accounts::Account,
    command::words::{show_day, show_time},
    day,
    error::{Error, Result},
    ids,
    tasks::{Due, Task, agenda},
};

/// Where nobody has said otherwise.
const USUAL: Time = Time::constant(8, 0, 0, 0);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) day: Date,
    pub(crate) text: String,
    /// Milliseconds since the epoch.
    pub(crate) made_at: i64,
}

/// The hour at which the person wants it, on their clock.
pub(crate) fn hour(db: &Connection, account: &str) -> Result<Time> {
    let sql = "SELECT at FROM mornings WHERE account_id = ?1";
    let at: Option<String> = db.prepare_cached(sql)?.query_row([account], |row| row.get(0)).optional()?;
    Ok(at.and_then(|at| at.parse().ok()).unwrap_or(USUAL))
}

/// From now on at `at`; today's too, where it is still to come.
pub(crate) fn set_hour(tx: &Transaction<'_>, who: &Account, at: Time) -> Result<()> {
    let sql = "INSERT INTO mornings (account_id, at) VALUES (?1, ?2) ON CONFLICT (account_id) DO UPDATE SET at = excluded.at";
    tx.execute(sql, params![who.id, at.to_string()])?;
    plan(tx, who)
}

/// Stores the jobs of today's and tomorrow's, each moved to where the hour and the zone have it now. A morning that is
/// over and was never planned is nobody's.
pub(crate) fn plan(tx: &Transaction<'_>, who: &Account) -> Result<()> {
    let (at, today) = (hour(tx, &who.id)?, who.now().date());
    for day in [today, today.saturating_add(1.day())] {
        let due = Due::new(day, Some(at));
        let Some(instant) = due.instant_ms(&who.time_zone()) else { continue };
        let subject = format!("{}{} {day}", day::SUMMARY, who.id);
        if instant > clock::now_ms() || jobs::is_stored(tx, day::QUEUE, &subject)? {
            jobs::enqueue_at(tx, &ids::new_id(), day::QUEUE, &subject, day::ATTEMPTS_MAX, instant)?;
        }
    }
    Ok(())
}

/// Plans for the accounts after `after`, in the order of ids. Returns how many, and where to go on.
pub(crate) fn plan_page(tx: &Transaction<'_>, after: &str, rows: u32) -> Result<(usize, Option<String>)> {
    let sql = "SELECT id, name, zone FROM accounts WHERE id > ?1 ORDER BY id LIMIT ?2";
    let accounts: Vec<Account> = tx
        .prepare_cached(sql)?
        .query_map(params![after, rows], account)?
        .collect::<std::result::Result<_, _>>()?;
    for who in &accounts {
        plan(tx, who)?;
    }
    Ok((accounts.len(), accounts.last().map(|who| who.id.clone())))
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account { id: row.get(0)?, name: row.get(1)?, zone: row.get(2)? })
}

/// Makes the summary of `day`, if that still is the person's day and there is none; then plans the next ones.
pub(crate) fn make(tx: &Transaction<'_>, account_id: &str, day: Date) -> Result<()> {
    let sql = "SELECT id, name, zone FROM accounts WHERE id = ?1";
    // Erased meanwhile: nobody waits.
    let Some(who) = tx.query_row(sql, [account_id], account).optional()? else { return Ok(()) };
    if who.now().date() == day {
        let text = text(tx, &who, day)?;
        let sql = "INSERT INTO summaries (account_id, day, text, made_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        tx.execute(sql, params![who.id, day.to_string(), text, clock::now_ms()])?;
        live::tell(tx, &who.id, "summary", &day.to_string())?;
    }
    plan(tx, &who)
}

pub(crate) fn get(db: &Connection, account: &str, day: Date) -> Result<Option<Summary>> {
    let sql = "SELECT text, made_at FROM summaries WHERE account_id = ?1 AND day = ?2";
    let row = |row: &Row<'_>| Ok(Summary { day, text: row.get(0)?, made_at: row.get(1)? });
    Ok(db.prepare_cached(sql)?.query_row(params![account, day.to_string()], row).optional()?)
}

/// A time such as 07:30.
///
/// # Errors
/// It is none.
pub(crate) fn parse_hour(text: &str) -> Result<Time> {
    text.parse().map_err(|_| Error::Invalid(format!("\"{text}\" is no time; write one such as 07:30")))
}

fn text(db: &Connection, who: &Account, day: Date) -> Result<String> {
    let today = agenda::due_between(db, who, day, day)?;
    let carried = agenda::due_until(db, who, day.saturating_add((-1).days()))?;
    let week = agenda::due_between(db, who, day.saturating_add(1.day()), day.saturating_add(6.days()))?;
    let mut text = match today.as_slice() {
        [] => "Nothing is due today.".to_owned(),
        [task] => format!("One thing today: {}.", timed(task, who)),
        [first, rest @ ..] => format!("{} things today, first {}.", rest.len() + 1, timed(first, who)),
    };
    // Writing into a String cannot fail.
    match carried.as_slice() {
        [] => {}
        [task] => drop(write!(text, " Carried over: {}.", task.title)),
        several => drop(write!(text, " {} carried over, the oldest is {}.", several.len(), several[0].title)),
    }
    if let Some((task, due)) = week.first().and_then(|task| task.due_for(who).map(|due| (task, due))) {
        let _ = write!(text, " Next after today: {}, {}.", task.title, show_day(due.day, day));
    }
    Ok(text)
}

fn timed(task: &Task, who: &Account) -> String {
    let time = task.due_for(who).and_then(|due| due.time);
    time.map_or_else(|| task.title.clone(), |time| format!("{} at {}", task.title, show_time(time)))
}
