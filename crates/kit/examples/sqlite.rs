//! A file that several tasks write to and read from at once, without a busy error.
//!
//!     cargo run -p kit --no-default-features --features sqlite --example sqlite

use std::{error::Error, path::Path};

use kit::sqlite::{Database, DbError, Durability};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "numbers.db".to_owned());
    let db = Database::open(Path::new(&path))?;
    let make = |tx: &rusqlite::Transaction<'_>| {
        Ok::<_, DbError>(tx.execute_batch("CREATE TABLE IF NOT EXISTS numbers (n INTEGER NOT NULL) STRICT")?)
    };
    db.write(Durability::Full, make).await?;
    let writers: Vec<_> = (0..100).map(|n| tokio::spawn(add(db.clone(), n))).collect();
    for writer in writers {
        writer.await??;
    }
    // A transaction that fails leaves nothing of itself.
    let failing = |tx: &rusqlite::Transaction<'_>| {
        tx.execute("INSERT INTO numbers VALUES (1000)", [])?;
        tx.execute("INSERT INTO numbers VALUES ('no number')", [])?;
        Ok::<_, DbError>(())
    };
    println!("{}", db.write(Durability::Full, failing).await.is_err());
    let sum = |c: &rusqlite::Connection| {
        Ok::<i64, DbError>(c.query_row("SELECT sum(n) FROM numbers", [], |row| row.get(0))?)
    };
    println!("{}", db.read(sum).await?);
    Ok(())
}

async fn add(db: Database, n: i64) -> Result<(), DbError> {
    let insert = move |tx: &rusqlite::Transaction<'_>| {
        Ok(tx.execute("INSERT INTO numbers VALUES (?1)", [n]).map(drop)?)
    };
    db.write(Durability::Process, insert).await
}
