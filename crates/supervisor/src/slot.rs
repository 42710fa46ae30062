//! A slot keeps one instance alive: starts it, probes it, restarts it by policy, stops it when told.
//!
//! One task owns the state ([`care`]); callers hear of it by a `watch` and of what happened by a `broadcast`.

mod care;
mod ground;
mod listens;
mod probe;
mod socket;

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use model::{ProcessId, manifest::LivenessProbe, manifest::Restart, manifest::StartupProbe};
use tokio::sync::{broadcast, mpsc, watch};

use crate::{Exit, Order, Process, StopPlan, Supervisor};
use ground::{Ground, Held};

/// Where a slot has the order of its processes from.
#[derive(Clone)]
pub enum Orders {
    Given(Box<Order>),
    /// Asked for before the first spawn, again after each refusal, and kept once it is there. A process that was adopted
    /// needs nothing of what only its successor needs: secrets, an account.
    Asked(Arc<dyn Fn() -> Asking + Send + Sync>),
}

/// An order that may take a while to have; `Err`: why there is none now, in words.
pub type Asking = Pin<Box<dyn Future<Output = Result<Order, String>> + Send>>;

impl Orders {
    /// The order, asked for anew where it has to be.
    /// # Errors
    /// Why there is none now, in words.
    pub async fn have(&self) -> Result<Order, String> {
        match self {
            Self::Given(order) => Ok(Order::clone(order)),
            Self::Asked(ask) => ask().await,
        }
    }
}

impl From<Order> for Orders {
    fn from(order: Order) -> Self {
        Self::Given(Box::new(order))
    }
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(order) => f.debug_tuple("Given").field(order).finish(),
            Self::Asked(_) => f.write_str("Asked"),
        }
    }
}

/// Hears each event at once, before what it tells of is forgotten: a keeper that dies then leaves it to the next one by
/// what was witnessed, or by the process's folder.
pub type Witness = Box<dyn Fn(&SlotEvent) + Send + Sync>;

/// How a slot cares for its instance.
#[derive(Clone, Debug)]
pub struct SlotSettings {
    pub order: Orders,
    pub restart: Restart,
    pub startup: Option<StartupProbe>,
    pub liveness: Option<LivenessProbe>,
    /// `Host` of probes that name none.
    pub host: String,
    /// Without a startup probe: started when it has lived this long (or said `READY=1`, where it may).
    pub min_healthy_time: Duration,
}

/// What is true of the instance now. `since` of one that starts or is up is when its process began, whichever keeper
/// lived then; of the others, when the state began.
#[derive(Clone, Debug)]
pub enum SlotState<P = Process> {
    /// Being spawned, or alive and not yet through its startup probe.
    Starting {
        process: Option<P>,
        since: SystemTime,
        last_probe: Option<ProbeAnswer>,
        restarts: u64,
    },
    Up {
        process: P,
        since: SystemTime,
        restarts: u64,
    },
    /// Dead; the next start comes after `delay` from `since`. `degraded`: it dies again and again.
    BackingOff {
        since: SystemTime,
        delay: Duration,
        restarts: u64,
        last: Ended,
        degraded: bool,
    },
    Stopping {
        process: P,
        since: SystemTime,
    },
    /// For good: the slot was told to stop. `None`: it was not running then.
    Stopped {
        exit: Option<Exit>,
    },
}

/// Why the last attempt is over.
#[derive(Clone, Debug)]
pub enum Ended {
    Exited(Exit),
    /// It could not even be spawned; in words, with causes.
    NotSpawned(String),
}

/// What a probe got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// `passed`: 200 to 399.
    Answered { passed: bool, status: u16, headers: Vec<(String, String)>, body: String, took: Duration },
    /// Refused, reset, timed out: in words, without the address.
    Failed { error: String, took: Duration },
}

/// What happened, in order. Bound: 256 are kept; a slower reader is told how many it missed.
#[derive(Clone, Debug)]
pub enum SlotEvent {
    Started {
        process: ProcessId,
        pid: u32,
    },
    StartupPassed {
        process: ProcessId,
        took: Duration,
    },
    /// The deadline passed; the process is stopped and the slot backs off.
    StartupFailed {
        process: ProcessId,
        answer: Option<ProbeAnswer>,
        log: Vec<String>,
    },
    NotSpawned {
        error: String,
    },
    /// It ended though nobody asked.
    Crashed {
        process: ProcessId,
        exit: Exit,
        log: Vec<String>,
    },
    LivenessFailed {
        process: ProcessId,
        answer: ProbeAnswer,
        log: Vec<String>,
    },
    /// What it listens on, where that is not only its address: after its startup, passed or failed.
    Listens {
        process: ProcessId,
        findings: Vec<ListenFinding>,
    },
    /// It died more than `max_restarts` times within the window; tried every `degraded_every` from now on.
    Degraded {
        restarts: u64,
    },
    Stopped {
        exit: Option<Exit>,
    },
}

/// A fact about listening sockets; the caller decides how bad it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenFinding {
    /// It listens, but not on the address it was given: on these.
    Elsewhere { wanted: model::Address, found: Vec<String> },
    /// Reachable from outside: bound to `0.0.0.0`, `::` or another interface's address.
    AllInterfaces { found: Vec<String> },
}

/// A running slot. Dropping it ends the care, not the process: only [`Slot::stop`] stops it.
#[derive(Debug)]
pub struct Slot<P = Process> {
    settings: Arc<SlotSettings>,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<SlotState<P>>,
    events: broadcast::Sender<SlotEvent>,
    /// Listens from the first event on, for the first who asks: the task may be ahead of its holder.
    first: Mutex<Option<broadcast::Receiver<SlotEvent>>>,
}

#[derive(Debug)]
enum Command {
    Stop(Option<StopPlan>),
    Restart,
}

/// Bound of what a slow reader of events may miss nothing of.
const EVENTS_MAX: usize = 256;
/// Bound: commands are taken at once, except while a spawn is under way.
const COMMANDS_MAX: usize = 16;

impl Slot {
    /// Begins the care; `adopted` is the process that a keeper before this one had started, if it lives.
    /// Must be called within a tokio runtime.
    pub fn start(
        supervisor: Supervisor,
        settings: SlotSettings,
        adopted: Option<Process>,
        witness: Witness,
    ) -> Self {
        let (slot, care) = begun(supervisor, settings, adopted, witness);
        tokio::spawn(care);
        slot
    }
}

impl<P: Clone + Send + Sync> Slot<P> {
    pub fn settings(&self) -> &SlotSettings {
        &self.settings
    }

    pub fn state(&self) -> watch::Receiver<SlotState<P>> {
        self.state.clone()
    }

    /// The first call gets all events since the start (the last 256), later ones those from now on.
    pub fn events(&self) -> broadcast::Receiver<SlotEvent> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.unwrap_or_else(|| self.events.subscribe())
    }

    /// The process that is alive now.
    pub fn process(&self) -> Option<P> {
        match &*self.state.borrow() {
            SlotState::Starting { process, .. } => process.clone(),
            SlotState::Up { process, .. } | SlotState::Stopping { process, .. } => Some(process.clone()),
            SlotState::BackingOff { .. } | SlotState::Stopped { .. } => None,
        }
    }

    /// Stops the process and the slot; returns when it has ended and its folder is removed. `plan` overrides the
    /// order's. A second call with a shorter grace shortens the first. Cancel-safe: once begun the stop goes on.
    pub async fn stop(&self, plan: Option<StopPlan>) -> Option<Exit> {
        // Closed: it has stopped already.
        let _ = self.commands.send(Command::Stop(plan)).await;
        let mut state = self.state.clone();
        let stopped = state.wait_for(|state| matches!(state, SlotState::Stopped { .. })).await;
        match stopped.as_deref() {
            Ok(SlotState::Stopped { exit }) => exit.clone(),
            _ => None,
        }
    }

    /// Stops the process and starts the next one without delay. Returns when that is asked for; watch the state.
    pub async fn restart(&self) {
        let _ = self.commands.send(Command::Restart).await;
    }

    /// Waits until the state is `Up` or the slot is stopped; `true`: up. Bound it with a timeout of your own.
    pub async fn up(&self) -> bool {
        let mut state = self.state.clone();
        let reached =
            |state: &SlotState<P>| matches!(state, SlotState::Up { .. } | SlotState::Stopped { .. });
        state.wait_for(reached).await.is_ok_and(|state| matches!(*state, SlotState::Up { .. }))
    }
}

/// A slot, and the care that somebody has to run.
fn begun<G: Ground>(
    ground: G,
    settings: SlotSettings,
    adopted: Option<G::Process>,
    witness: Witness,
) -> (Slot<G::Process>, impl Future<Output = ()> + Send + use<G>) {
    let settings = Arc::new(settings);
    let (commands, heard) = mpsc::channel(COMMANDS_MAX);
    let (events, first) = broadcast::channel(EVENTS_MAX);
    let starting = SlotState::Starting {
        process: adopted.clone(),
        since: adopted.as_ref().map_or_else(|| ground.now(), Held::started),
        last_probe: None,
        restarts: 0,
    };
    let (tell, state) = watch::channel(starting);
    let care = care::Care::new(ground, settings.clone(), heard, tell, (events.clone(), witness));
    let slot = Slot { settings, commands, state, events, first: Mutex::new(Some(first)) };
    (slot, care.run(adopted))
}

#[cfg(test)]
mod simulation;
