//! The dialect of OpenAI's chat completions and of the many servers that speak it, as they really do.
//!
//! They leave out `index`, send empty `choices` with `usage`, `finish_reason` as an empty text, a word of their own or
//! never, `[DONE]` or not, calls without an index and arguments as objects. Only `[DONE]` and a non-empty
//! `finish_reason` are an end.

use serde_json::{Map, Value, json};

use super::{
    Failure, Prompt, Turn,
    reader::{Part, Parts, Used},
};

pub(super) fn body(model: &str, prompt: &Prompt, streams: bool) -> Value {
    let system = json!({"role": "system", "content": prompt.system});
    let messages: Vec<Value> = [system].into_iter().chain(prompt.turns.iter().flat_map(messages)).collect();
    let mut body = json!({"model": model, "messages": messages, "stream": streams});
    if streams {
        body["stream_options"] = json!({"include_usage": true});
    }
    if !prompt.tools.is_empty() {
        body["tools"] = prompt.tools.iter().map(tool).collect();
    }
    body
}

/// Ollama knows tools in the same form.
pub(super) fn tool(tool: &super::Tool) -> Value {
    json!({"type": "function", "function": {"name": tool.name, "description": tool.about, "parameters": tool.schema}})
}

fn messages(turn: &Turn) -> Vec<Value> {
    match turn {
        Turn::Person(text) => vec![json!({"role": "user", "content": text})],
        Turn::Model { text, calls } => {
            let mut message = json!({"role": "assistant", "content": text});
            if !calls.is_empty() {
                let call = |call: &super::Call| json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments.to_string()}});
                message["tool_calls"] = calls.iter().map(call).collect();
            }
            vec![message]
        }
        Turn::Results(results) => results
            .iter()
            .map(|(call, text)| json!({"role": "tool", "tool_call_id": call.id, "content": text}))
            .collect(),
    }
}

/// One record of a stream, or a whole answer.
pub(super) fn read(data: &str) -> Result<Parts, Failure> {
    if data == "[DONE]" {
        return Ok(Parts { is_over: true, ..Parts::default() });
    }
    let value: Value = serde_json::from_str(data).map_err(|_| Failure::Garbled("data that is no JSON"))?;
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        return Err(super::reader::said(error));
    }
    let mut parts = Parts { used: used(&value), ..Parts::default() };
    let Some(choice) = value.get("choices").and_then(|choices| choices.get(0)) else { return Ok(parts) };
    let nothing = Value::Null;
    let delta = choice.get("delta").or_else(|| choice.get("message")).unwrap_or(&nothing);
    let text = delta.get("content").or_else(|| choice.get("text")).and_then(Value::as_str);
    parts.text = text.unwrap_or_default().to_owned();
    let thoughts = ["reasoning_content", "reasoning"].into_iter();
    parts.thinks = thoughts.filter_map(|name| delta.get(name)?.as_str()).any(|thought| !thought.is_empty());
    let calls = delta.get("tool_calls").and_then(Value::as_array);
    parts.calls = calls.into_iter().flatten().map(call).collect();
    let finish = choice.get("finish_reason").and_then(Value::as_str).filter(|reason| !reason.is_empty());
    parts.is_finished = finish.is_some();
    parts.announces_call = matches!(finish, Some("tool_calls" | "function_call"));
    Ok(parts)
}

fn call(value: &Value) -> Part {
    let function = value.get("function").unwrap_or(value);
    let text = |value: &Value, name: &str| {
        value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    Part {
        index: value.get("index").and_then(Value::as_u64),
        id: text(value, "id"),
        name: text(function, "name"),
        arguments: match function.get("arguments") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Object(whole)) => Value::Object(Map::clone(whole)).to_string(),
            _ => String::new(),
        },
    }
}

fn used(value: &Value) -> Option<Used> {
    let usage = value.get("usage")?;
    let tokens = |name: &str| usage.get(name).and_then(Value::as_u64);
    let (input, output) = (tokens("prompt_tokens"), tokens("completion_tokens"));
    (input.is_some() || output.is_some())
        .then(|| Used { input: input.unwrap_or(0), output: output.unwrap_or(0) })
}
