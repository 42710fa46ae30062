//! Conversations and their messages. An answer's text lives in its log while it is written and here when it is whole.
//!
//! Messages of a conversation are a tree: each knows what it follows. What is read is the way from the first to the
//! conversation's leaf; `branch` makes other ways and changes between them.

use kit::{clock, jobs, live};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use crate::{
    error::{Error, Result, excess},
    ids,
};

pub(crate) mod branch;
pub(crate) mod questions;
pub(crate) mod shown;
pub(crate) mod sources;
pub(crate) mod window;

use sources::Source;

/// Bound: one message of a person.
pub(crate) const TEXT_CHARS_MAX: usize = 20_000;
pub(crate) const TITLE_CHARS_MAX: usize = 80;
/// The queue of answers.
pub(crate) const QUEUE: &str = "answer";
/// How often an answer is begun before it is given up.
const ATTEMPTS_MAX: u32 = 5;
/// Bound: messages of a conversation that are looked at to answer in it.
pub(crate) const MESSAGES_MAX: u32 = 200;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Conversation {
    pub(crate) id: String,
    pub(crate) title: String,
    #[serde(serialize_with = "crate::web::json::time")]
    pub(crate) updated_at: i64,
    /// The message that was said last on the way that is read; empty before the first.
    #[serde(skip)]
    pub(crate) leaf: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) conversation_id: String,
    /// The message that it follows; empty for the first.
    pub(crate) parent_id: String,
    /// `user` or `assistant`.
    pub(crate) role: String,
    pub(crate) text: String,
    /// `waiting`, `running`, `done`, `stopped`, `failed`.
    pub(crate) status: String,
    /// The model broke off: what came stands, and it can be gone on with.
    pub(crate) interrupted: bool,
    /// Where text came from that is not the person's own and that this message rests on.
    pub(crate) tainted_by: Option<String>,
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
            parent_id: row.get::<_, Option<String>>("parent_id")?.unwrap_or_default(),
            role: row.get("role")?,
            text: row.get("text")?,
            status: row.get("status")?,
            interrupted: row.get("interrupted")?,
            tainted_by: row.get("tainted_by")?,
            attempt: row.get("attempt")?,
            by: row.get("answered_by")?,
            created_at: row.get("created_at")?,
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.status.as_str(), "waiting" | "running")
    }

    pub(crate) fn is_answer(&self) -> bool {
        self.role == "assistant"
    }
}

fn conversation(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    Ok(Conversation {
        id: row.get("id")?,
        title: row.get("title")?,
        updated_at: row.get("updated_at")?,
        leaf: row.get::<_, Option<String>>("leaf_id")?.unwrap_or_default(),
    })
}

/// The last spoken in first.
pub(crate) fn list(db: &Connection, account: &str, limit: u32, offset: u32) -> Result<Vec<Conversation>> {
    let sql = "SELECT * FROM conversations WHERE account_id = ?1 AND deleted_at IS NULL
               ORDER BY updated_at DESC, id DESC LIMIT ?2 OFFSET ?3";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map(params![account, limit, offset], conversation)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

pub(crate) fn get(db: &Connection, account: &str, id: &str) -> Result<Conversation> {
    let sql = "SELECT * FROM conversations WHERE account_id = ?1 AND id = ?2 AND deleted_at IS NULL";
    db.query_row(sql, [account, id], conversation).optional()?.ok_or(Error::NotFound("conversation"))
}

pub(crate) fn message(db: &Connection, account: &str, id: &str) -> Result<Message> {
    let sql = "SELECT messages.* FROM messages JOIN conversations ON conversations.id = conversation_id
               WHERE messages.account_id = ?1 AND messages.id = ?2 AND deleted_at IS NULL";
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
    let now = clock::now_ms();
    let title: String = title.trim().chars().take(TITLE_CHARS_MAX).collect();
    let new = Conversation { id: ids::new_id(), title, updated_at: now, leaf: String::new() };
    let sql = "INSERT INTO conversations (id, account_id, title, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)";
    tx.execute(sql, params![new.id, account, new.title, now])?;
    live::tell(tx, account, "conversation", &new.id)?;
    Ok(new)
}

/// As typed, without the blanks around it; refused when empty or too long.
pub(crate) fn clean_title(title: &str) -> Result<String> {
    let title: String = title.chars().filter(|c| !c.is_control()).collect();
    let title = title.trim();
    match title.chars().count() {
        1..=TITLE_CHARS_MAX => Ok(title.to_owned()),
        chars => {
            let excess = excess(chars, TITLE_CHARS_MAX);
            Err(Error::Invalid(format!("a title has 1 to {TITLE_CHARS_MAX} characters{excess}")))
        }
    }
}

/// What a person says: words of their own, and texts from elsewhere beside them.
pub(crate) struct Spoken<'a> {
    pub(crate) text: &'a str,
    pub(crate) sources: &'a [Source],
}

/// Stores what was said, the answer to come and its job. Returns the answer's id.
pub(crate) fn say(
    tx: &Transaction<'_>,
    account: &str,
    conversation: &str,
    spoken: &Spoken<'_>,
) -> Result<String> {
    let leaf = get(tx, account, conversation)?.leaf;
    say_after(tx, account, conversation, &leaf, spoken)
}

/// A conversation that begins with `text`. Returns its id, and the answer's.
pub(crate) fn begin_with(tx: &Transaction<'_>, account: &str, text: &str) -> Result<(String, String)> {
    let new = create(tx, account, "")?;
    let answer = say(tx, account, &new.id, &Spoken { text, sources: &[] })?;
    Ok((new.id, answer))
}

/// The same as [`say`] behind the message `parent`.
fn say_after(
    tx: &Transaction<'_>,
    account: &str,
    conversation: &str,
    parent: &str,
    spoken: &Spoken<'_>,
) -> Result<String> {
    let text = spoken.text.trim();
    let chars = text.chars().count();
    if !(1..=TEXT_CHARS_MAX).contains(&chars) {
        let excess = excess(chars, TEXT_CHARS_MAX);
        return Err(Error::Invalid(format!("a message has 1 to {TEXT_CHARS_MAX} characters{excess}")));
    }
    let said = ids::new_id();
    insert(tx, account, conversation, &New { id: &said, parent, role: "user", text, status: "done" })?;
    sources::attach(tx, account, &said, spoken.sources)?;
    let title: String = text.chars().take(60).collect();
    let sql = "UPDATE conversations SET title = CASE title WHEN '' THEN ?2 ELSE title END WHERE id = ?1";
    tx.execute(sql, params![conversation, title])?;
    answer_after(tx, account, conversation, &said)
}

/// An answer to come behind the message `parent`, and its job.
fn answer_after(tx: &Transaction<'_>, account: &str, conversation: &str, parent: &str) -> Result<String> {
    let answer = ids::new_id();
    insert(
        tx,
        account,
        conversation,
        &New { id: &answer, parent, role: "assistant", text: "", status: "waiting" },
    )?;
    let now = clock::now_ms();
    tx.execute("UPDATE conversations SET updated_at = ?2 WHERE id = ?1", params![conversation, now])?;
    jobs::enqueue(tx, &ids::new_id(), QUEUE, &answer, ATTEMPTS_MAX)?;
    live::tell(tx, account, "conversation", conversation)?;
    Ok(answer)
}

struct New<'a> {
    id: &'a str,
    parent: &'a str,
    role: &'static str,
    text: &'a str,
    status: &'static str,
}

/// The conversation's leaf moves with it, by a trigger.
fn insert(tx: &Transaction<'_>, account: &str, conversation: &str, new: &New<'_>) -> Result<()> {
    let sql =
        "INSERT INTO messages (id, conversation_id, account_id, parent_id, role, text, status, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let New { id, parent, role, text, status } = new;
    tx.execute(sql, params![id, conversation, account, parent, role, text, status, clock::now_ms()])?;
    Ok(())
}

/// An attempt begins.
pub(crate) fn begin(tx: &Transaction<'_>, id: &str, attempt: u32) -> Result<()> {
    tx.execute("UPDATE messages SET status = 'running', attempt = ?2 WHERE id = ?1", params![id, attempt])?;
    Ok(())
}

/// How an answer ends.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// `done`, `stopped`, `failed`.
    pub(crate) status: &'static str,
    pub(crate) by: String,
    pub(crate) interrupted: bool,
}

/// The answer is whole, or ended otherwise: its text is stored with how it ended.
pub(crate) fn end(tx: &Transaction<'_>, account: &str, id: &str, text: &str, end: &End) -> Result<()> {
    tx.execute(
        "UPDATE messages SET status = ?2, text = ?3, answered_by = ?4, interrupted = ?5 WHERE id = ?1",
        params![id, end.status, text, end.by, end.interrupted],
    )?;
    live::tell(tx, account, "message", id)?;
    Ok(())
}
