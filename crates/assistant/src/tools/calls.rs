//! What a model called: a row for each call, stored before any of them is done.
//!
//! A second attempt at an answer does not ask the model again for what it has called already: it reads the rounds from
//! here and goes on behind them. So each call is done once, whatever happens to the process that does it.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::{
    error::{Error, Result},
    ids,
    model::Call,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not done yet.
    Waiting,
    Done,
    /// The person is asked first.
    Asked,
    Accepted,
    Declined,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Asked => "asked",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "done" => Self::Done,
            "asked" => Self::Asked,
            "accepted" => Self::Accepted,
            "declined" => Self::Declined,
            _ => Self::Waiting,
        }
    }
}

/// One call of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    /// Also names the command that it becomes, for undo.
    pub(crate) id: String,
    pub(crate) message: String,
    pub(crate) round: u32,
    /// Text that the model wrote before it called.
    pub(crate) said: String,
    pub(crate) call: Call,
    pub(crate) state: State,
    /// What the model was told.
    pub(crate) result: String,
}

impl Called {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (arguments, state): (String, String) = (row.get("arguments")?, row.get("state")?);
        Ok(Self {
            id: row.get("id")?,
            message: row.get("message_id")?,
            round: row.get("round")?,
            said: row.get("said")?,
            call: Call {
                id: row.get("call_id")?,
                name: row.get("name")?,
                arguments: serde_json::from_str(&arguments).unwrap_or_default(),
            },
            state: State::of(&state),
            result: row.get("result")?,
        })
    }
}

/// A round of an answer: what was said, then called, all at once.
pub(crate) fn store(
    tx: &Transaction<'_>,
    account: &str,
    message: &str,
    round: u32,
    (said, calls): (&str, &[Call]),
) -> Result<()> {
    let sql = "INSERT INTO tool_calls (id, message_id, account_id, round, call, said, call_id, name, arguments, state)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'waiting')";
    for (n, call) in (0_u32..).zip(calls) {
        let arguments = call.arguments.to_string();
        tx.execute(
            sql,
            params![ids::new_id(), message, account, round, n, said, call.id, call.name, arguments],
        )?;
    }
    Ok(())
}

/// All calls of an answer, in the order in which they were made.
pub(crate) fn of(db: &Connection, account: &str, message: &str) -> Result<Vec<Called>> {
    let sql = "SELECT * FROM tool_calls WHERE account_id = ?1 AND message_id = ?2 ORDER BY round, call";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([account, message], Called::from_row)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// # Errors
/// The account has no such call.
pub(crate) fn get(db: &Connection, account: &str, id: &str) -> Result<Called> {
    let sql = "SELECT * FROM tool_calls WHERE account_id = ?1 AND id = ?2";
    db.query_row(sql, [account, id], Called::from_row).optional()?.ok_or(Error::NotFound("proposal"))
}

pub(crate) fn settle(tx: &Transaction<'_>, id: &str, state: State, result: &str) -> Result<()> {
    let sql = "UPDATE tool_calls SET state = ?2, result = ?3 WHERE id = ?1";
    tx.execute(sql, [id, state.word(), result])?;
    Ok(())
}
