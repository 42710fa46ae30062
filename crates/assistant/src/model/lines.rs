//! One line of a model's stream, in the dialects of OpenAI-compatible servers and of Ollama. Pure.

use serde_json::Value;

use super::Failure;
use crate::settings::ModelKind;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(String),
    End,
    /// A comment, a blank, a role, a count of tokens.
    Nothing,
}

pub(super) fn read(kind: ModelKind, line: &str) -> Result<Line, Failure> {
    match kind {
        ModelKind::OpenAi => openai(line),
        ModelKind::Ollama => ollama(line),
    }
}

fn openai(line: &str) -> Result<Line, Failure> {
    let Some(data) = line.strip_prefix("data:").map(str::trim) else { return Ok(Line::Nothing) };
    if data == "[DONE]" {
        return Ok(Line::End);
    }
    if data.is_empty() {
        return Ok(Line::Nothing);
    }
    let value: Value =
        serde_json::from_str(data).map_err(|_| Failure::Garbled("a data line that is no JSON"))?;
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        return Err(said(error));
    }
    // Real servers leave out `index`, send empty `choices` with `usage`, and end with any or no `finish_reason`; only
    // `[DONE]` and a non-empty `finish_reason` are an end.
    let Some(choice) = value.get("choices").and_then(|choices| choices.get(0)) else {
        return Ok(Line::Nothing);
    };
    let text = choice
        .pointer("/delta/content")
        .or_else(|| choice.get("text"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let finished =
        choice.get("finish_reason").and_then(Value::as_str).is_some_and(|reason| !reason.is_empty());
    Ok(match (text.is_empty(), finished) {
        (false, _) => Line::Text(text.to_owned()),
        (true, true) => Line::End,
        (true, false) => Line::Nothing,
    })
}

fn ollama(line: &str) -> Result<Line, Failure> {
    if line.trim().is_empty() {
        return Ok(Line::Nothing);
    }
    let value: Value = serde_json::from_str(line).map_err(|_| Failure::Garbled("a line that is no JSON"))?;
    if let Some(error) = value.get("error") {
        return Err(said(error));
    }
    let text = value.pointer("/message/content").and_then(Value::as_str).unwrap_or_default();
    let done = value.get("done").and_then(Value::as_bool).unwrap_or(false);
    Ok(match (text.is_empty(), done) {
        (false, _) => Line::Text(text.to_owned()),
        (true, true) => Line::End,
        (true, false) => Line::Nothing,
    })
}

fn said(error: &Value) -> Failure {
    let text = error.get("message").unwrap_or(error).as_str().unwrap_or("an error without words");
    Failure::Said(text.chars().take(200).collect())
}
