//! Ways through a conversation: another answer, another question, on where a model broke off, and back again.

use kit::live;
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

use super::{Message, Spoken, answer_after, get, message, say_after, sources};
use crate::{
    accounts::Account,
    command::undo,
    error::{Error, Result},
    tools,
};

/// The way from the message ?2 of the conversation ?1 back to its first, at most ?3 messages.
pub(super) const WAY: &str = "WITH RECURSIVE way (id, parent_id, depth) AS (
    SELECT id, parent_id, 1 FROM messages WHERE conversation_id = ?1 AND id = ?2
    UNION ALL
    SELECT messages.id, messages.parent_id, depth + 1 FROM way JOIN messages ON messages.id = way.parent_id
    WHERE messages.conversation_id = ?1 AND depth < ?3)";

/// Which of several a message is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    /// From 1.
    pub(crate) at: usize,
    pub(crate) of: usize,
    /// The neighbours, to change to.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// The way to `tip`: its last `limit` messages, oldest first.
pub(crate) fn way(
    db: &Connection,
    account: &str,
    conversation: &str,
    tip: &str,
    limit: u32,
) -> Result<Vec<Message>> {
    let sql = format!(
        "{WAY} SELECT messages.* FROM way JOIN messages ON messages.id = way.id
         WHERE messages.account_id = ?4 ORDER BY depth DESC"
    );
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map(params![conversation, tip, limit, account], Message::from_row)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// `None`: it is the only one in its place.
pub(crate) fn place(db: &Connection, of: &Message) -> Result<Option<Place>> {
    let sql =
        "SELECT id FROM messages WHERE conversation_id = ?1 AND parent_id = ?2 AND role = ?3 ORDER BY n";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([&of.conversation_id, &of.parent_id, &of.role], |row| row.get(0))?;
    let all: Vec<String> = rows.collect::<std::result::Result<_, _>>()?;
    let Some(at) = all.iter().position(|id| *id == of.id).filter(|_| all.len() > 1) else { return Ok(None) };
    let neighbour = |at: Option<usize>| at.and_then(|at| all.get(at)).cloned();
    Ok(Some(Place {
        at: at + 1,
        of: all.len(),
        before: neighbour(at.checked_sub(1)),
        after: neighbour(Some(at + 1)),
    }))
}

/// From now on the way leads over the message `id`, to the end that was spoken last behind it.
///
/// # Errors
/// The account has no such message.
pub(crate) fn choose(tx: &Transaction<'_>, account: &str, id: &str) -> Result<Message> {
    let chosen = message(tx, account, id)?;
    let leaf = end(tx, &chosen.conversation_id, &chosen.id)?;
    tx.execute("UPDATE conversations SET leaf_id = ?2 WHERE id = ?1", [&chosen.conversation_id, &leaf])?;
    live::tell(tx, account, "conversation", &chosen.conversation_id)?;
    Ok(chosen)
}

/// The end that was spoken last behind the message `id`; itself when nothing follows it.
pub(super) fn end(db: &Connection, conversation: &str, id: &str) -> Result<String> {
    let sql = "WITH RECURSIVE behind (id, depth) AS (
            SELECT ?2, 0
            UNION ALL
            SELECT (SELECT next.id FROM messages next WHERE next.conversation_id = ?1 AND next.parent_id = behind.id
                    ORDER BY next.n DESC LIMIT 1), depth + 1
            FROM behind WHERE behind.id IS NOT NULL)
        SELECT id FROM behind WHERE id IS NOT NULL ORDER BY depth DESC LIMIT 1";
    Ok(db.prepare_cached(sql)?.query_row([conversation, id], |row| row.get(0))?)
}

/// The way from the message `id` on to `leaf`: its first `limit` messages, `id` among them. Empty: `leaf` is reached
/// otherwise.
pub(super) fn onwards(
    db: &Connection,
    conversation: &str,
    (id, leaf): (&str, &str),
    limit: u32,
) -> Result<Vec<String>> {
    let sql = "WITH RECURSIVE way (id, parent_id, depth) AS (
            SELECT id, parent_id, 1 FROM messages WHERE conversation_id = ?1 AND id = ?2
            UNION ALL
            SELECT messages.id, messages.parent_id, depth + 1 FROM way JOIN messages ON messages.id = way.parent_id
            WHERE messages.conversation_id = ?1 AND way.id <> ?3)
        SELECT id FROM way ORDER BY depth DESC LIMIT ?4";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map(params![conversation, leaf, id, limit], |row| row.get(0))?;
    let ids: Vec<String> = rows.collect::<std::result::Result<_, _>>()?;
    Ok(if ids.first().is_some_and(|first| first == id) { ids } else { Vec::new() })
}

/// Another answer to the same question; the first one stays. Returns its id.
///
/// # Errors
/// No such answer; it is still written; or it did something that a second one would do again.
pub(crate) fn retry(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<String> {
    let old = over(tx, who, id)?;
    if has_done_something(tx, who, &old)? {
        let why = "that answer did something, which another would do again; undo it first";
        return Err(Error::Conflict(why.to_owned()));
    }
    answer_after(tx, &who.id, &old.conversation_id, &old.parent_id)
}

/// The same question in other words, and an answer to that; the first ones stay. Returns the answer's id.
///
/// # Errors
/// The account has no such message, or it is an answer.
pub(crate) fn edit(tx: &Transaction<'_>, who: &Account, id: &str, text: &str) -> Result<String> {
    let old = message(tx, &who.id, id)?;
    if old.is_answer() {
        return Err(Error::Conflict("an answer is not edited; ask for another one".to_owned()));
    }
    let sources = sources::of(tx, &who.id, &old.id)?;
    let spoken = Spoken { text, sources: &sources };
    say_after(tx, &who.id, &old.conversation_id, &old.parent_id, &spoken)
}

/// The rest of an answer that the model broke off. Returns the id of the message that will hold it.
///
/// # Errors
/// No such answer, or it was not interrupted.
pub(crate) fn go_on(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<String> {
    let old = over(tx, who, id)?;
    if !old.interrupted {
        return Err(Error::Conflict("that answer was not interrupted".to_owned()));
    }
    answer_after(tx, &who.id, &old.conversation_id, &old.id)
}

fn over(tx: &Transaction<'_>, who: &Account, id: &str) -> Result<Message> {
    let old = message(tx, &who.id, id)?;
    get(tx, &who.id, &old.conversation_id)?;
    match (old.is_answer(), old.is_over()) {
        (false, _) => Err(Error::Conflict("that is not an answer".to_owned())),
        (true, false) => Err(Error::Conflict("that answer is still being written; stop it first".to_owned())),
        (true, true) => Ok(old),
    }
}

fn has_done_something(tx: &Transaction<'_>, who: &Account, answer: &Message) -> Result<bool> {
    let calls = tools::calls::of(tx, &who.id, &answer.id)?;
    for id in [&answer.id].into_iter().chain(calls.iter().map(|call| &call.id)) {
        if undo::get(tx, who, id)?.is_some_and(|past| !past.undone) {
            return Ok(true);
        }
    }
    Ok(false)
}
