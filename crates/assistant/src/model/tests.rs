//! Answers as real servers send them, over a real socket.

use std::time::Instant as Clock;

use serde_json::json;

use super::*;
use crate::settings::{ModelKind, models::Price};

pub(crate) mod streams;

use streams::{End, OPENAI, OTHERS, Server, Stream, Wire};

fn kind(speaks: &str) -> ModelKind {
    match speaks {
        "anthropic" => ModelKind::Anthropic,
        "ollama" => ModelKind::Ollama,
        _ => ModelKind::OpenAi,
    }
}

fn model(url: &str, kind: ModelKind) -> Model {
    let key = Some(Private::new("k".to_owned()));
    let price = Price::default();
    Model::new(ModelSettings { url: url.to_owned(), kind, name: "tiny".to_owned(), key, price })
}

fn prompt() -> Prompt {
    let add = Tool { name: "add_task", about: "Adds a task.", schema: json!({"type": "object"}) };
    Prompt { system: "Be brief.".to_owned(), turns: vec![Turn::Person("hi".to_owned())], tools: vec![add] }
}

type Heard = (String, Result<Ended, Failure>);

async fn hear(model: &Model) -> Heard {
    let until = Instant::now() + Duration::from_secs(60);
    let mut text = String::new();
    let mut tokens = match model.ask(prompt(), until).await {
        Ok(tokens) => tokens,
        Err(failure) => return (text, Err(failure)),
    };
    loop {
        match tokens.next().await {
            Ok(Some(piece)) => text.push_str(&piece),
            Ok(None) => return (text, Ok(tokens.end())),
            Err(failure) => return (text, Err(failure)),
        }
    }
}

/// What is wrong with how `stream` was heard.
fn fault(stream: &Stream, (text, end): &Heard) -> Option<String> {
    let ended = match (stream.end, end) {
        (End::Whole, Ok(end)) => {
            let calls: Vec<(String, String)> =
                end.calls.iter().map(|call| (call.name.clone(), call.arguments.to_string())).collect();
            calls
                .iter()
                .map(|(name, arguments)| (name.as_str(), arguments.as_str()))
                .eq(stream.calls.iter().copied())
        }
        (End::NoCall, Err(Failure::NoCall)) | (End::Garbled, Err(Failure::Garbled(_))) => true,
        (End::Cut, Err(Failure::Cut)) => true,
        (End::Said(words), Err(Failure::Said(said))) => said == words,
        _ => false,
    };
    (!ended || text != stream.text).then(|| format!("{} ({}): {text:?} {end:?}", stream.name, stream.speaks))
}

#[tokio::test]
async fn streams_are_read_as_real_servers_send_them() {
    let mut faults = Vec::new();
    for stream in OPENAI.iter().chain(OTHERS) {
        // More often than it may be asked: whatever is asked again meets the same.
        let mut answers = vec![Wire::of(stream); 4];
        if stream.end == End::NoCall {
            let whole = json!({"choices": [{"message": {"content": null}, "finish_reason": "tool_calls"}]});
            answers[1] = Wire::plain("200 OK\r\nContent-Type: application/json", &whole.to_string());
        }
        let server = Server::start(answers).await;
        faults.extend(fault(stream, &hear(&model(&server.url, kind(stream.speaks))).await));
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), OPENAI.len() + OTHERS.len(), faults.join("\n"));
}

#[tokio::test]
async fn a_call_that_is_announced_and_not_made_is_asked_for_again_without_a_stream() {
    let announced = OPENAI.iter().find(|stream| stream.end == End::NoCall).expect("is in the table");
    let whole = json!({"choices": [{"message": {"content": "Done.", "tool_calls": [{"id": "c1", "function": {"name": "add_task", "arguments": "{\"title\":\"Pay rent\"}"}}]}, "finish_reason": "tool_calls"}]});
    let answer = Wire::plain("200 OK\r\nContent-Type: application/json", &whole.to_string());
    let server = Server::start(vec![Wire::of(announced), answer]).await;
    let (text, end) = hear(&model(&server.url, ModelKind::OpenAi)).await;
    let calls = end.expect("an answer").calls;
    assert_eq!((text.as_str(), calls[0].name.as_str()), ("Done.", "add_task"));
    let asked = server.asked.lock().expect("nobody panics").clone();
    assert!(asked[0].contains("\"stream\":true") && asked[1].contains("\"stream\":false"), "{asked:?}");
}

#[tokio::test]
async fn tokens_are_counted_as_each_server_counts_them() {
    for stream in [&OTHERS[0], &OTHERS[4]] {
        let server = Server::start(vec![Wire::of(stream)]).await;
        let (_, end) = hear(&model(&server.url, kind(stream.speaks))).await;
        assert_eq!(end.expect("whole").used, Some(Used { input: 9, output: 5 }), "{}", stream.name);
    }
}

#[tokio::test]
async fn each_kind_is_asked_in_its_own_dialect() {
    for (speaks, path, key, tool) in [
        (
            "openai",
            "POST /chat/completions",
            "authorization: Bearer k",
            "\"parameters\":{\"type\":\"object\"}",
        ),
        ("anthropic", "POST /v1/messages", "x-api-key: k", "\"input_schema\":{\"type\":\"object\"}"),
        ("ollama", "POST /api/chat", "authorization: Bearer k", "\"parameters\":{\"type\":\"object\"}"),
    ] {
        let stream = OPENAI.iter().chain(OTHERS).find(|stream| stream.speaks == speaks).expect("one of each");
        let server = Server::start(vec![Wire::of(stream)]).await;
        let _ = hear(&model(&server.url, kind(speaks))).await;
        let asked = server.asked.lock().expect("nobody panics")[0].clone();
        for part in [path, key, tool, "Be brief.", "\"model\":\"tiny\""] {
            assert!(asked.contains(part), "{speaks}: no {part} in {asked}");
        }
    }
}

#[test]
fn anthropic_is_told_turns_in_the_order_that_it_takes() {
    let model = |text: &str| Turn::Model { text: text.to_owned(), calls: Vec::new() };
    let call = Call { id: "t1".to_owned(), name: "list_tasks".to_owned(), arguments: json!({}) };
    let called = Turn::Model { text: String::new(), calls: vec![call.clone()] };
    let turns = vec![
        model("the end of what was cut away"),
        Turn::Person("one".to_owned()),
        model("two, and "),
        model("its rest"),
        Turn::Person("three".to_owned()),
        called,
        Turn::Results(vec![(call, "nothing".to_owned())]),
    ];
    let body = dialect::body(ModelKind::Anthropic, "tiny", &Prompt { turns, ..prompt() }, true);
    let roles: Vec<(&str, usize)> = body["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| {
            let blocks = message["content"].as_array().map_or(0, Vec::len);
            (message["role"].as_str().expect("a role"), blocks)
        })
        .collect();
    assert_eq!(roles, [("user", 1), ("assistant", 2), ("user", 1), ("assistant", 1), ("user", 1)]);
    assert_eq!(body["messages"][4]["content"][0]["tool_use_id"], "t1");
}

#[tokio::test]
async fn a_busy_server_is_asked_twice_more_before_the_first_token() {
    let busy = Wire::plain("503 Busy", "");
    let good = Wire::of(&OPENAI[0]);
    let server = Server::start(vec![busy.clone(), busy.clone(), good]).await;
    assert_eq!(hear(&model(&server.url, ModelKind::OpenAi)).await.0, "Hello");
    let server = Server::start(vec![busy.clone(), busy.clone(), busy]).await;
    let (_, end) = hear(&model(&server.url, ModelKind::OpenAi)).await;
    assert_eq!(end, Err(Failure::Status { status: 503, retry_after: None }));
}

#[tokio::test]
async fn a_server_is_left_alone_for_as_long_as_it_asks_and_not_longer_than_that_is_worth() {
    let (good, soon) = (Wire::of(&OPENAI[0]), Wire::plain("429 Slow down\r\nRetry-After: 2", ""));
    let server = Server::start(vec![soon, good]).await;
    let began = Clock::now();
    assert_eq!(hear(&model(&server.url, ModelKind::OpenAi)).await.0, "Hello");
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    let late = Wire::plain("429 Slow down\r\nRetry-After: 600", "");
    let server = Server::start(vec![late.clone(), late]).await;
    let (_, end) = hear(&model(&server.url, ModelKind::OpenAi)).await;
    assert_eq!(end, Err(Failure::Status { status: 429, retry_after: Some(Duration::from_secs(600)) }));
    assert_eq!(server.asked.lock().expect("nobody panics").len(), 1, "it was asked once");
}

#[tokio::test]
async fn a_refusal_is_not_asked_again_and_nobody_home_says_so() {
    let server = Server::start(vec![Wire::plain("401 No", ""); 3]).await;
    let (_, end) = hear(&model(&server.url, ModelKind::OpenAi)).await;
    assert_eq!(end, Err(Failure::Status { status: 401, retry_after: None }));
    assert_eq!(server.asked.lock().expect("nobody panics").len(), 1);
    let gone = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        listener.local_addr().expect("has an address")
    };
    let (_, end) = hear(&model(&format!("http://{gone}"), ModelKind::Ollama)).await;
    assert_eq!(end, Err(Failure::Connect("nobody listens at its address".to_owned())));
}

#[tokio::test]
async fn a_model_that_knows_no_tools_is_asked_without_them() {
    let server = Server::start(vec![Wire::plain("400 Bad Request", "{}"), Wire::of(&OTHERS[4])]).await;
    assert_eq!(hear(&model(&server.url, ModelKind::Ollama)).await.0, "Hello");
    let asked = server.asked.lock().expect("nobody panics").clone();
    assert!(asked[0].contains("add_task") && !asked[1].contains("add_task"), "{asked:?}");
}

#[tokio::test]
async fn silence_ends_before_and_after_the_first_token_and_comments_are_silence() {
    let limits = Limits { first_token: Duration::from_millis(300), idle: Duration::from_millis(300) };
    for (begin, text) in [("", ""), ("data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n", "Hel")] {
        let url = streams::silent(begin).await;
        let slow = Model { limits, ..model(&url, ModelKind::OpenAi) };
        let began = Clock::now();
        let (heard, end) = hear(&slow).await;
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "it was waited for until the end of the answer's own time"
        );
        assert_eq!(heard, text);
        assert!(matches!(end, Err(Failure::Slow(..))), "{end:?}");
        assert!(began.elapsed() < Duration::from_secs(1), "it was asked again: {:?}", began.elapsed());
        if text.is_empty() {
            let (again, end) = (Clock::now(), hear(&slow).await.1);
            assert!(matches!(end, Err(Failure::Resting(1..=60))), "{end:?}");
            assert!(again.elapsed() < Duration::from_millis(250), "who is silent is waited for again");
        }
    }
}

#[test]
fn the_log_learns_of_a_failure_without_the_servers_words() {
    let said = Failure::Said("you asked about my secret".to_owned());
    assert_eq!(said.kind(), "error");
    assert!(said.to_string().contains("secret"), "whoever asked reads them");
}
