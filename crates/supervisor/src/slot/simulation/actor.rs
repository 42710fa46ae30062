//! A process as a slot holds it, on the simulated machine.

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use machine::sockets::Listening;
use model::{Address, ProcessId, manifest::Listen};
use tokio::time::{Instant, sleep, sleep_until};

use super::machine::{Being, Machine};
use crate::{
    Cause, Exit, Order, ProcessError, Spec, StopPlan,
    slot::{ground::Held, probe},
    spec::{LogFile, Stop},
};

/// As long as a shim may be asked.
const SHIM_SILENT: Duration = Duration::from_secs(5);

/// A hold on one of the machine's processes, of any keeper.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub machine: Machine,
    pub n: u64,
    pub spec: Arc<Spec>,
}

impl Held for Actor {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn pid(&self) -> u32 {
        u32::try_from(self.n).unwrap()
    }

    fn started(&self) -> SystemTime {
        self.with(|being| being.started).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    fn age(&self) -> Option<Duration> {
        self.with(|being| being.is_alive.then(|| being.born.elapsed())).flatten()
    }

    async fn wait(&self) -> Exit {
        let told = self.with(|being| being.told.subscribe());
        let Some(mut told) = told else { return Exit::lost(0) };
        let exit = told.wait_for(Option::is_some).await.map(|exit| exit.clone());
        exit.ok().flatten().unwrap_or_else(|| Exit::lost(0))
    }

    async fn ready(&self) -> bool {
        let says = self.with(|being| being.life.says_ready.map(|says| being.born + says)).flatten();
        let Some(says) = says.filter(|_| self.spec.notify) else { return false };
        tokio::select! {
            () = sleep_until(says) => true,
            _ = self.wait() => false,
        }
    }

    async fn tail(&self, lines: usize) -> Vec<String> {
        let is_deaf = self.with(|being| being.is_alive && being.is_deaf).unwrap_or_default();
        sleep(if is_deaf { SHIM_SILENT } else { Duration::from_millis(3) }).await;
        (1..=lines.min(2)).map(|line| format!("line {line} of process {}", self.n)).collect()
    }

    async fn listening(&self) -> io::Result<Vec<Listening>> {
        let is_public = self.with(|being| being.is_alive && being.life.is_public).unwrap_or_default();
        Ok(is_public.then(|| Listening::Tcp(([0, 0, 0, 0], 9229).into())).into_iter().collect())
    }

    async fn stop_with(&self, plan: StopPlan) -> Result<(), ProcessError> {
        let is_deaf = self.with(|being| being.is_alive && being.is_deaf).unwrap_or_default();
        if is_deaf {
            sleep(SHIM_SILENT).await;
            let source = io::ErrorKind::TimedOut.into();
            return Err(ProcessError::Silent { name: self.spec.name.clone(), source });
        }
        self.with(|being| {
            if let Some(stops) = being.life.stops.filter(|_| being.is_alive && !being.was_asked) {
                being.end_at(Instant::now() + stops, Cause::Signal(plan.signal));
            }
            being.was_asked = true;
            being.end_at(Instant::now() + plan.grace, Cause::Signal(9));
        });
        Ok(())
    }

    async fn forget(&self) -> Result<(), ProcessError> {
        sleep(Duration::from_millis(2)).await;
        let mut inner = self.machine.lock();
        let is_told = |being: &Being| being.told.borrow().is_some();
        match inner.beings.get(&self.n).is_none_or(is_told) {
            true => {
                inner.beings.remove(&self.n);
                inner.promises.buried();
            }
            false => inner.promises.breaks(format!("process {} is forgotten before it has ended", self.n)),
        }
        Ok(())
    }

    async fn kill_shim(&self) {
        self.with(Being::lose_shim);
        sleep(Duration::from_millis(20)).await;
    }

    async fn ask(&self, path: &str, _host: &str) -> Result<probe::Answer, String> {
        assert_eq!(path, "/health");
        let takes = Duration::from_millis(1 + self.n % 7);
        sleep(takes).await;
        if self.with(|being| being.status().is_some() && being.is_hung()).unwrap_or_default() {
            std::future::pending::<()>().await;
        }
        let status = self.with(|being| being.status()).flatten();
        let status = status.ok_or_else(|| "connection refused".to_owned())?;
        Ok(probe::Answer { status, headers: Vec::new(), body: String::new() })
    }

    fn grant(&self) -> io::Result<()> {
        let is_there = self.with(|being| being.born.elapsed() >= being.life.binds).unwrap_or_default();
        if is_there { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

impl Actor {
    /// `None`: it is forgotten.
    fn with<T>(&self, look: impl FnOnce(&mut Being) -> T) -> Option<T> {
        self.machine.lock().beings.get_mut(&self.n).map(look)
    }
}

/// What its shim would have been given.
pub(super) fn spec(order: &Order, n: u64) -> Spec {
    let port = 4000 + u16::try_from(n % 20_000).unwrap();
    Spec {
        build: None,
        format: crate::spec::FORMAT,
        id: ProcessId(ulid::Ulid(n.into())),
        site: None,
        name: order.name.clone(),
        kind: order.kind,
        release: None,
        labels: BTreeMap::new(),
        argv: Vec::new(),
        own_executable: false,
        cwd: order.cwd.clone(),
        user: None,
        nofile: 0,
        nproc: None,
        sandbox: None,
        cgroup: None,
        log: LogFile { path: "/nowhere".into(), max_bytes: 0, max_age_s: 0 },
        stop: Stop { signal: order.stop.signal, grace_ms: order.stop.grace.as_millis() as u64 },
        address: order.listen.map(|listen| match listen {
            Listen::Unix => Address::Unix(format!("/nowhere/{n}").into()),
            _ => Address::Tcp(([127, 0, 0, 1], port).into()),
        }),
        notify: order.notify,
        boot_id: String::new(),
        created_unix_ms: 0,
    }
}
