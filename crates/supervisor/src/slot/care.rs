//! The task of a slot: one process after another, each started, seen through its startup, watched, and buried.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{broadcast, mpsc, watch},
    time::Instant,
};

use super::{
    Command, Ended, Orders, ProbeAnswer, SlotEvent, SlotSettings, SlotState, Witness,
    ground::{Ground, Held},
    listens, probe, socket,
};
use crate::{Exit, Order, StopPlan, restart::Policy};

/// Lines of the log that go along with bad news.
const TAIL_LINES: usize = 20;
/// Beyond the grace: how long a shim may need to tell that its app is dead before it counts as hung.
const SHIM_PATIENCE: Duration = Duration::from_secs(15);

pub(super) struct Care<G: Ground> {
    ground: G,
    settings: Arc<SlotSettings>,
    orders: Orders,
    commands: mpsc::Receiver<Command>,
    state: watch::Sender<SlotState<G::Process>>,
    events: broadcast::Sender<SlotEvent>,
    witness: Witness,
    policy: Policy,
    restarts: u64,
    is_degraded: bool,
    begun: Instant,
}

/// Without a startup probe nothing says how long its socket may take to appear.
const SOCKET_PATIENCE: Duration = Duration::from_secs(60);

/// What comes after a process.
enum After {
    /// The slot was told to stop.
    Stopped(Option<Exit>),
    /// Told to restart: at once.
    Next,
    /// It ended, or never began, though nobody asked.
    BackOff { last: Ended, lived: Duration },
    /// Nobody holds the slot any more.
    Left,
}

/// What a living process gets from outside.
enum Word {
    Ended(Exit),
    Stop(Option<StopPlan>),
    Restart,
    Left,
}

impl<G: Ground> Care<G> {
    pub(super) fn new(
        ground: G,
        settings: Arc<SlotSettings>,
        commands: mpsc::Receiver<Command>,
        state: watch::Sender<SlotState<G::Process>>,
        (events, witness): (broadcast::Sender<SlotEvent>, Witness),
    ) -> Self {
        let policy = Policy::new(settings.restart);
        let orders = settings.order.clone();
        let begun = Instant::now();
        Self {
            ground,
            settings,
            orders,
            commands,
            state,
            events,
            witness,
            policy,
            restarts: 0,
            is_degraded: false,
            begun,
        }
    }

    pub(super) async fn run(mut self, mut adopted: Option<G::Process>) {
        loop {
            let after = match adopted.take() {
                Some(process) => {
                    // It began in another keeper's time. One that has ended meanwhile lived for no time that anybody knows.
                    let age = process.age().unwrap_or_default();
                    let born = Instant::now().checked_sub(age).unwrap_or_else(Instant::now);
                    // It may have served for months: its time to start counts from now, when somebody looks again.
                    self.live(process, born, Instant::now()).await
                }
                None => match self.spawn().await {
                    // It has just begun, whatever the wall clock says by now.
                    Ok(process) => self.live(process, Instant::now(), Instant::now()).await,
                    Err(instead) => instead,
                },
            };
            let after = match after {
                After::BackOff { last, lived } => self.back_off(last, lived).await,
                other => other,
            };
            match after {
                After::Stopped(exit) => {
                    self.state.send_replace(SlotState::Stopped { exit: exit.clone() });
                    self.say(SlotEvent::Stopped { exit });
                    return;
                }
                After::Left => return,
                After::Next | After::BackOff { .. } => self.restarts += 1,
            }
        }
    }

    /// The next process, or what comes instead of one.
    async fn spawn(&mut self) -> Result<G::Process, After> {
        self.starting(None, None);
        let order = self.order().await?;
        match self.ground.spawn(&order).await {
            Ok(process) => {
                self.say(SlotEvent::Started { process: process.id(), pid: process.pid() });
                Ok(process)
            }
            Err(error) => Err(self.not_spawned(told(&error))),
        }
    }

    /// The order, asked for where it is not known yet. Who is asked may be slow, so commands are heard meanwhile.
    async fn order(&mut self) -> Result<Order, After> {
        let asking = match &self.orders {
            Orders::Given(order) => return Ok((**order).clone()),
            Orders::Asked(ask) => ask(),
        };
        tokio::select! {
            biased;
            command = self.commands.recv() => Err(match command {
                Some(Command::Stop(_)) => After::Stopped(None),
                Some(Command::Restart) => After::Next,
                None => After::Left,
            }),
            asked = asking => match asked {
                Ok(order) => {
                    self.orders = order.clone().into();
                    Ok(order)
                }
                Err(why) => Err(self.not_spawned(why)),
            },
        }
    }

    fn not_spawned(&self, error: String) -> After {
        self.say(SlotEvent::NotSpawned { error: error.clone() });
        After::BackOff { last: Ended::NotSpawned(error), lived: Duration::ZERO }
    }

    /// A process from its first moment to its burial. Its startup deadline counts from `looked_at`.
    async fn live(&mut self, process: G::Process, born: Instant, looked_at: Instant) -> After {
        self.starting(Some(&process), None);
        let startup = self.startup(process.clone(), born, looked_at);
        let started = tokio::select! {
            biased;
            word = word(&process, &mut self.commands) => Err(word),
            started = startup => Ok(started),
        };
        let word = match started {
            Err(word) => word,
            Ok(Err(answer)) => return self.give_up_startup(process, answer, born.elapsed()).await,
            Ok(Ok(())) => {
                let up = SlotState::Up {
                    process: process.clone(),
                    since: process.started(),
                    restarts: self.restarts,
                };
                self.state.send_replace(up);
                self.say(SlotEvent::StartupPassed { process: process.id(), took: born.elapsed() });
                self.tell_findings(&process).await;
                let dead = liveness(&self.settings, &process);
                tokio::select! {
                    biased;
                    word = word(&process, &mut self.commands) => word,
                    answer = dead => return self.give_up_life(process, answer, born.elapsed()).await,
                }
            }
        };
        match word {
            Word::Ended(exit) => {
                let log = process.tail(TAIL_LINES).await;
                self.say(SlotEvent::Crashed { process: process.id(), exit: exit.clone(), log });
                forget(&process).await;
                After::BackOff { last: Ended::Exited(exit), lived: born.elapsed() }
            }
            Word::Stop(plan) => After::Stopped(Some(self.end(process, plan).await.0)),
            Word::Restart => match self.end(process, None).await {
                // Told to stop while it did so.
                (exit, true) => After::Stopped(Some(exit)),
                (_, false) => After::Next,
            },
            Word::Left => After::Left,
        }
    }

    /// Until the process has shown that it works; `Err`: its deadline passed, with the last answer.
    fn startup(
        &self,
        process: G::Process,
        born: Instant,
        looked_at: Instant,
    ) -> impl Future<Output = Result<(), Option<ProbeAnswer>>> + use<G> {
        let (settings, state, restarts) = (self.settings.clone(), self.state.clone(), self.restarts);
        async move {
            let granting = socket::grant_when_there(&process);
            let Some(probe) = &settings.startup else {
                let _ = tokio::time::timeout(SOCKET_PATIENCE, granting).await;
                lived_or_ready(&process, born + settings.min_healthy_time).await;
                return Ok(());
            };
            let deadline = looked_at + probe.deadline.0;
            let mut last = None;
            let probing = async {
                granting.await;
                loop {
                    let began = Instant::now();
                    let answer = probe::get(&process, &probe.request, &settings.host).await;
                    if answer.passed() {
                        return;
                    }
                    last = Some(answer.clone());
                    state.send_replace(SlotState::Starting {
                        process: Some(process.clone()),
                        since: process.started(),
                        last_probe: Some(answer),
                        restarts,
                    });
                    tokio::time::sleep_until(began + probe.request.period.0).await;
                }
            };
            tokio::time::timeout_at(deadline, probing).await.map_err(|_| last)
        }
    }

    async fn give_up_startup(
        &mut self,
        process: G::Process,
        answer: Option<ProbeAnswer>,
        lived: Duration,
    ) -> After {
        // The commonest cause of a refused probe: it listens on a port of its own choice.
        self.tell_findings(&process).await;
        let log = process.tail(TAIL_LINES).await;
        self.say(SlotEvent::StartupFailed { process: process.id(), answer, log });
        self.end_and_back_off(process, lived).await
    }

    async fn give_up_life(&mut self, process: G::Process, answer: ProbeAnswer, lived: Duration) -> After {
        let log = process.tail(TAIL_LINES).await;
        self.say(SlotEvent::LivenessFailed { process: process.id(), answer, log });
        self.end_and_back_off(process, lived).await
    }

    async fn end_and_back_off(&mut self, process: G::Process, lived: Duration) -> After {
        let (exit, told_to_stop) = self.end(process, None).await;
        match told_to_stop {
            true => After::Stopped(Some(exit)),
            false => After::BackOff { last: Ended::Exited(exit), lived },
        }
    }

    /// Stops, waits, buries. Words that come meanwhile can hasten it; tells whether one of them was to stop for good.
    async fn end(&mut self, process: G::Process, plan: Option<StopPlan>) -> (Exit, bool) {
        self.state.send_replace(SlotState::Stopping { process: process.clone(), since: self.ground.now() });
        let mut plan = plan.unwrap_or_else(|| process.spec().stop.into());
        let (mut for_good, mut held) = (false, true);
        let patience = |plan: &StopPlan| Instant::now() + plan.grace + SHIM_PATIENCE;
        let mut hung_at = patience(&plan);
        let exit = loop {
            if let Err(error) = process.stop_with(plan).await {
                tracing::warn!(name = process.spec().name, error = told(&error), "a stop was not heard");
            }
            // Asked once more, it has no more time than before.
            hung_at = hung_at.min(patience(&plan));
            tokio::select! {
                exit = process.wait() => break exit,
                () = tokio::time::sleep_until(hung_at) => {
                    process.kill_shim().await;
                    hung_at = patience(&plan);
                }
                command = self.commands.recv(), if held => match command {
                    Some(Command::Stop(faster)) => {
                        for_good = true;
                        plan = faster.unwrap_or(plan);
                    }
                    // It ends already.
                    Some(Command::Restart) => {}
                    // Without a holder the stop still goes on.
                    None => held = false,
                },
            }
        };
        forget(&process).await;
        (exit, for_good)
    }

    async fn back_off(&mut self, last: Ended, lived: Duration) -> After {
        let next = self.policy.ended(self.begun.elapsed(), lived, self.ground.roll());
        if next.degraded && !self.is_degraded {
            self.say(SlotEvent::Degraded { restarts: self.restarts });
        }
        self.is_degraded = next.degraded;
        self.state.send_replace(SlotState::BackingOff {
            since: self.ground.now(),
            delay: next.delay,
            restarts: self.restarts,
            last: last.clone(),
            degraded: next.degraded,
        });
        tokio::select! {
            () = tokio::time::sleep(next.delay) => After::Next,
            command = self.commands.recv() => match command {
                Some(Command::Stop(_)) => After::Stopped(match last {
                    Ended::Exited(exit) => Some(exit),
                    Ended::NotSpawned(_) => None,
                }),
                Some(Command::Restart) => After::Next,
                None => After::Left,
            },
        }
    }

    async fn tell_findings(&self, process: &G::Process) {
        let findings = listens::findings(process).await;
        if !findings.is_empty() {
            self.say(SlotEvent::Listens { process: process.id(), findings });
        }
    }

    fn starting(&self, process: Option<&G::Process>, last_probe: Option<ProbeAnswer>) {
        self.state.send_replace(SlotState::Starting {
            process: process.cloned(),
            since: process.map_or_else(|| self.ground.now(), Held::started),
            last_probe,
            restarts: self.restarts,
        });
    }

    fn say(&self, event: SlotEvent) {
        (self.witness)(&event);
        // Nobody may be listening; that is their choice.
        let _ = self.events.send(event);
    }
}

/// The next thing that happens to a living process from outside of its probes. Cancel-safe.
async fn word(process: &impl Held, commands: &mut mpsc::Receiver<Command>) -> Word {
    tokio::select! {
        // A command that came first is heard first: a stop must not look like a crash.
        biased;
        command = commands.recv() => match command {
            Some(Command::Stop(plan)) => Word::Stop(plan),
            Some(Command::Restart) => Word::Restart,
            None => Word::Left,
        },
        exit = process.wait() => Word::Ended(exit),
    }
}

/// Probes until it has failed as often in a row as it may; without a probe never returns.
async fn liveness(settings: &SlotSettings, process: &impl Held) -> ProbeAnswer {
    let Some(probe) = &settings.liveness else { return std::future::pending().await };
    let mut failed = 0;
    loop {
        tokio::time::sleep(probe.request.period.0).await;
        let answer = probe::get(process, &probe.request, &settings.host).await;
        failed = if answer.passed() { 0 } else { failed + 1 };
        if failed >= probe.failure_threshold.max(1) {
            return answer;
        }
    }
}

async fn lived_or_ready(process: &impl Held, healthy_at: Instant) {
    let said = async {
        if !process.ready().await {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = tokio::time::sleep_until(healthy_at) => {}
        () = said => {}
    }
}

async fn forget(process: &impl Held) {
    if let Err(error) = process.forget().await {
        tracing::warn!(name = process.spec().name, error = told(&error), "what is left of it stays");
    }
}

/// An error with its causes, in one line.
fn told(error: &(impl std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
