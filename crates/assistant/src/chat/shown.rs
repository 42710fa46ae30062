//! Messages as people and programs see them: with what an answer did, what it asks for, and which of several it is.

use rusqlite::Connection;
use serde::Serialize;

use super::{
    Message,
    branch::{self, Place},
    questions, sources,
    window::{self, Part, Window},
};
use crate::{
    accounts::Account,
    brain::say::Offer,
    command::undo::{self, Past},
    error::Result,
    tools::{self, calls::State},
};

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) message: Message,
    /// What the built-in brain did with the sentence; `None` when it only told something.
    pub(crate) command: Option<Past>,
    /// What a model did by its tools.
    pub(crate) by_tools: Vec<Past>,
    /// What a model wants to do and may not without a yes.
    pub(crate) proposals: Vec<Proposal>,
    /// What answers it where it asks back; saying the label of one in the conversation does. Empty once something was said.
    pub(crate) choices: Vec<Offer>,
    /// `None`: it is the only one in its place.
    pub(crate) branch: Option<Place>,
    /// Texts from elsewhere that were said with it: their origins and names.
    pub(crate) sources: Vec<Quoted>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Quoted {
    pub(crate) origin: &'static str,
    pub(crate) name: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Proposal {
    pub(crate) id: String,
    /// What would be done, from its arguments and never in the model's words.
    pub(crate) understood: String,
    /// `asked`, `accepted`, `declined`.
    pub(crate) state: &'static str,
}

/// As [`window::window`].
///
/// # Errors
/// The same.
pub(crate) fn window(
    db: &Connection,
    who: &Account,
    conversation: &str,
    part: &Part,
    limit: u32,
) -> Result<Window<Shown>> {
    window::window(db, &who.id, conversation, part, limit)?.try_map(|message| show(db, who, message))
}

/// # Errors
/// The account has no such message.
pub(crate) fn message(db: &Connection, who: &Account, id: &str) -> Result<Shown> {
    show(db, who, super::message(db, &who.id, id)?)
}

fn show(db: &Connection, who: &Account, message: Message) -> Result<Shown> {
    let branch = branch::place(db, &message)?;
    let mut shown = Shown {
        message,
        command: None,
        by_tools: Vec::new(),
        proposals: Vec::new(),
        choices: Vec::new(),
        branch,
        sources: Vec::new(),
    };
    if !shown.message.is_answer() {
        let quoted = sources::of(db, &who.id, &shown.message.id)?.into_iter();
        shown.sources = quoted.map(|one| Quoted { origin: one.origin.word(), name: one.name }).collect();
        return Ok(shown);
    }
    shown.choices = questions::open(db, &shown.message)?;
    shown.command = undo::get(db, who, &shown.message.id)?;
    for call in tools::calls::of(db, &who.id, &shown.message.id)? {
        if matches!(call.state, State::Asked | State::Accepted | State::Declined) {
            let understood = tools::understood(db, who, &call.call)?;
            shown.proposals.push(Proposal { id: call.id.clone(), understood, state: call.state.word() });
        }
        shown.by_tools.extend(undo::get(db, who, &call.id)?);
    }
    Ok(shown)
}
