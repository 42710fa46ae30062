//! What can be done with an account's things: one type, one executor, and an inverse for each change.
//!
//! The box, the chat, forms and the API all make a [`Command`]; none can do more than this. The account comes from the
//! session, never from the sentence.

use jiff::civil::Date;
use kit::{clock, live};
use rusqlite::{Transaction, params};
use serde::{Deserialize, Serialize};

use crate::{
    accounts::Account,
    error::{Error, Result},
    ids,
    journal::{self, Entry},
    tasks::{self, Draft, Due, State, Task, tags},
    when,
};

mod conversations;
pub(crate) mod undo;
pub(crate) mod words;

#[cfg(test)]
mod tests;

/// A change. Stored as JSON with what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Command {
    AddTask(Draft),
    /// One that comes again makes the next one.
    CompleteTask {
        id: String,
    },
    ReopenTask {
        id: String,
    },
    MoveTask {
        id: String,
        due: Due,
    },
    /// All that a person says of a task, anew. `rev`: only if it is at this revision.
    EditTask {
        id: String,
        rev: Option<i64>,
        #[serde(flatten)]
        draft: Draft,
    },
    DeleteTask {
        id: String,
    },
    AddEntry {
        text: String,
        day: Option<Date>,
    },
    /// Its day and text anew. `rev`: only if it is at this revision.
    EditEntry {
        id: String,
        rev: Option<i64>,
        day: Date,
        text: String,
    },
    DeleteEntry {
        id: String,
    },
    RenameConversation {
        id: String,
        title: String,
    },
    DeleteConversation {
        id: String,
    },
}

/// One row put back, guarded by the revision that the command left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "back", rename_all = "snake_case")]
pub(crate) enum Inverse {
    RemoveTask {
        id: String,
        rev: i64,
    },
    /// `next` was made beside it, and goes with it.
    RestoreTask {
        task: Task,
        rev: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Next>,
    },
    ReinsertTask {
        task: Task,
    },
    RemoveEntry {
        id: String,
        rev: i64,
    },
    RestoreEntry {
        entry: Entry,
        rev: i64,
    },
    ReinsertEntry {
        entry: Entry,
    },
    /// `title`: the one before; it is put back as long as `now` stands there.
    RetitleConversation {
        id: String,
        title: String,
        now: String,
    },
    RestoreConversation {
        id: String,
        title: String,
    },
}

/// The task that a completed one made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Next {
    id: String,
    rev: i64,
}

/// What a command did.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// Names the command for [`undo::undo`].
    pub(crate) undo_id: String,
    /// How it was read: `Task: Call Anna · tomorrow, 17:00`.
    pub(crate) understood: String,
    /// What to tell: `I'll keep “Call Anna” for tomorrow at 17:00.`
    pub(crate) reply: String,
    pub(crate) task: Option<Task>,
    pub(crate) entry: Option<Entry>,
}

struct Effect {
    inverse: Inverse,
    reply: String,
    task: Option<Task>,
    entry: Option<Entry>,
}

/// Carries out `command` for `who` and stores how to undo it under an id of its own.
///
/// # Errors
/// What it is about is not there, or a value is refused.
pub(crate) fn execute(tx: &Transaction<'_>, who: &Account, command: &Command) -> Result<Done> {
    execute_as(tx, who, command, ids::new_id())
}

/// The same under a given id: what an answer of the chat does bears the answer's id, so each finds the other.
///
/// # Errors
/// Also the database's, when the id was used before: then nothing is done.
pub(crate) fn execute_as(
    tx: &Transaction<'_>,
    who: &Account,
    command: &Command,
    undo_id: String,
) -> Result<Done> {
    let effect = apply(tx, who, command)?;
    let today = who.now().date();
    let understood = words::done(command, &effect.inverse, today, today).to_string();
    let sql = "INSERT INTO commands (id, account_id, at, command, understood, reply, inverse) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (as_json, inverse) = (json(command)?, json(&effect.inverse)?);
    tx.execute(sql, params![undo_id, who.id, clock::now_ms(), as_json, understood, effect.reply, inverse])?;
    effect.inverse.tell(tx, who)?;
    Ok(Done { undo_id, understood, reply: effect.reply, task: effect.task, entry: effect.entry })
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Invalid(error.to_string()))
}

fn apply(tx: &Transaction<'_>, who: &Account, command: &Command) -> Result<Effect> {
    match command {
        Command::AddTask(draft) => add_task(tx, who, draft),
        Command::CompleteTask { id } => complete_task(tx, who, id),
        Command::EditTask { id, rev, draft } => edit_task(tx, who, id, *rev, draft),
        Command::ReopenTask { id } => change_task(tx, who, id, |task| {
            task.state = State::Open;
            task.done_at = None;
        }),
        Command::MoveTask { id, due } => {
            in_reach(*due)?;
            change_task(tx, who, id, |task| set_due(task, who, *due))
        }
        Command::DeleteTask { id } => delete_task(tx, who, id),
        Command::AddEntry { text, day } => add_entry(tx, who, text, *day),
        Command::EditEntry { id, rev, day, text } => edit_entry(tx, who, id, *rev, (*day, text)),
        Command::DeleteEntry { id } => delete_entry(tx, who, id),
        Command::RenameConversation { id, title } => conversations::rename(tx, who, id, title),
        Command::DeleteConversation { id } => conversations::delete(tx, who, id),
    }
}

fn set_due(task: &mut Task, who: &Account, due: Due) {
    task.due = Some(due);
    task.zone = Some(who.zone.clone());
    task.due_at = due.instant_ms(&who.time_zone());
}

/// A slip of the year is no plan.
fn in_reach(due: Due) -> Result<()> {
    if when::DAYS.contains(&due.day) {
        return Ok(());
    }
    let (first, last) = (when::DAYS.start().year(), when::DAYS.end().year());
    Err(Error::Invalid(format!("a task is due on a day from the year {first} to {last}")))
}

/// As it is stored, or why not.
fn clean(draft: &Draft) -> Result<Draft> {
    if draft.recurrence.is_some() && draft.due.is_none() {
        return Err(Error::Invalid("a task that comes again needs a day".to_owned()));
    }
    let (title, tags) = (tasks::clean_title(&draft.title)?, tags::clean(&draft.tags)?);
    Ok(Draft { title, tags, ..draft.clone() })
}

fn add_task(tx: &Transaction<'_>, who: &Account, draft: &Draft) -> Result<Effect> {
    draft.due.map_or(Ok(()), in_reach)?;
    let Draft { title, due, tags, recurrence } = clean(draft)?;
    let now = clock::now_ms();
    let mut task = Task {
        id: ids::new_id(),
        title,
        state: State::Open,
        tags,
        recurrence,
        due: None,
        zone: None,
        due_at: None,
        created_at: now,
        done_at: None,
        rev: 1,
    };
    if let Some(due) = due {
        set_due(&mut task, who, due);
    }
    tasks::insert(tx, &who.id, &task)?;
    let inverse = Inverse::RemoveTask { id: task.id.clone(), rev: task.rev };
    let reply = words::task_added(&task, who);
    Ok(Effect { inverse, reply, task: Some(task), entry: None })
}

/// How replies call it: with its day, where that tells it from another open one.
fn named(tx: &Transaction<'_>, who: &Account, task: &Task) -> Result<String> {
    Ok(words::named(task, tasks::has_namesake(tx, &who.id, task)?, who))
}

fn change_task(
    tx: &Transaction<'_>,
    who: &Account,
    id: &str,
    change: impl FnOnce(&mut Task),
) -> Result<Effect> {
    let before = tasks::get(tx, &who.id, id)?;
    let named = named(tx, who, &before)?;
    let mut after = before.clone();
    change(&mut after);
    if !tasks::replace(tx, &who.id, &after, before.rev)? {
        // Inside one transaction nobody else can have moved it.
        return Err(Error::Conflict("the task changed meanwhile".to_owned()));
    }
    after.rev = before.rev + 1;
    let reply = words::task_changed(&named, &before, &after, who);
    let inverse = Inverse::RestoreTask { task: before, rev: after.rev, next: None };
    Ok(Effect { inverse, reply, task: Some(after), entry: None })
}

fn edit_task(
    tx: &Transaction<'_>,
    who: &Account,
    id: &str,
    rev: Option<i64>,
    draft: &Draft,
) -> Result<Effect> {
    let Draft { title, due, tags, recurrence } = clean(draft)?;
    let before = tasks::get(tx, &who.id, id)?;
    if rev.is_some_and(|rev| rev != before.rev) {
        return Err(Error::Stale("task"));
    }
    due.filter(|_| due != before.due).map_or(Ok(()), in_reach)?;
    change_task(tx, who, id, |task| {
        let mut recurrence = recurrence;
        if let (Some(recurrence), Some(due)) = (&mut recurrence, due.filter(|_| due != task.due)) {
            // Unlike one that is put off, an edited one moves those that come after it.
            recurrence.start = due;
        }
        (task.title, task.tags, task.recurrence) = (title, tags, recurrence);
        match due {
            // The same wall clock keeps the zone in which it was said.
            _ if due == task.due => {}
            Some(due) => set_due(task, who, due),
            None => (task.due, task.zone, task.due_at) = (None, None, None),
        }
    })
}

/// Done; and what comes again is there again, in the same transaction.
fn complete_task(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<Effect> {
    let before = tasks::get(tx, &who.id, id)?;
    let named = named(tx, who, &before)?;
    let mut effect = change_task(tx, who, id, |task| {
        task.state = State::Done;
        task.done_at = Some(clock::now_ms());
        task.recurrence = None;
    })?;
    let Some(next) = before.next(who).filter(|_| before.state == State::Open) else { return Ok(effect) };
    tasks::insert(tx, &who.id, &next)?;
    effect.reply = words::task_done(&named, &next, who);
    if let Inverse::RestoreTask { next: beside, .. } = &mut effect.inverse {
        *beside = Some(Next { id: next.id, rev: next.rev });
    }
    Ok(effect)
}

fn delete_task(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<Effect> {
    let task = tasks::get(tx, &who.id, id)?;
    let reply = match tasks::has_namesake(tx, &who.id, &task)? {
        true => format!("{} is deleted.", words::named(&task, true, who)),
        false => words::deleted(&task.title),
    };
    tasks::delete(tx, &who.id, id, task.rev)?;
    Ok(Effect { inverse: Inverse::ReinsertTask { task }, reply, task: None, entry: None })
}

fn add_entry(tx: &Transaction<'_>, who: &Account, text: &str, day: Option<Date>) -> Result<Effect> {
    let text = journal::clean_text(text)?;
    let day = day.unwrap_or_else(|| who.now().date());
    let entry = Entry { id: ids::new_id(), day, text, created_at: clock::now_ms(), rev: 1 };
    journal::insert(tx, &who.id, &entry)?;
    let inverse = Inverse::RemoveEntry { id: entry.id.clone(), rev: entry.rev };
    let reply = words::entry_added(&entry, who);
    Ok(Effect { inverse, reply, task: None, entry: Some(entry) })
}

fn edit_entry(
    tx: &Transaction<'_>,
    who: &Account,
    id: &str,
    rev: Option<i64>,
    (day, text): (Date, &str),
) -> Result<Effect> {
    let before = journal::get(tx, &who.id, id)?;
    if rev.is_some_and(|rev| rev != before.rev) {
        return Err(Error::Stale("entry"));
    }
    let mut after = Entry { day, text: journal::clean_text(text)?, ..before.clone() };
    if !journal::replace(tx, &who.id, &after, before.rev)? {
        // Inside one transaction nobody else can have moved it.
        return Err(Error::Conflict("the entry changed meanwhile".to_owned()));
    }
    after.rev += 1;
    let reply = words::entry_changed(&after, who);
    let inverse = Inverse::RestoreEntry { entry: before, rev: after.rev };
    Ok(Effect { inverse, reply, task: None, entry: Some(after) })
}

fn delete_entry(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<Effect> {
    let entry = journal::get(tx, &who.id, id)?;
    journal::delete(tx, &who.id, id, entry.rev)?;
    let reply = words::deleted(&entry.text);
    Ok(Effect { inverse: Inverse::ReinsertEntry { entry }, reply, task: None, entry: None })
}

impl Inverse {
    /// Tells those who listen what changes.
    fn tell(&self, tx: &Transaction<'_>, who: &Account) -> Result<()> {
        let (kind, entity) = self.subject();
        live::tell(tx, &who.id, kind, entity)?;
        match self {
            Self::RestoreTask { next: Some(next), .. } => Ok(live::tell(tx, &who.id, kind, &next.id)?),
            _ => Ok(()),
        }
    }

    /// Kind and id of what changes.
    fn subject(&self) -> (&'static str, &str) {
        match self {
            Self::RemoveTask { id, .. } => ("task", id),
            Self::RestoreTask { task, .. } | Self::ReinsertTask { task } => ("task", &task.id),
            Self::RemoveEntry { id, .. } => ("journal", id),
            Self::RestoreEntry { entry, .. } | Self::ReinsertEntry { entry } => ("journal", &entry.id),
            Self::RetitleConversation { id, .. } | Self::RestoreConversation { id, .. } => {
                ("conversation", id)
            }
        }
    }

    /// The revision that a row had before the command, and the one at which it is the same again.
    fn restored(&self) -> Option<(i64, i64)> {
        match self {
            Self::RemoveTask { .. }
            | Self::RemoveEntry { .. }
            | Self::RetitleConversation { .. }
            | Self::RestoreConversation { .. } => None,
            Self::RestoreTask { task, rev, .. } => Some((task.rev, rev + 1)),
            Self::ReinsertTask { task } => Some((task.rev, task.rev + 1)),
            Self::RestoreEntry { entry, rev } => Some((entry.rev, rev + 1)),
            Self::ReinsertEntry { entry } => Some((entry.rev, entry.rev + 1)),
        }
    }
}
