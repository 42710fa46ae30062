//! Conversations and their messages. An answer's text lives in its log while it is written and here when it is whole.

use kit::{clock, jobs, live};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use crate::{
    error::{Error, Result},
    ids,
};

pub(crate) mod shown;

/// Bound: one message of a person.
pub(crate) const TEXT_CHARS_MAX: usize = 20_000;
/// The queue of answers.
pub(crate) const QUEUE: &str = "answer";
/// How often an answer is begun before it is given up.
const ATTEMPTS_MAX: u32 = 5;
/// Bound: messages that one page shows and one model is sent.
pub(crate) const MESSAGES_MAX: u32 = 200;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Conversation {
    pub(crate) id: String,
    pub(crate) title: String,
    #[serde(serialize_with = "crate::web::json::time")]
    pub(crate) updated_at: i64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) conversation_id: String,
    /// `user` or `assistant`.
    pub(crate) role: String,
    pub(crate) text: String,
    /// `waiting`, `running`, `done`, `stopped`, `failed`.
    pub(crate) status: String,
    pub(crate) attempt: u32,
    /// `built-in`, or the model's name.
    pub(crate) by: Option<String>,
    #[serde(serialize_with = "crate::web::json::time")]
    pub(crate) created_at: i64,
}

impl Message {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            conversation_id: row.get("conversation_id")?,
            role: row.get("role")?,
            text: row.get("text")?,
            status: row.get("status")?,
            attempt: row.get("attempt")?,
            by: row.get("answered_by")?,
            created_at: row.get("created_at")?,
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.status.as_str(), "waiting" | "running")
    }
}

fn conversation(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    Ok(Conversation { id: row.get("id")?, title: row.get("title")?, updated_at: row.get("updated_at")? })
}

/// The last spoken in first.
pub(crate) fn list(db: &Connection, account: &str, limit: u32, offset: u32) -> Result<Vec<Conversation>> {
    let sql = "SELECT * FROM conversations WHERE account_id = ?1 ORDER BY updated_at DESC, id DESC LIMIT ?2 OFFSET ?3";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map(params![account, limit, offset], conversation)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

pub(crate) fn get(db: &Connection, account: &str, id: &str) -> Result<Conversation> {
    let sql = "SELECT * FROM conversations WHERE account_id = ?1 AND id = ?2";
    db.query_row(sql, [account, id], conversation).optional()?.ok_or(Error::NotFound("conversation"))
}

/// The last [`MESSAGES_MAX`], oldest first.
pub(crate) fn messages(db: &Connection, account: &str, conversation: &str) -> Result<Vec<Message>> {
    let sql = "SELECT * FROM (SELECT * FROM messages WHERE account_id = ?1 AND conversation_id = ?2 ORDER BY n DESC LIMIT ?3) ORDER BY n";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map(params![account, conversation, MESSAGES_MAX], Message::from_row)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

pub(crate) fn message(db: &Connection, account: &str, id: &str) -> Result<Message> {
    let sql = "SELECT * FROM messages WHERE account_id = ?1 AND id = ?2";
    db.prepare_cached(sql)?
        .query_row([account, id], Message::from_row)
        .optional()?
        .ok_or(Error::NotFound("message"))
}

/// For the job, which knows no account: the answer's row and whose it is.
pub(crate) fn answer(db: &Connection, id: &str) -> Result<(Message, String)> {
    let sql = "SELECT * FROM messages WHERE id = ?1 AND role = 'assistant'";
    let row = |row: &Row<'_>| Ok((Message::from_row(row)?, row.get("account_id")?));
    db.query_row(sql, [id], row).optional()?.ok_or(Error::NotFound("message"))
}

pub(crate) fn create(tx: &Transaction<'_>, account: &str, title: &str) -> Result<Conversation> {
    let title: String = title.trim().chars().take(80).collect();
    let now = clock::now_ms();
    let new = Conversation { id: ids::new_id(), title, updated_at: now };
    let sql = "INSERT INTO conversations (id, account_id, title, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)";
    tx.execute(sql, params![new.id, account, new.title, now])?;
    live::tell(tx, account, "conversation", &new.id)?;
    Ok(new)
}

/// Stores what was said, the answer to come and its job. Returns the answer's id.
pub(crate) fn say(tx: &Transaction<'_>, account: &str, conversation: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > TEXT_CHARS_MAX {
        return Err(Error::Invalid(format!("a message has 1 to {TEXT_CHARS_MAX} characters")));
    }
    let said_in = get(tx, account, conversation)?;
    let now = clock::now_ms();
    insert(tx, &ids::new_id(), conversation, account, ("user", text, "done"), now)?;
    let answer = ids::new_id();
    insert(tx, &answer, conversation, account, ("assistant", "", "waiting"), now)?;
    let title: String =
        if said_in.title.is_empty() { text.chars().take(60).collect() } else { said_in.title };
    tx.execute(
        "UPDATE conversations SET updated_at = ?2, title = ?3 WHERE id = ?1",
        params![conversation, now, title],
    )?;
    jobs::enqueue(tx, &ids::new_id(), QUEUE, &answer, ATTEMPTS_MAX)?;
    live::tell(tx, account, "conversation", conversation)?;
    Ok(answer)
}

fn insert(
    tx: &Transaction<'_>,
    id: &str,
    conversation: &str,
    account: &str,
    (role, text, status): (&str, &str, &str),
    now: i64,
) -> Result<()> {
    let sql = "INSERT INTO messages (id, conversation_id, account_id, role, text, status, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.execute(sql, params![id, conversation, account, role, text, status, now])?;
    Ok(())
}

/// An attempt begins.
pub(crate) fn begin(tx: &Transaction<'_>, id: &str, attempt: u32) -> Result<()> {
    tx.execute("UPDATE messages SET status = 'running', attempt = ?2 WHERE id = ?1", params![id, attempt])?;
    Ok(())
}

/// The answer is whole, or ended otherwise: its text is stored with its status.
pub(crate) fn end(
    tx: &Transaction<'_>,
    account: &str,
    id: &str,
    status: &str,
    text: &str,
    by: &str,
) -> Result<()> {
    tx.execute(
        "UPDATE messages SET status = ?2, text = ?3, answered_by = ?4 WHERE id = ?1",
        params![id, status, text, by],
    )?;
    live::tell(tx, account, "message", id)?;
    Ok(())
}
