//! What the care of an instance stands on: a process to hold, what makes the next one, the wall clock and chance. What
//! ships stands on [`Supervisor`] and [`Process`]; the tests' worlds put another ground under the same care.

use std::{
    fmt, io,
    time::{Duration, SystemTime},
};

use machine::sockets::Listening;
use model::Address;

use super::{probe, socket};
use crate::{Exit, Order, Process, ProcessError, SpawnError, Spec, StopPlan, Supervisor};

pub(super) trait Ground: Send + Sync + 'static {
    type Process: Held;

    /// As [`Supervisor::spawn`].
    fn spawn(&self, order: &Order) -> impl Future<Output = Result<Self::Process, SpawnError>> + Send;

    /// The wall clock: it may jump.
    fn now(&self) -> SystemTime;

    /// Evenly spread over 0..1, for jitter.
    fn roll(&self) -> f64;
}

/// A process as its care needs it; each as the method of [`Process`] with its name says.
pub(super) trait Held: Clone + fmt::Debug + Send + Sync + 'static {
    fn spec(&self) -> &Spec;
    fn pid(&self) -> u32;
    fn started(&self) -> SystemTime;
    fn age(&self) -> Option<Duration>;

    fn wait(&self) -> impl Future<Output = Exit> + Send;
    fn ready(&self) -> impl Future<Output = bool> + Send;
    fn tail(&self, lines: usize) -> impl Future<Output = Vec<String>> + Send;
    fn listening(&self) -> impl Future<Output = io::Result<Vec<Listening>>> + Send;
    fn stop_with(&self, plan: StopPlan) -> impl Future<Output = Result<(), ProcessError>> + Send;
    fn forget(&self) -> impl Future<Output = Result<(), ProcessError>> + Send;
    fn kill_shim(&self) -> impl Future<Output = ()> + Send;

    /// One GET, however long it takes; `Err`: in words, without the address.
    fn ask(&self, path: &str, host: &str) -> impl Future<Output = Result<probe::Answer, String>> + Send;

    /// Gives the edge its right to the app's unix socket.
    /// # Errors
    /// `NotFound`: it is not there yet.
    fn grant(&self) -> io::Result<()>;

    fn id(&self) -> model::ProcessId {
        self.spec().id
    }

    fn address(&self) -> Option<&Address> {
        self.spec().address.as_ref()
    }
}

impl Ground for Supervisor {
    type Process = Process;

    async fn spawn(&self, order: &Order) -> Result<Process, SpawnError> {
        self.spawn(order).await
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn roll(&self) -> f64 {
        machine::entropy::roll()
    }
}

impl Held for Process {
    fn spec(&self) -> &Spec {
        self.spec()
    }

    fn pid(&self) -> u32 {
        self.pid()
    }

    fn started(&self) -> SystemTime {
        self.started()
    }

    fn age(&self) -> Option<Duration> {
        self.age()
    }

    async fn wait(&self) -> Exit {
        self.wait().await
    }

    async fn ready(&self) -> bool {
        self.ready().await
    }

    async fn tail(&self, lines: usize) -> Vec<String> {
        self.tail(lines).await
    }

    async fn listening(&self) -> io::Result<Vec<Listening>> {
        self.listening().await
    }

    async fn stop_with(&self, plan: StopPlan) -> Result<(), ProcessError> {
        self.stop_with(plan).await
    }

    async fn forget(&self) -> Result<(), ProcessError> {
        self.forget().await
    }

    async fn kill_shim(&self) {
        self.kill_shim().await;
    }

    async fn ask(&self, path: &str, host: &str) -> Result<probe::Answer, String> {
        probe::ask(self.address(), path, host).await
    }

    fn grant(&self) -> io::Result<()> {
        socket::grant(self)
    }
}
