//! Reminders: a task that is due at an instant is told once, when that instant comes.
//!
//! Each instant is a job of the queue [`day::QUEUE`](crate::day); who takes it stores a row here, in one fenced
//! transaction, and the task's row decides whether there is still something to tell. A row is *shown* by the first page
//! that claims it and *seen* when the person says so, in any of them.

use jiff::tz::TimeZone;
use kit::{clock, jobs, live};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::{
    day,
    error::{Error, Result},
    ids,
    tasks::{State, Task},
};

/// Bound: rows of one list.
const LIST_MAX: u32 = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reminder {
    pub(crate) id: String,
    pub(crate) task_id: String,
    pub(crate) title: String,
    /// Milliseconds since the epoch, as the two below.
    pub(crate) due_at: i64,
    pub(crate) told_at: i64,
    /// When a page claimed to show it.
    pub(crate) shown_at: Option<i64>,
}

impl Reminder {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            task_id: row.get("task_id")?,
            title: row.get("title")?,
            due_at: row.get("due_at")?,
            told_at: row.get("told_at")?,
            shown_at: row.get("shown_at")?,
        })
    }
}

/// Stores the job for the task's instant, if it is still to come. A job for an instant that the task left finds that
/// out by itself.
pub(crate) fn plan(tx: &Transaction<'_>, task: &Task) -> Result<()> {
    let ahead = task.due_at.filter(|at| task.state == State::Open && *at > clock::now_ms());
    let Some(at) = ahead else { return Ok(()) };
    let subject = format!("{}{} {at}", day::TASK, task.id);
    Ok(jobs::enqueue_at(tx, &ids::new_id(), day::QUEUE, &subject, day::ATTEMPTS_MAX, at)?)
}

/// The instant `at` of a task has come: tells it, unless the task is done, gone, or due at another time.
pub(crate) fn tell(tx: &Transaction<'_>, task: &str, at: i64) -> Result<()> {
    let sql = "INSERT INTO reminders (id, account_id, task_id, title, due_at, told_at)
               SELECT ?1, account_id, id, title, due_at, ?4 FROM tasks WHERE id = ?2 AND due_at = ?3 AND state = 'open'
               ON CONFLICT (task_id, due_at) DO NOTHING RETURNING id, account_id";
    let told: Option<(String, String)> = tx
        .prepare_cached(sql)?
        .query_row(params![ids::new_id(), task, at, clock::now_ms()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, account)) = told else { return Ok(()) };
    Ok(live::tell(tx, &account, "reminder", &id)?)
}

const UNSEEN: &str = "seen_at IS NULL AND EXISTS (SELECT 1 FROM tasks WHERE tasks.id = task_id AND tasks.due_at = reminders.due_at AND state = 'open')";

/// What was told and not seen, the oldest first. A task that is done or was put off since needs nobody's look any more.
pub(crate) fn unseen(db: &Connection, account: &str) -> Result<Vec<Reminder>> {
    let sql = format!(
        "SELECT * FROM reminders WHERE account_id = ?1 AND {UNSEEN} ORDER BY told_at, id LIMIT {LIST_MAX}"
    );
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map([account], Reminder::from_row)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// One that no page has shown yet.
pub(crate) fn unshown(db: &Connection, account: &str, id: &str) -> Result<Option<Reminder>> {
    let sql = format!(
        "SELECT * FROM reminders WHERE account_id = ?1 AND id = ?2 AND shown_at IS NULL AND {UNSEEN}"
    );
    Ok(db.prepare_cached(&sql)?.query_row([account, id], Reminder::from_row).optional()?)
}

/// A page wants to show it. True for the first that asks, and only for it.
///
/// # Errors
/// The account has no such reminder.
pub(crate) fn claim(tx: &Transaction<'_>, account: &str, id: &str) -> Result<bool> {
    let sql = "UPDATE reminders SET shown_at = ?3 WHERE account_id = ?1 AND id = ?2 AND shown_at IS NULL AND seen_at IS NULL";
    let first = tx.execute(sql, params![account, id, clock::now_ms()])? == 1;
    if !first {
        exists(tx, account, id)?;
    }
    Ok(first)
}

/// The person has seen it; once or again.
///
/// # Errors
/// The account has no such reminder.
pub(crate) fn see(tx: &Transaction<'_>, account: &str, id: &str) -> Result<()> {
    exists(tx, account, id)?;
    let sql = "UPDATE reminders SET seen_at = ?3 WHERE account_id = ?1 AND id = ?2 AND seen_at IS NULL";
    if tx.execute(sql, params![account, id, clock::now_ms()])? == 1 {
        live::tell(tx, account, "reminder", id)?;
    }
    Ok(())
}

fn exists(db: &Connection, account: &str, id: &str) -> Result<()> {
    let sql = "SELECT 1 FROM reminders WHERE account_id = ?1 AND id = ?2";
    db.prepare_cached(sql)?
        .query_row([account, id], |_| Ok(()))
        .optional()?
        .ok_or(Error::NotFound("reminder"))
}

/// Derives the instants of open tasks anew from what was meant, after `after` in the order of ids, and stores their
/// jobs. Returns how many instants moved, which a newer database of time zones does, and where to go on.
pub(crate) fn plan_page(tx: &Transaction<'_>, after: &str, rows: u32) -> Result<(usize, Option<String>)> {
    let sql =
        "SELECT * FROM tasks WHERE state = 'open' AND due_time IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2";
    let open: Vec<Task> = tx
        .prepare_cached(sql)?
        .query_map(params![after, rows], Task::from_row)?
        .collect::<std::result::Result<_, _>>()?;
    let mut moved = 0;
    for mut task in open.iter().cloned() {
        let zone = task.zone.as_deref().and_then(|zone| TimeZone::get(zone).ok());
        let at = task.due.zip(zone).and_then(|(due, zone)| due.instant_ms(&zone));
        if at.is_some() && at != task.due_at {
            // The revision stays: what the person meant is the same.
            tx.execute("UPDATE tasks SET due_at = ?2 WHERE id = ?1", params![task.id, at])?;
            task.due_at = at;
            moved += 1;
        }
        plan(tx, &task)?;
    }
    Ok((moved, open.last().map(|task| task.id.clone())))
}
