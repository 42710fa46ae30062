//! Anthropic's dialect: messages of blocks, and a stream of events that say what they are in `type`.

use serde_json::{Value, json};

use super::{
    Failure, Prompt, Turn,
    reader::{Part, Parts, Used},
};

/// Bound: tokens of one answer; this server wants to be told.
const OUTPUT_TOKENS_MAX: u32 = 4_096;

pub(super) fn body(model: &str, prompt: &Prompt, streams: bool) -> Value {
    let mut messages: Vec<Value> = Vec::new();
    for turn in &prompt.turns {
        let (role, blocks) = blocks(turn);
        let is_first = messages.is_empty();
        // Two of one role in a row are one message.
        match messages.last_mut().filter(|last| last["role"] == role) {
            Some(last) => {
                if let Some(content) = last["content"].as_array_mut() {
                    content.extend(blocks);
                }
            }
            // The first message must be the person's, wherever a long conversation was cut.
            None if blocks.is_empty() || (is_first && role == "assistant") => {}
            None => messages.push(json!({"role": role, "content": blocks})),
        }
    }
    let mut body = json!({"model": model, "system": prompt.system, "messages": messages, "max_tokens": OUTPUT_TOKENS_MAX, "stream": streams});
    if !prompt.tools.is_empty() {
        let tool = |tool: &super::Tool| json!({"name": tool.name, "description": tool.about, "input_schema": tool.schema});
        body["tools"] = prompt.tools.iter().map(tool).collect();
    }
    body
}

fn blocks(turn: &Turn) -> (&'static str, Vec<Value>) {
    // Blocks of text must not be empty.
    let text = |text: &String| (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}));
    match turn {
        Turn::Person(said) => ("user", text(said).into_iter().collect()),
        Turn::Model { text: said, calls } => {
            let calls = calls.iter().map(
                |call| json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}),
            );
            ("assistant", text(said).into_iter().chain(calls).collect())
        }
        Turn::Results(results) => {
            let result = |(call, text): &(super::Call, String)| json!({"type": "tool_result", "tool_use_id": call.id, "content": text});
            ("user", results.iter().map(result).collect())
        }
    }
}

/// One event of a stream, or a whole answer.
pub(super) fn read(data: &str) -> Result<Parts, Failure> {
    let value: Value = serde_json::from_str(data).map_err(|_| Failure::Garbled("data that is no JSON"))?;
    let text = |at: &str| value.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let index = value.get("index").and_then(Value::as_u64);
    let mut parts = Parts { used: used(&value), ..Parts::default() };
    match text("/type").as_str() {
        "error" => return Err(super::reader::said(value.get("error").unwrap_or(&Value::Null))),
        "content_block_start" if text("/content_block/type") == "tool_use" => {
            parts.calls.push(Part {
                index,
                id: Some(text("/content_block/id")),
                name: Some(text("/content_block/name")),
                arguments: String::new(),
            });
        }
        "content_block_start" => parts.text = text("/content_block/text"),
        "content_block_delta" => match text("/delta/type").as_str() {
            "text_delta" => parts.text = text("/delta/text"),
            "input_json_delta" => {
                let arguments = text("/delta/partial_json");
                parts.calls.push(Part { index, id: None, name: None, arguments });
            }
            _ => parts.thinks = true,
        },
        "message_delta" => finish(&mut parts, &text("/delta/stop_reason")),
        "message_stop" => (parts.is_finished, parts.is_over) = (true, true),
        "message" => whole(&mut parts, &value),
        _ => {}
    }
    Ok(parts)
}

fn finish(parts: &mut Parts, reason: &str) {
    parts.is_finished = !reason.is_empty();
    parts.announces_call = reason == "tool_use";
}

fn whole(parts: &mut Parts, value: &Value) {
    let text = |block: &Value, name: &str| block.get(name).and_then(Value::as_str).map(str::to_owned);
    for block in value.get("content").and_then(Value::as_array).into_iter().flatten() {
        match text(block, "type").as_deref() {
            Some("text") => parts.text.push_str(&text(block, "text").unwrap_or_default()),
            Some("tool_use") => parts.calls.push(Part {
                index: None,
                id: text(block, "id"),
                name: text(block, "name"),
                arguments: block.get("input").map_or_else(String::new, Value::to_string),
            }),
            _ => {}
        }
    }
    finish(parts, &text(value, "stop_reason").unwrap_or_default());
    parts.is_over = true;
}

/// Input is told at the start, output at the end.
fn used(value: &Value) -> Option<Used> {
    let usage = value.get("usage").or_else(|| value.pointer("/message/usage"))?;
    let tokens = |name: &str| usage.get(name).and_then(Value::as_u64);
    Some(Used { input: tokens("input_tokens").unwrap_or(0), output: tokens("output_tokens").unwrap_or(0) })
}
