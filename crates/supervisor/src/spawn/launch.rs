//! One spawn, step by step. Crash: whatever step the keeper dies at, the next one finds a folder that it can judge, or
//! nothing.

use std::{
    fs::File,
    net::TcpListener,
    os::fd::{AsFd, OwnedFd, RawFd},
    path::{Path, PathBuf},
    time::Duration,
};

use machine::{
    child::{Exec, Session, Setup, c_string},
    failpoint,
};
use model::{Address, ProcessId, manifest::Listen};
use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver};

use super::{
    Inner, SpawnError, Supervisor,
    environment::Place,
    folder::{self, io_error},
    ports::{self, Lease, Placeholder},
};
use crate::{
    Order, Process, Program, Spec, dirs,
    payload::{self, Payload},
    protocol::{ANSWER_BYTES_MAX, Hello, Report},
    spec::{self, LogFile, Stop},
};

/// From the fork of the shim to its word that the app runs. A machine that swaps is slow; longer is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the process takes requests, and what keeps that place for it.
#[derive(Debug, Default)]
struct Door {
    address: Option<Address>,
    lease: Option<Lease>,
    /// Dropped when the app has been executed.
    held: Option<Placeholder>,
    listener: Option<TcpListener>,
}

/// What was made for one process before its shim.
#[derive(Debug)]
struct Prepared {
    spec: Spec,
    digest: String,
    dir: PathBuf,
    payload: OwnedFd,
    door: Door,
}

/// The shim as it was forked.
#[derive(Debug)]
struct Born {
    report: OwnedFd,
    shim: OwnedFd,
}

pub(super) async fn launch(supervisor: &Supervisor, order: &Order) -> Result<Process, SpawnError> {
    let (inner, order) = (supervisor.inner.clone(), order.clone());
    let begun = tokio::task::spawn_blocking(move || begin(&inner, &order)).await;
    let (prepared, born) = begun.map_err(|error| io_error("run the spawn")(error.into()))??;
    let reported = match Receiver::from_owned_fd(born.report) {
        Ok(report) => read_report(report, &prepared.dir).await,
        Err(error) => Err(error.to_string()),
    };
    let spec = prepared.spec.clone();
    let failed = match reported {
        Ok(Report::Started(hello)) => match finish(supervisor, prepared, hello).await {
            Ok(process) => return Ok(process),
            Err(error) => error,
        },
        Ok(Report::NotStarted(why)) => {
            let program = crate::shim::described(&spec).display().to_string();
            SpawnError::Exec { program, why }
        }
        Ok(Report::Failed(why)) | Err(why) => SpawnError::Shim { name: spec.name.clone(), why },
    };
    // It may be alive and only silent; its app dies with it.
    const SIGKILL: i32 = 9;
    let _ = machine::pidfd::signal(&born.shim, SIGKILL);
    let inner = supervisor.inner.clone();
    let _ = tokio::task::spawn_blocking(move || folder::remove(&inner, &spec)).await;
    Err(failed)
}

/// Everything up to the running shim; leaves nothing behind if it fails.
fn begin(inner: &Inner, order: &Order) -> Result<(Prepared, Born), SpawnError> {
    let id = ProcessId(ulid::Ulid::generate());
    let prepared = prepare(inner, order, id);
    let begun = prepared.and_then(|prepared| {
        let born = start_shim(inner, order, &prepared)?;
        Ok((prepared, born))
    });
    begun.inspect_err(|_| clean(inner, order, id))
}

fn clean(inner: &Inner, order: &Order, id: ProcessId) {
    let place = inner.tree.as_ref().map(|tree| tree.place(order.site.as_ref(), &order.name, id));
    if let Some(place) = place {
        super::tree::remove(&place);
    }
    let _ = std::fs::remove_dir_all(folder::tmp(inner, id));
    let _ = std::fs::remove_dir_all(dirs::of(&inner.settings.run_dir, id));
}

fn prepare(inner: &Inner, order: &Order, id: ProcessId) -> Result<Prepared, SpawnError> {
    let dir = dirs::of(&inner.settings.run_dir, id);
    let tmp = folder::tmp(inner, id);
    let door = open_door(inner, order, &dir)?;
    let notify = order.notify.then(|| dirs::notify(&dir));
    let place = Place {
        order,
        address: door.address.as_ref(),
        tmp: &tmp,
        notify: notify.as_deref(),
        own_home: &inner.own_home,
    };
    // Pure and most likely to fail: before anything is made.
    let (argv, env) = (place.argv()?, place.env()?);
    folder::make(inner, order, &dir, &tmp)?;
    let own = [dirs::socket_dir(&dir), tmp];
    let spec = spec(inner, order, id, argv, door.address.clone(), &own);
    let digest = folder::write_spec(&dir, &spec)?;
    if let (Some(tree), Some(place)) = (&inner.tree, &spec.cgroup) {
        tree.make(place, &order.limits).map_err(io_error(format!("make the cgroup {}", place.display())))?;
    }
    failpoint::hit("spawn-cgroup");
    let payload = seal(order, env, &door)?;
    failpoint::hit("spawn-payload");
    Ok(Prepared { spec, digest, dir, payload, door })
}

fn open_door(inner: &Inner, order: &Order, dir: &Path) -> Result<Door, SpawnError> {
    let range = &inner.settings.ports;
    let full = || SpawnError::NoPort { first: *range.start(), last: *range.end() };
    match order.listen {
        None => Ok(Door::default()),
        Some(Listen::Unix) => {
            let path = dirs::socket(dir);
            match path.as_os_str().len() > dirs::SOCKET_PATH_MAX {
                true => Err(SpawnError::SocketPath { path }),
                false => Ok(Door { address: Some(Address::Unix(path)), ..Door::default() }),
            }
        }
        Some(Listen::Tcp) => {
            let (address, lease, held) = inner.ports.pick(ports::hold).ok_or_else(full)?;
            let address = Some(Address::Tcp(address));
            Ok(Door { address, lease: Some(lease), held: Some(held), listener: None })
        }
        Some(Listen::Inherit) => {
            let (address, lease, listener) = inner.ports.pick(TcpListener::bind).ok_or_else(full)?;
            let address = Some(Address::Tcp(address));
            Ok(Door { address, lease: Some(lease), held: None, listener: Some(listener) })
        }
    }
}

/// `own`: the folders that were made for this process alone.
fn spec(
    inner: &Inner,
    order: &Order,
    id: ProcessId,
    argv: Vec<String>,
    address: Option<Address>,
    own: &[PathBuf],
) -> Spec {
    let limits = &order.limits;
    let counted = inner.tree.as_ref().is_some_and(|tree| tree.has("pids"));
    Spec {
        format: spec::format(),
        id,
        site: order.site.clone(),
        name: order.name.clone(),
        kind: order.kind,
        release: order.release,
        labels: order.labels.clone(),
        argv,
        own_executable: matches!(order.program, Program::Own(_)),
        cwd: order.cwd.clone(),
        build: Some(inner.build.clone()),
        user: order.user.as_ref().map(|user| user.ids.clone()),
        nofile: limits.nofile,
        // Counted per uid: only where the uid is the app's own does the number mean what was asked for.
        nproc: limits.tasks_max.filter(|_| !counted && order.user.is_some()),
        sandbox: order.sandbox.as_ref().map(|enclosure| enclosure.around(own)),
        cgroup: inner.tree.as_ref().map(|tree| tree.place(order.site.as_ref(), &order.name, id)),
        log: LogFile {
            path: order.log.path.clone(),
            max_bytes: order.log.limits.max_bytes.0,
            max_age_s: order.log.limits.max_age.0.as_secs(),
        },
        stop: Stop {
            signal: order.stop.signal,
            grace_ms: u64::try_from(order.stop.grace.as_millis()).unwrap_or(u64::MAX),
        },
        address,
        notify: order.notify,
        boot_id: inner.boot_id.clone(),
        created_unix_ms: machine::clock::now_unix_ms(),
    }
}

fn seal(order: &Order, env: Vec<(String, String)>, door: &Door) -> Result<OwnedFd, SpawnError> {
    let secrets = order.secrets.values().chain(&order.redact).map(|secret| secret.reveal());
    let first = door.listener.as_ref().map(|_| "http".to_owned());
    let fd_names = first.into_iter().chain(order.fds.iter().map(|fd| fd.name.clone())).collect();
    let payload = Payload { env, redact: payload::words(secrets), fd_names };
    let bytes = serde_json::to_vec(&payload).map_err(|error| io_error("write the payload")(error.into()))?;
    machine::memfd::sealed("mainstay-payload", &bytes).map_err(io_error("seal the payload"))
}

/// Executes the shim, which will say on its pipe how it went.
fn start_shim(inner: &Inner, order: &Order, prepared: &Prepared) -> Result<Born, SpawnError> {
    let failed = |error: std::io::Error| io_error("start the shim")(error);
    let (report, says) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    let errors = File::create(dirs::shim_err(&prepared.dir)).map_err(failed)?;
    let procs = match &prepared.spec.cgroup {
        Some(place) => Some(machine::cgroup::procs(&place.join("shim")).map_err(failed)?),
        None => None,
    };
    let words = ["mainstay".as_ref(), "shim".as_ref(), prepared.dir.as_os_str()];
    let argv = words.into_iter().map(c_string).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let env = [failpoint::handed_on(), machine::planted::handed_on(), machine::formats::handed_on()];
    let env = env.into_iter().flatten().map(|(name, value)| c_string(format!("{name}={value}")));
    let env = env.collect::<Result<_, _>>().map_err(failed)?;
    let mut setup = Setup::new(Exec::Held(&inner.settings.exe), argv, env);
    setup.fds = vec![(prepared.payload.as_fd(), 0), (says.as_fd(), 1), (errors.as_fd(), 2)];
    let inherited =
        prepared.door.listener.iter().map(AsFd::as_fd).chain(order.fds.iter().map(|fd| fd.fd.as_fd()));
    setup.fds.extend(inherited.zip(3..).map(|(fd, number): (_, RawFd)| (fd, number)));
    setup.session = Session::New;
    setup.cgroup = procs.as_ref().map(AsFd::as_fd);
    let child = machine::child::spawn(&setup).map_err(|error| io_error(error.to_string())(error.source))?;
    failpoint::hit("spawn-shim");
    let shim = child.pidfd.try_clone().map_err(failed)?;
    reap_when_ended(child.pidfd);
    Ok(Born { report, shim })
}

/// The shim is this keeper's child: when it ends it must not stay a zombie.
fn reap_when_ended(pidfd: OwnedFd) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        if machine::pidfd::ended(&pidfd).await.is_ok() {
            let _ = machine::pidfd::collect(&pidfd);
        }
    });
}

async fn read_report(mut report: Receiver, dir: &Path) -> Result<Report, String> {
    let mut line = Vec::new();
    let mut limited = (&mut report).take(ANSWER_BYTES_MAX as u64);
    // The shim closes its end once it has said it, and with its death.
    let read = tokio::time::timeout(PATIENCE, limited.read_to_end(&mut line)).await;
    match read {
        Err(_) => Err(format!("no word of it within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(0)) => {
            let said = std::fs::read_to_string(dirs::shim_err(dir)).unwrap_or_default();
            Err(format!("it ended without a word {}", said.trim()))
        }
        Ok(Ok(_)) => serde_json::from_slice(&line).map_err(|error| error.to_string()),
    }
}

async fn finish(supervisor: &Supervisor, prepared: Prepared, hello: Hello) -> Result<Process, SpawnError> {
    let Prepared { spec, dir, digest, door, .. } = prepared;
    drop((door.held, door.listener));
    failpoint::hit("spawn-told");
    let name = spec.name.clone();
    let attached = Process::attach(supervisor, spec, dir, &digest, door.lease).await;
    match attached {
        Ok(process) => Ok(process),
        // It was there a moment ago: its shim died between its report and our question, or does not answer it.
        Err(error) => Err(SpawnError::Shim { name, why: format!("pid {}: {error}", hello.shim_pid) }),
    }
}
