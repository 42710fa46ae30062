//! Messages as people and programs see them: with what an answer did, and whether it can be undone.

use rusqlite::Connection;
use serde::Serialize;

use super::Message;
use crate::{
    accounts::Account,
    command::undo::{self, Past},
    error::Result,
};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) message: Message,
    /// What the answer did; `None` when it only told something.
    pub(crate) command: Option<Past>,
}

/// The last [`super::MESSAGES_MAX`], oldest first.
///
/// # Errors
/// The database's.
pub(crate) fn messages(db: &Connection, who: &Account, conversation: &str) -> Result<Vec<Shown>> {
    let messages = super::messages(db, &who.id, conversation)?;
    messages.into_iter().map(|message| show(db, who, message)).collect()
}

/// # Errors
/// The account has no such message.
pub(crate) fn message(db: &Connection, who: &Account, id: &str) -> Result<Shown> {
    show(db, who, super::message(db, &who.id, id)?)
}

fn show(db: &Connection, who: &Account, message: Message) -> Result<Shown> {
    let command = if message.role == "assistant" { undo::get(db, who, &message.id)? } else { None };
    Ok(Shown { message, command })
}
