//! The part of a conversation that is read at once: its end, or a part before that.

use rusqlite::Connection;

use super::{Message, branch, get, message};
use crate::error::{Error, Result};

/// Which part of a conversation to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// What was said last.
    #[default]
    Last,
    /// What leads to this message.
    Before(String),
    /// What follows this message.
    After(String),
    /// This message and what is around it; the end, where that is near enough.
    Around(String),
}

/// Messages that follow each other, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Window<M> {
    pub(crate) messages: Vec<M>,
    /// Whether more stands before them, and behind them.
    pub(crate) earlier: bool,
    pub(crate) later: bool,
    /// The last message of their branch, where another one is read now.
    pub(crate) aside: Option<String>,
}

impl<M> Window<M> {
    /// The same with each message made into another.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn try_map<N>(self, make: impl FnMut(M) -> Result<N>) -> Result<Window<N>> {
        let Self { messages, earlier, later, aside } = self;
        let messages = messages.into_iter().map(make).collect::<Result<_>>()?;
        Ok(Window { messages, earlier, later, aside })
    }
}

/// At most `limit` messages of the conversation: of the branch that is read, or of the one that the named message is on.
///
/// # Errors
/// The account has no such conversation, or that has no such message.
pub(crate) fn window(
    db: &Connection,
    account: &str,
    conversation: &str,
    part: &Part,
    limit: u32,
) -> Result<Window<Message>> {
    let read = get(db, account, conversation)?.leaf;
    let (leaf, tip, fits) = match part {
        Part::Last => (read.clone(), read.clone(), limit),
        Part::Before(id) => {
            let tip = of(db, account, conversation, id)?.parent_id;
            (leaf_of(db, conversation, (&tip, &read))?, tip, limit)
        }
        Part::After(id) => {
            of(db, account, conversation, id)?;
            let leaf = leaf_of(db, conversation, (id, &read))?;
            let ids = branch::onwards(db, conversation, (id, &leaf), limit + 1)?;
            let following = u32::try_from(ids.len().saturating_sub(1)).unwrap_or(limit);
            let tip = ids.last().cloned().unwrap_or_else(|| leaf.clone());
            (leaf, tip, if following == 0 { limit } else { following })
        }
        Part::Around(id) => {
            of(db, account, conversation, id)?;
            let leaf = leaf_of(db, conversation, (id, &read))?;
            let ids = branch::onwards(db, conversation, (id, &leaf), limit + 1)?;
            let is_near = ids.len() <= limit as usize;
            let middle = ids.get(limit as usize / 2).filter(|_| !is_near).cloned();
            (leaf.clone(), middle.unwrap_or(leaf), limit)
        }
    };
    let messages = branch::way(db, account, conversation, &tip, fits)?;
    Ok(Window {
        earlier: messages.first().is_some_and(|first| !first.parent_id.is_empty()),
        later: tip != leaf,
        aside: Some(leaf).filter(|leaf| *leaf != read),
        messages,
    })
}

/// The message `id`, if it is one of this conversation.
fn of(db: &Connection, account: &str, conversation: &str, id: &str) -> Result<Message> {
    let found = message(db, account, id)?;
    if found.conversation_id == conversation { Ok(found) } else { Err(Error::NotFound("message")) }
}

/// The end of the branch that `id` is on: the one that is `read`, if that goes over it.
fn leaf_of(db: &Connection, conversation: &str, (id, read): (&str, &str)) -> Result<String> {
    // Before the first message there is nothing, on any branch.
    let is_read = id.is_empty() || !branch::onwards(db, conversation, (id, read), 1)?.is_empty();
    if is_read { Ok(read.to_owned()) } else { branch::end(db, conversation, id) }
}
