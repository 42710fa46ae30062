//! A hold on one supervised process, spawned or adopted: the same type, because there is no difference.

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use model::Address;

use crate::{
    Exit, Spec, StopPlan, Supervisor,
    ctl::Ctl,
    dirs,
    protocol::{Answer, Hello, Request},
    spawn::{Inner as Keeper, folder, ports::Lease},
    spec::LogFile,
    strays,
};

/// Cheap to clone; dropping every handle leaves the process running.
#[derive(Clone, Debug)]
pub struct Process {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    keeper: Arc<Keeper>,
    spec: Spec,
    dir: PathBuf,
    hello: Hello,
    exit: watch::Receiver<Option<Exit>>,
    _lease: Option<Lease>,
}

/// Why a word to the shim was not heard.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("the shim of {name} does not answer")]
    Silent { name: String, source: io::Error },
    #[error("the shim of {name} refused: {why}")]
    Refused { name: String, why: String },
}

/// What the processes of an instance hold, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub now: u64,
    /// The most of it at once. Where there is no cgroup to count: of each of those that live now, which may not have been at
    /// once.
    pub peak: u64,
}

impl Process {
    /// Takes hold of the process in `dir`, if its shim answers and runs this very spec.
    pub(crate) async fn attach(
        supervisor: &Supervisor,
        spec: Spec,
        dir: PathBuf,
        digest: &str,
        lease: Option<Lease>,
    ) -> io::Result<Self> {
        let mut ctl = Ctl::connect(&dir).await?;
        let (hello, pidfd) = ctl.hello().await?;
        if hello.digest != digest && !machine::planted::is_planted("adopts-any-spec") {
            return Err(io::Error::other("its shim runs another spec"));
        }
        let (tell, exit) = watch::channel(hello.exit.clone());
        let keeper = supervisor.inner.clone();
        let watcher =
            Watcher { keeper: keeper.clone(), spec: spec.clone(), dir: dir.clone(), app: pidfd, tell };
        tokio::spawn(watcher.run(ctl));
        Ok(Self { inner: Arc::new(Inner { keeper, spec, dir, hello, exit, _lease: lease }) })
    }

    pub fn id(&self) -> model::ProcessId {
        self.inner.spec.id
    }

    /// Of the app itself, for people and for tools that know no better; it may be gone.
    pub fn pid(&self) -> u32 {
        self.inner.hello.pid.unsigned_abs()
    }

    /// When it was executed, wall clock, milliseconds since 1970.
    pub fn started_unix_ms(&self) -> u64 {
        self.inner.hello.started_unix_ms
    }

    /// The same as a time.
    pub fn started(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.started_unix_ms())
    }

    /// For how long it has been there; no clock that jumps moves it. `None`: it has ended.
    pub fn age(&self) -> Option<Duration> {
        machine::proc::age(self.inner.hello.pid)
    }

    pub fn spec(&self) -> &Spec {
        &self.inner.spec
    }

    pub fn address(&self) -> Option<&Address> {
        self.inner.spec.address.as_ref()
    }

    /// `<run>/i/<ulid>`.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    pub fn log(&self) -> &LogFile {
        &self.inner.spec.log
    }

    /// Begins the spec's stop: signal, grace, SIGKILL. Returns when the shim has taken it, not when it is done; from
    /// then on the shim holds the timer, so the stop survives the keeper. A second call never lengthens the first.
    ///
    /// # Errors
    /// [`ProcessError`]; a process that has ended already is none.
    pub async fn stop(&self) -> Result<(), ProcessError> {
        self.stop_with(self.spec().stop.into()).await
    }

    /// The same with another signal or grace; a grace of zero kills at once.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn stop_with(&self, plan: StopPlan) -> Result<(), ProcessError> {
        let grace_ms = u64::try_from(plan.grace.as_millis()).unwrap_or(u64::MAX);
        self.tell(Request::Stop { signal: plan.signal, grace_ms }).await
    }

    /// Sends one signal to the app's main process.
    ///
    /// # Errors
    /// [`ProcessError`]; a process that has ended already is none.
    pub async fn signal(&self, signal: i32) -> Result<(), ProcessError> {
        self.tell(Request::Signal { signal }).await
    }

    /// Sends one signal to the app and to those of its children that stayed in its group, as a terminal's key does.
    ///
    /// # Errors
    /// [`ProcessError`]; a process that has ended already is none.
    pub async fn signal_group(&self, signal: i32) -> Result<(), ProcessError> {
        self.tell(Request::SignalGroup { signal }).await
    }

    /// Waits for the end. Never fails: a dead shim is [`crate::Cause::Lost`]. Cancel-safe, any number at once.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.inner.exit.clone();
        match exit.wait_for(Option::is_some).await.map(|exit| exit.clone()) {
            Ok(Some(exit)) => exit,
            // The runtime that watched has gone down: nothing more will be known here.
            _ => Exit::lost(machine::clock::now_unix_ms()),
        }
    }

    /// The exit, if it is known already.
    pub fn exit(&self) -> Option<Exit> {
        self.inner.exit.borrow().clone()
    }

    /// Waits for `READY=1`; `false`: it ended first, or its order did not say `notify`. Cancel-safe.
    pub async fn ready(&self) -> bool {
        if !self.inner.spec.notify {
            return false;
        }
        let asked = async {
            let mut ctl = Ctl::connect(&self.inner.dir).await?;
            ctl.ask_patiently(&Request::Ready).await
        };
        matches!(asked.await, Ok(Answer::Ready(true)))
    }

    /// The last `lines` lines of its output as written to the log (CRI form), oldest first, redacted. At most what the
    /// shim holds (64 KiB); from the file where the shim is gone.
    pub async fn tail(&self, lines: usize) -> Vec<String> {
        if let Ok(Answer::Lines(lines)) = self.ask(Request::Tail { lines }).await {
            return lines;
        }
        let path = self.log().path.clone();
        let read = tokio::task::spawn_blocking(move || crate::logs::tail_of_file(&path, lines)).await;
        read.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Removes its folder, its cgroup and its shim. Only for a process that has ended; a running one is refused.
    ///
    /// # Errors
    /// [`ProcessError::Refused`].
    pub async fn forget(&self) -> Result<(), ProcessError> {
        if self.exit().is_none() {
            return Err(self.refused("it has not ended".to_owned()));
        }
        // A dead shim need not be told.
        if let Ok(Answer::Error(why)) = self.ask(Request::Forget).await {
            return Err(self.refused(why));
        }
        let (keeper, spec) = (self.inner.keeper.clone(), self.inner.spec.clone());
        let _ = tokio::task::spawn_blocking(move || folder::remove(&keeper, &spec)).await;
        Ok(())
    }

    /// For a shim that hears nothing: kills it, and with it the app.
    pub(crate) async fn kill_shim(&self) {
        crate::adopt::kill_hung(&self.inner.dir, &self.inner.spec).await;
    }

    /// How often its sandbox refused each system call, by name. Files that landlock refuses are not counted: no kernel
    /// tells them to another than its own log.
    pub async fn refused_calls(&self) -> BTreeMap<String, u64> {
        match self.ask(Request::Hello).await {
            Ok(Answer::Hello(hello)) => hello.refused,
            _ => BTreeMap::new(),
        }
    }

    /// The sockets that its processes listen on now, from `/proc`.
    ///
    /// # Errors
    /// The kernel's, where none of its processes may be looked into.
    pub async fn listening(&self) -> io::Result<Vec<machine::sockets::Listening>> {
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || machine::sockets::listening(&this.members()));
        read.await.map_err(io::Error::other)?
    }

    /// Memory of its cgroup, else of its processes together. Reads `/proc`: not in a hot loop.
    pub fn memory(&self) -> Option<Memory> {
        let group = self.inner.spec.cgroup.as_ref().map(|place| place.join("app"));
        let counted = group.and_then(|group| {
            let now = machine::cgroup::memory_bytes(&group)?;
            Some(Memory { now, peak: machine::cgroup::memory_peak_bytes(&group).unwrap_or(now) })
        });
        counted.or_else(|| {
            let each = self.members().into_iter().filter_map(machine::proc::resident);
            let all = each.fold(Memory { now: 0, peak: 0 }, |all, one| Memory {
                now: all.now.saturating_add(one.now),
                peak: all.peak.saturating_add(one.peak),
            });
            Some(all).filter(|all| all.now > 0)
        })
    }

    /// Its processes now: by cgroup where there is one, else by parents.
    fn members(&self) -> Vec<i32> {
        let spec = &self.inner.spec;
        let by_group = spec.cgroup.as_ref().map(|place| machine::cgroup::members(&place.join("app")));
        match by_group.filter(|members| !members.is_empty()) {
            Some(members) => members,
            // The shim's children are the app and what the app left behind.
            None => machine::proc::tree(self.inner.hello.shim_pid).into_iter().skip(1).collect(),
        }
    }

    async fn ask(&self, request: Request) -> io::Result<Answer> {
        Ctl::connect(&self.inner.dir).await?.ask(&request).await
    }

    async fn tell(&self, request: Request) -> Result<(), ProcessError> {
        if self.exit().is_some() {
            return Ok(());
        }
        match self.ask(request).await {
            Ok(Answer::Error(why)) => Err(self.refused(why)),
            Ok(_) => Ok(()),
            Err(source) => Err(ProcessError::Silent { name: self.inner.spec.name.clone(), source }),
        }
    }

    fn refused(&self, why: String) -> ProcessError {
        ProcessError::Refused { name: self.inner.spec.name.clone(), why }
    }
}

/// Waits on `ctl` for the end, for all handles.
struct Watcher {
    keeper: Arc<Keeper>,
    spec: Spec,
    dir: PathBuf,
    app: Option<OwnedFd>,
    tell: watch::Sender<Option<Exit>>,
}

/// A shim that drops a connection but answers the next is not dead; one that does it so often in a row is.
const ATTEMPTS: u32 = 5;

impl Watcher {
    async fn run(self, mut ctl: Ctl) {
        for _ in 0..ATTEMPTS {
            if let Ok(Answer::Exit(exit)) = ctl.ask_patiently(&Request::Wait).await {
                self.tell.send_replace(Some(exit));
                return;
            }
            match Ctl::connect(&self.dir).await {
                Ok(next) => ctl = next,
                Err(_) => break,
            }
        }
        let exit = self.bury().await;
        self.tell.send_replace(Some(exit));
    }

    /// The shim is dead: PDEATHSIG has killed the app; the rest of its group goes now.
    async fn bury(&self) -> Exit {
        const SIGKILL: i32 = 9;
        if let Some(place) = &self.spec.cgroup {
            let _ = machine::cgroup::kill(&place.join("app"));
        }
        if let Some(app) = &self.app {
            let _ = machine::pidfd::signal(app, SIGKILL);
            wait_for(app).await;
        }
        let (keeper, spec) = (self.keeper.clone(), self.spec.clone());
        let _ = tokio::task::spawn_blocking(move || strays::kill(&keeper, &spec)).await;
        let exit = read_exit(&self.dir).unwrap_or_else(|| Exit::lost(machine::clock::now_unix_ms()));
        tracing::warn!(name = self.spec.name, id = %self.spec.id, %exit, "a shim is gone");
        exit
    }
}

/// Until the process has ended, at most as long as SIGKILL may take.
async fn wait_for(pidfd: &OwnedFd) {
    const PATIENCE: Duration = Duration::from_secs(5);
    let _ = tokio::time::timeout(PATIENCE, machine::pidfd::ended(pidfd)).await;
}

/// What the shim wrote at the end; `None`: it did not come to that.
pub(crate) fn read_exit(dir: &Path) -> Option<Exit> {
    serde_json::from_slice(&std::fs::read(dirs::exit(dir)).ok()?).ok()
}
