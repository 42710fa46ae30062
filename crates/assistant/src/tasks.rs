//! Tasks: what is to be done, and when. Rows and their questions; decisions are in `command`.
//!
//! What was meant is stored (a day, perhaps a wall-clock time, and the zone it was said in); the instant is derived.

use jiff::{
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, Offset, TimeZone},
};
use kit::clock;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::{
    accounts::Account,
    error::{Error, Result, excess},
    ids,
    recurrence::Recurrence,
    reminders,
};

pub(crate) mod agenda;
pub(crate) mod snooze;
pub(crate) mod tags;

pub(crate) const TITLE_CHARS_MAX: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Open,
    Done,
}

impl State {
    /// As rows and addresses have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
        }
    }
}

/// When a task is due: a day, or a wall-clock time on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Due {
    pub(crate) day: Date,
    pub(crate) time: Option<Time>,
    /// Seconds east of UTC, where somebody said which of two equal times of a clock change it is. Not stored: a row keeps
    /// the instant that follows from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) offset_seconds: Option<i32>,
}

/// What a person says of a task; the rest is kept by the app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(crate) title: String,
    pub(crate) due: Option<Due>,
    /// As [`tags::clean`] leaves them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recurrence: Option<Recurrence>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) state: State,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// How it comes again when it is done; a done one has passed this on to the next.
    #[serde(default)]
    pub(crate) recurrence: Option<Recurrence>,
    pub(crate) due: Option<Due>,
    pub(crate) zone: Option<String>,
    /// Milliseconds since the epoch; none for a whole day.
    pub(crate) due_at: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) done_at: Option<i64>,
    pub(crate) rev: i64,
}

impl Due {
    pub(crate) const fn new(day: Date, time: Option<Time>) -> Self {
        Self { day, time, offset_seconds: None }
    }

    /// A time that a clock change skips is moved on by the gap, one that comes twice is the first unless its offset is
    /// known.
    pub(crate) fn instant_ms(self, zone: &TimeZone) -> Option<i64> {
        let wall = DateTime::from_parts(self.day, self.time?);
        if let Some(offset) = self.offset_seconds.and_then(|seconds| Offset::from_seconds(seconds).ok())
            && let AmbiguousOffset::Fold { before, after } = zone.to_ambiguous_timestamp(wall).offset()
            && (offset == before || offset == after)
        {
            return offset.to_timestamp(wall).ok().map(|at| at.as_millisecond());
        }
        wall.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp().as_millisecond())
    }
}

impl Task {
    pub(crate) fn draft(&self) -> Draft {
        Draft {
            title: self.title.clone(),
            due: self.due,
            tags: self.tags.clone(),
            recurrence: self.recurrence.clone(),
        }
    }

    /// The one that comes after it when it is done now; `None`: it does not come again.
    pub(crate) fn next(&self, who: &Account) -> Option<Self> {
        let zone = self.zone.as_deref().and_then(|zone| TimeZone::get(zone).ok());
        let zone = zone.unwrap_or_else(|| who.time_zone());
        let now = jiff::Timestamp::now().to_zoned(zone.clone()).datetime();
        let (recurrence, due) = self.recurrence.as_ref()?.next(self.due?, now)?;
        Some(Self {
            id: ids::new_id(),
            due: Some(due),
            due_at: due.instant_ms(&zone),
            recurrence: Some(recurrence),
            created_at: clock::now_ms(),
            rev: 1,
            ..self.clone()
        })
    }

    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let day: Option<String> = row.get("due_day")?;
        let time: Option<String> = row.get("due_time")?;
        let due = day
            .and_then(|day| day.parse().ok())
            .map(|day| Due::new(day, time.and_then(|time| time.parse().ok())));
        let state: String = row.get("state")?;
        let tags: String = row.get("tags")?;
        let recurrence: Option<String> = row.get("recurrence")?;
        Ok(Self {
            tags: serde_json::from_str(&tags).unwrap_or_default(),
            recurrence: recurrence.and_then(|recurrence| serde_json::from_str(&recurrence).ok()),
            id: row.get("id")?,
            title: row.get("title")?,
            state: if state == "done" { State::Done } else { State::Open },
            due,
            zone: row.get("zone")?,
            due_at: row.get("due_at")?,
            created_at: row.get("created_at")?,
            done_at: row.get("done_at")?,
            rev: row.get("rev")?,
        })
    }
}

/// As typed, without the blanks around it; refused when empty or too long.
pub(crate) fn clean_title(title: &str) -> Result<String> {
    // What no screen shows is no part of a title.
    let blank = |c: char| c.is_whitespace() || c.is_control();
    let title = title.split(blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match title.chars().count() {
        0 => Err(Error::Invalid("a task needs a title".to_owned())),
        chars if chars > TITLE_CHARS_MAX => {
            let excess = excess(chars, TITLE_CHARS_MAX);
            Err(Error::Invalid(format!("a title has at most {TITLE_CHARS_MAX} characters{excess}")))
        }
        _ => Ok(title),
    }
}

pub(crate) fn get(db: &Connection, account: &str, id: &str) -> Result<Task> {
    let sql = "SELECT * FROM tasks WHERE account_id = ?1 AND id = ?2";
    db.prepare_cached(sql)?
        .query_row([account, id], Task::from_row)
        .optional()?
        .ok_or(Error::NotFound("task"))
}

/// Open ones by when they are due (none last), done ones newest first.
pub(crate) fn list(
    db: &Connection,
    account: &str,
    state: Option<State>,
    limit: u32,
    offset: u32,
) -> Result<Vec<Task>> {
    list_tagged(db, account, state, None, (limit, offset))
}

/// Bound: open tasks that a sentence is held against, those that are due next, and as many of all others.
const NAMABLE_MAX: u32 = 500;

/// Open tasks that `sentence` may name: those that are due next, and of the others the ones that have most of its words.
///
/// # Errors
/// The database's.
pub(crate) fn namable(db: &Connection, account: &str, sentence: &str) -> Result<Vec<Task>> {
    let mut open = list(db, account, Some(State::Open), NAMABLE_MAX, 0)?;
    if open.len() < NAMABLE_MAX as usize {
        return Ok(open);
    }
    let words = sentence.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    // Of "calling" the beginning tells "call".
    let begun: Vec<String> = words
        .filter(|word| word.chars().count() > 2)
        .map(|word| word.trim_end_matches("ing").trim_end_matches('s').to_owned())
        .collect();
    let sql = "SELECT * FROM (SELECT * FROM tasks WHERE account_id = ?1 AND state = 'open'
                   ORDER BY due_day IS NULL, due_day, due_time IS NULL, due_time, created_at, id LIMIT -1 OFFSET ?2) t
               WHERE EXISTS (SELECT 1 FROM json_each(?3) WHERE instr(lower(t.title), value))
               ORDER BY (SELECT count(*) FROM json_each(?3) WHERE instr(lower(t.title), value)) DESC LIMIT ?2";
    let begun = serde_json::json!(begun).to_string();
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map(params![account, NAMABLE_MAX, begun], Task::from_row)?;
    open.extend(rows.collect::<std::result::Result<Vec<_>, _>>()?);
    Ok(open)
}

/// Whether another open task has the same title.
///
/// # Errors
/// The database's.
pub(crate) fn has_namesake(db: &Connection, account: &str, task: &Task) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tasks WHERE account_id = ?1 AND state = 'open' AND title = ?2 AND id <> ?3)";
    Ok(db.prepare_cached(sql)?.query_row(params![account, task.title, task.id], |row| row.get(0))?)
}

/// As [`list`], of one tag.
pub(crate) fn list_tagged(
    db: &Connection,
    account: &str,
    state: Option<State>,
    tag: Option<&str>,
    (limit, offset): (u32, u32),
) -> Result<Vec<Task>> {
    let (filter, order) = match state {
        Some(State::Open) => {
            ("AND state = 'open'", "due_day IS NULL, due_day, due_time IS NULL, due_time, created_at, id")
        }
        Some(State::Done) => ("AND state = 'done'", "done_at DESC, id"),
        None => ("", "created_at DESC, id"),
    };
    let sql = format!(
        "SELECT * FROM tasks WHERE account_id = ?1 {filter}
         AND (?4 IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?4)) ORDER BY {order} LIMIT ?2 OFFSET ?3"
    );
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map(params![account, limit, offset, tag], Task::from_row)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// The tags of open tasks, and how many bear each.
pub(crate) fn tags_in_use(db: &Connection, account: &str) -> Result<Vec<(String, u32)>> {
    let sql = "SELECT value, count(*) FROM tasks, json_each(tags) WHERE account_id = ?1 AND state = 'open' GROUP BY value ORDER BY value LIMIT 100";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([account], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

pub(crate) fn insert(tx: &Transaction<'_>, account: &str, task: &Task) -> Result<()> {
    let sql = "INSERT INTO tasks (id, account_id, title, state, due_day, due_time, zone, due_at, created_at, done_at, rev, tags, recurrence)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    tx.execute(
        sql,
        params![
            task.id,
            account,
            task.title,
            task.state.word(),
            day(task),
            time(task),
            task.zone,
            task.due_at,
            task.created_at,
            task.done_at,
            task.rev,
            json(&task.tags)?,
            task.recurrence.as_ref().map(json).transpose()?
        ],
    )?;
    reminders::plan(tx, task)
}

/// Stores `task` over the row that is at `rev`; the row's revision goes up by one. False: it is at another.
pub(crate) fn replace(tx: &Transaction<'_>, account: &str, task: &Task, rev: i64) -> Result<bool> {
    let sql = "UPDATE tasks SET title = ?3, state = ?4, due_day = ?5, due_time = ?6, zone = ?7, due_at = ?8, done_at = ?9,
               tags = ?11, recurrence = ?12, rev = rev + 1
               WHERE account_id = ?1 AND id = ?2 AND rev = ?10";
    let changed = tx.execute(
        sql,
        params![
            account,
            task.id,
            task.title,
            task.state.word(),
            day(task),
            time(task),
            task.zone,
            task.due_at,
            task.done_at,
            rev,
            json(&task.tags)?,
            task.recurrence.as_ref().map(json).transpose()?
        ],
    )? == 1;
    if changed {
        reminders::plan(tx, task)?;
    }
    Ok(changed)
}

/// False: it is at another revision, or gone.
pub(crate) fn delete(tx: &Transaction<'_>, account: &str, id: &str, rev: i64) -> Result<bool> {
    Ok(tx.execute(
        "DELETE FROM tasks WHERE account_id = ?1 AND id = ?2 AND rev = ?3",
        params![account, id, rev],
    )? == 1)
}

fn day(task: &Task) -> Option<String> {
    task.due.map(|due| due.day.to_string())
}

fn time(task: &Task) -> Option<String> {
    task.due.and_then(|due| due.time).map(|time| time.to_string())
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;

    #[test]
    fn which_of_two_equal_times_is_meant_decides_the_instant() {
        let madrid = TimeZone::get("Europe/Madrid").expect("a zone");
        let at = |seconds| {
            let due = Due::new(date(2026, 10, 25), Some(time(2, 30, 0, 0)));
            Due { offset_seconds: seconds, ..due }.instant_ms(&madrid).expect("an instant")
        };
        let hour_ms = 3_600_000;
        assert_eq!(at(Some(3_600)) - at(Some(7_200)), hour_ms);
        assert_eq!(at(None), at(Some(7_200)), "unsaid it is the first");
        assert_eq!(at(Some(0)), at(None), "an offset that the clock never has says nothing");
    }
}
