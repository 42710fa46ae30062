//! How deliveries end: taken, tried again later, given up. And what is told of it.

use std::{collections::BTreeMap, time::Duration};

use api::{station::Report, webhooks::Dead, webhooks::State};
use model::Site;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{Delivery, Limits, Moment, Queue};
use crate::hook::Hook;

/// Bound: of what was given up and not told yet; the oldest is then told by its count alone.
const DEAD_MAX: i64 = 100;

impl Queue {
    /// It was taken.
    pub(crate) fn delivered(&mut self, delivery: &Delivery, now: &Moment) -> rusqlite::Result<()> {
        let change = self.db.transaction()?;
        remove(&change, delivery.seq)?;
        change
            .prepare_cached(
                "INSERT INTO hook (key, delivered, last_delivery) VALUES (?1, 1, ?2)
                 ON CONFLICT (key) DO UPDATE SET delivered = delivered + 1, last_delivery = ?2, last_error = NULL",
            )?
            .execute(params![delivery.hook, now.stamp])?;
        change.commit()
    }

    /// It was not taken, and is tried again after `delay`.
    pub(crate) fn failed(
        &mut self,
        delivery: &Delivery,
        why: &str,
        delay: Duration,
        now: &Moment,
    ) -> rusqlite::Result<()> {
        let delay_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX / 2);
        let change = self.db.transaction()?;
        change
            .prepare_cached(
                "UPDATE delivery SET tries = tries + 1, next_ms = ?2, delay_ms = ?3 WHERE seq = ?1",
            )?
            .execute(params![delivery.seq, now.unix_ms + delay_ms, delay_ms])?;
        note_error(&change, &delivery.hook, why, now)?;
        change.commit()
    }

    /// It is given up.
    pub(crate) fn gave_up(
        &mut self,
        delivery: &Delivery,
        hook: &Hook,
        why: &str,
        now: &Moment,
    ) -> rusqlite::Result<()> {
        let change = self.db.transaction()?;
        note_error(&change, &delivery.hook, why, now)?;
        bury(&change, delivery.seq, &hook.place.to_string(), why, now)?;
        change.commit()
    }

    /// Deliveries to webhooks that machine.toml has no more are nobody's.
    pub(crate) fn keep_only(&mut self, hooks: &[Hook]) -> rusqlite::Result<()> {
        let change = self.db.transaction()?;
        let gone: Vec<i64> = {
            let mut all = change.prepare("SELECT seq, hook FROM delivery")?;
            let rows = all.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
            let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
            rows.into_iter()
                .filter(|(_, key)| hooks.iter().all(|hook| hook.key != *key))
                .map(|(seq, _)| seq)
                .collect()
        };
        gone.into_iter().try_for_each(|seq| remove(&change, seq))?;
        change.commit()
    }

    /// What is to be told now, and the mark up to which [`Queue::told`] forgets it.
    pub(crate) fn report(&self, hooks: &[Hook]) -> rusqlite::Result<(Report, i64)> {
        let states: rusqlite::Result<BTreeMap<_, _>> =
            hooks.iter().map(|hook| Ok((hook.key.clone(), state(&self.db, &hook.key)?))).collect();
        let mut dead = self.db.prepare_cached("SELECT seq, told FROM dead ORDER BY seq")?;
        let rows = dead.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        let mark = rows.last().map_or(0, |(seq, _)| *seq);
        let dead = rows.iter().filter_map(|(_, told)| serde_json::from_str(told).ok()).collect();
        Ok((Report { hooks: states?, dead }, mark))
    }

    /// The keeper has what was reported up to `mark`.
    pub(crate) fn told(&mut self, mark: i64) -> rusqlite::Result<()> {
        self.db.execute("DELETE FROM dead WHERE seq <= ?1", [mark]).map(drop)
    }
}

fn state(db: &Connection, key: &str) -> rusqlite::Result<State> {
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    let queued: i64 = db
        .prepare_cached("SELECT count(*) FROM delivery WHERE hook = ?1")?
        .query_row([key], |row| row.get(0))?;
    let known = db
        .prepare_cached("SELECT delivered, dead, last_delivery, last_error FROM hook WHERE key = ?1")?
        .query_row([key], |row| {
            Ok(State {
                queued: 0,
                delivered: count(row.get(0)?),
                dead: count(row.get(1)?),
                last_delivery: row.get(2)?,
                last_error: row.get(3)?,
            })
        })
        .optional()?;
    Ok(State { queued: count(queued), ..known.unwrap_or_default() })
}

fn note_error(change: &Transaction<'_>, key: &str, why: &str, now: &Moment) -> rusqlite::Result<()> {
    let words = format!("{}: {why}", now.stamp);
    change
        .prepare_cached(
            "INSERT INTO hook (key, last_error) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET last_error = ?2",
        )?
        .execute(params![key, words])
        .map(drop)
}

/// The delivery, and its event with the last one of it.
fn remove(change: &Transaction<'_>, seq: i64) -> rusqlite::Result<()> {
    let event = change
        .prepare_cached("DELETE FROM delivery WHERE seq = ?1 RETURNING event")?
        .query_row([seq], |row| row.get::<_, String>(0))
        .optional()?;
    change
        .prepare_cached(
            "DELETE FROM event WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM delivery WHERE event = ?1)",
        )?
        .execute([event])
        .map(drop)
}

/// Removes it and leaves a record for the keeper.
fn bury(change: &Transaction<'_>, seq: i64, url: &str, why: &str, now: &Moment) -> rusqlite::Result<()> {
    let asked = "SELECT d.event, e.name, e.site, d.hook FROM delivery d JOIN event e ON e.id = d.event WHERE d.seq = ?1";
    let found = change.query_row(asked, [seq], |row| {
        let dead = Dead {
            id: row.get(0)?,
            event: row.get(1)?,
            site: row.get::<_, Option<String>>(2)?.and_then(|site| site.parse::<Site>().ok()),
            url: url.to_owned(),
            at: now.stamp.clone(),
            why: why.to_owned(),
        };
        Ok((dead, row.get::<_, String>(3)?))
    });
    let Some((dead, key)) = found.optional()? else { return Ok(()) };
    let told = serde_json::to_string(&dead).expect("texts are JSON");
    change.execute("INSERT INTO dead (told) VALUES (?1)", [told])?;
    change.execute("DELETE FROM dead WHERE seq <= (SELECT max(seq) FROM dead) - ?1", [DEAD_MAX])?;
    change.execute(
        "INSERT INTO hook (key, dead) VALUES (?1, 1) ON CONFLICT (key) DO UPDATE SET dead = dead + 1",
        [key],
    )?;
    remove(change, seq)
}

/// Keeps the queue within its bounds.
pub(super) fn push_out(
    change: &Transaction<'_>,
    hooks: &[Hook],
    limits: Limits,
    now: &Moment,
) -> rusqlite::Result<()> {
    loop {
        let sizes =
            "SELECT (SELECT count(*) FROM delivery), (SELECT coalesce(sum(length(body)), 0) FROM event)";
        let (count, bytes): (i64, i64) = change.query_row(sizes, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if count <= limits.deliveries_max && bytes <= limits.body_bytes_max {
            return Ok(());
        }
        let oldest = "SELECT seq, hook FROM delivery ORDER BY seq LIMIT 1";
        let oldest = change
            .query_row(oldest, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
            .optional()?;
        let Some((seq, key)) = oldest else { return Ok(()) };
        let url = hooks.iter().find(|hook| hook.key == key).map(|hook| hook.place.to_string());
        bury(change, seq, &url.unwrap_or_default(), "the queue was full, and it was the oldest", now)?;
    }
}
