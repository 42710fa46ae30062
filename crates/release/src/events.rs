//! A deploy's events for clients: derived from its journal, so that a reader who comes back after the keeper's death
//! gets the rest and the end.

use std::sync::{Arc, Mutex, PoisonError};

use api::deploy::{Event, EventKind};
use tokio::sync::watch;

use crate::journal::{Kind, Record};

/// The events of one deploy, past and coming; shared by its writer and its readers.
// Bound: phases, and notes of which a run writes a few a second for at most its deadline.
pub(crate) struct EventLog {
    events: Mutex<Vec<Event>>,
    /// How many there are, and whether the last one is there.
    count: watch::Sender<(usize, bool)>,
}

impl EventLog {
    pub(crate) fn new(records: &[Record]) -> Arc<Self> {
        let log = Arc::new(Self { events: Mutex::default(), count: watch::channel((0, false)).0 });
        records.iter().for_each(|record| log.push(record));
        log
    }

    /// Adds the record's event, if it has one.
    pub(crate) fn push(&self, record: &Record) {
        let Some(kind) = record.kind().and_then(event_kind) else { return };
        self.push_unwritten(record.at.clone(), kind);
    }

    /// Tells those who listen what is not in the journal, as an end that could not be written.
    pub(crate) fn push_unwritten(&self, at: String, kind: EventKind) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = matches!(kind, EventKind::Ended { .. });
        let seq = events.len() as u64 + 1;
        events.push(Event { seq, at, kind });
        self.count.send_replace((events.len(), ended));
    }

    /// No more will come, whether there is an end or not.
    pub(crate) fn close(&self) {
        self.count.send_modify(|(_, ended)| *ended = true);
    }

    pub(crate) fn stream(self: &Arc<Self>, from: u64) -> EventStream {
        let next = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        EventStream { count: self.count.subscribe(), log: Arc::clone(self), next }
    }

    fn get(&self, index: usize) -> Option<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).get(index).cloned()
    }
}

fn event_kind(kind: &Kind) -> Option<EventKind> {
    Some(match kind {
        Kind::Entered { phase } => EventKind::Entered { phase: *phase },
        Kind::Note { phase, message } => EventKind::Note { phase: *phase, message: message.clone() },
        Kind::Reason { reason: warning } | Kind::Warned { warning } => {
            EventKind::Warning { warning: warning.clone() }
        }
        Kind::Ended { outcome, serving, error, report } => EventKind::Ended {
            outcome: *outcome,
            serving: *serving,
            error: error.clone(),
            report: report.clone(),
        },
        _ => return None,
    })
}

/// Reads a deploy's events in order, waiting for the next.
pub struct EventStream {
    log: Arc<EventLog>,
    count: watch::Receiver<(usize, bool)>,
    next: usize,
}

impl EventStream {
    /// The next event; `None` after the last, or when the keeper ends before it came. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let (_, ended) = *self.count.borrow_and_update();
            if let Some(event) = self.log.get(self.next) {
                self.next += 1;
                return Some(event);
            }
            if ended || self.count.changed().await.is_err() {
                return None;
            }
        }
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("next", &self.next).finish_non_exhaustive()
    }
}
