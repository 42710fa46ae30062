//! Ollama's own dialect: one JSON object a line, the last with `done`.

use serde_json::{Value, json};

use super::{
    Failure, Prompt, Turn, openai,
    reader::{Part, Parts, Used},
};

/// Bound: tokens of one answer.
const OUTPUT_TOKENS_MAX: u32 = 4_096;

pub(super) fn body(model: &str, prompt: &Prompt, streams: bool) -> Value {
    let system = json!({"role": "system", "content": prompt.system});
    let messages: Vec<Value> = [system].into_iter().chain(prompt.turns.iter().flat_map(messages)).collect();
    let mut body = json!({"model": model, "messages": messages, "stream": streams, "options": {"num_predict": OUTPUT_TOKENS_MAX}});
    if !prompt.tools.is_empty() {
        body["tools"] = prompt.tools.iter().map(openai::tool).collect();
    }
    body
}

fn messages(turn: &Turn) -> Vec<Value> {
    match turn {
        Turn::Person(text) => vec![json!({"role": "user", "content": text})],
        Turn::Model { text, calls } => {
            let mut message = json!({"role": "assistant", "content": text});
            if !calls.is_empty() {
                let call = |call: &super::Call| json!({"function": {"name": call.name, "arguments": call.arguments}});
                message["tool_calls"] = calls.iter().map(call).collect();
            }
            vec![message]
        }
        Turn::Results(results) => results
            .iter()
            .map(|(call, text)| json!({"role": "tool", "tool_name": call.name, "content": text}))
            .collect(),
    }
}

/// One line of a stream, or a whole answer.
pub(super) fn read(data: &str) -> Result<Parts, Failure> {
    let value: Value = serde_json::from_str(data).map_err(|_| Failure::Garbled("a line that is no JSON"))?;
    if let Some(error) = value.get("error") {
        return Err(super::reader::said(error));
    }
    let text = value.pointer("/message/content").and_then(Value::as_str).unwrap_or_default();
    let thought = value.pointer("/message/thinking").and_then(Value::as_str).unwrap_or_default();
    let calls = value.pointer("/message/tool_calls").and_then(Value::as_array);
    let is_over = value.get("done").and_then(Value::as_bool).unwrap_or(false);
    let count = |name: &str| value.get(name).and_then(Value::as_u64);
    let used = count("prompt_eval_count").or(count("eval_count")).map(|_| Used {
        input: count("prompt_eval_count").unwrap_or(0),
        output: count("eval_count").unwrap_or(0),
    });
    Ok(Parts {
        text: text.to_owned(),
        thinks: !thought.is_empty(),
        calls: calls.into_iter().flatten().map(call).collect(),
        is_finished: is_over,
        is_over,
        announces_call: false,
        used,
    })
}

/// Each comes whole.
fn call(value: &Value) -> Part {
    let text = |at: &str| value.pointer(at).and_then(Value::as_str).map(str::to_owned);
    let arguments = match value.pointer("/function/arguments") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    Part { index: None, id: text("/id"), name: text("/function/name"), arguments }
}
