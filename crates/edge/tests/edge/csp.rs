//! What browsers report of a page's policy (HDR-12): taken by the edge, counted, written down, and bounded.

use edge::table::Table;
use model::manifest::{Access, Headers};

use super::support::*;

const REPORT: &str = r#"{"csp-report":{"document-uri":"https://a.example/p?token=hush","blocked-uri":"https://evil.example/x.js","effective-directive":"script-src-elem","disposition":"report"}}"#;

fn reported(app: &App, only: bool) -> Table {
    let policy = ("content-security-policy".to_owned(), "default-src 'self'".to_owned());
    let mut table = live(&[app]);
    table.sites[0].routes[0].route.headers = Headers {
        default: [policy].into(),
        csp_reports: Some("/csp".into()),
        csp_report_only: only,
        ..Headers::default()
    };
    table
}

fn posted(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/csp-report\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn page(edge: &Edge) -> String {
    edge.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await
}

#[tokio::test]
async fn pages_say_where_to_report_and_a_report_is_counted_and_written_down_without_its_query() {
    let app = App::named("app").await;
    let edge = Edge::start(&reported(&app, false)).await;
    edge.ready().await;
    let page = page(&edge).await;
    let policy = header(&page, "content-security-policy");
    assert_eq!(policy, Some("default-src 'self'; report-uri /csp; report-to csp"), "{page}");
    assert_eq!(header(&page, "reporting-endpoints"), Some("csp=\"/csp\""));

    let answer = edge.raw(posted("/csp", REPORT)).await;
    assert_eq!(status(&answer), 204, "{answer}");
    let line = edge.report_with(|line| line["blocked"] == "https://evil.example/x.js").await;
    assert_eq!(
        (&line["document"], &line["directive"], &line["site"], &line["client"]),
        (
            &"https://a.example/p".into(),
            &"script-src-elem".into(),
            &site().to_string().into(),
            &"127.0.0.1".into()
        )
    );
    assert!(line["time"].is_string() && line["request_id"].is_string(), "{line}");
    edge.counts(&[&format!("edge_csp_reports_total{{site=\"{}\"}} 1", site())]).await;
    assert!(
        !std::fs::read_to_string(&edge.settings.csp_log.as_ref().unwrap().path).unwrap().contains("hush")
    );
    let line = edge.log_with(|line| line["path"] == "/csp").await;
    assert_eq!(
        (&line["status"], &line["upstream"]),
        (&204.into(), &serde_json::Value::Null),
        "no instance was asked"
    );
    // Others of that path are the app's.
    assert_eq!(edge.get("/csp").await.0, 200);
    assert_eq!(status(&edge.raw(posted("/csp/x", "x")).await), 200);
}

#[tokio::test]
async fn a_policy_that_only_reports_refuses_nothing() {
    let app = App::named("app").await;
    let edge = Edge::start(&reported(&app, true)).await;
    edge.ready().await;
    let page = page(&edge).await;
    assert_eq!(header(&page, "content-security-policy"), None, "{page}");
    let policy = header(&page, "content-security-policy-report-only");
    assert_eq!(policy, Some("default-src 'self'; report-uri /csp; report-to csp"));
}

#[tokio::test]
async fn what_strangers_send_is_bounded_and_needs_no_token() {
    let app = App::named("app").await;
    let mut table = reported(&app, false);
    let token = "0f".repeat(32);
    table.sites[0].routes[0].route.access =
        Some(Access { tokens: [("ana".to_owned(), token)].into(), exempt: Vec::new(), open: Vec::new() });
    let edge = Edge::start(&table).await;
    edge.ready().await;
    assert_eq!(edge.get("/").await.0, 401);
    assert_eq!(status(&edge.raw(posted("/csp", "{}")).await), 400);
    assert_eq!(status(&edge.raw(posted("/csp", &" ".repeat(16 << 10))).await), 400, "that much is read");
    assert_eq!(status(&edge.raw(posted("/csp", &" ".repeat((16 << 10) + 1))).await), 413);
    let mut statuses = Vec::new();
    for _ in 0..60 {
        statuses.push(status(&edge.raw(posted("/csp", REPORT)).await));
    }
    // Three were asked before; in the meantime a few places may have come free again.
    let taken = statuses.iter().filter(|status| **status == 204).count();
    assert!((57..60).contains(&taken) && statuses.ends_with(&[429]), "{statuses:?}");
    edge.counts(&[&format!("edge_csp_reports_total{{site=\"{}\"}} {taken}", site())]).await;
}
