//! Where each kind of server is asked, with which headers and body.

use serde_json::Value;

use super::{Prompt, anthropic, ollama, openai};
use crate::settings::ModelKind;

/// Behind the configured address.
pub(super) fn path(kind: ModelKind) -> &'static str {
    match kind {
        ModelKind::OpenAi => "/chat/completions",
        ModelKind::Anthropic => "/v1/messages",
        ModelKind::Ollama => "/api/chat",
    }
}

pub(super) fn headers(kind: ModelKind, key: Option<&str>) -> Vec<(&'static str, String)> {
    match (kind, key) {
        (ModelKind::OpenAi | ModelKind::Ollama, None) => Vec::new(),
        (ModelKind::OpenAi | ModelKind::Ollama, Some(key)) => {
            vec![("authorization", format!("Bearer {key}"))]
        }
        (ModelKind::Anthropic, key) => {
            let version = ("anthropic-version", "2023-06-01".to_owned());
            [version].into_iter().chain(key.map(|key| ("x-api-key", key.to_owned()))).collect()
        }
    }
}

pub(super) fn body(kind: ModelKind, model: &str, prompt: &Prompt, streams: bool) -> Value {
    match kind {
        ModelKind::OpenAi => openai::body(model, prompt, streams),
        ModelKind::Anthropic => anthropic::body(model, prompt, streams),
        ModelKind::Ollama => ollama::body(model, prompt, streams),
    }
}
