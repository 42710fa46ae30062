//! Stopping well: the two signals of a supervisor, and the three moments that follow.
//!
//! *hinted* (SIGUSR1): take nothing new that takes long. *stopping* (SIGTERM, SIGINT): accept nothing, finish what
//! runs. *cut*: the limit is near; whoever still holds a connection ends it in a way that its client understands.

use std::{io, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Handle on the stop of one process; clones are the same stop.
#[derive(Clone, Debug)]
pub struct Drain {
    hinted: CancellationToken,
    stopping: CancellationToken,
    cut: CancellationToken,
    limit: Duration,
    tracker: TaskTracker,
}

/// Between the cut and the end: time for a last event, a close frame, a lease given back.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Drain {
    /// `limit`: from SIGTERM to the end of the process at the latest.
    pub fn new(limit: Duration) -> Self {
        let (hinted, stopping, cut) = Default::default();
        Self { hinted, stopping, cut, limit, tracker: TaskTracker::new() }
    }

    /// Listens for the signals from now on.
    ///
    /// # Errors
    /// The kernel refuses a handler.
    pub fn watch_signals(&self) -> io::Result<()> {
        let mut hint = signal(SignalKind::user_defined1())?;
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let drain = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = hint.recv() => drain.hint(),
                    _ = term.recv() => drain.stop(),
                    // A second Ctrl-C is a person who does not want to wait.
                    _ = int.recv() => if drain.is_stopping() { drain.cut.cancel() } else { drain.stop() },
                }
            }
        });
        Ok(())
    }

    /// What SIGUSR1 does.
    pub fn hint(&self) {
        tracing::info!("asked to take no new long work");
        self.hinted.cancel();
    }

    /// What SIGTERM does. Needs a running tokio.
    pub fn stop(&self) {
        if self.stopping.is_cancelled() {
            return;
        }
        tracing::info!(limit_ms = self.limit.as_millis(), "stopping: finishing what runs");
        self.hinted.cancel();
        self.stopping.cancel();
        let drain = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(drain.limit.saturating_sub(LAST_WORDS)).await;
            drain.cut.cancel();
        });
    }

    /// Whether to take no new long work.
    pub fn is_hinted(&self) -> bool {
        self.hinted.is_cancelled()
    }

    /// Whether to accept nothing new.
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Returns from SIGUSR1 or SIGTERM on. Cancel-safe, as are the two below.
    pub async fn hinted(&self) {
        self.hinted.cancelled().await;
    }

    /// Returns from SIGTERM on.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Returns a second before the limit: say the last words.
    pub async fn cut(&self) {
        self.cut.cancelled().await;
    }

    /// Resolves when `LAST_WORDS` after the cut are over.
    pub async fn over(&self) {
        self.cut.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    }

    /// Tasks spawned here are waited for at the end, within the limit: WebSockets, running jobs.
    pub fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Waits for tracked tasks, at most until the limit. True when all ended.
    pub async fn finished(&self) -> bool {
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => true,
            () = self.over() => false,
        }
    }
}
