//! The machine under the care: processes that outlive every keeper, their shims, and a clock that may jump. It is the one
//! place that knows what is true, and it tells the [`Promises`] of it.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use testkit::worlds::{Dice, tell};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    actor::{Actor, spec},
    life::{Life, millis},
    promises::Promises,
};
use crate::{
    Cause, Exit, Order, SpawnError, Spec,
    slot::ground::{Ground, Held as _},
};

/// As [`crate::spawn`] waits for a shim's word.
const SHIM_WORD: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(super) struct Machine(Arc<Mutex<Inner>>);

#[derive(Debug)]
pub(super) struct Inner {
    pub dice: Dice,
    /// Of a hundred processes, how many have something wrong.
    pub bad_percent: u64,
    /// So many of the next spawns fail.
    pub spawns_fail: u64,
    /// From the order to a process, at most, milliseconds.
    pub spawn_ms_max: u64,
    /// So many of the next orders are refused.
    pub orders_refused: u64,
    pub is_spawning: bool,
    /// The clock is set right after the next process has begun.
    pub jump_at_birth_ms: Option<i64>,
    /// What has a folder, dead or alive.
    pub beings: BTreeMap<u64, Being>,
    pub promises: Promises,
    next: u64,
    made: Instant,
    clock_ahead_ms: i64,
}

#[derive(Debug)]
pub(super) struct Being {
    pub life: Life,
    pub born: Instant,
    pub is_alive: bool,
    pub is_deaf: bool,
    /// It takes connections and answers nothing until then.
    pub hung_until: Option<Instant>,
    /// It answers 500 until then.
    pub sick_until: Option<Instant>,
    spec: Arc<Spec>,
    pub started: SystemTime,
    /// What will end it first, and how.
    end: (Instant, Cause),
    pub was_asked: bool,
    changed: watch::Sender<()>,
    pub told: watch::Sender<Option<Exit>>,
}

impl Machine {
    pub(super) fn new(dice: Dice, promises: Promises) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            dice,
            bad_percent: 0,
            spawns_fail: 0,
            spawn_ms_max: 100,
            orders_refused: 0,
            is_spawning: false,
            jump_at_birth_ms: None,
            beings: BTreeMap::new(),
            promises,
            next: 1,
            made: Instant::now(),
            clock_ahead_ms: 0,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// As [`crate::Supervisor::observe`]: the living are adopted, the rest is forgotten, who hears nothing is killed.
    pub(super) async fn observe(&self) -> Option<Actor> {
        let found: Vec<_> = self.lock().beings.iter().map(|(n, being)| (*n, being.is_deaf)).collect();
        let mut adopted = None;
        for (n, is_deaf) in found {
            let actor = self.actor(n);
            if is_deaf {
                actor.kill_shim().await;
                actor.wait().await;
            }
            let mut inner = self.lock();
            match inner.beings[&n].is_alive {
                true => adopted = Some(actor),
                false => drop(inner.beings.remove(&n)),
            }
        }
        adopted
    }

    fn actor(&self, n: u64) -> Actor {
        let spec = Arc::clone(&self.lock().beings[&n].spec);
        Actor { machine: self.clone(), n, spec }
    }

    /// A process comes to be, and goes its way whoever looks after it.
    fn bear(&self, order: &Order) -> u64 {
        let mut inner = self.lock();
        let n = inner.next;
        inner.next += 1;
        let is_bad = inner.dice.roll(100) < inner.bad_percent;
        let life = if is_bad { Life::bad(&mut inner.dice) } else { Life::good(&mut inner.dice) };
        let born = Instant::now();
        let never = born + Duration::from_secs(1 << 30);
        let end = (life.dies.map_or(never, |dies| born + dies), Cause::Code(1));
        let twins = inner.beings.values().filter(|being| being.is_alive).count();
        inner.promises.born(n, twins);
        tell(|| format!("process {n} is born: {life:?}"));
        let being = Being {
            born,
            is_alive: true,
            is_deaf: life.is_deaf,
            hung_until: None,
            sick_until: None,
            spec: Arc::new(spec(order, n)),
            started: inner.wall(),
            end,
            was_asked: false,
            changed: watch::channel(()).0,
            told: watch::channel(None).0,
            life,
        };
        inner.beings.insert(n, being);
        if let Some(by_ms) = inner.jump_at_birth_ms.take() {
            inner.clock_jumps(by_ms);
        }
        drop(inner);
        tokio::spawn(self.clone().live(n));
        n
    }

    async fn live(self, n: u64) {
        let mut changed = self.lock().beings[&n].changed.subscribe();
        let cause = loop {
            let (at, cause) = self.lock().beings[&n].end.clone();
            tokio::select! {
                biased;
                () = sleep_until(at) => break cause,
                _ = changed.changed() => {}
            }
        };
        // The shim's word of it may come a moment later.
        let late = {
            let mut inner = self.lock();
            let at_unix_ms = ::machine::clock::unix_ms(inner.wall());
            let being = inner.beings.get_mut(&n).unwrap();
            being.is_alive = false;
            let exit = Exit { cause, asked: being.was_asked, ..Exit::lost(at_unix_ms) };
            tell(|| match (&exit.cause, exit.asked) {
                (Cause::Signal(9), true) => format!("process {n} is killed after its grace"),
                (_, true) => format!("process {n} {exit}, as asked"),
                (_, false) => format!("process {n} {exit}{}", being.stage()),
            });
            (millis(&mut inner.dice, 100), exit)
        };
        sleep(late.0).await;
        if let Some(being) = self.lock().beings.get(&n) {
            being.told.send_replace(Some(late.1));
        }
    }
}

impl Inner {
    /// The process that is alive, if one is.
    pub(super) fn living(&mut self) -> Option<(u64, &mut Being)> {
        self.beings.iter_mut().find(|(_, being)| being.is_alive).map(|(n, being)| (*n, being))
    }

    pub(super) fn clock_jumps(&mut self, by_ms: i64) {
        tell(|| format!("the clock jumps by {by_ms} ms"));
        self.clock_ahead_ms += by_ms;
    }

    fn wall(&self) -> SystemTime {
        let base = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.made.elapsed();
        let by = Duration::from_millis(self.clock_ahead_ms.unsigned_abs());
        if self.clock_ahead_ms < 0 { base - by } else { base + by }
    }
}

impl Being {
    /// Ends it, unless something ends it before.
    pub(super) fn end_at(&mut self, at: Instant, cause: Cause) {
        if at < self.end.0 {
            self.end = (at, cause);
            self.changed.send_replace(());
        }
    }

    /// Its shim is gone, and with it the app.
    pub(super) fn lose_shim(&mut self) {
        self.end_at(Instant::now(), Cause::Lost);
    }

    fn stage(&self) -> &'static str {
        match self.born.elapsed() {
            age if age < self.life.binds => ": crashes before it binds",
            age if age < self.life.is_ready => ": crashes before it is ready",
            _ => ": crashes while it is up",
        }
    }

    fn is_until(until: Option<Instant>) -> bool {
        until.is_some_and(|until| Instant::now() < until)
    }

    /// It has failed to answer at some time since it was ready.
    pub(super) fn was_unwell(&self) -> bool {
        self.hung_until.is_some() || self.sick_until.is_some() || self.is_hung() || !self.is_alive
    }

    /// It answers now.
    pub(super) fn is_well(&self) -> bool {
        self.status() == Some(200) && !self.is_hung()
    }

    pub(super) fn is_hung(&self) -> bool {
        Self::is_until(self.hung_until) || self.life.hangs.is_some_and(|hangs| self.born.elapsed() >= hangs)
    }

    /// `None`: refused.
    pub(super) fn status(&self) -> Option<u16> {
        match self.born.elapsed() {
            _ if !self.is_alive => None,
            age if age < self.life.binds => None,
            age if age < self.life.is_ready => Some(503),
            _ if Self::is_until(self.sick_until) => Some(500),
            _ => Some(200),
        }
    }
}

impl Ground for Machine {
    type Process = Actor;

    async fn spawn(&self, order: &Order) -> Result<Actor, SpawnError> {
        let (takes, fails, kind) = {
            let mut inner = self.lock();
            let fails = inner.spawns_fail > 0;
            inner.spawns_fail = inner.spawns_fail.saturating_sub(1);
            inner.promises.attempted();
            inner.is_spawning = true;
            let below = inner.spawn_ms_max;
            (millis(&mut inner.dice, below), fails, inner.dice.roll(4))
        };
        sleep(takes).await;
        let spawned = match (fails, kind) {
            (true, 0) => Err(refused("no space", io::ErrorKind::StorageFull)),
            (true, 1) => Err(refused("no memory", io::ErrorKind::OutOfMemory)),
            (true, 2) => Err(SpawnError::Exec { program: "app".to_owned(), why: "exec".to_owned() }),
            (true, _) => {
                let n = self.bear(order);
                sleep(SHIM_WORD).await;
                self.lock().beings.get_mut(&n).unwrap().lose_shim();
                self.actor(n).wait().await;
                self.lock().beings.remove(&n);
                Err(SpawnError::Shim { name: order.name.clone(), why: "its shim is silent".to_owned() })
            }
            (false, _) => {
                let n = self.bear(order);
                // Its shim says so a moment later.
                sleep(takes / 10).await;
                Ok(self.actor(n))
            }
        };
        let mut inner = self.lock();
        inner.is_spawning = false;
        if let Err(error) = &spawned {
            let why = match error {
                SpawnError::Io { doing, .. } => doing,
                SpawnError::Exec { why, .. } | SpawnError::Shim { why, .. } => why,
                _ => unreachable!("no other is made here"),
            };
            tell(|| format!("it cannot be spawned: {why}"));
        }
        spawned
    }

    fn now(&self) -> SystemTime {
        self.lock().wall()
    }

    fn roll(&self) -> f64 {
        self.lock().dice.unit()
    }
}

fn refused(doing: &str, kind: io::ErrorKind) -> SpawnError {
    SpawnError::Io { doing: doing.to_owned(), source: kind.into() }
}
