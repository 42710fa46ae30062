//! The whole of it over its router, without a socket.

use axum::{body::Body, extract::Request};
use tower_service::Service;

use super::*;

async fn text(router: &Router, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let (head, body) = router.clone().call(request).await.expect("answers").into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    (head.status.as_u16(), head.headers, String::from_utf8_lossy(&bytes).into_owned())
}

fn router(kit: &Kit) -> Router {
    let notes = Router::new().route("/notes/{id}", get(|| async { "buy milk" }));
    observe::observe(notes.merge(kit.routes()), kit.metrics())
}

#[tokio::test]
async fn requests_are_counted_by_their_pattern_and_answered_with_their_id() {
    let kit = Kit::new("notes", Drain::new(Duration::from_secs(1)));
    let router = router(&kit);
    let (status, headers, _) = text(&router, "/notes/anas-diary", &[("x-request-id", "abc-1")]).await;
    assert_eq!((status, headers[observe::REQUEST_ID].as_bytes()), (200, b"abc-1".as_slice()));
    let (_, headers, _) = text(&router, "/notes/bens-diary", &[("x-request-id", "no such id")]).await;
    assert_eq!(headers[observe::REQUEST_ID].len(), 16);
    text(&router, "/notes/a/b", &[]).await;
    let (_, headers, metrics) = text(&router, "/metrics", &[]).await;
    assert_eq!(headers[header::CONTENT_TYPE], CONTENT_TYPE);
    for line in [
        "http_requests_total{method=\"GET\",route=\"/notes/{id}\",status_code=\"200\"} 2",
        "http_requests_total{method=\"GET\",route=\"unmatched\",status_code=\"404\"} 1",
    ] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    assert!(!metrics.contains("diary"), "an id of somebody's note is in\n{metrics}");
}

#[tokio::test]
async fn what_came_through_a_proxy_sees_no_metrics_and_no_checks() {
    let kit = Kit::new("notes", Drain::new(Duration::from_secs(1)));
    let router = router(&kit);
    let street = [("x-forwarded-for", "192.0.2.7")];
    assert_eq!(text(&router, "/metrics", &street).await.0, 404);
    assert!(!text(&router, "/api/health", &street).await.2.contains("checks"));
    assert!(text(&router, "/api/health", &[]).await.2.contains("checks"));
    assert_eq!(text(&router, "/health/ready", &street).await.0, 200);
}

#[cfg(feature = "migrations")]
mod with_a_database {
    use super::*;
    use crate::migrations::{Migration, Migrations};

    const STEPS: [Migration; 2] = [
        Migration {
            version: 1,
            name: "notes",
            up: &["CREATE TABLE notes (text TEXT) STRICT"],
            down: &["DROP TABLE notes"],
            compatible_with: 1,
        },
        Migration {
            version: 2,
            name: "tags",
            up: &["CREATE TABLE tags (text TEXT) STRICT"],
            down: &["DROP TABLE tags"],
            compatible_with: 2,
        },
    ];
    const OLD: Migrations = Migrations { steps: &[STEPS[0]], schema_min: 1 };
    const NEW: Migrations = Migrations { steps: &STEPS, schema_min: 2 };

    async fn settled(kit: &Kit) -> Result<(), String> {
        while kit.health().snapshot().checks.iter().any(|check| check.age_ms.is_none()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        kit.health().ready()
    }

    #[tokio::test]
    async fn a_database_of_a_later_release_is_not_ready_and_takes_no_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/notes.db");
        let new = Kit::new("notes", Drain::new(Duration::from_secs(1)));
        new.database(&path, NEW, true).await.expect("is made");
        assert_eq!(settled(&new).await, Ok(()));
        let old = Kit::new("notes", Drain::new(Duration::from_secs(1)));
        let db = old.database(&path, OLD, true).await.expect("opens all the same");
        assert_eq!(settled(&old).await, Err("schema".to_owned()));
        let insert = |tx: &rusqlite::Transaction<'_>| {
            Ok(tx.execute("INSERT INTO notes VALUES ('x')", []).map(drop)?)
        };
        let written = db.write(crate::sqlite::Durability::Full, insert).await;
        assert!(matches!(written, Err(crate::sqlite::DbError::SchemaRefused)), "{written:?}");
        assert!(old.metrics().render().contains("database_health_status 1"));
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_left_and_told_with_its_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.db");
        std::fs::write(&path, "what somebody wrote, long enough to be looked at as a header")
            .expect("writes");
        let kit = Kit::new("notes", Drain::new(Duration::from_secs(1)));
        let Err(error) = kit.database(&path, OLD, true).await else { panic!("it was opened") };
        let text = error.to_string();
        assert!(
            text.contains("notes.db cannot be used") && text.contains("Put a backup in its place"),
            "{text}"
        );
        assert!(std::fs::read_to_string(&path).expect("is there").starts_with("what somebody wrote"));
    }
}

#[cfg(all(feature = "jobs", feature = "migrations"))]
mod with_jobs {
    use std::pin::Pin;

    use super::*;
    use crate::{
        jobs::{self, Job, runner::Work},
        migrations::{Migration, Migrations},
        sqlite::{Database, DbError, Durability},
    };

    const TABLES: Migrations = Migrations {
        steps: &[Migration {
            version: 1,
            name: "jobs",
            up: &[jobs::TABLE],
            down: &["DROP TABLE jobs"],
            compatible_with: 1,
        }],
        schema_min: 1,
    };

    struct Twice(Database);

    impl Work for Twice {
        fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send>> {
            let db = self.0.clone();
            Box::pin(async move {
                if job.attempt == 1 {
                    return Err(DbError::Overloaded);
                }
                db.write(Durability::Full, move |tx| job.finish(tx, false)).await
            })
        }
    }

    #[tokio::test]
    async fn runs_of_jobs_are_counted_by_how_they_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let kit = Kit::new("mail", Drain::new(Duration::from_secs(1))).named("mail.1");
        let db = kit.database(&folder.path().join("mail.db"), TABLES, true).await.expect("opens");
        let wake = kit.jobs(&db, "mail", 4, Twice(db.clone()));
        db.write::<_, DbError>(Durability::Full, |tx| jobs::enqueue(tx, "1", "mail", "letter", 5))
            .await
            .expect("stores");
        wake.notify_one();
        let wanted = [
            "jobs_total{queue=\"mail\",outcome=\"failed\"} 1",
            "jobs_total{queue=\"mail\",outcome=\"ended\"} 1",
            "jobs_running 0",
        ];
        let all = async {
            while !wanted.iter().all(|line| kit.metrics().render().contains(line)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let counted = tokio::time::timeout(Duration::from_secs(60), all).await;
        assert!(counted.is_ok(), "{}", kit.metrics().render());
    }
}
