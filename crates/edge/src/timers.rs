//! Coarse deadlines of one thread: a sweep every [`TICK`] instead of a timer per operation.
//!
//! A request has one [`Timer`]; arming it is a store. When the sweep finds it expired it wakes the task, which asks
//! [`Timer::expired`]. A deadline is kept up to one tick late, never early.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use slab::Slab;

use crate::clock::{Anchor, NEVER, ms, now_ms};

/// How often deadlines are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// All timers of a thread.
#[derive(Debug)]
pub(crate) struct Timers {
    entries: RefCell<Slab<Rc<Entry>>>,
    now: Cell<u64>,
    anchor: Cell<Anchor>,
}

impl Default for Timers {
    fn default() -> Self {
        Self { entries: RefCell::default(), now: Cell::new(0), anchor: Cell::new(Anchor::now()) }
    }
}

#[derive(Debug)]
struct Entry {
    deadline: Cell<u64>,
    /// A second one that others move, asked at each sweep.
    cut_at: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// One task's deadlines. Dropping it forgets them.
#[derive(Debug)]
pub(crate) struct Timer {
    timers: Rc<Timers>,
    entry: Rc<Entry>,
    key: usize,
}

impl Timers {
    /// Time at the last sweep: precise enough for time-outs, free to read.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    /// The wall's time at `moment`; it follows a wall clock that is set at the next sweep.
    pub(crate) fn unix_ms(&self, moment: Instant) -> u64 {
        self.anchor.get().unix_ms(moment)
    }

    pub(crate) fn timer(self: &Rc<Self>) -> Timer {
        let entry = Rc::new(Entry {
            deadline: Cell::new(NEVER),
            cut_at: Cell::new(NEVER),
            waker: RefCell::new(None),
        });
        let key = self.entries.borrow_mut().insert(Rc::clone(&entry));
        Timer { timers: Rc::clone(self), entry, key }
    }

    /// Wakes what has expired. Call it every [`TICK`].
    pub(crate) fn sweep(&self) {
        let now = now_ms();
        self.now.set(now);
        self.anchor.set(Anchor::now());
        for (_, entry) in self.entries.borrow().iter() {
            if entry.deadline.get().min(entry.cut_at.get()) <= now {
                // Waking only queues the task, so the slab is not touched while it is borrowed.
                if let Some(waker) = entry.waker.borrow_mut().take() {
                    waker.wake();
                }
            }
        }
    }

    /// Wakes every task, so that it looks at what changed for all (a drain).
    pub(crate) fn wake_all(&self) {
        for (_, entry) in self.entries.borrow().iter() {
            if let Some(waker) = entry.waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }
}

impl Timer {
    pub(crate) fn arm(&self, after: Duration) {
        // A sweep may be a tick old; without this the deadline could come early.
        let margin = ms(TICK);
        self.entry.deadline.set(self.timers.now().saturating_add(ms(after)).saturating_add(margin));
    }

    pub(crate) fn disarm(&self) {
        self.entry.deadline.set(NEVER);
    }

    pub(crate) fn cut_at(&self, deadline: u64) {
        self.entry.cut_at.set(deadline);
    }

    /// Whether the armed deadline has passed; else the task is woken when it does.
    pub(crate) fn expired(&self, cx: &mut Context<'_>) -> bool {
        if self.entry.deadline.get() <= self.timers.now() {
            return true;
        }
        let mut waker = self.entry.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        false
    }

    pub(crate) fn now(&self) -> u64 {
        self.timers.now()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.timers.entries.borrow_mut().remove(self.key);
    }
}

/// `future` unless `after` passes first.
pub(crate) async fn within<F: Future>(timers: &Rc<Timers>, after: Duration, future: F) -> Option<F::Output> {
    let timer = timers.timer();
    timer.arm(after);
    tokio::pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending if timer.expired(cx) => std::task::Poll::Ready(None),
        std::task::Poll::Pending => std::task::Poll::Pending,
    })
    .await
}
