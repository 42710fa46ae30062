//! What holds of the care of one instance, in every world: told by the [`Machine`](super::machine::Machine) what is true and
//! by the slot what it says, and judged at once.

use std::{collections::BTreeSet, time::Duration};

use model::{ProcessId, manifest::Restart};
use testkit::worlds::tell;
use tokio::time::Instant;

use super::machine::Inner;
use crate::slot::{SlotEvent, SlotSettings};

/// Between what is true and when the care can know: the word of a shim, the last lines of a log.
const SLACK: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct Promises {
    settings: SlotSettings,
    broken: Vec<String>,
    /// What the policy may be thinking: more than one where an end was so near to a limit that either side is right.
    policies: Vec<Oracle>,
    /// When the last attempt ended though nobody asked.
    ended: Option<Instant>,
    /// How long what is being buried had lived when its end was noticed.
    lived: Option<Duration>,
    /// When somebody spoke to the slot: for each word it may try once without waiting.
    commanded: Vec<Instant>,
    /// An order was asked for, and belongs to the spawn that comes.
    asked: bool,
    /// Attempts of this slot.
    pub attempts: u64,
    is_degraded: bool,
    is_stopped: bool,
    adopted: Option<(u64, Instant)>,
    /// Ends that were told.
    told: BTreeSet<u64>,
}

impl Promises {
    pub(super) fn new(settings: SlotSettings) -> Self {
        Self {
            policies: vec![Oracle::default()],
            settings,
            broken: Vec::new(),
            ended: None,
            lived: None,
            commanded: Vec::new(),
            asked: false,
            attempts: 0,
            is_degraded: false,
            is_stopped: false,
            adopted: None,
            told: BTreeSet::new(),
        }
    }

    /// Another slot begins: it knows nothing of the past.
    pub(super) fn begin(&mut self, adopted: Option<u64>) {
        let (broken, mut told) = (std::mem::take(&mut self.broken), std::mem::take(&mut self.told));
        // The keeper before may have died over the burial of this very process.
        adopted.inspect(|n| {
            told.remove(n);
        });
        let adopted = adopted.map(|n| (n, Instant::now()));
        *self = Self { broken, told, adopted, ..Self::new(self.settings.clone()) };
    }

    /// # Errors
    /// What was broken.
    pub(super) fn kept(&self) -> Result<(), String> {
        if self.broken.is_empty() { Ok(()) } else { Err(self.broken.join("; ")) }
    }

    pub(super) fn breaks(&mut self, promise: String) {
        self.broken.push(promise);
    }

    fn keep(&mut self, holds: bool, promise: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(promise());
        }
    }

    pub(super) fn commanded(&mut self) {
        self.commanded.push(Instant::now());
    }

    pub(super) fn born(&mut self, n: u64, twins: usize) {
        self.keep(twins == 0, || format!("process {n} is born beside another of its slot"));
    }

    /// An order is asked for; `false`: it is refused.
    pub(super) fn asked(&mut self, is_given: bool) {
        self.asked = false;
        self.attempted();
        self.asked = is_given;
    }

    /// Something is spawned: never sooner than the policy says, and never much later.
    pub(super) fn attempted(&mut self) {
        if std::mem::take(&mut self.asked) {
            return;
        }
        self.attempts += 1;
        self.keep(!self.is_stopped, || "something is spawned for a slot that was stopped".to_owned());
        self.commanded.retain(|said| said.elapsed() <= HEARD_WITHIN);
        let Some(ended) = self.ended.take() else { return };
        if !self.commanded.is_empty() {
            self.commanded.remove(0);
            return;
        }
        let (gap, jitter) = (ended.elapsed(), self.settings.restart.jitter);
        let may = |policy: &Oracle| {
            let (least, most) = (policy.delay.mul_f64(1.0 - jitter), policy.delay.mul_f64(1.0 + jitter));
            least <= gap + Duration::from_millis(2) && gap <= most + SLACK
        };
        let wanted: Vec<_> = self.policies.iter().map(|policy| policy.delay).collect();
        self.policies.retain(may);
        if self.policies.is_empty() {
            self.breaks(format!("tried again after {gap:?}; the policy says {wanted:?}"));
            self.policies.push(Oracle::default());
        }
    }

    fn ended(&mut self, lived: Duration) {
        self.ended = Some(Instant::now());
        let restart = self.settings.restart;
        self.policies =
            self.policies.iter().flat_map(|policy| policy.after(&restart, Instant::now(), lived)).collect();
    }

    /// It was told to end: by a command, a probe, or a keeper before this one.
    pub(super) fn buried(&mut self) {
        if let Some(lived) = self.lived.take() {
            self.ended(lived);
        }
    }

    /// The end of a process is told once.
    fn end_told(&mut self, n: u64, lived: Duration) {
        let is_new = self.told.insert(n);
        self.keep(is_new, || format!("the end of process {n} is told twice"));
        self.lived = Some(lived);
    }

    fn degraded(&mut self) {
        let may_be = self.policies.iter().any(|policy| policy.is_degraded);
        self.keep(may_be, || "degraded, though it did not die that often".to_owned());
        let is_new = !std::mem::replace(&mut self.is_degraded, true);
        self.keep(is_new, || "told twice that it is degraded, and it never was better meanwhile".to_owned());
    }
}

impl Inner {
    /// What the slot says, beside what is true now.
    pub(super) fn heard(&mut self, event: &SlotEvent) {
        let process = match event {
            SlotEvent::StartupPassed { process, .. }
            | SlotEvent::StartupFailed { process, .. }
            | SlotEvent::Crashed { process, .. }
            | SlotEvent::LivenessFailed { process, .. } => Some(number(*process)),
            _ => None,
        };
        let age = process.and_then(|n| self.beings.get(&n)).map(|being| being.born.elapsed());
        let age = age.unwrap_or_default();
        match event {
            SlotEvent::StartupPassed { .. } => self.startup_passed(process.unwrap(), age),
            SlotEvent::StartupFailed { .. } => self.startup_failed(process.unwrap(), age),
            SlotEvent::LivenessFailed { .. } => self.liveness_failed(process.unwrap(), age),
            SlotEvent::Crashed { .. } => self.promises.end_told(process.unwrap(), age),
            SlotEvent::NotSpawned { .. } => self.promises.ended(Duration::ZERO),
            SlotEvent::Degraded { .. } => {
                tell(|| "degraded".to_owned());
                self.promises.degraded();
            }
            SlotEvent::Stopped { .. } => {
                self.promises.is_stopped = true;
                let left = self.living().map(|(n, _)| n);
                self.promises.keep(left.is_none(), || format!("stopped, and {left:?} lives"));
            }
            SlotEvent::Started { .. } | SlotEvent::Listens { .. } => {}
        }
        if !self.promises.policies.iter().any(|policy| policy.is_degraded) {
            self.promises.is_degraded = false;
        }
    }

    /// Up is what has answered, or said so, or lived as long as it must.
    fn startup_passed(&mut self, n: u64, age: Duration) {
        let promises = &mut self.promises;
        let Some(life) = self.beings.get(&n).map(|being| &being.life) else { return };
        let min = promises.settings.min_healthy_time;
        let holds = match promises.settings.startup {
            Some(_) => age >= life.is_ready,
            None => age >= min || life.says_ready.is_some_and(|says| age >= says),
        };
        promises.keep(holds, || format!("process {n} counts as up after {age:?}: {life:?}"));
    }

    /// Never before its time, and never what answered well in time.
    fn startup_failed(&mut self, n: u64, age: Duration) {
        tell(|| format!("process {n}: startup failed"));
        let promises = &mut self.promises;
        let deadline = promises.settings.startup.as_ref().unwrap().deadline.0;
        let since = promises.adopted.filter(|(adopted, _)| *adopted == n);
        let had = since.map_or(age, |(_, since)| since.elapsed());
        let fair = had >= deadline && had <= deadline + SLACK + SHIM_WORD + SHIM_TAIL;
        promises.keep(fair, || format!("process {n} had {had:?} to start, and {deadline:?} was promised"));
        let being = &self.beings[&n];
        let is_unwell = being.was_unwell() || being.life.is_ready + PROBE_MAX >= deadline;
        promises.keep(is_unwell, || format!("process {n} was ready in time and is given up"));
        promises.end_told(n, age);
    }

    /// Only what really did not answer.
    fn liveness_failed(&mut self, n: u64, age: Duration) {
        tell(|| format!("process {n}: liveness failed"));
        let being = &self.beings[&n];
        let is_unwell = being.was_unwell() || being.life.is_ready + PROBE_MAX >= age || !being.is_alive;
        self.promises.keep(is_unwell, || format!("process {n} was well and is given up"));
        self.promises.end_told(n, age);
    }
}

/// Between two looks of a probe, its own time included.
const PROBE_MAX: Duration = Duration::from_secs(10);
/// A word waits while something is spawned or ends.
const HEARD_WITHIN: Duration = Duration::from_secs(120);
/// From a process's birth to the word of its shim.
const SHIM_WORD: Duration = Duration::from_secs(1);
/// A deaf shim is asked for its last lines before the failure is told.
const SHIM_TAIL: Duration = Duration::from_secs(6);

pub(super) fn number(process: ProcessId) -> u64 {
    u64::try_from(process.0.0).unwrap()
}

/// What the restart policy promises in its own words, written another way than it is.
#[derive(Clone, Debug, Default)]
struct Oracle {
    /// Since the last long life: how often it was tried again with a growing pause.
    grown: i32,
    ends: Vec<Instant>,
    delay: Duration,
    is_degraded: bool,
}

impl Oracle {
    /// One, or more where `lived` or the window is within a moment of the limit.
    fn after(&self, restart: &Restart, now: Instant, lived: Duration) -> Vec<Self> {
        // A deaf shim is asked in vain for its last lines after the end was noticed and before it is told.
        let lives = [lived.saturating_sub(SHIM_TAIL), lived + SLACK];
        let all = lives.into_iter().flat_map(|lived| {
            let mut next = self.clone();
            if lived >= restart.reset_after.0 {
                (next.grown, next.ends) = (0, Vec::new());
            }
            next.ends.push(now);
            either_side(restart.window.0).map(|window| next.clone().judged(restart, now, window))
        });
        let mut different: Vec<Self> = Vec::new();
        for one in all {
            if !different.iter().any(|other| other.is_same(&one)) {
                different.push(one);
            }
        }
        different
    }

    fn judged(mut self, restart: &Restart, now: Instant, window: Duration) -> Self {
        let within = self.ends.iter().filter(|end| now.duration_since(**end) <= window).count();
        self.is_degraded = within > restart.max_restarts as usize;
        if self.is_degraded {
            self.delay = restart.degraded_every.0;
            return self;
        }
        let grown = restart.backoff_initial.0.as_secs_f64() * restart.backoff_factor.powi(self.grown);
        self.delay = Duration::from_secs_f64(grown.min(restart.backoff_max.0.as_secs_f64()));
        self.grown += 1;
        self
    }

    fn is_same(&self, other: &Self) -> bool {
        self.grown == other.grown
            && self.ends.len() == other.ends.len()
            && self.is_degraded == other.is_degraded
    }
}

fn either_side(of: Duration) -> [Duration; 2] {
    [of.saturating_sub(SLACK), of + SLACK]
}
