//! The edge as a process: its settings file, its folders, its slot.

use std::{
    os::unix::fs::chown,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use edge::{
    Settings,
    settings::{AccessLog, Token},
};
use model::{
    ByteSize, Explain, Sandbox, Span,
    manifest::{Limits, Logs, Restart},
};
use supervisor::{
    Enclosure, Kind, LogTo, Order, Process, Program, Slot, StopPlan, User, logs, slot::SlotSettings,
};

use super::{
    counted::Counted,
    ground::Ground,
    listeners::{self, Listeners},
    past::{self, Kept},
};
use crate::config::machine::{ClientIp, Machine};

/// How long an edge may take to say that it serves every listener.
const READY_LIMIT: Duration = Duration::from_secs(30);
const LOG_BYTES_MAX: ByteSize = ByteSize::mib(20);
/// Lines of its log that are told of an edge that does not come up.
const LAST_WORDS_MAX: usize = 8;

/// What the edge reads of the system: its libraries, and what the kernel says of processors and of itself.
pub(super) const SYSTEM: [&str; 7] =
    ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc", "/sys/fs/cgroup", "/sys/devices/system/cpu"];

/// Where the edge's things are.
pub(crate) struct Places {
    /// `<run>/edge`: sockets, table, settings.
    pub run: PathBuf,
    /// `<data>/edge`: what it remembers.
    pub state: PathBuf,
    pub log: PathBuf,
    pub access_log: PathBuf,
}

impl Places {
    pub(crate) fn new(ground: &Ground) -> Self {
        let data = &ground.folders.data;
        Self {
            run: ground.folders.run.join("edge"),
            state: data.join("edge"),
            log: data.join("logs/edge/edge.log"),
            access_log: data.join("logs/access/access.log"),
        }
    }

    /// The settings that machine.toml asks for. The token is new with each keeper; an edge that lives keeps its own.
    pub(crate) fn settings(&self, machine: &Machine, doors: &super::world::Doors, token: &str) -> Settings {
        let said = &machine.edge;
        let mut settings = Settings::new(&self.run, &self.state);
        settings.token = Some(Token(token.to_owned()));
        settings.access_log = said.access_log.then(|| AccessLog {
            path: self.access_log.clone(),
            max_bytes: ByteSize::mib(50),
            keep: 4,
            query: false,
        });
        settings.workers =
            said.workers.and_then(|n| usize::try_from(n).ok()).and_then(std::num::NonZeroUsize::new);
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        settings.limits.connections_max = count(said.connections_max);
        settings.limits.connections_per_address_max = count(said.connections_per_client_max);
        settings.limits.header_bytes_max = said.header_bytes_max;
        settings.limits.headers_max = count(said.headers_max);
        settings.limits.header_timeout = said.header_timeout;
        settings.limits.keep_alive_timeout = said.keep_alive_timeout;
        settings.limits.body_idle_timeout = said.body_timeout;
        settings.limits.connect_timeout = said.connect_timeout;
        settings.limits.upstream_idle_timeout = said.upstream_idle_timeout;
        settings.limits.h2_streams_max = u32::try_from(said.h2_streams_max).unwrap_or(u32::MAX);
        settings.trusted_proxies.clone_from(&machine.trusted_proxies);
        settings.client_ip = match machine.client_ip {
            ClientIp::Peer => edge::settings::ClientIp::Peer,
            ClientIp::XForwardedFor => edge::settings::ClientIp::XForwardedFor,
            ClientIp::CfConnectingIp => edge::settings::ClientIp::CfConnectingIp,
            ClientIp::ProxyProtocol => edge::settings::ClientIp::ProxyProtocol,
        };
        settings.tls.certificates = machine
            .certificates
            .iter()
            .map(|own| edge::settings::Certificate {
                names: own.names.clone(),
                cert: own.cert.clone(),
                key: own.key.clone(),
            })
            .collect();
        settings.tls.session_tickets = machine.tls.session_tickets;
        settings.https_port = doors.https;
        settings.shutdown_within = machine.shutdown_timeout;
        settings
    }

    /// What smoke requests prove themselves by: the living edge's own, else a new one.
    pub(crate) fn token(&self, edge_lives: bool) -> Result<String, Explain> {
        let known = edge_lives.then(|| Settings::read(&self.settings_file()).ok()).flatten();
        if let Some(Token(token)) = known.and_then(|settings| settings.token) {
            return Ok(token);
        }
        let mut bytes = [0; 32];
        machine::entropy::fill(&mut bytes).map_err(|error| {
            Explain::new("no-entropy", "the kernel gives no random bytes").because(&error)
        })?;
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What machine.toml asks for and an edge that lives does not do, in words: its listeners, its settings.
    pub(crate) fn pending(&self, machine: &Machine, listeners: &Listeners, wanted: &Settings) -> Vec<String> {
        let other_listeners = listeners::difference(&machine.listen, &listeners.bound);
        let as_text = |settings: &Settings| serde_json::to_value(settings).ok();
        let running = Settings::read(&self.settings_file()).ok();
        let other_settings = running.is_some_and(|running| as_text(&running) != as_text(wanted));
        let told =
            || "other settings stand in machine.toml than the edge that runs was started with".to_owned();
        other_listeners.into_iter().chain(other_settings.then(told)).collect()
    }

    /// A root of its own: of the system what a program needs to run at all, its certificates, the folders of apps'
    /// sockets; to write what it remembers and logs, and the folder in which it listens to the keeper.
    fn enclosure(&self, ground: &Ground, settings: &Settings) -> Enclosure {
        let certificates = settings.tls.certificates.iter().flat_map(|own| [&own.cert, &own.key]);
        let mut read: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        read.push(ground.folders.run.join("i"));
        read.extend(certificates.flat_map(|file| folders_of(file)));
        let logs = [&self.log, &self.access_log].into_iter().filter_map(|path| path.parent());
        let write = [&self.run, &self.state].map(PathBuf::as_path).into_iter().chain(logs);
        Enclosure {
            sandbox: Sandbox::default(),
            read: Some(read),
            write: write.map(Path::to_owned).collect(),
        }
    }

    fn settings_file(&self) -> PathBuf {
        self.run.join("settings.json")
    }

    /// Makes the edge's folders and gives them to its account.
    fn make(&self, user: Option<&User>) -> Result<(), Explain> {
        let logs = [&self.log, &self.access_log].map(|path| path.parent().map(Path::to_owned));
        for dir in [Some(self.run.clone()), Some(self.state.clone())].into_iter().chain(logs).flatten() {
            let made = std::fs::create_dir_all(&dir).and_then(|()| {
                user.map_or(Ok(()), |user| chown(&dir, Some(user.ids.uid), Some(user.ids.gid)))
            });
            made.map_err(|error| {
                Explain::new("folder-not-made", format!("cannot make {} for the edge", dir.display()))
                    .because(&error)
            })?;
        }
        Ok(())
    }
}

/// The folder of a certificate's file, since a renewed one is another file in it, and that of the file which it links to.
/// Of a folder that is not there yet the nearest one above, in which it will be made.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    let linked = file.canonicalize().ok();
    let both = [Some(file), linked.as_deref()].into_iter().flatten();
    let there = |file: &Path| file.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_owned);
    both.filter_map(there).collect()
}

/// Takes care of the edge from now on: an adopted one as it is, else a new one.
/// # Errors
/// Its folders or settings cannot be written; it does not say that it is ready.
pub(crate) async fn start(
    ground: &Ground,
    places: &Places,
    settings: &Settings,
    listeners: &Listeners,
    adopted: Option<Process>,
) -> Result<Arc<Slot>, Explain> {
    let user = ground.users.edge()?;
    places.make(user.as_ref())?;
    let file = places.settings_file();
    // An edge that lives was told another token; it reads its settings once, so the file is only for the next one.
    if adopted.is_none() {
        settings
            .write(&file, user.as_ref().map(|user| (user.ids.uid, user.ids.gid)))
            .map_err(|error| Explain::new("edge-settings", "the edge's settings").because(&error))?;
    }
    let order = Order {
        site: None,
        name: "edge".to_owned(),
        kind: Kind::Edge,
        release: None,
        labels: std::collections::BTreeMap::new(),
        program: Program::Own(vec!["edge".into(), "--settings".into(), file.display().to_string()]),
        cwd: places.run.clone(),
        shared_dir: None,
        user,
        env: machine::planted::handed_on().into_iter().chain([allocator()]).collect(),
        secrets: std::collections::BTreeMap::new(),
        told: Default::default(),
        redact: vec![model::Secret::new(settings.token.as_ref().map_or("", |token| &token.0))],
        listen: None,
        notify: true,
        fds: listeners.fds.clone(),
        limits: Limits { nofile: 1 << 20, ..Limits::default() },
        sandbox: Some(places.enclosure(ground, settings)),
        stop: StopPlan { signal: 15, grace: ground.machine.shutdown_timeout.0 + Duration::from_secs(5) },
        log: LogTo { path: places.log.clone(), limits: Logs { max_bytes: LOG_BYTES_MAX, ..Logs::default() } },
    };
    let slot = Arc::new(Slot::start(ground.supervisor.clone(), slot_settings(order), adopted));
    past::follow_own(&slot, Kept::of_the_edge(&ground.folders.run));
    let ready = tokio::time::timeout(READY_LIMIT, slot.up()).await.unwrap_or(false);
    if !ready {
        return Err(Explain::new("edge-not-ready", "the edge did not say that it is ready")
            .help(format!("its log is {}", places.log.display()))
            .detail("the end of the edge's log", last_words(&ground.folders.data, "edge").await));
    }
    Ok(slot)
}

/// How the edge's allocator works: of glibc's, elsewhere it says nothing (GNU C Library manual, "Memory Allocation Tunables").
///
/// A large answer's buffers are 128 KiB, which it would map and unmap each time: a tenth of that answer's CPU. And a thread keeps
/// more freed blocks of a size at hand than the usual seven, since that many requests are open at once: a twentieth of the edge's instructions.
fn allocator() -> (String, String) {
    let tunables = ["mmap_threshold=4194304", "trim_threshold=16777216", "tcache_count=64"]
        .map(|set| format!("glibc.malloc.{set}"));
    ("GLIBC_TUNABLES".to_owned(), tunables.join(":"))
}

/// The end of the log of one of Mainstay's own: its last error with causes and remedy, or whatever it said.
pub(crate) async fn last_words(data: &Path, who: &str) -> Vec<String> {
    let folder = data.join("logs");
    let query = logs::Query { service: who.parse().ok(), tail: LAST_WORDS_MAX, ..logs::Query::default() };
    let read = tokio::task::spawn_blocking(move || logs::read(&folder, &query)).await;
    let lines = read.ok().and_then(Result::ok).unwrap_or_default();
    let mut words: Vec<String> = lines.into_iter().map(|line| line.text).collect();
    let error = words.iter().rposition(|line| line.starts_with("error: ")).unwrap_or(0);
    words.split_off(error)
}

/// Replaces an edge that hangs, for as long as this keeper lives.
/// # Errors
/// Out of descriptors.
pub(crate) fn watch(edge: &Arc<Slot>, listeners: &Listeners, hung: Counted) -> Result<(), Explain> {
    let watched = listeners.watched().map_err(|error| {
        Explain::new("no-pulse", "the page by which the edge is watched cannot be used").because(&error)
    })?;
    let aborted = move |process: &Process| {
        hung.count();
        tracing::error!(
            pid = process.pid(),
            "The edge lets connections wait and does not turn; it is replaced. What it held is lost."
        );
    };
    tokio::spawn(supervisor::hung::watch(Arc::clone(edge), watched, aborted));
    Ok(())
}

/// New connections wait in the listen queues while there is no edge: so it is started again at once, and slower only
/// where it cannot live.
fn slot_settings(order: Order) -> SlotSettings {
    SlotSettings {
        order: order.into(),
        restart: Restart {
            backoff_initial: Span::millis(10),
            backoff_max: Span::secs(2),
            reset_after: Span::secs(10),
            max_restarts: 1_000,
            ..Restart::default()
        },
        startup: None,
        liveness: None,
        host: "localhost".to_owned(),
        min_healthy_time: READY_LIMIT,
    }
}
