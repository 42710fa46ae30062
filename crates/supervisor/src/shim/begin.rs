//! From nothing to a running app: mechanism points 6 and 7 of the design, in their order.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    os::{
        fd::AsFd,
        unix::{
            fs::PermissionsExt,
            net::{UnixDatagram, UnixListener},
        },
    },
    path::{Path, PathBuf},
};

use machine::{failpoint, lock::FileLock, signals::SignalFd};

use super::{app, log::Log, output::Output, run::Run};
use crate::{
    Cause, Exit, Spec, Usage, dirs,
    payload::Payload,
    protocol::{self, Report},
    sandbox::Confinement,
    spec,
};

pub(super) enum Begun {
    Running(Box<Run>),
    /// The app's program could not be executed; `exit.json` says so.
    NotStarted(String),
}

/// Why the shim itself cannot begin.
#[derive(Debug)]
pub(super) struct BeginError {
    doing: String,
    source: io::Error,
}

impl fmt::Display for BeginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.doing, self.source)
    }
}

fn doing(doing: impl Into<String>) -> impl FnOnce(io::Error) -> BeginError {
    move |source| BeginError { doing: doing.into(), source }
}

pub(super) fn begin(dir: &Path) -> Result<Begun, BeginError> {
    let payload = Payload::read(io::stdin()).map_err(doing("read the payload"))?;
    // Before anything else is opened: what lies from 3 on now is the app's.
    let inherited: Vec<_> = machine::fds::inherited(payload.fd_names.len()).into_iter().flatten().collect();
    if inherited.len() != payload.fd_names.len() {
        return Err(doing("take the inherited descriptors")(io::ErrorKind::NotFound.into()));
    }
    let (spec, digest) = read_spec(dir)?;
    become_shim()?;
    failpoint::hit("shim-begun");
    let lock = FileLock::try_acquire(&dirs::lock(dir)).map_err(doing("lock the folder"))?;
    let lock = lock.ok_or_else(|| doing("lock the folder")(io::ErrorKind::AlreadyExists.into()))?;
    failpoint::hit("shim-locked");
    let ctl = bind_ctl(dir).map_err(doing("make ctl"))?;
    failpoint::hit("shim-ctl");
    let signals = SignalFd::block(&[SIGCHLD, SIGTERM, SIGINT]).map_err(doing("take signals"))?;
    let notify = bind_notify(dir, &spec).map_err(doing("make the notify socket"))?;
    let (output, ends) = Output::open(&payload, &inherited).map_err(doing("make pipes"))?;
    let started_unix_ms = machine::clock::now_unix_ms();
    let child = match app::spawn(&spec, &payload, &inherited, &ends) {
        Ok(child) => child,
        Err(why) => return not_started(dir, why),
    };
    drop((ends, inherited, payload));
    failpoint::hit("shim-forked");
    let mut log = Log::start(spec.log.clone()).map_err(doing("start the log's writer"))?;
    for path in spec.sandbox.iter().flat_map(Confinement::missing) {
        log.note(&format!("{} of `sandbox.write` is not there: the app cannot write it", path.display()));
    }
    let hello = protocol::Hello {
        protocol: protocol::VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        shim_pid: std::process::id().cast_signed(),
        pid: child.pid,
        started_unix_ms,
        digest,
        ready: false,
        exit: None,
        refused: BTreeMap::new(),
    };
    super::report(&Report::Started(hello.clone()));
    let_go_of_the_keeper().map_err(doing("open /dev/null"))?;
    Ok(Begun::Running(Box::new(Run::new(
        dir.to_owned(),
        spec,
        lock,
        ctl,
        signals,
        notify,
        output,
        log,
        child,
        hello,
    ))))
}

const SIGCHLD: i32 = 17;
const SIGTERM: i32 = 15;
const SIGINT: i32 = 2;
const SIGHUP: i32 = 1;
const SIGPIPE: i32 = 13;

fn read_spec(dir: &Path) -> Result<(Spec, String), BeginError> {
    let path = dirs::spec(dir);
    let bytes = fs::read(&path).map_err(doing(format!("read {}", path.display())))?;
    let spec: Spec = serde_json::from_slice(&bytes).map_err(|error| doing("read spec.json")(error.into()))?;
    if spec.format != spec::format() {
        let why = io::Error::other(format!("its format is {}, mine is {}", spec.format, spec::format()));
        return Err(doing("read spec.json")(why));
    }
    Ok((spec, protocol::digest(&bytes)))
}

/// Away from the keeper's terminal and group, parent of all that the app leaves behind, last to be taken by the OOM
/// killer (where that is allowed).
fn become_shim() -> Result<(), BeginError> {
    machine::signals::ignore(SIGHUP);
    machine::signals::ignore(SIGPIPE);
    // The keeper made this a session's leader already; by hand it may be none.
    let _ = rustix::process::setsid();
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own))
        .map_err(|error| doing("become a subreaper")(error.into()))?;
    let _ = fs::write("/proc/self/oom_score_adj", "-900");
    // Run by descriptor its name would be a number.
    let _ = rustix::thread::set_name(c"mainstay-shim");
    Ok(())
}

/// Bound as `ctl.new` and renamed when it listens: a `ctl` that exists always answers.
fn bind_ctl(dir: &Path) -> io::Result<UnixListener> {
    // By way of the folder's descriptor, because the path itself may be longer than a socket's may.
    let folder = fs::File::open(dir)?;
    let within = through(&folder);
    let (new, ctl) = (within.join("ctl.new"), within.join("ctl"));
    let _ = fs::remove_file(&new);
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    fs::rename(&new, &ctl)?;
    Ok(listener)
}

pub(crate) fn through(folder: &impl AsFd) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_fd().as_raw_fd()))
}

fn bind_notify(dir: &Path, spec: &Spec) -> io::Result<Option<UnixDatagram>> {
    if !spec.notify {
        return Ok(None);
    }
    let path = dirs::notify(dir);
    let _ = fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    if let Some(ids) = &spec.user {
        std::os::unix::fs::chown(&path, Some(ids.uid), Some(ids.gid))?;
    }
    socket.set_nonblocking(true)?;
    Ok(Some(socket))
}

fn not_started(dir: &Path, why: String) -> Result<Begun, BeginError> {
    let at_unix_ms = machine::clock::now_unix_ms();
    let exit = Exit {
        cause: Cause::NotStarted(why.clone()),
        oom: false,
        asked: false,
        usage: Usage::default(),
        at_unix_ms,
        left_behind: false,
    };
    write_exit(dir, &exit).map_err(doing("write exit.json"))?;
    Ok(Begun::NotStarted(why))
}

/// Durable before anybody is told.
pub(super) fn write_exit(dir: &Path, exit: &Exit) -> io::Result<()> {
    machine::fs::write_atomic(&dirs::exit(dir), &serde_json::to_vec(exit)?, 0o600)
}

/// The payload and the report pipe are used up: holding them would hold secrets and the keeper's pipe.
fn let_go_of_the_keeper() -> io::Result<()> {
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}
