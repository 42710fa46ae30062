//! What a keeper's writes come to: a disk that is full, a death before, within or after one. Of one thread, as its world.
//!
//! A keeper that died here writes nothing any more: whatever of it still runs ends at its next write.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use api::deploy::Phase;
use tokio::time::Instant;

use super::trace;
use crate::journal::{Kind, Record};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    DiesBefore,
    /// A torn record, or books of which only the temporary file is there.
    DiesWithin,
    DiesAfter,
    /// Every write is refused until this moment.
    Refused(io::ErrorKind, Instant),
    /// This write alone, as a disk that is just on the brink does.
    RefusedOnce(io::ErrorKind),
}

#[derive(Default)]
struct Disk {
    /// After so many writes the fault comes.
    left: u64,
    fault: Option<Fault>,
    /// Set when it dies; `None`: a test looks after its death by itself.
    keeper: Option<Arc<AtomicBool>>,
    was_hit: bool,
    only_records: bool,
    /// It dies right after the record that this phase is entered.
    at: Option<Phase>,
}

thread_local! {
    static DISK: RefCell<Disk> = RefCell::default();
    /// How much of each journal would be there after a power cut.
    static SYNCED: RefCell<BTreeMap<PathBuf, u64>> = RefCell::default();
}

pub(crate) fn synced(journal: &Path, bytes: u64) {
    SYNCED.with_borrow_mut(|synced| synced.insert(journal.to_owned(), bytes));
}

/// What was written and not brought to the disk is lost.
pub(super) fn power_cut(journals: impl Iterator<Item = PathBuf>) {
    for journal in journals {
        let kept = SYNCED.with_borrow(|synced| synced.get(&journal).copied().unwrap_or_default());
        let file = std::fs::OpenOptions::new().write(true).open(&journal).unwrap();
        // A torn tail may be there or not.
        if file.metadata().unwrap().len() > kept {
            file.set_len(kept).unwrap();
        }
    }
}

/// Ends the task that writes a journal right after its `nth` record from now on (from 1), as a keeper's death would.
pub(crate) fn set(nth: u64) {
    let disk = Disk { left: nth, fault: Some(Fault::DiesAfter), only_records: true, ..Disk::default() };
    DISK.set(disk);
}

/// The `nth` write from now on, of a record or of the books, comes to this.
pub(crate) fn plan(nth: u64, fault: Fault, keeper: Arc<AtomicBool>) {
    DISK.set(Disk { left: nth, fault: Some(fault), keeper: Some(keeper), ..Disk::default() });
}

/// The keeper dies where [`machine::failpoint`] has the real one die: when it has written that `phase` is entered.
pub(crate) fn plan_at(phase: Phase, keeper: Arc<AtomicBool>) {
    DISK.set(Disk { at: Some(phase), keeper: Some(keeper), ..Disk::default() });
}

pub(crate) fn clear() {
    DISK.with_borrow_mut(|disk| *disk = Disk { was_hit: disk.was_hit, ..Disk::default() });
}

pub(crate) fn was_hit() -> bool {
    DISK.with_borrow(|disk| disk.was_hit)
}

/// `half`: what is on the disk of a write that was never finished.
pub(crate) fn before_write(half: impl FnOnce()) -> io::Result<()> {
    if DISK.with_borrow(|disk| disk.keeper.as_ref().is_some_and(|dead| dead.load(Ordering::SeqCst))) {
        die("writes no more");
    }
    let due = DISK.with_borrow_mut(|disk| {
        disk.left = if disk.only_records { disk.left } else { disk.left.saturating_sub(1) };
        let due = disk.fault.filter(|_| disk.left == 0);
        if let Some(Fault::RefusedOnce(_)) = due {
            disk.fault = None;
        }
        due
    });
    match due {
        Some(Fault::DiesBefore) => die("dies before a write"),
        Some(Fault::DiesWithin) => {
            half();
            die("dies within a write")
        }
        Some(Fault::Refused(kind, until)) if Instant::now() < until => {
            trace::tell(|| format!("a write is refused: {kind}"));
            Err(kind.into())
        }
        Some(Fault::RefusedOnce(kind)) => {
            trace::tell(|| format!("one write is refused: {kind}"));
            Err(kind.into())
        }
        Some(Fault::Refused(..) | Fault::DiesAfter) | None => Ok(()),
    }
}

pub(crate) fn after_write() {
    if DISK.with_borrow(|disk| !disk.only_records && disk.left == 0 && disk.fault == Some(Fault::DiesAfter)) {
        die("dies after a write");
    }
}

pub(crate) fn after_record(record: &Record) {
    trace::record(record);
    if let Some(Kind::Entered { phase }) = record.kind()
        && DISK.with_borrow(|disk| disk.at == Some(*phase))
    {
        die("dies in a phase");
    }
    let due = DISK.with_borrow_mut(|disk| {
        let counted = disk.only_records && disk.fault.is_some();
        disk.left = if counted { disk.left.saturating_sub(1) } else { disk.left };
        counted && disk.left == 0
    });
    if due {
        die("dies after a record");
    }
    after_write();
}

fn die(how: &str) -> ! {
    DISK.with_borrow_mut(|disk| {
        disk.was_hit = true;
        (disk.fault, disk.at) = (None, None);
        if let Some(keeper) = &disk.keeper
            && !keeper.swap(true, Ordering::SeqCst)
        {
            trace::tell(|| format!("the keeper {how}"));
        }
    });
    // Without the panic hook: this is no defect.
    std::panic::resume_unwind(Box::new("the failpoint"));
}
