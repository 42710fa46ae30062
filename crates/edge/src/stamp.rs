//! A worker's sign of life for whoever started the edge: a slot of the pulse for each listener that it accepts from.

use std::cell::Cell;

use machine::pulse::{Beat, Pulse};

/// A second is a tenth of what a client waits; more often would only cost.
const EVERY_MS: u64 = 1_000;

#[derive(Debug)]
pub(crate) struct Stamp {
    /// The slots, by the places of the listeners among the inherited descriptors.
    pub(crate) places: Vec<usize>,
    /// When it was written last, in the edge's milliseconds.
    pub(crate) last: Cell<u64>,
}

impl Stamp {
    /// Call it at every tick. One that stops takes its promise back: it leaves connections to the next edge on purpose.
    pub(crate) fn write(&self, page: &Pulse, now_ms: u64, is_busy: bool, is_stopping: bool) {
        if !is_stopping && self.last.get() != 0 && now_ms.saturating_sub(self.last.get()) < EVERY_MS {
            return;
        }
        self.last.set(now_ms.max(1));
        let beat = if is_stopping { Beat::SILENT } else { Beat::new(now_ms, is_busy) };
        for place in &self.places {
            // A page that cannot be written is one that nobody reads: the worker serves on.
            let _ = page.stamp(*place, beat);
        }
    }
}
