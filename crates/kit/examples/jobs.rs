//! A mail that is sent once, though the process that began with it is gone: its lease runs out, another takes it.
//!
//!     cargo run -p kit --no-default-features --features jobs --example jobs

use std::{error::Error, future::Future, path::Path, pin::Pin, sync::Arc, time::Duration};

use kit::{
    Drain,
    jobs::{
        self, Job,
        runner::{Runner, Work},
    },
    sqlite::{Database, DbError, Durability},
};
use tokio::sync::Notify;

struct Mail(Database, Arc<Notify>);

impl Work for Mail {
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send>> {
        let (db, sent) = (self.0.clone(), Arc::clone(&self.1));
        Box::pin(async move {
            println!("attempt {} sends {}", job.attempt, job.subject);
            // The end and what was done are one transaction; an owner that lost its lease stores nothing.
            db.write(Durability::Full, move |tx| job.finish(tx, false)).await?;
            sent.notify_one();
            Ok(())
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "mail.db".to_owned());
    let db = Database::open(Path::new(&path))?;
    let store = |tx: &rusqlite::Transaction<'_>| {
        tx.execute_batch(jobs::TABLE)?;
        jobs::enqueue(tx, "1", "mail", "letter 7", 5)?;
        jobs::take(tx, "mail", "a process that died")?;
        Ok::<_, DbError>(tx.execute("UPDATE jobs SET lease_until = 0", [])?)
    };
    db.write(Durability::Full, store).await?;
    let (drain, sent) = (Drain::new(Duration::from_secs(5)), Arc::new(Notify::new()));
    let work = Mail(db.clone(), Arc::clone(&sent));
    Runner::new(db, "mail", "this process".to_owned(), 4, work)
        .watched(|moment| println!("{moment:?}"))
        .start(Arc::default(), &drain);
    sent.notified().await;
    drain.stop();
    println!("all ended: {}", drain.finished().await);
    Ok(())
}
