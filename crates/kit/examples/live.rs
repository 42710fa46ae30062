//! A change that one connection commits and another hears of: what two processes on one file do.
//!
//!     cargo run -p kit --no-default-features --features live --example live

use std::{error::Error, path::Path};

use kit::{
    live::{self, Live},
    sqlite::{Database, DbError, Durability},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "tasks.db".to_owned());
    let db = Database::open(Path::new(&path))?;
    let make = |tx: &rusqlite::Transaction<'_>| Ok::<_, DbError>(tx.execute_batch(live::TABLE)?);
    db.write(Durability::Full, make).await?;
    let live = Live::start(db.path().to_owned())?;
    let mut changes = live.changes();
    let writer = tokio::spawn(async move {
        for task in 0_u32.. {
            let tell = move |tx: &rusqlite::Transaction<'_>| live::tell(tx, "ana", "task", &task.to_string());
            db.write::<_, DbError>(Durability::Full, tell).await?;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Ok::<_, DbError>(())
    });
    // What was committed before the first look is read by the app itself; from then on each change comes once.
    if let Some(change) = changes.next().await {
        println!("{} changed a {}", change.account, change.kind);
    }
    writer.abort();
    live.close();
    Ok(())
}
