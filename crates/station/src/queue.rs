//! What the station must not lose: how far it has read, what it knows, and what is still to be delivered.
//!
//! One SQLite file, whose transactions are the promise: the cursor moves with the deliveries that it stands for, or not
//! at all. An event is known by its id, so that one that is told again is queued once.

mod ended;
mod schema;
#[cfg(test)]
mod tests;

use std::{path::Path, time::Duration};

use api::station::{Cursor, Event, News};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

pub use self::schema::FORMAT;
use crate::{body::body, hook::Hook};

/// Bounds: what waits for all webhooks together. The oldest is given up, with a record.
const DELIVERIES_MAX: i64 = 10_000;
const BODY_BYTES_MAX: i64 = 32 << 20;

/// The file.
pub(crate) struct Queue {
    db: Connection,
    limits: Limits,
}

#[derive(Clone, Copy)]
struct Limits {
    deliveries_max: i64,
    body_bytes_max: i64,
}

/// One event for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    seq: i64,
    hook: String,
    /// The event's.
    pub id: String,
    pub name: String,
    pub body: String,
    /// That have failed.
    pub tries: u32,
}

impl Queue {
    /// # Errors
    /// The file cannot be used, or a newer station wrote it.
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let limits = Limits { deliveries_max: DELIVERIES_MAX, body_bytes_max: BODY_BYTES_MAX };
        Ok(Self { db: schema::open(path)?, limits })
    }

    /// How far the keeper's news are kept here.
    pub(crate) fn cursor(&self) -> rusqlite::Result<Cursor> {
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Cursor { keeper: row.get(0)?, after: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0) })
        };
        Ok(self.db.query_row("SELECT keeper, after FROM cursor", [], row).optional()?.unwrap_or_default())
    }

    /// Keeps what is new of `news` for the webhooks that want it, and that it was read. Gives how many deliveries that
    /// are. On an error nothing of it is kept.
    pub(crate) fn take(&mut self, news: &News, hooks: &[Hook], now: &Moment) -> rusqlite::Result<usize> {
        let limits = self.limits;
        // Crash: before the commit the cursor is the old one, and the keeper tells the same again.
        let change = self.db.transaction()?;
        let mut queued = 0;
        for event in &news.events {
            queued += keep(&change, event, &news.cursor.keeper, hooks, now)?;
        }
        if news.complete {
            // Ids that this keeper does not know any more it will not tell again.
            change.execute("DELETE FROM known WHERE keeper <> ?1", [&news.cursor.keeper])?;
        }
        change.execute("DELETE FROM cursor", [])?;
        let after = i64::try_from(news.cursor.after).unwrap_or(i64::MAX);
        change.execute(
            "INSERT INTO cursor (keeper, after) VALUES (?1, ?2)",
            params![news.cursor.keeper, after],
        )?;
        ended::push_out(&change, hooks, limits, now)?;
        change.commit()?;
        Ok(queued)
    }

    /// What is to be tried now, the oldest first.
    pub(crate) fn due(&self, hook: &str, now: &Moment, count: usize) -> rusqlite::Result<Vec<Delivery>> {
        // What is due later than its own delay says was written by a clock that has gone back since.
        let mut due = self.db.prepare_cached(
            "SELECT d.seq, d.hook, d.event, e.name, e.body, d.tries FROM delivery d JOIN event e ON e.id = d.event
             WHERE d.hook = ?1 AND (d.next_ms <= ?2 OR d.next_ms > ?2 + d.delay_ms) ORDER BY d.next_ms, d.seq LIMIT ?3",
        )?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let rows = due.query_map(params![hook, now.unix_ms, count], |row| {
            Ok(Delivery {
                seq: row.get(0)?,
                hook: row.get(1)?,
                id: row.get(2)?,
                name: row.get(3)?,
                body: row.get(4)?,
                tries: row.get(5)?,
            })
        })?;
        rows.collect()
    }

    /// How long until the next one is due; `None`: none waits.
    pub(crate) fn next_in(&self, hook: &str, now: &Moment) -> rusqlite::Result<Option<Duration>> {
        let asked = "SELECT min(next_ms) FROM delivery WHERE hook = ?1";
        let next: Option<i64> = self.db.query_row(asked, params![hook], |row| row.get(0))?;
        Ok(next.map(|next| Duration::from_millis(u64::try_from(next - now.unix_ms).unwrap_or(0))))
    }
}

/// The wall clock, which alone outlives a process. Delays are bounded by themselves, so that it may jump.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub unix_ms: i64,
    /// RFC 3339, UTC.
    pub stamp: String,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let now = jiff::Timestamp::now();
        Self { unix_ms: now.as_millisecond(), stamp: format!("{now:.3}") }
    }
}

/// Known from now on; queued where somebody wants it and it is not from before.
fn keep(
    change: &Transaction<'_>,
    event: &Event,
    keeper: &str,
    hooks: &[Hook],
    now: &Moment,
) -> rusqlite::Result<usize> {
    let known =
        change.prepare_cached("UPDATE known SET keeper = ?2 WHERE id = ?1")?.execute([&event.id, keeper])?;
    let is_new = known == 0;
    if is_new {
        change
            .prepare_cached("INSERT INTO known (id, keeper) VALUES (?1, ?2)")?
            .execute([&event.id, keeper])?;
    }
    let wanting: Vec<&Hook> = hooks.iter().filter(|hook| hook.wants(event)).collect();
    if !is_new || event.past || wanting.is_empty() {
        return Ok(0);
    }
    let site = event.site.as_ref().map(ToString::to_string);
    change
        .prepare_cached("INSERT INTO event (id, name, site, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![event.id, event.name, site, body(event)])?;
    let mut queue = change.prepare_cached(
        "INSERT INTO delivery (event, hook, tries, next_ms, delay_ms) VALUES (?1, ?2, 0, ?3, 0)",
    )?;
    for hook in &wanting {
        queue.execute(params![event.id, hook.key, now.unix_ms])?;
    }
    Ok(wanting.len())
}
