//! Taking a command back, if nothing has touched its rows since; a conflict is told, never forced.

use kit::clock;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;

use super::{
    Command, Inverse, conversations,
    words::{self, Told},
};
use crate::{
    accounts::Account,
    error::{Error, Result},
    journal,
    tasks::{self, Task},
};

/// Bound: how far back commands on the same row are looked for.
const FOLLOW_MAX: u32 = 500;

const CHANGED: &str = "it has changed since, so it stays as it is";
const FOREIGN: &str = "that was done by another release, which alone can undo it";

/// A command as it is shown after it was done.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Past {
    pub(crate) id: String,
    #[serde(serialize_with = "crate::web::json::time")]
    pub(crate) at: i64,
    pub(crate) understood: String,
    /// The same in its parts, for a card; `None` for what another release did.
    #[serde(skip)]
    pub(crate) told: Option<Told>,
    #[serde(skip)]
    pub(crate) reply: String,
    pub(crate) undone: bool,
    /// Why it cannot be undone. `None`: it can be, or was.
    pub(crate) stays: Option<&'static str>,
}

/// Undoes the command `id` of `who`. Returns how that command had been understood.
///
/// # Errors
/// No such command; undone already; or what it would touch has changed since.
pub(crate) fn undo(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<String> {
    let row = find(tx, who, id)?.ok_or(Error::NotFound("command"))?;
    if row.undone {
        return Err(Error::Conflict("that was undone already".to_owned()));
    }
    let inverse: Inverse =
        serde_json::from_str(&row.inverse).map_err(|_| Error::Conflict(FOREIGN.to_owned()))?;
    // Looked at first: nothing is half put back.
    if !is_as_left(tx, who, &inverse)? || !put_back(tx, who, &inverse)? {
        return Err(Error::Conflict(CHANGED.to_owned()));
    }
    tx.execute("UPDATE commands SET undone_at = ?2 WHERE id = ?1", params![id, clock::now_ms()])?;
    let (_, entity) = inverse.subject();
    if let Some(moved) = inverse.restored() {
        follow(tx, who, &row, entity, moved)?;
    }
    inverse.tell(tx, who)?;
    let understood = row.understood.clone();
    Ok(row.past(tx, who).map_or(understood, |past| past.understood))
}

/// Commands before `undone` left the row at revision `was`; it is as they left it again, at revision `is`.
fn follow(
    tx: &Transaction<'_>,
    who: &Account,
    undone: &Row,
    entity: &str,
    (was, is): (i64, i64),
) -> Result<()> {
    let sql = "UPDATE commands SET inverse = json_set(inverse, '$.rev', ?5)
               WHERE n IN (SELECT n FROM commands WHERE account_id = ?1 AND n < ?2 ORDER BY n DESC LIMIT ?6)
               AND undone_at IS NULL AND inverse ->> '$.rev' = ?4
               AND coalesce(inverse ->> '$.id', inverse ->> '$.task.id', inverse ->> '$.entry.id') = ?3";
    tx.execute(sql, params![who.id, undone.n, entity, was, is, FOLLOW_MAX])?;
    let sql = "UPDATE commands SET inverse = json_set(inverse, '$.next.rev', ?5)
               WHERE n IN (SELECT n FROM commands WHERE account_id = ?1 AND n < ?2 ORDER BY n DESC LIMIT ?6)
               AND undone_at IS NULL AND inverse ->> '$.next.rev' = ?4 AND inverse ->> '$.next.id' = ?3";
    tx.execute(sql, params![who.id, undone.n, entity, was, is, FOLLOW_MAX])?;
    Ok(())
}

/// The last command that can be undone.
pub(crate) fn last(db: &Connection, who: &Account) -> Result<Option<String>> {
    let sql = "SELECT id FROM commands WHERE account_id = ?1 AND undone_at IS NULL ORDER BY n DESC LIMIT 1";
    Ok(db.query_row(sql, [&who.id], |row| row.get(0)).optional()?)
}

/// What was done, newest first.
pub(crate) fn history(db: &Connection, who: &Account, (limit, offset): (u32, u32)) -> Result<Vec<Past>> {
    let sql = "SELECT * FROM commands WHERE account_id = ?1 ORDER BY n DESC LIMIT ?2 OFFSET ?3";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map(params![who.id, limit, offset], Row::read)?;
    rows.map(|row| row?.past(db, who)).collect()
}

/// One command, to show after it was done; `None` when nothing was done under this id.
pub(crate) fn get(db: &Connection, who: &Account, id: &str) -> Result<Option<Past>> {
    find(db, who, id)?.map(|row| row.past(db, who)).transpose()
}

fn find(db: &Connection, who: &Account, id: &str) -> Result<Option<Row>> {
    let sql = "SELECT * FROM commands WHERE account_id = ?1 AND id = ?2";
    Ok(db.prepare_cached(sql)?.query_row([&who.id, id], Row::read).optional()?)
}

/// A row of `commands`.
struct Row {
    n: i64,
    id: String,
    at: i64,
    command: String,
    understood: String,
    reply: String,
    inverse: String,
    undone: bool,
}

impl Row {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            n: row.get("n")?,
            id: row.get("id")?,
            at: row.get("at")?,
            command: row.get("command")?,
            understood: row.get("understood")?,
            reply: row.get("reply")?,
            inverse: row.get("inverse")?,
            undone: row.get::<_, Option<i64>>("undone_at")?.is_some(),
        })
    }

    /// With today's words for its days, and whether it could be undone now.
    fn past(self, db: &Connection, who: &Account) -> Result<Past> {
        let inverse: Option<Inverse> = serde_json::from_str(&self.inverse).ok();
        let command: Option<Command> = serde_json::from_str(&self.command).ok();
        let stays = match &inverse {
            _ if self.undone => None,
            None => Some(FOREIGN),
            Some(inverse) => (!is_as_left(db, who, inverse)?).then_some(CHANGED),
        };
        let task = inverse.as_ref().map(|inverse| tasks::get(db, &who.id, inverse.subject().1));
        let command = match task {
            Some(Err(error @ Error::Db(_))) => return Err(error),
            Some(Ok(task)) => command.map(|command| seen_by(command, &task, who)),
            None | Some(Err(_)) => command,
        };
        let told = command.zip(inverse).map(|(command, inverse)| {
            let done_on = who.local(self.at).date();
            words::done(&command, &inverse, done_on, who.now().date())
        });
        let understood = told.as_ref().map_or(self.understood, ToString::to_string);
        let Self { id, at, reply, undone, .. } = self;
        Ok(Past { id, at, understood, told, reply, undone, stays })
    }
}

/// The same command with its time on the clock of where `who` is now, as long as `task` still has that time.
fn seen_by(mut command: Command, task: &Task, who: &Account) -> Command {
    let due = match &mut command {
        Command::AddTask(draft) | Command::EditTask { draft, .. } => draft.due.as_mut(),
        Command::MoveTask { due, .. } => Some(due),
        Command::CompleteTask { .. }
        | Command::ReopenTask { .. }
        | Command::DeleteTask { .. }
        | Command::AddEntry { .. }
        | Command::EditEntry { .. }
        | Command::DeleteEntry { .. }
        | Command::RenameConversation { .. }
        | Command::DeleteConversation { .. } => None,
    };
    let is_of_elsewhere = task.zone.as_ref() != Some(&who.zone);
    if let (Some(due), Some(own), Some(here)) = (due, task.due, task.due_for(who))
        && is_of_elsewhere
        && (due.day, due.time) == (own.day, own.time)
    {
        *due = here;
    }
    command
}

/// Whether the row is still as the command left it, which is what [`put_back`] will find.
fn is_as_left(db: &Connection, who: &Account, inverse: &Inverse) -> Result<bool> {
    let task_at = |id: &str| tasks::get(db, &who.id, id).map(|task| task.rev);
    if let Inverse::RestoreTask { next: Some(next), .. } = inverse {
        match task_at(&next.id) {
            Ok(rev) if rev == next.rev => {}
            Ok(_) | Err(Error::NotFound(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    let at = match inverse {
        Inverse::RemoveTask { id, rev } => (task_at(id), *rev),
        Inverse::RestoreTask { task, rev, .. } => (task_at(&task.id), *rev),
        Inverse::RemoveEntry { id, rev } => (journal::get(db, &who.id, id).map(|entry| entry.rev), *rev),
        Inverse::RestoreEntry { entry, rev } => {
            (journal::get(db, &who.id, &entry.id).map(|entry| entry.rev), *rev)
        }
        // What was deleted cannot change.
        Inverse::ReinsertTask { .. } | Inverse::ReinsertEntry { .. } => return Ok(true),
        Inverse::RetitleConversation { id, now, .. } => return conversations::is_called(db, who, id, now),
        Inverse::RestoreConversation { id, .. } => return conversations::is_deleted(db, who, id),
    };
    match at {
        (Ok(rev), left) => Ok(rev == left),
        (Err(Error::NotFound(_)), _) => Ok(false),
        (Err(error), _) => Err(error),
    }
}

/// False: the row is at another revision than the command left it.
fn put_back(tx: &Transaction<'_>, who: &Account, inverse: &Inverse) -> Result<bool> {
    match inverse {
        Inverse::RemoveTask { id, rev } => tasks::delete(tx, &who.id, id, *rev),
        Inverse::RestoreTask { task, rev, next } => {
            if let Some(next) = next {
                tasks::delete(tx, &who.id, &next.id, next.rev)?;
            }
            tasks::replace(tx, &who.id, task, *rev)
        }
        Inverse::ReinsertTask { task } => {
            let mut task = task.clone();
            task.rev += 1;
            tasks::insert(tx, &who.id, &task).map(|()| true)
        }
        Inverse::RemoveEntry { id, rev } => journal::delete(tx, &who.id, id, *rev),
        Inverse::RestoreEntry { entry, rev } => journal::replace(tx, &who.id, entry, *rev),
        Inverse::ReinsertEntry { entry } => {
            let mut entry = entry.clone();
            entry.rev += 1;
            journal::insert(tx, &who.id, &entry).map(|()| true)
        }
        Inverse::RetitleConversation { id, title, now } => {
            let is_there = conversations::is_called(tx, who, id, now)?;
            if is_there {
                conversations::retitle(tx, id, title)?;
            }
            Ok(is_there)
        }
        Inverse::RestoreConversation { id, .. } => conversations::restore(tx, who, id),
    }
}
