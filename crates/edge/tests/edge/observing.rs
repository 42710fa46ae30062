//! What the edge says of itself.

use http::{Response, StatusCode};
use tokio::io::AsyncWriteExt;

use super::support::*;

#[tokio::test]
async fn status_metrics_and_log_tell_the_same_story() {
    let app = App::start(|request| async move {
        let mut answer = Response::new(full("12345"));
        if request.uri().path() == "/bad" {
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        answer
    })
    .await;
    let edge = Edge::start(&live(&[&app])).await;
    edge.ready().await;
    let post =
        "POST /a?token=secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(status(&edge.raw(post).await), 200);
    assert_eq!(edge.get("/bad").await.0, 500);
    let status = edge.until(|status| status.requests_total == 2).await;
    let upstream = &status.pools[0].upstreams[0];
    assert_eq!((upstream.requests_total, upstream.errors_5xx_total), (2, 1));
    assert_eq!(status.edge_5xx_total, 0);
    assert_eq!(status.listeners.iter().filter(|listener| listener.name.starts_with("http.")).count(), 2);
    assert!(status.workers.iter().all(|worker| worker.heartbeat_age_ms < 5000));

    let metrics = edge.client.metrics().await.unwrap();
    for line in [
        "http_requests_total{method=\"POST\",route=\"*/\",status_code=\"200\"} 1\n",
        "http_requests_total{method=\"GET\",route=\"*/\",status_code=\"500\"} 1\n",
        "http_request_duration_seconds_bucket{method=\"POST\",route=\"*/\",status_code=\"200\",le=\"10\"} 1\n",
        "edge_upstream_ready{pool=\"assistant/production/web@1\",upstream=\"web.1.1\"} 1\n",
        "edge_table_epoch 1\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }

    let line = edge.log_with(|line| line["path"] == "/a").await;
    for (key, wanted) in [
        ("method", serde_json::json!("POST")),
        ("host", "a".into()),
        ("status", 200.into()),
        ("bytes_in", 3.into()),
        ("bytes_out", 5.into()),
        ("upstream", "web.1.1".into()),
        ("release", 1.into()),
        ("site", "assistant/production".into()),
        ("client", "127.0.0.1".into()),
        ("protocol", "HTTP/1.1".into()),
        ("class", "http".into()),
        ("retries", 0.into()),
    ] {
        assert_eq!(line[key], wanted, "{key} in {line}");
    }
    assert!(!line.to_string().contains("secret"));
}

#[tokio::test]
async fn every_listener_of_a_set_is_served() {
    let app = App::named("ok").await;
    let edge = Edge::start(&live(&[&app])).await;
    // The kernel spreads connections by hash: of 40 one that is not accepted would get some.
    for _ in 0..40 {
        assert_eq!(edge.get("/").await.0, 200);
    }
    let mut open = Vec::new();
    for _ in 0..16 {
        let mut stream = tokio::net::TcpStream::connect(edge.http).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        read_until(&mut stream, "ok").await;
        open.push(stream);
    }
    edge.until(|status| status.workers.iter().all(|worker| worker.connections > 0)).await;
}
