//! What the brain asks back in a conversation, with the choices that answer it. The words that follow it are the answer,
//! where they name one of the choices; each question is answered once.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Message;
use crate::{
    accounts::Account,
    brain::{
        choice,
        say::{Offer, Spoken},
    },
    error::{Error, Result},
    habits,
    when::Lesson,
};

/// Keeps the choices of the question that the message `id` asks.
///
/// # Errors
/// The database's.
pub(crate) fn ask(tx: &Transaction<'_>, account: &str, id: &str, choices: &[Offer]) -> Result<()> {
    let choices = serde_json::to_string(choices).map_err(|error| Error::Invalid(error.to_string()))?;
    let sql = "INSERT INTO questions (message_id, account_id, choices) VALUES (?1, ?2, ?3)";
    tx.execute(sql, [id, account, &choices])?;
    Ok(())
}

/// The choices of the question that `message` asks; empty where it asks none, or something was said since.
///
/// # Errors
/// The database's.
pub(crate) fn open(db: &Connection, message: &Message) -> Result<Vec<Offer>> {
    let sql = "SELECT choices FROM questions WHERE message_id = ?1 AND answered_by IS NULL
               AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation_id = ?2 AND parent_id = ?1)";
    let row = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let choices =
        db.prepare_cached(sql)?.query_row([&message.id, &message.conversation_id], row).optional()?;
    Ok(choices.and_then(|choices| serde_json::from_str(&choices).ok()).unwrap_or_default())
}

/// What `words` say as the answer to the question before them, which is thereby answered. `None`: they stand for
/// themselves.
///
/// # Errors
/// The database's.
pub(crate) fn answer(tx: &Transaction<'_>, who: &Account, words: &Message) -> Result<Option<Spoken>> {
    let sql = "SELECT choices FROM questions WHERE account_id = ?1 AND message_id = ?2
               AND coalesce(answered_by, ?3) = ?3";
    let row = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let asked = tx.prepare_cached(sql)?.query_row([&who.id, &words.parent_id, &words.id], row).optional()?;
    let Some(choices) = asked.and_then(|choices| serde_json::from_str::<Vec<Offer>>(&choices).ok()) else {
        return Ok(None);
    };
    let habits = habits::of(tx, &who.id)?;
    let Some(chosen) = choice::pick(&choices, &words.text, who.now(), habits) else { return Ok(None) };
    let sql = "UPDATE questions SET answered_by = ?2 WHERE message_id = ?1";
    tx.execute(sql, params![words.parent_id, words.id])?;
    let teaches = chosen.teaches.as_deref().and_then(Lesson::parse);
    Ok(Some(Spoken { teaches, ..Spoken::of(chosen.text.as_str()) }))
}
