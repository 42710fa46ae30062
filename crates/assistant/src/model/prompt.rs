//! What a model is asked: a conversation and the tools it may call, in no server's dialect.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Default)]
pub(crate) struct Prompt {
    pub(crate) system: String,
    /// Oldest first.
    pub(crate) turns: Vec<Turn>,
    pub(crate) tools: Vec<Tool>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Turn {
    Person(String),
    Model {
        text: String,
        calls: Vec<Call>,
    },
    /// The result of each call of the turn before, as text.
    Results(Vec<(Call, String)>),
}

/// A tool that a model may call.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// JSON Schema of the arguments.
    pub(crate) schema: Value,
}

/// A call that a model made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// The server's own name for it.
    pub(crate) id: String,
    pub(crate) name: String,
    /// An object; anything else is what the model wrote in place of one.
    pub(crate) arguments: Value,
}

impl Prompt {
    /// All of its characters, to estimate tokens by.
    pub(crate) fn chars(&self) -> usize {
        let turns = self.turns.iter().map(|turn| match turn {
            Turn::Person(text) => text.chars().count(),
            Turn::Model { text, calls } => {
                text.chars().count()
                    + calls.iter().map(|call| call.arguments.to_string().len()).sum::<usize>()
            }
            Turn::Results(results) => results.iter().map(|(_, text)| text.chars().count()).sum(),
        });
        let tools = self.tools.iter().map(|tool| tool.about.len() + tool.schema.to_string().len());
        self.system.chars().count() + turns.sum::<usize>() + tools.sum::<usize>()
    }
}
