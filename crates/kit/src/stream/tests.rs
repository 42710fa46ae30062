//! Resuming, resetting and following across two handles on one file, as two processes would.

use serde_json::json;

use super::*;
use crate::sqlite::Durability;

fn at(attempt: u32, seq: u32) -> Position {
    Position { attempt, seq }
}

fn text(position: Position, text: &str) -> (Position, &'static str, Value) {
    (position, "text", json!({"text": text}))
}

async fn append_all(db: &Database, chunks: Vec<(Position, &'static str, Value)>) {
    db.write(Durability::Process, move |tx| {
        chunks.iter().try_for_each(|(at, kind, data)| append(tx, "m", *at, kind, data))
    })
    .await
    .expect("appends");
}

struct Two {
    _folder: tempfile::TempDir,
    writer: Database,
    reader: Database,
    live: Live,
    drain: Drain,
}

async fn two() -> Two {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.db");
    let writer = Database::open(&path).expect("opens");
    writer
        .write(Durability::Full, |tx| {
            Ok::<_, DbError>(tx.execute_batch(&format!("{TABLE}{}", crate::live::TABLE))?)
        })
        .await
        .expect("makes tables");
    let reader = Database::open(&path).expect("opens twice");
    let live = Live::start(path).expect("starts");
    Two { _folder: folder, writer, reader, live, drain: Drain::new(Duration::from_secs(5)) }
}

impl Two {
    fn follow(&self, from: Option<Position>) -> Follow {
        Follow::new(self.reader.clone(), &self.live, self.drain.clone(), "m", from)
    }
}

async fn collect(mut follow: Follow) -> Vec<(Position, String)> {
    let mut seen = Vec::new();
    while let Some(step) = follow.next().await.expect("reads") {
        if let Step::Chunk(chunk) = step {
            seen.push((chunk.at, chunk.kind));
        }
    }
    seen
}

#[test]
fn positions_round_trip_and_junk_is_refused() {
    assert_eq!("2.17".parse(), Ok(at(2, 17)));
    assert_eq!(at(2, 17).to_string(), "2.17");
    for junk in ["", "1", "1.", ".1", "-1.2", "1.2.3", "1.99999999999"] {
        assert_eq!(junk.parse::<Position>(), Err(BadPosition), "{junk}");
    }
}

#[tokio::test]
async fn a_reader_elsewhere_sees_what_is_written_after_it_came() {
    let two = two().await;
    append_all(&two.writer, vec![text(at(1, 0), "a")]).await;
    let reading = tokio::spawn(collect(two.follow(None)));
    append_all(&two.writer, vec![text(at(1, 1), "b")]).await;
    append_all(&two.writer, vec![(at(1, 2), DONE, json!({}))]).await;
    let seen = reading.await.expect("joins");
    assert_eq!(seen.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [at(1, 0), at(1, 1), at(1, 2)]);
}

#[tokio::test]
async fn resuming_gives_the_rest_and_nothing_twice() {
    let two = two().await;
    append_all(&two.writer, vec![text(at(1, 0), "a"), text(at(1, 1), "b"), (at(1, 2), DONE, json!({}))])
        .await;
    assert_eq!(
        collect(two.follow(Some(at(1, 0)))).await,
        [(at(1, 1), "text".to_owned()), (at(1, 2), DONE.to_owned())]
    );
}

#[tokio::test]
async fn a_reader_of_a_lost_attempt_is_taken_over_by_one_reset() {
    let two = two().await;
    append_all(&two.writer, vec![text(at(1, 0), "a"), text(at(1, 1), "b")]).await;
    let mut follow = two.follow(Some(at(1, 0)));
    assert!(matches!(follow.next().await.expect("reads"), Some(Step::Chunk(chunk)) if chunk.at == at(1, 1)));
    append_all(
        &two.writer,
        vec![(at(2, 0), "reset", json!({})), text(at(2, 1), "a"), (at(2, 2), DONE, json!({}))],
    )
    .await;
    let kinds: Vec<_> = collect(follow).await.into_iter().map(|(at, kind)| (at.to_string(), kind)).collect();
    assert_eq!(
        kinds,
        [
            ("2.0".to_owned(), "reset".to_owned()),
            ("2.1".to_owned(), "text".to_owned()),
            ("2.2".to_owned(), DONE.to_owned())
        ]
    );
}

#[tokio::test]
async fn a_log_longer_than_one_read_comes_whole() {
    let two = two().await;
    let many = u32::try_from(ROWS_MAX * 2 + 10).expect("small");
    let mut chunks: Vec<_> = (0..many).map(|seq| text(at(1, seq), "x")).collect();
    chunks.push((at(1, many), DONE, json!({})));
    append_all(&two.writer, chunks).await;
    let seen = collect(two.follow(None)).await;
    assert_eq!(seen.len(), ROWS_MAX * 2 + 11);
    assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[tokio::test]
async fn a_stopping_process_lets_its_readers_go_without_done() {
    let two = two().await;
    let drain = Drain::new(Duration::ZERO);
    let follow = Follow::new(two.reader.clone(), &two.live, drain.clone(), "m", None);
    append_all(&two.writer, vec![text(at(1, 0), "a")]).await;
    drain.stop();
    let seen = collect(follow).await;
    assert!(seen.iter().all(|(_, kind)| kind != DONE));
}
