//! Does what a model called, or asks the person first.

use std::fmt::Write as _;

use rusqlite::Transaction;

use super::{
    Wanted,
    calls::{self, Called, State},
    read,
};
use crate::{
    accounts::Account,
    chat::{self, sources},
    command::{self, Done, words},
    error::{Error, Result},
    journal::{self, Filter},
    tasks,
};

/// Bound: rows that one call is told.
const ROWS_MAX: u32 = 50;

/// What the model is told in place of a result, where the person is asked.
const ASKED: &str = "Not done. The conversation holds text from elsewhere, so the person is asked first and sees what \
     would be done. Say that it waits for their yes; do not call it again.";

/// Does one call, inside the transaction that holds the answer's fence. `tainted_by`: what the conversation rests on.
///
/// # Errors
/// The database's. What a call gets wrong is its result.
pub(crate) fn run(
    tx: &Transaction<'_>,
    who: &Account,
    called: &Called,
    tainted_by: Option<&str>,
) -> Result<()> {
    let (state, result) = match (read(&called.call), tainted_by) {
        (Err(why), _) => (State::Done, why),
        (Ok(Wanted::Do(_)), Some(_)) => (State::Asked, ASKED.to_owned()),
        (Ok(Wanted::Do(command)), None) => {
            let done = command::execute_as(tx, who, &command, called.id.clone());
            (State::Done, done.map_or_else(refusal, |done| Ok(told(&done)))?)
        }
        (Ok(Wanted::Tasks { state }), _) => {
            let found = tasks::list(tx, &who.id, Some(state), ROWS_MAX, 0)?;
            let today = who.now().date();
            let mut lines = String::new();
            for task in &found {
                let due = task
                    .due_for(who)
                    .map_or_else(String::new, |due| format!(", {}", words::show_due(due, today)));
                // Writing into a String cannot fail.
                let _ = writeln!(lines, "{}: {}{due}", task.id, task.title);
                taint(tx, who, called, "task", &task.id)?;
            }
            (State::Done, or_nothing(lines))
        }
        (Ok(Wanted::Entries { query, day }), _) => {
            let filter = Filter { query, from: day, to: day, ..Filter::default() };
            let mut lines = String::new();
            for entry in journal::list(tx, &who.id, &filter, ROWS_MAX, 0)? {
                let _ = writeln!(lines, "{} ({}): {}", entry.id, entry.day, entry.text);
                taint(tx, who, called, "journal", &entry.id)?;
            }
            (State::Done, or_nothing(lines))
        }
    };
    calls::settle(tx, &called.id, state, &result)
}

fn or_nothing(lines: String) -> String {
    if lines.is_empty() { "There is nothing.".to_owned() } else { lines }
}

fn told(done: &Done) -> String {
    let id = done.task.as_ref().map(|task| &task.id).or(done.entry.as_ref().map(|entry| &entry.id));
    id.map_or_else(|| done.reply.clone(), |id| format!("{} Its id is {id}.", done.reply))
}

/// A command that is refused is a result for the model.
fn refusal(error: Error) -> Result<String> {
    match error {
        Error::Db(_) => Err(error),
        other => Ok(format!("Not done: {other}.")),
    }
}

/// What the model reads of a row that came from elsewhere, its answer rests on from now on.
fn taint(tx: &Transaction<'_>, who: &Account, called: &Called, kind: &str, id: &str) -> Result<()> {
    match sources::of_row(tx, &who.id, kind, id)? {
        Some(origin) => sources::taint(tx, &called.message, &origin),
        None => Ok(()),
    }
}

/// The person says yes: it is done now, once.
///
/// # Errors
/// No such proposal, it was decided already, or it cannot be done (any more).
pub(crate) fn accept(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<Done> {
    let called = open(tx, who, id)?;
    let wanted = read(&called.call).map_err(Error::Conflict)?;
    let Wanted::Do(command) = wanted else { return Err(Error::NotFound("proposal")) };
    let done = command::execute_as(tx, who, &command, called.id.clone())?;
    // What it wrote came from elsewhere, however willingly it was taken.
    let (_, origin) = answer_of(tx, who, &called)?;
    let task = done.task.as_ref().map(|task| ("task", &task.id));
    let row = task.or(done.entry.as_ref().map(|entry| ("journal", &entry.id)));
    if let (Some((kind, row)), Some(origin)) = (row, origin) {
        sources::mark(tx, &who.id, kind, row, &origin)?;
    }
    calls::settle(tx, &called.id, State::Accepted, &told(&done))?;
    Ok(done)
}

/// The person says no.
///
/// # Errors
/// No such proposal, or it was decided already.
pub(crate) fn decline(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<()> {
    let called = open(tx, who, id)?;
    calls::settle(tx, &called.id, State::Declined, "Not done: the person said no.")
}

fn open(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<Called> {
    let called = calls::get(tx, &who.id, id)?;
    answer_of(tx, who, &called)?;
    match called.state {
        State::Asked => Ok(called),
        State::Accepted | State::Declined => Err(Error::Conflict("that was decided already".to_owned())),
        State::Waiting | State::Done => Err(Error::NotFound("proposal")),
    }
}

/// The answer's id, and what it rests on.
fn answer_of(tx: &Transaction<'_>, who: &Account, called: &Called) -> Result<(String, Option<String>)> {
    let answer = chat::message(tx, &who.id, &called.message)?;
    let origin = sources::taint_of_way(tx, &answer)?;
    Ok((answer.id, origin))
}
