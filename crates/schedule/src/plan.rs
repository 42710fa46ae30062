//! What a look at the clock means for one job, pure: from what it is to do, what became of its runs, and the time.

use jiff::{SignedDuration, Timestamp};
use model::manifest::{CatchUp, WhileRunning};

use crate::{logbook::Entry, timetable::Timetable};

/// A run may begin this late and is on time: the machine was busy, the keeper was replaced.
pub const LATE_MAX: SignedDuration = SignedDuration::from_secs(60);
/// A clock that is put back by less is waited for: what ran does not run again. Further back it was wrong before, and
/// nobody waits for a year that was a mistake. (As Debian's cron(8) does it.)
const WAITED_FOR: SignedDuration = SignedDuration::from_hours(3);
/// Bound: moments that one look counts; what is missed beyond it is told as so many or more.
pub(crate) const COUNTED_MAX: usize = 100;

/// What a job is to do.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub timetable: Timetable,
    pub catch_up: CatchUp,
    pub while_running: WhileRunning,
}

/// What a look decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Everything due until here is decided.
    pub settled: Timestamp,
    /// The clock was put back further than is waited for.
    pub clock_went_back: bool,
    /// Begin a run of this moment now.
    pub begin: Option<Timestamp>,
    /// This moment waits until the run that goes on has ended.
    pub wait: Option<Timestamp>,
    /// Moments at which nothing ran, oldest first.
    pub unrun: Vec<Unrun>,
}

impl Plan {
    /// Whether nothing came of the look.
    pub fn is_quiet(&self) -> bool {
        !self.clock_went_back && self.begin.is_none() && self.wait.is_none() && self.unrun.is_empty()
    }
}

/// Moments at which nothing ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrun {
    /// Nobody was there: so many moments until `last`.
    Missed { last: Timestamp, count: usize },
    /// The run before it went on.
    Skipped { due: Timestamp },
}

/// Decides what `now` means.
pub fn plan(wanted: &Wanted, entry: &Entry, now: Timestamp) -> Plan {
    if now.duration_until(entry.settled) > WAITED_FOR {
        return Plan { settled: now, clock_went_back: true, ..Plan::default() };
    }
    let mut plan = Plan { settled: now.max(entry.settled), ..Plan::default() };
    let mut due = due(wanted, entry, now);
    let on_time = |due: &Timestamp| due.duration_until(now) <= LATE_MAX;
    let newest = due.first().copied().filter(|due| wanted.catch_up == CatchUp::Latest || on_time(due));
    if let Some(newest) = newest {
        due.remove(0);
        match (entry.running.is_some(), wanted.while_running) {
            (false, _) => plan.begin = Some(newest),
            (true, WhileRunning::Skip) => plan.unrun.push(Unrun::Skipped { due: newest }),
            (true, WhileRunning::Wait) => {
                plan.unrun.extend(entry.waiting.map(|due| Unrun::Skipped { due }));
                plan.wait = Some(newest);
            }
        }
    }
    if let Some(last) = due.first() {
        plan.unrun.insert(0, Unrun::Missed { last: *last, count: due.len() });
    }
    if entry.running.is_none() && plan.begin.is_none() {
        plan.begin = entry.waiting;
    } else if plan.begin.is_some() {
        plan.unrun.extend(entry.waiting.map(|due| Unrun::Skipped { due }));
    }
    plan
}

/// Moments that came and of which nothing is decided, newest first.
fn due(wanted: &Wanted, entry: &Entry, now: Timestamp) -> Vec<Timestamp> {
    let mut due = Vec::new();
    let decided = entry.settled.max(entry.newest(now).unwrap_or(Timestamp::MIN));
    let mut last = wanted.timetable.last_until(now);
    while let Some(moment) = last.filter(|moment| *moment > decided && due.len() < COUNTED_MAX) {
        due.push(moment);
        last = moment
            .checked_sub(SignedDuration::from_nanos(1))
            .ok()
            .and_then(|at| wanted.timetable.last_until(at));
    }
    due
}
