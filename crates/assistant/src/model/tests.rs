//! Streams as real servers send them, over a real socket.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// A server that answers each connection with the next of `answers`, then hangs up. Returns its address.
async fn server(answers: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has an address");
    tokio::spawn(async move {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut request = vec![0; 4_096];
            // The request fits one packet on loopback; its end is all that matters.
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}/v1")
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{body}")
}

fn model(url: String, kind: ModelKind) -> Model {
    Model::new(ModelSettings { url, kind, name: "tiny".to_owned(), key: Some(Private::new("k".to_owned())) })
}

async fn whole(model: &Model) -> Result<String, (String, Failure)> {
    let asked = vec![Asked { role: "user".to_owned(), text: "hi".to_owned() }];
    let mut tokens = model.ask(asked).await.map_err(|failure| (String::new(), failure))?;
    let mut text = String::new();
    loop {
        match tokens.next().await {
            Ok(Some(piece)) => text.push_str(&piece),
            Ok(None) => return Ok(text),
            Err(failure) => return Err((text, failure)),
        }
    }
}

const OPENAI: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\r\n\r\n: keep-alive\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"},\"finish_reason\":\"\"}]}\n\ndata:{\"choices\":[{\"delta\":{\"content\":\"lo\"}}]}\n\n\
    data: {\"choices\":[],\"usage\":{}}\n\n";

#[tokio::test]
async fn an_openai_stream_with_the_oddities_of_real_servers_is_read_whole() {
    let url = server(vec![ok(&format!("{OPENAI}data: [DONE]\n\n"))]).await;
    assert_eq!(whole(&model(url, ModelKind::OpenAi)).await, Ok("Hello".to_owned()));
}

#[tokio::test]
async fn an_ollama_stream_is_read_whole() {
    let url = server(vec![ok("{\"message\":{\"content\":\"Hel\"},\"done\":false}\n{\"message\":{\"content\":\"lo\"}}\n{\"message\":{\"content\":\"\"},\"done\":true}\n")]).await;
    assert_eq!(whole(&model(url, ModelKind::Ollama)).await, Ok("Hello".to_owned()));
}

#[tokio::test]
async fn a_stream_without_its_end_is_cut_and_what_came_is_kept() {
    let url = server(vec![ok(OPENAI)]).await;
    assert_eq!(whole(&model(url, ModelKind::OpenAi)).await, Err(("Hello".to_owned(), Failure::Cut)));
}

#[tokio::test]
async fn a_busy_server_is_asked_twice_more_before_the_first_token() {
    let busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned();
    let url = server(vec![busy.clone(), busy.clone(), ok(&format!("{OPENAI}data: [DONE]\n\n"))]).await;
    assert_eq!(whole(&model(url, ModelKind::OpenAi)).await, Ok("Hello".to_owned()));
    let url = server(vec![busy.clone(), busy.clone(), busy]).await;
    assert_eq!(whole(&model(url, ModelKind::OpenAi)).await, Err((String::new(), Failure::Status(503))));
}

#[tokio::test]
async fn a_refusal_is_not_asked_again_and_nobody_home_says_so() {
    let refused = "HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned();
    let url = server(vec![refused]).await;
    assert_eq!(whole(&model(url, ModelKind::OpenAi)).await, Err((String::new(), Failure::Status(401))));
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("binds").local_addr().expect("has an address");
    let failure =
        whole(&model(format!("http://{gone}"), ModelKind::Ollama)).await.expect_err("nobody listens").1;
    assert!(matches!(failure, Failure::Connect(_)), "{failure}");
}

#[test]
fn errors_in_the_stream_are_told_and_garbage_is_no_text() {
    let error = lines::read(ModelKind::OpenAi, "data: {\"error\":{\"message\":\"no such model\"}}");
    assert_eq!(error, Err(Failure::Said("no such model".to_owned())));
    assert!(matches!(lines::read(ModelKind::Ollama, "<html>"), Err(Failure::Garbled(_))));
    assert_eq!(lines::read(ModelKind::OpenAi, "event: message"), Ok(lines::Line::Nothing));
}
