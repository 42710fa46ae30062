//! Appends to one answer's log, fenced, in steps of [`FLUSH`], and ends it with the whole text.

use std::{future::Future, time::Duration};

use kit::{
    jobs::{Fence, Job},
    sqlite::{Database, DbError, Durability},
    stream::{self, Position},
};
use rusqlite::Transaction;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::{
    brain::say::BUILT_IN,
    chat::{self, End},
    error::Error,
    ids,
};

/// Text is gathered for so long before it is appended: twenty transactions a second, which no eye tells from more.
const FLUSH: Duration = Duration::from_millis(50);
/// While nothing is written, how often the fence is asked.
const LOOK: Duration = Duration::from_millis(500);
/// Bound: what a model may write into one answer.
const TEXT_BYTES_MAX: usize = 256 * 1_024;

/// Why an answer is not written on.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Another process has it.
    Lost,
    /// The person pressed stop.
    Stopped,
    Db(DbError),
}

impl From<DbError> for Halt {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        match error {
            Error::Db(error) => Self::Db(error),
            // The row is gone, so there is nobody to write for.
            Error::NotFound(_)
            | Error::Invalid(_)
            | Error::Conflict(_)
            | Error::Stale(_)
            | Error::KeyReused
            | Error::TooLarge(_)
            | Error::Files(_) => Self::Lost,
        }
    }
}

/// Asks the fence inside a transaction.
pub(super) fn check(job: &Job, tx: &Transaction<'_>) -> Result<(), Halt> {
    match job.fence(tx)? {
        Fence::Held => Ok(()),
        Fence::StopAsked => Err(Halt::Stopped),
        Fence::Lost => Err(Halt::Lost),
    }
}

/// One attempt's hand on one log.
pub(super) struct Pen {
    db: Database,
    job: Job,
    message: String,
    account: String,
    seq: u32,
    text: String,
    /// More came than fits.
    is_cut: bool,
    /// Who writes: also when the answer is stopped in the middle.
    by: String,
    /// How much of `text` is in the log.
    flushed: usize,
    flushed_at: Instant,
}

impl Pen {
    pub(super) fn new(db: Database, job: Job, message: &str, account: &str) -> Self {
        let (message, account) = (message.to_owned(), account.to_owned());
        Self {
            db,
            job,
            message,
            account,
            seq: 0,
            text: String::new(),
            is_cut: false,
            by: BUILT_IN.to_owned(),
            flushed: 0,
            flushed_at: Instant::now(),
        }
    }

    pub(super) fn job(&self) -> &Job {
        &self.job
    }

    /// From now on a model writes.
    pub(super) fn passes_to(&mut self, model: &str) {
        model.clone_into(&mut self.by);
    }

    pub(super) fn by(&self) -> &str {
        &self.by
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    /// More came than an answer holds: what stands is its beginning.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Marks the attempt; a reader of an earlier one is told to throw its text away.
    pub(super) async fn begin(&mut self) -> Result<(), Halt> {
        let (job, message, at) = (self.job.clone(), self.message.clone(), self.next());
        let work = move |tx: &Transaction<'_>| {
            // Stop is looked at later: an answer that was stopped before it began still needs its end.
            if job.fence(tx)? == Fence::Lost {
                return Err(Halt::Lost);
            }
            if stream::has_earlier_attempt(tx, &message, job.attempt)? {
                let reset =
                    json!({"attempt": job.attempt, "reason": "lost whoever was answering; asking again"});
                stream::append(tx, &message, at, "reset", &reset)?;
            }
            chat::begin(tx, &message, job.attempt).map_err(Halt::from)
        };
        self.db.write(Durability::Process, work).await
    }

    /// Adds to the text; appended when [`FLUSH`] has passed since the last time.
    pub(super) async fn write(&mut self, text: &str) -> Result<(), Halt> {
        let room = TEXT_BYTES_MAX.saturating_sub(self.text.len());
        let fits = (0..=room.min(text.len())).rev().find_map(|len| text.get(..len)).unwrap_or_default();
        self.text.push_str(fits);
        self.is_cut |= fits.len() < text.len();
        if self.flushed_at.elapsed() >= FLUSH { self.flush().await } else { Ok(()) }
    }

    pub(super) async fn note(&mut self, note: &str) -> Result<(), Halt> {
        self.flush().await?;
        let at = self.next();
        self.append(at, "note", json!({"note": note})).await
    }

    /// Pauses, and what was gathered does not wait for longer than [`FLUSH`].
    pub(super) async fn rest(&mut self, pause: Duration) -> Result<(), Halt> {
        let until = Instant::now() + pause;
        let flush_at = self.flushed_at + FLUSH;
        if flush_at < until && self.flushed < self.text.len() {
            tokio::time::sleep_until(flush_at).await;
            self.flush().await?;
        }
        tokio::time::sleep_until(until).await;
        Ok(())
    }

    /// Waits for `work` while looking whether the answer is still wanted and ours, and appends what was gathered.
    pub(super) async fn unless_halted<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::pin!(work);
        loop {
            let pause = if self.flushed < self.text.len() { FLUSH } else { LOOK };
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = tokio::time::sleep(pause) => self.look().await?,
            }
        }
    }

    async fn look(&mut self) -> Result<(), Halt> {
        if self.flushed < self.text.len() {
            return self.flush().await;
        }
        let job = self.job.clone();
        self.db.write(Durability::Process, move |tx| check(&job, tx)).await
    }

    async fn flush(&mut self) -> Result<(), Halt> {
        let Some(new) = self.text.get(self.flushed..).filter(|new| !new.is_empty()) else { return Ok(()) };
        let data = json!({"text": new});
        self.flushed_at = Instant::now();
        let at = self.next();
        self.append(at, "text", data).await?;
        // Only now: what the fence refused (a stop) still belongs to the rest that `end` appends.
        self.flushed = self.text.len();
        Ok(())
    }

    async fn append(&self, at: Position, kind: &'static str, data: Value) -> Result<(), Halt> {
        let (job, message) = (self.job.clone(), self.message.clone());
        let work = move |tx: &Transaction<'_>| {
            check(&job, tx)?;
            stream::append(tx, &message, at, kind, &data).map_err(Halt::from)
        };
        self.db.write(Durability::Process, work).await
    }

    /// The rest of the text, `done`, the message's row and the job's end: all of it or nothing.
    pub(super) async fn end(&mut self, end: End) -> Result<(), Halt> {
        let rest =
            self.text.get(self.flushed..).filter(|rest| !rest.is_empty()).map(|rest| json!({"text": rest}));
        let (rest_at, done_at) = (self.next(), self.next());
        let digest = ids::hex(&Sha256::digest(self.text.as_bytes()));
        let done = json!({"status": end.status, "interrupted": end.interrupted, "chars": self.text.chars().count(), "sha256": digest});
        let (job, message, account, text) =
            (self.job.clone(), self.message.clone(), self.account.clone(), self.text.clone());
        let work = move |tx: &Transaction<'_>| {
            if job.fence(tx)? == Fence::Lost {
                return Err(Halt::Lost);
            }
            if let Some(rest) = rest {
                stream::append(tx, &message, rest_at, "text", &rest)?;
            }
            stream::append(tx, &message, done_at, stream::DONE, &done)?;
            chat::end(tx, &account, &message, &text, &end)?;
            job.finish(tx, end.status == "failed").map_err(Halt::from)
        };
        self.db.write(Durability::Full, work).await
    }

    fn next(&mut self) -> Position {
        let at = Position { attempt: self.job.attempt, seq: self.seq };
        self.seq += 1;
        at
    }
}
