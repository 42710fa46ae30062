//! A model server behind the chat: its tokens, its silence, its death.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    bench::{Bench, PATIENCE, begin, message, say},
    client::shown,
};

/// Answers one request with `body` and hangs up. Returns its address, and what it was asked.
pub(crate) async fn model(body: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = format!("http://{}/v1", listener.local_addr().expect("has an address"));
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let mut asked = vec![0; 16_384];
            // The health check connects and says nothing.
            let Ok(read) = stream.read(&mut asked).await else { continue };
            if read > 0 {
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await.expect("writes");
                stream.write_all(body.as_bytes()).await.expect("writes");
                return String::from_utf8_lossy(&asked[..read]).into_owned();
            }
        }
    });
    (address, serving)
}

#[tokio::test]
async fn what_the_brain_does_not_know_the_model_answers_and_commands_stay_with_the_brain() {
    let whole = "data: {\"choices\":[{\"delta\":{\"content\":\"Paris, \"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"of course.\"}}]}\n\ndata: [DONE]\n\n";
    let (address, serving) = model(whole).await;
    let bench = Bench::new();
    let vars = [
        ("ASSISTANT_MODEL_URL", address.as_str()),
        ("ASSISTANT_MODEL_NAME", "tiny"),
        ("ASSISTANT_MODEL_KEY", "key-of-the-model"),
    ];
    let web = bench.web("web.1.1", &vars).await;
    let (token, conversation) = begin(&web).await;
    let id = say(&web, &token, &conversation, "add buy milk to my tasks").await;
    assert!(shown(&web.client.follow(&token, &id, "").await.rest().await).starts_with("Noted"));
    let id = say(&web, &token, &conversation, "what is the capital of France").await;
    assert_eq!(shown(&web.client.follow(&token, &id, "").await.rest().await), "Paris, of course.");
    assert_eq!(message(&web, &token, &id).await["by"], "tiny");
    let asked = serving.await.expect("was asked");
    assert!(
        asked.contains("POST /v1/chat/completions")
            && asked.to_lowercase().contains("authorization: bearer key-of-the-model"),
        "{asked}"
    );
    assert!(asked.contains("what is the capital of France") && asked.contains("\"stream\":true"), "{asked}");
}

#[tokio::test]
async fn a_model_that_is_not_there_is_told_and_the_brain_answers() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("binds").local_addr().expect("has an address");
    let bench = Bench::new();
    let url = format!("http://{gone}");
    let vars = [
        ("ASSISTANT_MODEL_URL", url.as_str()),
        ("ASSISTANT_MODEL_NAME", "tiny"),
        ("ASSISTANT_MODEL_KIND", "ollama"),
        ("ASSISTANT_BUILTIN_PACE", "0ms"),
    ];
    let web = bench.web("web.1.1", &vars).await;
    let (token, conversation) = begin(&web).await;
    let id = say(&web, &token, &conversation, "what is the capital of France").await;
    let seen = web.client.follow(&token, &id, "").await.rest().await;
    assert!(
        seen.iter().any(|event| event.kind == "note"
            && event.data["note"].as_str().is_some_and(|note| note.contains("tiny did not answer"))),
        "{seen:?}"
    );
    assert!(shown(&seen).starts_with("I did not understand that."));
    assert_eq!(message(&web, &token, &id).await["by"], "built-in; tiny did not answer");
    assert_eq!(web.client.get("", "/health/ready").await.status, 200, "a vendor never decides readiness");
}

#[tokio::test]
async fn an_answer_that_is_cut_keeps_what_came_and_says_so() {
    let (address, _serving) =
        model("data: {\"choices\":[{\"delta\":{\"content\":\"Once upon\"}}]}\n\n").await;
    let bench = Bench::new();
    let web = bench
        .web("web.1.1", &[("ASSISTANT_MODEL_URL", address.as_str()), ("ASSISTANT_MODEL_NAME", "tiny")])
        .await;
    let (token, conversation) = begin(&web).await;
    let id = say(&web, &token, &conversation, "tell me a story").await;
    let seen = web.client.follow(&token, &id, "").await.rest().await;
    assert_eq!(shown(&seen), "Once upon");
    assert!(
        seen.iter().any(|event| event.kind == "note"
            && event.data["note"].as_str().is_some_and(|note| note.contains("broke off"))),
        "{seen:?}"
    );
    assert_eq!(message(&web, &token, &id).await["by"], "tiny; it broke off");
}

/// A model that calls a tool, is silent the first time it is told the result, and ends the second time.
async fn forgetful() -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = format!("http://{}/v1", listener.local_addr().expect("has an address"));
    let (asked, told) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (counted, told) = (Arc::clone(&counted), Arc::clone(&told));
            tokio::spawn(async move {
                let request = request(&mut stream).await;
                let body = if request.is_empty() {
                    return;
                } else if request.contains("\"role\":\"tool\"") {
                    if told.fetch_add(1, Ordering::SeqCst) == 0 {
                        tokio::time::sleep(PATIENCE).await;
                        return;
                    }
                    "data: {\"choices\":[{\"delta\":{\"content\":\"It is noted.\"}}]}\n\ndata: [DONE]\n\n"
                } else {
                    counted.fetch_add(1, Ordering::SeqCst);
                    "data: {\"choices\":[{\"delta\":{\"content\":\"One moment. \"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add_task\",\"arguments\":\"{\\\"title\\\":\\\"Water it\\\"}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n"
                };
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            });
        }
    });
    (address, asked)
}

/// A whole request; empty for whoever connects and says nothing.
async fn request(stream: &mut tokio::net::TcpStream) -> String {
    let (mut whole, mut part) = (Vec::new(), vec![0; 16_384]);
    loop {
        let read = stream.read(&mut part).await.unwrap_or(0);
        whole.extend_from_slice(&part[..read]);
        // The body is one JSON object, and nothing is behind it.
        if read == 0 || whole.ends_with(b"}") {
            return String::from_utf8_lossy(&whole).into_owned();
        }
    }
}

#[tokio::test]
async fn a_tool_is_run_once_though_the_process_that_ran_it_dies() {
    let (address, asked) = forgetful().await;
    let bench = Bench::new();
    let vars = [("ASSISTANT_MODEL_URL", address.as_str()), ("ASSISTANT_MODEL_NAME", "tiny")];
    let (one, other) = (bench.web("web.1.1", &vars).await, bench.web("web.1.2", &vars).await);
    let (token, conversation) = begin(&one).await;
    let id = say(&one, &token, &conversation, "see to the plant").await;
    let tasks = async |at: &crate::bench::Process| {
        let tasks = at.client.get(&token, "/api/tasks").await.json();
        tasks["tasks"].as_array().expect("a list").len()
    };
    let until = std::time::Instant::now() + PATIENCE;
    while tasks(&other).await == 0 {
        assert!(std::time::Instant::now() < until, "the tool does not run");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let owner = bench.owner(&id).expect("somebody answers");
    let (mut dying, living) = if owner == one.name { (one, other) } else { (other, one) };
    let reader = living.client.follow(&token, &id, "").await;
    dying.kill();
    let seen = reader.rest().await;
    assert_eq!(shown(&seen), "One moment. It is noted.");
    let stored = message(&living, &token, &id).await;
    assert_eq!(
        (&stored["attempt"], stored["by_tools"].as_array().map(Vec::len)),
        (&serde_json::json!(2), Some(1))
    );
    assert_eq!(tasks(&living).await, 1);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the model was asked again for what it had called");
}
