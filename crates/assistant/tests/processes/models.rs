//! A model server behind the chat: its tokens, its silence, its death.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    bench::{Bench, begin, message, say},
    client::shown,
};

/// Answers one request with `body` and hangs up. Returns its address, and what it was asked.
async fn model(body: &'static str) -> (String, tokio::task::JoinHandle<String>) {
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
