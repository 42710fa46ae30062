//! Puts the records of one answer together: its text, its calls, how it ends. Pure; the dialects read single records.

use serde_json::{Map, Value};

use super::{Call, Ended, Failure, anthropic, ollama, openai};
use crate::settings::ModelKind;

/// Bound: calls of one answer.
const CALLS_MAX: usize = 32;
/// Bound: the arguments of one call.
const ARGUMENTS_BYTES_MAX: usize = 64 * 1_024;

/// What one record holds, in any dialect.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) text: String,
    /// It works on the answer, and says nothing of it yet.
    pub(super) thinks: bool,
    pub(super) calls: Vec<Part>,
    /// It was said how the answer ends.
    pub(super) is_finished: bool,
    /// Nothing comes after this record.
    pub(super) is_over: bool,
    /// The answer is said to end with a call.
    pub(super) announces_call: bool,
    pub(super) used: Option<Used>,
}

/// A part of a call.
pub(super) struct Part {
    /// Which call it belongs to, in the server's count.
    pub(super) index: Option<u64>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: String,
}

/// Tokens that an answer took, as the server counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Text(String),
    /// No text, but the server is at work.
    Life,
    /// A comment, a role, a count of tokens.
    Nothing,
    End,
}

pub(super) struct Reader {
    kind: ModelKind,
    /// Of an answer that came whole.
    text: String,
    calls: Vec<Growing>,
    used: Option<Used>,
    is_finished: bool,
    announces_call: bool,
}

struct Growing {
    index: Option<u64>,
    id: Option<String>,
    name: String,
    arguments: String,
}

impl Reader {
    pub(super) fn new(kind: ModelKind) -> Self {
        Self {
            kind,
            text: String::new(),
            calls: Vec::new(),
            used: None,
            is_finished: false,
            announces_call: false,
        }
    }

    pub(super) fn record(&mut self, data: &str) -> Result<Record, Failure> {
        let parts = self.take(data)?;
        if parts.is_over && !parts.text.is_empty() {
            self.text = parts.text;
            return Ok(Record::End);
        }
        Ok(match (parts.text.is_empty(), parts.is_over) {
            (false, _) => Record::Text(parts.text),
            (true, true) => Record::End,
            (true, false) if parts.thinks || !parts.calls.is_empty() => Record::Life,
            (true, false) => Record::Nothing,
        })
    }

    /// An answer in one piece.
    pub(super) fn whole(&mut self, data: &str, with_text: bool) -> Result<(), Failure> {
        let parts = self.take(data)?;
        self.is_finished = true;
        if with_text {
            self.text = parts.text;
        }
        Ok(())
    }

    fn take(&mut self, data: &str) -> Result<Parts, Failure> {
        let parts = match self.kind {
            ModelKind::OpenAi => openai::read(data),
            ModelKind::Anthropic => anthropic::read(data),
            ModelKind::Ollama => ollama::read(data),
        }?;
        for part in &parts.calls {
            self.grow(part)?;
        }
        self.is_finished |= parts.is_finished || parts.is_over;
        self.announces_call |= parts.announces_call;
        if let Some(used) = parts.used {
            let before = self.used.unwrap_or_default();
            // Servers count on; a later figure holds the earlier one.
            self.used =
                Some(Used { input: before.input.max(used.input), output: before.output.max(used.output) });
        }
        Ok(parts)
    }

    /// A part belongs to the call of its index; without one, a name begins a call and anything else goes on with the last.
    fn grow(&mut self, part: &Part) -> Result<(), Failure> {
        let known = match part.index {
            Some(index) => self.calls.iter().position(|call| call.index == Some(index)),
            None if part.name.is_some() => None,
            None => self.calls.len().checked_sub(1),
        };
        let at = match known {
            Some(at) => at,
            None => {
                if self.calls.len() >= CALLS_MAX {
                    return Err(Failure::Garbled("too many calls in one answer"));
                }
                let name = part.name.clone().unwrap_or_default();
                self.calls.push(Growing { index: part.index, id: None, name, arguments: String::new() });
                self.calls.len() - 1
            }
        };
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        if call.name.is_empty() {
            call.name = part.name.clone().unwrap_or_default();
        }
        if call.id.is_none() {
            call.id = part.id.clone().filter(|id| !id.is_empty());
        }
        if call.arguments.len() + part.arguments.len() > ARGUMENTS_BYTES_MAX {
            return Err(Failure::Garbled("a call without end"));
        }
        call.arguments.push_str(&part.arguments);
        Ok(())
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// The server said that it calls a tool, and no call has a name.
    pub(super) fn lacks_call(&self) -> bool {
        let named = self.calls.iter().any(|call| !call.name.is_empty());
        (self.announces_call || !self.calls.is_empty()) && !named
    }

    pub(super) fn take_text(&mut self) -> Option<String> {
        Some(std::mem::take(&mut self.text)).filter(|text| !text.is_empty())
    }

    pub(super) fn end(&mut self) -> Ended {
        let calls = std::mem::take(&mut self.calls).into_iter().filter(|call| !call.name.is_empty());
        let calls = calls.enumerate().map(|(n, call)| Call {
            id: call.id.unwrap_or_else(|| format!("call_{n}")),
            name: call.name,
            arguments: arguments(&call.arguments),
        });
        // Some count nothing and say so with zeros.
        let used = self.used.filter(|used| used.input + used.output > 0);
        Ended { calls: calls.collect(), used }
    }
}

/// No arguments at all are an empty object; what is no JSON stays as it was written, and no tool takes it.
fn arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A server's own words, the first of them.
pub(super) fn said(error: &Value) -> Failure {
    let text = error.get("message").unwrap_or(error).as_str().unwrap_or("an error without words");
    Failure::Said(text.chars().take(200).collect())
}
