//! Ends what is open for a session, a WebSocket or an answer's stream, when the session is over: however it ended, and in
//! whichever process.
//!
//! A session is a row. It goes when somebody signs out, ends it from elsewhere, changes the password or is erased, and it
//! is over by itself when nobody used it for long. Whoever ends it need not know who listens: while anything is open, one
//! task of this process looks each second which of the rows are still there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kit::{clock, sqlite::Database};
use rusqlite::{Connection, params};
use tokio::sync::watch;

use super::IDLE_MS;
use crate::error::Result;

/// Nothing private is told for longer after a session's end.
const EVERY: Duration = Duration::from_secs(1);

/// The sessions that something is open for. Clones share it.
#[derive(Clone)]
pub(super) struct Watched {
    shared: Arc<Shared>,
}

struct Shared {
    db: Database,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By hash: whether it is over, and how many ask. Bound: connections that are open.
    sessions: HashMap<String, (watch::Sender<bool>, usize)>,
    is_looking: bool,
}

/// One session, for whatever is open for it.
pub(crate) struct Session {
    shared: Arc<Shared>,
    hash: String,
    over: watch::Receiver<bool>,
}

impl Watched {
    pub(super) fn new(db: Database) -> Self {
        Self { shared: Arc::new(Shared { db, state: Mutex::default() }) }
    }

    pub(super) fn session(&self, hash: String) -> Session {
        let mut state = self.shared.lock();
        let entry = state.sessions.entry(hash.clone()).or_insert_with(|| (watch::Sender::new(false), 0));
        entry.1 += 1;
        let over = entry.0.subscribe();
        if !state.is_looking {
            state.is_looking = true;
            tokio::spawn(Arc::clone(&self.shared).look());
        }
        drop(state);
        Session { shared: Arc::clone(&self.shared), hash, over }
    }
}

impl Session {
    /// Returns when the session is over, within two seconds of its end. Cancel-safe.
    pub(crate) async fn over(&mut self) {
        if self.over.wait_for(|over| *over).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some((_, holders)) = state.sessions.get_mut(&self.hash) {
            *holders -= 1;
            if *holders == 0 {
                state.sessions.remove(&self.hash);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until nothing is open.
    async fn look(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EVERY).await;
            let Some(hashes) = self.watched() else { return };
            match self.db.read(move |db| over(db, hashes)).await {
                Ok(over) => self.end(&over),
                // A database that cannot be read for a while must not sign people out.
                Err(error) => tracing::warn!(%error, "whether sessions are over cannot be seen for now"),
            }
        }
    }

    /// `None`: nothing is open, and whoever comes next begins anew.
    fn watched(&self) -> Option<Vec<String>> {
        let mut state = self.lock();
        state.is_looking = !state.sessions.is_empty();
        state.is_looking.then(|| state.sessions.keys().cloned().collect())
    }

    fn end(&self, hashes: &[String]) {
        let state = self.lock();
        for (over, _) in hashes.iter().filter_map(|hash| state.sessions.get(hash)) {
            over.send_replace(true);
        }
    }
}

/// Those of `hashes` that open nothing any more.
fn over(db: &Connection, mut hashes: Vec<String>) -> Result<Vec<String>> {
    let used_since = clock::now_ms() - IDLE_MS;
    let sql = "SELECT count(*) FROM sessions WHERE token_hash = ?1 AND seen_at > ?2";
    let mut query = db.prepare_cached(sql)?;
    let mut failed = None;
    hashes.retain(|hash| match query.query_row(params![hash, used_since], |row| row.get::<_, i64>(0)) {
        Ok(there) => there == 0,
        Err(error) => {
            failed = Some(error);
            false
        }
    });
    failed.map_or(Ok(hashes), |error| Err(error.into()))
}
