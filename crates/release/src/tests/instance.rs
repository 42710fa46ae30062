//! An app's instance in the simulated machine: how it behaves, when it ends, and when the supervisor's own policy starts it again.

use std::time::Duration;

use model::{Address, InstanceName, ProcessId, Traffic, manifest::Restart, traffic::FirstBytes};
use supervisor::restart::Policy;
use tokio::time::Instant;

use crate::world::{InstanceState, Observed, ProbeSeen};

/// How an app behaves; its command's words say it: `good`, `slow:20`, `throws`, …
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Behaviour {
    Good,
    /// Up after so many seconds.
    Slow(u64),
    /// Ends 300 ms after each start.
    Throws,
    /// Runs and never accepts.
    NeverUp,
    /// Up, but its readiness probe answers 503.
    NeverReady,
    /// Answers smoke requests with 500.
    Answers500,
    /// Ends once, so many seconds after its start.
    CrashesAfter(u64),
    /// In a crash loop, so many seconds after its start.
    LoopsAfter(u64),
    /// No longer ready so many seconds after its start.
    UnreadyAfter(u64),
    /// Listens where it should not.
    Elsewhere,
    /// Fails so many in a hundred requests.
    Errs(u64),
    /// Answers so many milliseconds after it was asked.
    Lags(u64),
    /// Holds so many MiB more each second.
    Leaks(u64),
}

impl Behaviour {
    pub(super) fn of(command: &[String]) -> Self {
        let (word, seconds) = command[0].split_once(':').unwrap_or((&command[0], "0"));
        let seconds = seconds.parse().unwrap();
        match word {
            "good" => Self::Good,
            "slow" => Self::Slow(seconds),
            "throws" => Self::Throws,
            "never-up" => Self::NeverUp,
            "never-ready" => Self::NeverReady,
            "500" => Self::Answers500,
            "crashes-after" => Self::CrashesAfter(seconds),
            "loops-after" => Self::LoopsAfter(seconds),
            "unready-after" => Self::UnreadyAfter(seconds),
            "elsewhere" => Self::Elsewhere,
            "errs" => Self::Errs(seconds),
            "lags" => Self::Lags(seconds),
            "leaks" => Self::Leaks(seconds),
            other => panic!("no behaviour {other}"),
        }
    }
}

pub(super) struct Instance {
    /// Of the start order.
    pub ordered: ProcessId,
    /// Of what runs now.
    pub process: ProcessId,
    pub behaviour: Behaviour,
    pub started: Instant,
    pub port: u16,
    policy: Policy,
    begun: Instant,
    /// Ends that befell it.
    befallen: u64,
    /// Those with its shim.
    lost: u64,
    is_degraded: bool,
    /// Its process is gone until then.
    away_until: Option<Instant>,
    /// It lives and answers no probe until then.
    hung_until: Option<Instant>,
}

impl Instance {
    pub(super) fn new(process: ProcessId, behaviour: Behaviour, port: u16, restart: Restart) -> Self {
        let now = Instant::now();
        Self {
            ordered: process,
            process,
            behaviour,
            started: now,
            port,
            policy: Policy::new(restart),
            begun: now,
            befallen: 0,
            lost: 0,
            is_degraded: false,
            away_until: None,
            hung_until: None,
        }
    }

    /// Its process ends; the next one comes when the policy says, as another process on another port.
    pub(super) fn crash(&mut self, roll: f64, port: u16) {
        let (now, lived) = (Instant::now(), self.started.elapsed());
        let next = self.policy.ended(self.begun.elapsed(), lived, roll);
        (self.befallen, self.is_degraded) = (self.befallen + 1, next.degraded);
        (self.away_until, self.started) = (Some(now + next.delay), now + next.delay);
        (self.process, self.port) = (ProcessId(ulid::Ulid::generate()), port);
    }

    /// Its shim is killed.
    pub(super) fn lose(&mut self, roll: f64, port: u16) {
        self.crash(roll, port);
        self.lost += 1;
    }

    pub(super) fn hang(&mut self, time: Duration) {
        self.hung_until = Some(Instant::now() + time);
    }

    pub(super) fn is_away(&self) -> bool {
        self.away_until.is_some_and(|until| Instant::now() < until)
    }

    pub(super) fn exits(&self) -> u64 {
        self.befallen + self.own_exits()
    }

    fn own_exits(&self) -> u64 {
        let lived = self.started.elapsed();
        match self.behaviour {
            Behaviour::Throws => lived.as_millis() as u64 / 800 + u64::from(lived.as_millis() % 800 >= 300),
            Behaviour::CrashesAfter(seconds) => u64::from(lived >= Duration::from_secs(seconds)),
            Behaviour::LoopsAfter(seconds) if lived >= Duration::from_secs(seconds) => 11,
            _ => 0,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        let lived = self.started.elapsed();
        match self.behaviour {
            _ if self.is_away() => false,
            Behaviour::Throws | Behaviour::NeverUp => false,
            Behaviour::Slow(seconds) => lived >= Duration::from_secs(seconds),
            Behaviour::LoopsAfter(seconds) if lived >= Duration::from_secs(seconds) => false,
            _ => lived >= Duration::from_millis(200),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        let is_hung = self.hung_until.is_some_and(|until| Instant::now() < until);
        let sick = match self.behaviour {
            _ if is_hung => true,
            Behaviour::NeverReady => true,
            Behaviour::UnreadyAfter(seconds) => self.started.elapsed() >= Duration::from_secs(seconds),
            _ => false,
        };
        self.is_up() && !sick
    }

    /// What users got from a pool of such instances that is asked 20 times a second.
    pub(super) fn traffic(&self, since: Instant) -> Traffic {
        let answers = since.elapsed().as_millis() as u64 / 50;
        let (errors, took_ms) = match self.behaviour {
            Behaviour::Errs(percent) => (answers * percent / 100, 10),
            Behaviour::Lags(took_ms) => (0, took_ms),
            _ => (answers / 200, 10),
        };
        let bin = FirstBytes::bin(Duration::from_millis(took_ms));
        let first_bytes = FirstBytes([(bin, answers - errors)].into());
        Traffic { answers, errors, clients: errors.min(10), first_bytes }
    }

    pub(super) fn observed(&self, name: &InstanceName) -> Observed {
        let state = match self.behaviour {
            _ if self.is_up() => InstanceState::Up,
            _ if self.is_away() && self.is_degraded => InstanceState::Degraded,
            _ if self.is_away() => InstanceState::BackingOff,
            Behaviour::Throws if self.exits() > 0 => InstanceState::BackingOff,
            Behaviour::LoopsAfter(_) if self.exits() > 0 => InstanceState::Degraded,
            _ => InstanceState::Starting,
        };
        let fault = (self.behaviour == Behaviour::Elsewhere && self.is_up())
            .then(|| model::Explain::new("listens-elsewhere", format!("{name} listens on another port")));
        Observed {
            name: name.clone(),
            process: self.process,
            pid: Some(u32::from(self.port)),
            state,
            address: Some(Address::Tcp(([127, 0, 0, 1], self.port).into())),
            exits: self.exits(),
            lost: self.lost,
            exits_last_hour: self.exits(),
            last_exit: (self.exits() > 0).then(|| "exit 1".into()),
            fault,
            warnings: Vec::new(),
            last_probe: None,
            since: None,
            age: self.is_up().then(|| self.started.elapsed()),
            memory_bytes: self.is_up().then(|| self.holds()),
            memory_peak_bytes: self.is_up().then_some(100 << 20),
        }
    }

    fn holds(&self) -> u64 {
        let leaked = match self.behaviour {
            Behaviour::Leaks(mib) => mib * self.started.elapsed().as_secs(),
            _ => 0,
        };
        (60 + leaked) << 20
    }

    pub(super) fn last_words(&self) -> &'static str {
        match self.behaviour {
            Behaviour::Throws => "OSError: [Errno 98] Address already in use",
            // Of a request's, and not why it is refused.
            _ => "Error: EACCES: permission denied, open '/etc/shadow'",
        }
    }

    pub(super) fn probe(&self) -> ProbeSeen {
        ProbeSeen {
            request: format!("GET http://127.0.0.1:{}/ready", self.port),
            outcome: if self.is_ready() { "200 OK".into() } else { "503 Service Unavailable".into() },
            headers: vec!["content-type: text/plain".into()],
            body: if self.is_ready() { "ok".into() } else { "warming up".into() },
        }
    }
}
