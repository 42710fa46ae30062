//! The station as a process: when there is one, its folders, its order, its slot. Nothing waits for it: what goes wrong
//! here is told, and the keeper goes on.

mod desk;
mod outside;
mod secrets_file;

use std::{
    collections::BTreeMap,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use admin::{Peers, Server};
use api::machine::Process as Told;
use model::{
    ByteSize, Explain, Sandbox, Span,
    manifest::{Limits, Logs, Restart},
};
use sha2::{Digest as _, Sha256};
use station::{Settings, settings};
use supervisor::{
    Enclosure, Kind, LogTo, Order, Process, Program, Slot, SlotEvent, SlotState, StopPlan, User,
    slot::{SlotSettings, Witness},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::desk::Desk;
use self::{outside::Outside, secrets_file::SecretsFile};
use super::{
    data_plane::{self, SYSTEM},
    ground::Ground,
    instances::rfc3339,
    jobs,
    past::{self, Kept},
    secrets,
    webhooks::{Webhooks, usable::Usable},
};

/// How long it may take to say that it is ready.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// It has nothing to drain.
const GRACE: Duration = Duration::from_secs(5);
/// It asks for news all the time. One that has not for so long hangs.
const SILENT_MAX: Duration = Duration::from_secs(60);
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// Between the tries of a start, doubled from the first to the longest.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
const AGAIN_LONGEST: Duration = Duration::from_secs(60);
/// Of which it uses a fifth, with a thousand deliveries that wait.
const MEMORY_MAX: ByteSize = ByteSize::mib(64);
const LOG_BYTES_MAX: ByteSize = ByteSize::mib(10);
/// The label of a station by what it was started with.
const STARTED_WITH: &str = "started-with";

type Held = Arc<Mutex<Option<Arc<Slot>>>>;
/// Why the last try to start it failed.
type NotStarted = Arc<Mutex<Option<Explain>>>;

/// The station, if machine.toml gives it something to do.
pub(crate) struct Station {
    slot: Held,
    care: TaskTracker,
    ends: CancellationToken,
    kept: Kept,
    data: PathBuf,
    wanted: bool,
    not_started: NotStarted,
}

/// What it is started with.
struct Asked {
    hooks: Settings,
    /// `None`: it gets no certificates.
    certs: Option<certs::Settings>,
    /// The hook that writes to a DNS, and what that reads.
    hook_files: Vec<PathBuf>,
}

struct Places {
    /// `<run>/station`: the keeper's, with the settings and the socket.
    run: PathBuf,
    /// `<data>/station`: its own.
    state: PathBuf,
    log: PathBuf,
}

/// Takes care of the station from now on, in tasks of its own: the first of those that live as it is if it was started with
/// what holds now, else a new one; none where it has nothing to do. Others that live are from a start that was cut: they end.
pub(crate) fn begin(ground: &Arc<Ground>, desk: &Desk, living: Vec<Process>) -> Station {
    let (slot, not_started) = (Held::default(), NotStarted::default());
    let wanted = !desk.webhooks.hooks().is_empty() || desk.certificates.is_wanted();
    let kept = Kept::of_the_station(&ground.folders.run);
    let data = ground.folders.data.clone();
    let (care, ends) = (TaskTracker::new(), CancellationToken::new());
    let mut living = living.into_iter();
    if wanted {
        let living = living.next();
        let (held, why, ends) = (Arc::clone(&slot), Arc::clone(&not_started), ends.clone());
        let (ground, desk) = (Arc::clone(ground), desk.clone());
        care.spawn(async move { take_care(&ground, &desk, living, (&held, &why), ends).await });
    } else {
        kept.forget();
    }
    for process in living {
        care.spawn(async move { jobs::end(&process).await });
    }
    care.close();
    Station { slot, care, ends, kept, data, wanted, not_started }
}

impl Station {
    /// The last of Mainstay's own that ends. Also one that is stopped already, since another was to take its place, has
    /// ended then. Cancel-safe; the station ends all the same.
    pub(crate) async fn stop(&self) {
        self.ends.cancel();
        self.care.wait().await;
    }

    /// As it runs; `None`: it does not.
    pub(crate) fn told(&self) -> Option<Told> {
        let process = self.slot()?.process()?;
        let restarts = self.kept.read().exits;
        Some(Told { pid: process.pid(), started: rfc3339(process.started()), restarts })
    }

    /// System calls that its sandbox refused.
    pub(crate) async fn refused(&self) -> BTreeMap<String, u64> {
        match self.slot().and_then(|slot| slot.process()) {
            Some(process) => process.refused_calls().await,
            None => BTreeMap::new(),
        }
    }

    /// Whether there should be one.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Why it does not run although it should: what it said last, and how it ended.
    pub(crate) async fn said(&self) -> Vec<String> {
        let is_up = self.slot().is_some_and(|slot| matches!(*slot.state().borrow(), SlotState::Up { .. }));
        if is_up || !self.wanted {
            return Vec::new();
        }
        let not_started = self.not_started.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(why) = not_started {
            let help = why.help.as_ref().map(|help| format!("help: {help}"));
            return [format!("its start failed, and is tried again: {why}")]
                .into_iter()
                .chain(help)
                .collect();
        }
        let said = data_plane::last_words(&self.data, "station").await;
        let exit = self.kept.read().last_exit;
        said.into_iter().chain(exit.map(|exit| format!("its last end: {exit}"))).collect()
    }

    fn slot(&self) -> Option<Arc<Slot>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One station after the other, until it is told to end.
async fn take_care(
    ground: &Ground,
    desk: &Desk,
    mut living: Option<Process>,
    (held, not_started): (&Held, &NotStarted),
    ends: CancellationToken,
) {
    let mut secrets = SecretsFile::new(ground.folders.webhook_secrets());
    let mut again_in = AGAIN_FIRST;
    while !ends.is_cancelled() {
        let outside = Outside::look();
        let started = start(ground, desk, &outside, &mut living).await;
        let why = started.as_ref().err().cloned();
        let is_told =
            std::mem::replace(&mut *not_started.lock().unwrap_or_else(PoisonError::into_inner), why.clone())
                == why;
        let (slot, api) = match started {
            Ok(started) => started,
            Err(error) => {
                if !is_told {
                    tracing::error!(%error, "There is no station: webhooks are told and certificates are renewed later. It is tried again.");
                }
                // It cannot ask this keeper, and nobody else would end it.
                if let Some(process) = living.take() {
                    jobs::end(&process).await;
                }
                let _ = tokio::time::timeout(again_in, ends.cancelled()).await;
                again_in = (again_in * 2).min(AGAIN_LONGEST);
                continue;
            }
        };
        again_in = AGAIN_FIRST;
        *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&slot));
        tokio::select! {
            () = watch(&slot, &desk.webhooks) => {}
            () = api => {}
            () = replaced(&outside) => tracing::info!("A file that the station reads was replaced: it is started anew."),
            () = secrets.changed(&desk.webhooks, &ground.folders) => tracing::info!("A webhook has another secret: the station is started anew."),
            () = ends.cancelled() => {}
        }
        slot.stop(None).await;
    }
}

/// Takes `living` unless it fails before it comes to it.
async fn start(
    ground: &Ground,
    desk: &Desk,
    outside: &Outside,
    living: &mut Option<Process>,
) -> Result<(Arc<Slot>, impl Future<Output = ()> + use<>), Explain> {
    // Whichever there was has ended, or is one that this keeper has asked nothing yet.
    desk.webhooks.station_ended();
    let places = Places {
        run: ground.folders.run.join("station"),
        state: ground.folders.data.join("station"),
        log: ground.folders.data.join("logs/station/station.log"),
    };
    let user = ground.users.station()?;
    places.make(user.as_ref())?;
    let socket = places.run.join("keeper.sock");
    let uid = user.as_ref().map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.ids.uid);
    let server = Server::bind(&socket, Peers::Only(uid)).map_err(|error| {
        Explain::new("api-not-bound", "the station's socket cannot be offered")
            .because(&error)
            .help("it lies in the run folder: the keeper's user must own that, and there must be room")
    })?;
    let api = server.serve_station(Arc::new(desk.clone()));
    let hooks = desk.webhooks.hooks();
    let asked = Asked {
        certs: desk.certificates.settings(socket.clone())?,
        hook_files: desk.certificates.hook_files(),
        hooks: places.settings(socket, &hooks),
    };
    let order = places.order(ground, &asked, &hooks, outside, user);
    let adopted = match living.take() {
        Some(process) if is_current(&process, &order) => Some(process),
        Some(process) => {
            jobs::end(&process).await;
            None
        }
        None => None,
    };
    if adopted.is_none() {
        let owner = order.user.as_ref().map(|user| (user.ids.uid, user.ids.gid));
        places.write(&asked, owner)?;
    }
    let witness = witness(ground, &desk.webhooks);
    let slot = Slot::start(ground.supervisor.clone(), slot_settings(order), adopted, witness);
    Ok((Arc::new(slot), api))
}

/// One that has ended is counted, and has forgotten what it was asked.
fn witness(ground: &Ground, webhooks: &Arc<Webhooks>) -> Witness {
    let (count, webhooks) = (past::witness(Kept::of_the_station(&ground.folders.run)), Arc::clone(webhooks));
    Box::new(move |event| {
        count(event);
        if matches!(event, SlotEvent::Started { .. }) {
            webhooks.station_ended();
        }
    })
}

/// One that was started by another build, or with other webhooks or secrets, is replaced.
fn is_current(process: &Process, order: &Order) -> bool {
    process.spec().labels.get(STARTED_WITH) == order.labels.get(STARTED_WITH)
}

/// Replaces a station that lives and asks for nothing.
async fn watch(slot: &Slot, webhooks: &Webhooks) {
    if !tokio::time::timeout(READY_LIMIT, slot.up()).await.unwrap_or(false) {
        tracing::error!(
            "The station did not say that it is ready; what it does for others is done when it is."
        );
    }
    let mut up_since = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        if !matches!(*slot.state().borrow(), SlotState::Up { .. }) {
            up_since = tokio::time::Instant::now();
        } else if up_since.elapsed() > SILENT_MAX && webhooks.silent_for() > SILENT_MAX {
            tracing::error!("The station lives and asks for nothing; it is replaced.");
            slot.restart().await;
            up_since = tokio::time::Instant::now();
        }
    }
}

/// Returns when the sandbox of a station that was started with `outside` does not have what is there now.
async fn replaced(outside: &Outside) {
    while !outside.is_replaced() {
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

impl Places {
    fn settings_file(&self) -> PathBuf {
        self.run.join("settings.json")
    }

    fn certs_file(&self) -> PathBuf {
        self.run.join("certs.json")
    }

    fn write(&self, asked: &Asked, owner: Option<(u32, u32)>) -> Result<(), Explain> {
        let failed = || Explain::new("station-settings", "the station's settings");
        asked.hooks.write(&self.settings_file(), owner).map_err(|error| failed().because(&error))?;
        match &asked.certs {
            Some(certs) => certs.write(&self.certs_file(), owner).map_err(|error| failed().because(&error)),
            None => Ok(()),
        }
    }

    fn program(&self, asked: &Asked) -> Program {
        let path = |path: PathBuf| path.display().to_string();
        let mut words = vec!["station".to_owned(), "--settings".to_owned(), path(self.settings_file())];
        if asked.certs.is_some() {
            words.extend(["--certs".to_owned(), path(self.certs_file())]);
        }
        Program::Own(words)
    }

    fn make(&self, user: Option<&User>) -> Result<(), Explain> {
        let log = self.log.parent().map(Path::to_owned);
        let own = [Some(self.state.clone()), log].into_iter().flatten();
        let made =
            machine::fs::make_dir(&self.run, if user.is_some() { 0o711 } else { 0o700 }).and_then(|()| {
                own.into_iter().try_for_each(|dir| {
                    std::fs::create_dir_all(&dir)?;
                    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
                    user.map_or(Ok(()), |user| chown(&dir, Some(user.ids.uid), Some(user.ids.gid)))
                })
            });
        made.map_err(|error| {
            Explain::new("folder-not-made", "cannot make the station's folders")
                .because(&error)
                .help("data and run folder are the keeper's to write: see their owner, mount and free space")
        })
    }

    fn settings(&self, keeper: PathBuf, hooks: &[Usable]) -> Settings {
        let hook = |hook: &Usable| settings::Hook {
            url: hook.place.url().to_owned(),
            events: hook.said.events.clone(),
            apps: hook.said.apps.clone(),
            secret: hook.secret.is_ok().then(|| variable(hook)),
        };
        Settings {
            format: settings::FORMAT,
            keeper,
            state: self.state.clone(),
            hooks: hooks.iter().map(hook).collect(),
        }
    }

    fn order(
        &self,
        ground: &Ground,
        asked: &Asked,
        hooks: &[Usable],
        outside: &Outside,
        user: Option<User>,
    ) -> Order {
        let usable = hooks.iter().filter_map(|hook| Some((variable(hook), hook.secret.clone().ok()?)));
        let values: BTreeMap<_, _> = usable.collect();
        let started_with = started_with(ground, asked, &values, outside);
        let read = SYSTEM
            .iter()
            .map(PathBuf::from)
            .chain([self.run.clone()])
            .chain(outside.paths())
            .chain(asked.hook_files.clone())
            .collect();
        let certs = asked.certs.as_ref().map(|certs| certs.folder.clone());
        // A program of the operator's expects at least this of any machine.
        let device = asked.hook_files.first().map(|_| PathBuf::from("/dev/null"));
        let own = [self.state.clone()].into_iter().chain(certs).chain(device);
        let write = own.chain(machine::failpoint::folder()).collect();
        Order {
            site: None,
            name: "station".to_owned(),
            kind: Kind::Station,
            release: None,
            labels: BTreeMap::from([(STARTED_WITH.to_owned(), started_with)]),
            program: self.program(asked),
            cwd: self.run.clone(),
            shared_dir: None,
            user,
            env: machine::planted::handed_on().into_iter().chain(outside.trust.clone()).collect(),
            redact: Vec::new(),
            secrets: values,
            told: machine::formats::handed_on().into_iter().chain(machine::failpoint::handed_on()).collect(),
            listen: None,
            notify: true,
            fds: Vec::new(),
            limits: Limits { memory_max: Some(MEMORY_MAX), ..Limits::default() },
            sandbox: Some(Enclosure { sandbox: Sandbox::default(), read: Some(read), write, offline: false }),
            stop: StopPlan { signal: 15, grace: GRACE },
            log: LogTo {
                path: self.log.clone(),
                limits: Logs { max_bytes: LOG_BYTES_MAX, ..Logs::default() },
            },
        }
    }
}

fn variable(hook: &Usable) -> String {
    format!("WEBHOOK_SECRET_{}", hook.said.secret)
}

/// Of the build, the settings, the secrets and the system's files; of these nothing can be read off.
fn started_with(
    ground: &Ground,
    asked: &Asked,
    values: &BTreeMap<String, model::Secret>,
    outside: &Outside,
) -> String {
    let secrets = secrets::digests(&ground.salt, values);
    let said = serde_json::json!([
        ground.supervisor.build(),
        asked.hooks,
        asked.certs,
        asked.hook_files,
        secrets,
        outside.trust,
        outside.files()
    ]);
    Sha256::digest(said.to_string().as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Nobody waits for it, so that one that cannot live is tried ever more slowly.
fn slot_settings(order: Order) -> SlotSettings {
    SlotSettings {
        order: order.into(),
        restart: Restart {
            backoff_initial: Span::millis(200),
            backoff_max: Span::secs(60),
            ..Restart::default()
        },
        startup: None,
        liveness: None,
        host: "localhost".to_owned(),
        min_healthy_time: READY_LIMIT,
    }
}
