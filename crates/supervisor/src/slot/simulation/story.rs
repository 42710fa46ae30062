//! One world of an instance, from its first moment to its rest.

use std::{sync::Arc, time::Duration};

use testkit::worlds::{Dice, tell};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    actor::Actor,
    given::{asked, order, settings},
    life::millis,
    machine::{Being, Machine},
    promises::Promises,
};
use crate::{Cause, Exit, Slot, SlotEvent, SlotSettings, SlotState, StopPlan, slot::begun};

pub(super) const SIGTERM: i32 = 15;

pub(super) struct Story {
    dice: Dice,
    machine: Machine,
    settings: SlotSettings,
    keeper: Keeper,
    /// Whether the instance should run.
    is_wanted: bool,
    /// Those who wait for it to be up.
    waiting: Vec<JoinHandle<bool>>,
    stops: Vec<JoinHandle<Result<Option<Exit>, tokio::time::error::Elapsed>>>,
}

/// One keeper's care of the slot.
struct Keeper {
    slot: Arc<Slot<Actor>>,
    adopted: bool,
    care: JoinHandle<()>,
}

impl Keeper {
    fn new(machine: &Machine, settings: &SlotSettings, adopted: Option<Actor>) -> Self {
        let is_adopted = adopted.is_some();
        let hears = machine.clone();
        let witness = Box::new(move |event: &SlotEvent| hears.lock().heard(event));
        let (slot, care) = begun(machine.clone(), settings.clone(), adopted, witness);
        Self { slot: Arc::new(slot), adopted: is_adopted, care: tokio::spawn(care) }
    }

    /// As `kill -9` does: on whatever line it is.
    async fn die(self) {
        self.care.abort();
        let _ = self.care.await;
    }
}

impl Story {
    /// # Errors
    /// The promise that was broken.
    pub(super) async fn told_by(seed: u64) -> Result<(), String> {
        let mut dice = Dice(seed);
        let mut settings = settings(&mut dice);
        let promises = Promises::new(settings.clone());
        let machine = Machine::new(Dice(dice.roll(u64::MAX)), promises);
        if dice.roll(3) == 0 {
            settings.order = asked(machine.clone(), order(&mut dice));
        }
        machine.lock().bad_percent = [0, 30, 60, 100][dice.roll(4) as usize];
        let keeper = Keeper::new(&machine, &settings, None);
        let mut story =
            Self { dice, machine, settings, keeper, is_wanted: true, waiting: Vec::new(), stops: Vec::new() };
        story.run().await
    }

    async fn run(&mut self) -> Result<(), String> {
        for _ in 0..5 + self.dice.roll(12) {
            match self.dice.roll(5) {
                0 | 1 => self.act().await,
                _ => self.fault().await,
            }
            let below = [500, 5000, 60_000, 600_000][self.dice.roll(4) as usize];
            sleep(millis(&mut self.dice, below)).await;
            self.look()?;
        }
        self.comes_to_rest().await
    }

    fn look(&self) -> Result<(), String> {
        self.machine.lock().promises.kept()?;
        let state = self.keeper.slot.state();
        let state = state.borrow();
        // Every attempt but the first is a restart.
        let attempts = self.machine.lock().promises.attempts;
        let wanted = attempts.saturating_sub(u64::from(!self.keeper.adopted));
        match &*state {
            SlotState::Up { restarts, .. } | SlotState::BackingOff { restarts, .. }
                if *restarts != wanted =>
            {
                Err(format!("{restarts} restarts are counted, and there were {attempts} attempts"))
            }
            _ => Ok(()),
        }
    }

    async fn act(&mut self) {
        match self.dice.roll(6) {
            0 | 1 if self.is_wanted => self.stop(),
            2 if self.is_wanted => {
                tell(|| "told to restart".to_owned());
                self.machine.lock().promises.commanded();
                let slot = Arc::clone(&self.keeper.slot);
                tokio::spawn(async move { slot.restart().await });
            }
            3 | 4 => {
                let slot = Arc::clone(&self.keeper.slot);
                self.waiting.push(tokio::spawn(async move { slot.up().await }));
            }
            _ if !self.is_wanted => self.start_again().await,
            _ => {}
        }
    }

    fn stop(&mut self) {
        let is_spawning = self.machine.lock().is_spawning;
        let stage = match &*self.keeper.slot.state().borrow() {
            SlotState::Starting { process: None, .. } if is_spawning => "while it is spawned",
            SlotState::Starting { .. } => "while it starts",
            SlotState::Up { .. } => "while it is up",
            SlotState::BackingOff { .. } => "while it backs off",
            SlotState::Stopping { .. } | SlotState::Stopped { .. } => "while it stops",
        };
        let grace = (self.dice.roll(2) == 0).then(|| millis(&mut self.dice, 20_000));
        tell(|| format!("told to stop {stage}, grace {grace:?}"));
        self.is_wanted = false;
        self.machine.lock().promises.commanded();
        let (slot, plan) =
            (Arc::clone(&self.keeper.slot), grace.map(|grace| StopPlan { signal: SIGTERM, grace }));
        self.stops.push(tokio::spawn(async move { timeout(STOPPED_WITHIN, slot.stop(plan)).await }));
    }

    /// Once it has stopped: another slot, as the next deploy would make.
    async fn start_again(&mut self) {
        if timeout(STOPPED_WITHIN, self.keeper.slot.stop(None)).await.is_err() {
            self.machine.lock().promises.breaks(format!("no stop within {STOPPED_WITHIN:?}"));
        }
        tell(|| "wanted again".to_owned());
        self.is_wanted = true;
        self.next_keeper(None).await;
    }

    async fn fault(&mut self) {
        let (roll, now) = (self.dice.roll(14), Instant::now());
        let until = now + millis(&mut self.dice, 90_000);
        let mut inner = self.machine.lock();
        match roll {
            0 | 1 => {
                if let Some((_, being)) = inner.living() {
                    being.end_at(now, Cause::Signal(11));
                }
            }
            2 => {
                if let Some((n, being)) = inner.living() {
                    being.hung_until = Some(until);
                    tell(|| format!("process {n} hangs for a while"));
                }
            }
            3 => {
                if let Some((n, being)) = inner.living() {
                    being.sick_until = Some(until);
                    tell(|| format!("process {n} is sick"));
                }
            }
            4 => {
                if let Some((n, being)) = inner.living() {
                    tell(|| format!("process {n}: its shim is lost"));
                    being.lose_shim();
                }
            }
            5 => {
                if let Some((n, being)) = inner.living() {
                    tell(|| format!("process {n}: its shim hangs"));
                    being.is_deaf = true;
                }
            }
            6 => inner.spawns_fail = 1 + self.dice.roll(8),
            7 => inner.spawn_ms_max = [50, 2000, 9000][self.dice.roll(3) as usize],
            8 => inner.orders_refused = self.dice.roll(5),
            9 => inner.bad_percent = [0, 50, 100][self.dice.roll(3) as usize],
            10 => {
                let by_ms = self.dice.roll(7_200_000).cast_signed() - 3_600_000;
                if self.dice.roll(2) == 0 {
                    inner.jump_at_birth_ms = Some(by_ms);
                } else {
                    inner.clock_jumps(by_ms);
                }
            }
            _ => {
                drop(inner);
                let pause = millis(&mut self.dice, 5000);
                tell(|| format!("the keeper dies, for {pause:?}"));
                self.keeper_dies(pause).await;
            }
        }
    }

    async fn keeper_dies(&mut self, pause: Duration) {
        // Its successor finds what it left, so the old one is gone first.
        let (empty, care) = begun(self.machine.clone(), self.settings.clone(), None, Box::new(|_| ()));
        let none = Keeper { slot: Arc::new(empty), adopted: false, care: tokio::spawn(async { drop(care) }) };
        std::mem::replace(&mut self.keeper, none).die().await;
        self.machine.lock().is_spawning = false;
        sleep(pause).await;
        let found = self.machine.observe().await;
        tell(|| format!("the next keeper {}", if found.is_some() { "adopts" } else { "finds nothing" }));
        if self.is_wanted || found.is_some() {
            self.next_keeper(found).await;
        }
        if !self.is_wanted {
            self.stop();
        }
    }

    async fn next_keeper(&mut self, adopted: Option<Actor>) {
        use crate::slot::ground::Held as _;
        let n = adopted.as_ref().map(|actor| super::promises::number(actor.id()));
        self.machine.lock().promises.begin(n);
        let next = Keeper::new(&self.machine, &self.settings, adopted);
        std::mem::replace(&mut self.keeper, next).die().await;
    }

    /// The faults are over: what should run runs and answers, what should not is gone, and nobody waits any more.
    async fn comes_to_rest(&mut self) -> Result<(), String> {
        tell(|| "calm".to_owned());
        self.calm();
        if self.is_wanted {
            self.is_up_again().await?;
        } else {
            self.is_gone().await?;
        }
        self.look()?;
        for waiting in self.waiting.drain(..) {
            let answered = timeout(Duration::from_secs(1), waiting).await;
            answered.map_err(|_| "somebody still waits for it to be up".to_owned())?.unwrap();
        }
        if self.is_wanted {
            self.stop();
            self.is_gone().await?;
        }
        self.look()
    }

    fn calm(&mut self) {
        let mut inner = self.machine.lock();
        (inner.bad_percent, inner.spawns_fail, inner.orders_refused) = (0, 0, 0);
        inner.spawn_ms_max = 100;
        let sees = self.settings.liveness.is_some();
        // Nothing looks whether such a one is well, or will stay so: a person would.
        let is_unseen = |being: &Being| !sees && (!being.is_well() || being.life.hangs.is_some());
        if let Some((_, being)) = inner.living().filter(|(_, being)| is_unseen(being)) {
            being.end_at(Instant::now(), Cause::Signal(9));
        }
    }

    async fn is_up_again(&mut self) -> Result<(), String> {
        let restart = &self.settings.restart;
        let slowest = restart.degraded_every.0.max(restart.backoff_max.0).mul_f64(1.0 + restart.jitter);
        let deadline = self.settings.startup.as_ref().map_or(Duration::ZERO, |probe| probe.deadline.0);
        let bound = slowest + deadline + STOPPED_WITHIN + Duration::from_secs(150);
        let until = Instant::now() + bound;
        loop {
            let is_up = matches!(&*self.keeper.slot.state().borrow(), SlotState::Up { .. });
            let is_well = self.machine.lock().living().is_some_and(|(_, being)| being.is_well());
            if is_up && is_well {
                return Ok(());
            }
            if Instant::now() >= until {
                let state = self.keeper.slot.state();
                return Err(format!("not up and well within {bound:?}: {:?}", state.borrow()));
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn is_gone(&mut self) -> Result<(), String> {
        for stop in self.stops.drain(..) {
            stop.await.unwrap().map_err(|_| format!("no stop within {STOPPED_WITHIN:?}"))?;
        }
        let mut inner = self.machine.lock();
        match inner.living() {
            Some((n, _)) => Err(format!("the slot was stopped, and process {n} lives")),
            None => Ok(()),
        }
    }
}

/// Bound of a stop: what is spawned is spawned first, a deaf shim is asked twice and given its patience, the longest grace.
const STOPPED_WITHIN: Duration = Duration::from_secs(90);
