//! An answer that a reader follows while it is written, and that another reads from where its line was cut.
//!
//!     cargo run -p kit --no-default-features --features stream --example stream

use std::{error::Error, path::Path, time::Duration};

use kit::{
    Drain,
    live::Live,
    sqlite::{Database, DbError, Durability},
    stream::{self, DONE, Follow, Position, Step},
};
use serde_json::json;

const WORDS: [&str; 4] = ["one", "two", "three", "four"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "answers.db".to_owned());
    let db = Database::open(Path::new(&path))?;
    let make = |tx: &rusqlite::Transaction<'_>| Ok::<_, DbError>(tx.execute_batch(stream::TABLE)?);
    db.write(Durability::Full, make).await?;
    let (live, drain) = (Live::start(db.path().to_owned())?, Drain::new(Duration::from_secs(5)));
    let first = Follow::new(db.clone(), &live, drain.clone(), "answer 7", None);
    let (read, written) = tokio::join!(follow("first", first), write(&db));
    written?;
    read?;
    let from: Position = "1.1".parse()?;
    follow("back again", Follow::new(db.clone(), &live, drain, "answer 7", Some(from))).await?;
    live.close();
    Ok(())
}

async fn write(db: &Database) -> Result<(), DbError> {
    for (seq, word) in (0..).zip(WORDS.iter().copied().chain([""])) {
        let kind = if word.is_empty() { DONE } else { "text" };
        let append = move |tx: &rusqlite::Transaction<'_>| {
            stream::append(tx, "answer 7", Position { attempt: 1, seq }, kind, &json!({"text": word}))
        };
        db.write(Durability::Process, append).await?;
    }
    Ok(())
}

async fn follow(who: &str, mut log: Follow) -> Result<(), DbError> {
    while let Some(step) = log.next().await? {
        if let Step::Chunk(chunk) = step {
            println!("{who}: {} {} {}", chunk.at, chunk.kind, chunk.data["text"]);
        }
    }
    Ok(())
}
