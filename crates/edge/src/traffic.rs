//! What users got from one pool, counted while it passes: the figures that a bake is judged by.
//!
//! The hot path adds to counters and nothing else; who reads takes a copy. Bound: a pool's counters are 80 bins, eleven
//! copies of them, and at most [`CLIENTS_MAX`] clients that met an error.

use std::{
    collections::{HashSet, VecDeque},
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use model::traffic::{FIRST_BYTE_BINS, FirstBytes, Traffic};

use crate::shared::client_key;

/// Bound: clients with errors that are told apart. A verdict asks for a few, not for all.
const CLIENTS_MAX: usize = 256;
/// What "recent" means: so many turns of this length.
const TURNS: usize = 10;
const TURN_MS: u64 = 60_000;

/// One pool's counters since it is known.
#[derive(Debug)]
pub(crate) struct Counted {
    answers: AtomicU64,
    errors: AtomicU64,
    foreign: AtomicU64,
    bins: [AtomicU64; FIRST_BYTE_BINS],
    clients: Mutex<HashSet<u128>>,
    past: Mutex<Past>,
}

/// Readings of the last ten minutes, the oldest first.
#[derive(Debug, Default)]
struct Past {
    readings: VecDeque<Traffic>,
    last_ms: Option<u64>,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            answers: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
            bins: [const { AtomicU64::new(0) }; FIRST_BYTE_BINS],
            clients: Mutex::default(),
            past: Mutex::default(),
        }
    }
}

impl Counted {
    /// An answer without error began; `first_byte`: when, unless it is a stream.
    pub(crate) fn answered(&self, first_byte: Option<Duration>) {
        self.answers.fetch_add(1, Relaxed);
        let bin = first_byte.and_then(|took| self.bins.get(usize::from(FirstBytes::bin(took))));
        if let Some(bin) = bin {
            bin.fetch_add(1, Relaxed);
        }
    }

    /// An answer that is an error began.
    pub(crate) fn failed(&self, client: IpAddr) {
        self.answers.fetch_add(1, Relaxed);
        self.broke(client);
    }

    /// An answer that had begun well broke.
    pub(crate) fn broke(&self, client: IpAddr) {
        self.errors.fetch_add(1, Relaxed);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() < CLIENTS_MAX {
            clients.insert(client_key(client));
        }
    }

    /// An answer that the app has marked as another service's fault.
    pub(crate) fn marked(&self) {
        self.foreign.fetch_add(1, Relaxed);
    }

    /// Marked answers since the pool is known; no others count them.
    pub(crate) fn foreign(&self) -> u64 {
        self.foreign.load(Relaxed)
    }

    /// All since the pool is known.
    pub(crate) fn all(&self) -> Traffic {
        let bins = self.bins.iter().zip(0..).map(|(bin, n)| (n, bin.load(Relaxed)));
        // Errors first: read the other way round they could be more than the answers.
        let errors = self.errors.load(Relaxed);
        Traffic {
            answers: self.answers.load(Relaxed),
            errors,
            clients: self.clients.lock().unwrap_or_else(PoisonError::into_inner).len() as u64,
            first_bytes: FirstBytes(bins.filter(|(_, count)| *count > 0).collect()),
        }
    }

    /// Of the last ten minutes, to the minute.
    pub(crate) fn recent(&self) -> Traffic {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.all();
        past.readings.front().map_or_else(|| all.clone(), |oldest| all.since(oldest))
    }

    /// The clock's look, as often as it likes.
    pub(crate) fn turn(&self, now_ms: u64) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if past.last_ms.is_some_and(|last| now_ms.saturating_sub(last) < TURN_MS) {
            return;
        }
        past.last_ms = Some(now_ms);
        past.readings.push_back(self.all());
        if past.readings.len() > TURNS {
            past.readings.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn errors_are_answers_and_their_clients_are_told_apart() {
        let counted = Counted::default();
        counted.answered(Some(Duration::from_micros(400)));
        counted.answered(None);
        counted.failed(ip(1));
        counted.failed(ip(1));
        counted.broke(ip(2));
        counted.marked();
        let all = counted.all();
        assert_eq!((all.answers, all.errors, all.clients), (4, 3, 2));
        assert_eq!(counted.foreign(), 1, "beside them");
        assert_eq!(all.first_bytes.count(), 1, "streams and errors have no first byte to compare");
        (0..=255).for_each(|n| counted.broke(ip(n)));
        counted.broke("2001:db8::1".parse().unwrap());
        assert_eq!(counted.all().clients, CLIENTS_MAX as u64);
    }

    #[test]
    fn what_is_recent_is_ten_minutes_and_not_more() {
        let counted = Counted::default();
        for minute in 0..30 {
            counted.turn(minute * TURN_MS);
            counted.turn(minute * TURN_MS + 1_000);
            counted.answered(None);
        }
        assert_eq!(counted.all().answers, 30);
        assert_eq!(counted.recent().answers, TURNS as u64);
    }
}
