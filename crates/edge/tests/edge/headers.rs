//! What the app is told about the client, and what the client is told about the app.

use http::Response;
use tokio::io::AsyncWriteExt;

use super::support::*;

/// Answers with its request's head, a line each.
async fn mirror() -> App {
    App::start(|request| async move {
        let mut text = format!("{} {}\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        let mut answer = Response::new(full(text));
        answer.headers_mut().insert("x-mainstay-instance", "forged".parse().unwrap());
        answer.headers_mut().insert("keep-alive", "timeout=5".parse().unwrap());
        answer
    })
    .await
}

#[tokio::test]
async fn what_a_stranger_says_about_itself_is_replaced() {
    let app = mirror().await;
    let edge = Edge::start(&live(&[&app])).await;
    let answer = edge
        .raw(
            "GET /a?b=c HTTP/1.1\r\nHost: Chat.Example:8080\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
             X-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
             X-Mainstay-Pool: x\r\nX-Mainstay-Token: y\r\nX-Request-Id: mine\r\nConnection: close, X-Secret\r\n\
             X-Secret: 1\r\nKeep-Alive: 3\r\nTE: trailers\r\nX-Kept: 1\r\n\r\n",
        )
        .await;
    assert_eq!(status(&answer), 200);
    let port = edge.http.port().to_string();
    for line in [
        "GET /a?b=c\n".to_owned(),
        "host: Chat.Example:8080\n".into(),
        "x-forwarded-for: 127.0.0.1\n".into(),
        "x-real-ip: 127.0.0.1\n".into(),
        "x-forwarded-proto: http\n".into(),
        "x-forwarded-host: Chat.Example:8080\n".into(),
        format!("x-forwarded-port: {port}\n"),
        "forwarded: for=127.0.0.1;host=\"Chat.Example:8080\";proto=http\n".into(),
        "x-kept: 1\n".into(),
    ] {
        assert!(body(&answer).contains(&line), "{line} in {answer}");
    }
    for word in ["6.6.6.6", "evil", "x-mainstay", "x-secret", "keep-alive", "mine", "trailers"] {
        assert!(!body(&answer).contains(word), "{word} in {answer}");
    }
    let head = answer.split("\r\n\r\n").next().unwrap().to_lowercase();
    assert!(!head.contains("x-mainstay") && !head.contains("keep-alive"), "{head}");
    let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap().to_owned();
    assert!(body(&answer).to_lowercase().contains(&format!("x-request-id: {id}\n")));
    edge.log_with(|line| line["request_id"].as_str().is_some_and(|known| known.to_lowercase() == id)).await;
}

#[tokio::test]
async fn a_trusted_proxys_word_is_taken() {
    let app = mirror().await;
    let edge = Edge::start_with(&live(&[&app]), |settings| {
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        settings.client_ip = edge::settings::ClientIp::XForwardedFor;
    })
    .await;
    let answer = edge
        .raw(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 5.5.5.5, 127.0.0.9\r\nX-Forwarded-Proto: https\r\n\
             X-Request-Id: theirs\r\nConnection: close\r\n\r\n",
        )
        .await;
    for line in ["x-forwarded-for: 5.5.5.5\n", "x-forwarded-proto: https\n", "x-request-id: theirs\n"] {
        assert!(body(&answer).contains(line), "{line} in {answer}");
    }
    edge.log_with(|line| line["client"] == "5.5.5.5").await;
}

#[tokio::test]
async fn head_204_and_304_have_no_body_and_leave_the_connection_usable() {
    let app = App::start(|request| async move {
        let status = request.uri().path().trim_start_matches('/').parse().unwrap_or(200);
        let mut answer = Response::new(if status == 200 { full("twelve bytes") } else { full("") });
        *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
        answer
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    let ask = |method: &str, path: &str, last: bool| {
        let close = if last { "Connection: close\r\n" } else { "" };
        format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{close}\r\n")
    };
    let text = ask("HEAD", "/200", false)
        + &ask("GET", "/204", false)
        + &ask("GET", "/304", false)
        + &ask("GET", "/200", true);
    let answer = edge.raw(text).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 4, "{answer}");
    assert_eq!(answer.matches("twelve bytes").count(), 1, "{answer}");
    let first = answer.split("\r\n\r\n").next().unwrap();
    assert!(first.contains("content-length: 12"), "{first}");
}

#[tokio::test]
async fn a_client_that_waits_for_100_gets_it() {
    let app = App::start(|request| async move {
        use http_body_util::BodyExt;
        let has_expect = request.headers().contains_key("expect");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full(format!("{has_expect} {}", body.len())))
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    let mut stream = tokio::net::TcpStream::connect(edge.http).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(b"hello").await.unwrap();
    let answer = read_all(&mut stream).await;
    assert_eq!(body(&answer), "false 5", "{answer}");
}
