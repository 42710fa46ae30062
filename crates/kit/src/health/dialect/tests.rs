//! Each shape, key by key and type by type, and codes that mean what they say.

use std::time::Duration;

use super::*;
use crate::{
    Drain,
    health::{Check, Weight},
};

const SEE_ALL: Asked = Asked { may_see_all: true, wants_more: false };
const SEE_MORE: Asked = Asked { may_see_all: true, wants_more: true };
const STRANGER: Asked = Asked { may_see_all: false, wants_more: true };

/// An app whose database and vendor do as told.
async fn reporter(dialect: Dialect, database: bool, vendor: bool) -> Reporter {
    let health = Health::new(Drain::new(Duration::from_secs(1)));
    let does = |name, weight, fine: bool| {
        Check::new(name, weight, move || async move {
            if fine { Ok(()) } else { Err("postgres://u:p@h refused".to_owned()) }
        })
    };
    health.watch(does("database", Weight::Ready, database));
    health.watch(does("memory", Weight::Detail, true));
    health.watch(does("disk", Weight::Detail, vendor));
    health.watch(does("model", Weight::Detail, vendor));
    while health.snapshot().checks.iter().any(|check| check.age_ms.is_none()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let figures =
        || Figures { text: "# HELP a b\n".to_owned(), answered: 10, failed: 1, refused: 2, seconds: 0.5 };
    let about = About {
        version: "1.2.3",
        environment: "production".to_owned(),
        services: &[("sessionService", "database"), ("gmailService", "mail")],
        vendors: &[("openai", "model"), ("google", "calendar")],
        figures: Some(Arc::new(figures)),
    };
    Reporter::new(health, dialect, about)
}

/// Keys in order, each with its type.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(items) => format!("[{}]", items.first().map(shape).unwrap_or_default()),
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{key}: {}", shape(value))).collect();
            fields.sort();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

const NODE_MEMORY: &str =
    "{arrayBuffers: number, external: number, heapTotal: number, heapUsed: number, rss: number}";

#[tokio::test(start_paused = true)]
async fn every_dialect_has_its_keys_and_types() {
    let s3 = format!(
        "{{agents: {{}}, database: {{status: string}}, environment: string, externalServices: {{google: string, openai: string}}, \
         memory: {NODE_MEMORY}, nodeVersion: string, pid: number, responseTime: number, services: [{{healthy: bool, name: string}}], \
         status: string, timestamp: string, uptime: number, version: string}}"
    );
    let s1 = format!(
        "{{errors: {{rate: number, total: number}}, metrics: {{averageResponseTimeMs: number, requests: number}}, \
         resources: {{memory: {NODE_MEMORY}}}, security: {{refusedRequests: number}}, \
         services: {{database: string, disk: string, memory: string, model: string}}, status: string, timestamp: string, \
         uptime: number, version: string}}"
    );
    let checks = "checks: {database: string, disk: string, memory: string, redis: string}";
    for (dialect, asked, expected) in [
        (Dialect::S0, SEE_ALL, format!("{{{checks}, metrics: null, status: string, timestamp: string, uptime: number, version: string}}")),
        (Dialect::S0, SEE_MORE, format!("{{{checks}, metrics: string, status: string, timestamp: string, uptime: number, version: string}}")),
        (Dialect::S1, SEE_MORE, s1),
        (
            Dialect::S2,
            SEE_ALL,
            "{checks: {database: string, disk: string, memory: string, model: string}, status: string, timestamp: string, uptime: number}"
                .to_owned(),
        ),
        (Dialect::S3, SEE_ALL, s3),
        (
            Dialect::S4,
            SEE_ALL,
            "{database: string, memory: {total: number, used: number}, status: string, timestamp: string, uptime: number}".to_owned(),
        ),
    ] {
        let answer = reporter(dialect, true, true).await.answer(Question::Overall, asked);
        assert_eq!(shape(&answer.body), expected, "{dialect:?}");
        assert_eq!(answer.status, 200, "{dialect:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_fails_turns_no_instance_away_in_any_dialect() {
    for (dialect, status) in [
        (Dialect::Plain, "degraded"),
        (Dialect::S0, "ok"),
        (Dialect::S1, "degraded"),
        (Dialect::S2, "degraded"),
        (Dialect::S3, "degraded"),
        (Dialect::S4, "healthy"),
    ] {
        let reporter = reporter(dialect, true, false).await;
        let answer = reporter.answer(Question::Overall, SEE_ALL);
        assert_eq!((answer.status, answer.body["status"].as_str()), (200, Some(status)), "{dialect:?}");
        assert_eq!(reporter.answer(Question::Ready, SEE_ALL).status, 200, "{dialect:?}");
        if dialect == Dialect::S0 {
            assert_eq!(answer.body["checks"]["disk"], "warning");
        }
        if dialect == Dialect::S3 {
            assert_eq!(answer.body["externalServices"]["openai"], "unhealthy");
            assert_eq!(answer.body["externalServices"]["google"], "unknown");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_that_fails_is_503_everywhere_but_for_liveness() {
    for (dialect, status) in [
        (Dialect::Plain, "error"),
        (Dialect::S0, "error"),
        (Dialect::S1, "error"),
        (Dialect::S2, "unhealthy"),
        (Dialect::S3, "unhealthy"),
        (Dialect::S4, "unhealthy"),
    ] {
        let reporter = reporter(dialect, false, true).await;
        let answer = reporter.answer(Question::Overall, SEE_ALL);
        assert_eq!((answer.status, answer.body["status"].as_str()), (503, Some(status)), "{dialect:?}");
        assert_eq!(reporter.answer(Question::Ready, SEE_ALL).status, 503, "{dialect:?}");
        assert_eq!(reporter.answer(Question::Database, SEE_ALL).status, 503, "{dialect:?}");
        assert_eq!(reporter.answer(Question::Live, SEE_ALL).status, 200, "{dialect:?}");
    }
    let s4 = reporter(Dialect::S4, false, true).await.answer(Question::Overall, SEE_ALL);
    assert_eq!(s4.body, serde_json::json!({"status": "unhealthy", "error": "database"}));
}

#[tokio::test(start_paused = true)]
async fn a_stranger_sees_no_check_no_error_and_no_figure() {
    for dialect in [Dialect::Plain, Dialect::S0, Dialect::S1, Dialect::S2, Dialect::S3, Dialect::S4] {
        for fine in [true, false] {
            let reporter = reporter(dialect, fine, false).await;
            let asked =
                [Question::Overall, Question::Database, Question::DatabasePerformance, Question::Ready];
            for question in asked {
                let body = reporter.answer(question, STRANGER).body.to_string();
                for private in ["postgres", "model", "1.2.3", "HELP", "rss", "pid", "_ms"] {
                    assert!(!body.contains(private), "{dialect:?} {question:?} tells {private}: {body}");
                }
            }
            let body = reporter.answer(Question::Overall, STRANGER).body;
            assert!(body["status"].is_string(), "{dialect:?}: {body}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s3_speaks_its_words_to_probes_and_a_missing_service_is_not_healthy() {
    let reporter = reporter(Dialect::S3, false, true).await;
    let live = reporter.answer(Question::Live, SEE_ALL).body;
    assert_eq!(
        (shape(&live).as_str(), &live["status"]),
        ("{status: string, timestamp: string}", &"alive".into())
    );
    let ready = reporter.answer(Question::Ready, SEE_ALL).body;
    assert_eq!(
        ready,
        serde_json::json!({
            "status": "not ready",
            "reason": "Critical services not healthy",
            "services": [
                {"name": "sessionService", "healthy": false},
                {"name": "gmailService", "healthy": false},
                {"name": "database", "healthy": false},
            ],
        })
    );
}

#[tokio::test(start_paused = true)]
async fn s2_tells_how_fast_the_database_answered() {
    let reporter = reporter(Dialect::S2, true, true).await;
    let answer = reporter.answer(Question::DatabasePerformance, SEE_ALL);
    assert_eq!(
        shape(&answer.body),
        "{age_ms: number, response_time_ms: number, status: string, timestamp: string}"
    );
    assert_eq!(answer.status, 200);
}

#[test]
fn names_and_queries_are_read_as_they_are_written() {
    for name in Dialect::NAMES {
        assert!(Dialect::parse(name).is_some(), "{name}");
    }
    assert_eq!(Dialect::parse("s0"), None);
    assert!(Asked::new("a=b&metrics=true", true).wants_more);
    assert!(!Asked::new("metrics=truely", true).wants_more);
}
