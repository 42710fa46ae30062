//! `mainstay up`: the keeper's parent where there is no systemd. A poll loop without a runtime that keeps named
//! descriptors, restarts the keeper, and passes a wish to end on to it. Knows nothing of apps.

mod at_once;
mod upgrade;

use std::{
    ffi::{CString, OsString},
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, OwnedFd, RawFd},
        unix::{fs::PermissionsExt, net::UnixDatagram},
    },
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use machine::{
    child::{self, Child, Exec, Executable, Reaped, Session, Setup, c_string},
    failpoint,
    lock::FileLock,
    signals::SignalFd,
};
use rustix::event::{PollFd, PollFlags, Timespec};

use upgrade::{RESUMES, Trial};

use crate::{
    exit::signal_name,
    store::{Kept, Said},
};

pub use upgrade::{EXIT_UPGRADE, Resumed, why_file};

/// Exit status of a keeper that has drained and stopped all: its parent ends too instead of starting the next.
/// (`RestartPreventExitStatus=` in the unit.)
pub const EXIT_DOWN: u8 = 64;

#[derive(Debug)]
pub struct UpSettings<'a> {
    /// The run folder, which is this process's alone: the notify socket `<run>/up.notify` lies in it.
    pub run_dir: PathBuf,
    pub exe: Executable,
    /// Where that was found, and where a program that replaces it is put.
    pub program: PathBuf,
    /// That of the data folder; it goes along when this process becomes another program.
    pub lock: &'a FileLock,
    /// Arguments of the keeper after the program: `["keeper", "--data", …]`.
    pub keeper: Vec<OsString>,
    /// Descriptors from a keeper whose own parent died.
    pub store: Vec<(String, OwnedFd)>,
    /// A keeper that is silent for this long gets SIGABRT. It gets time for its start too: until `READY=1` five times
    /// as long.
    pub watchdog: Duration,
    /// What this process was before it became this program; its lock and store are above.
    pub resumed: Option<(UnixDatagram, Child)>,
}

const RESTART_FIRST: Duration = Duration::from_millis(100);
const RESTART_MAX: Duration = Duration::from_secs(5);
/// A keeper that lived this long was well: the next start is quick again.
const WELL_AFTER: Duration = Duration::from_secs(10);
/// What a person who waits for the end may do.
const AGAIN: &str = "Ctrl-C once more stops everything at once";
/// From SIGABRT to SIGKILL.
const ABORT_PATIENCE: Duration = Duration::from_secs(5);
const STARTS_SLOWER: u32 = 5;
const SIGINT: i32 = 2;
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
const SIGCONT: i32 = 18;

/// Runs until the keeper ends with [`EXIT_DOWN`], or the third Ctrl-C. To be called from the main thread, before any
/// other is made.
///
/// SIGINT and SIGTERM to this process become SIGINT to the keeper, which means: drain, stop all, exit with
/// [`EXIT_DOWN`]. The second becomes a second SIGINT: stop at once; the third kills the keeper. Where no keeper is ready
/// the first has one started at once, and the second ends everything without one. A keeper that ends by anything else is started again after 100 ms (more where it dies again and again) with all kept descriptors; only one
/// that exits by itself before it was ever ready is not: its status becomes this one's. The keeper shares stdout and
/// stderr and is in a process group of its own, so that a terminal's Ctrl-C reaches only this process.
pub fn main(settings: UpSettings<'_>) -> ExitCode {
    match Up::begin(settings) {
        Ok(up) => up.run(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

struct Up<'a> {
    run_dir: PathBuf,
    exe: Executable,
    program: PathBuf,
    lock: &'a FileLock,
    trial: Option<Trial>,
    keeper_args: Vec<OsString>,
    watchdog: Duration,
    signals: SignalFd,
    notify: UnixDatagram,
    kept: Kept,
    keeper: Keeper,
    /// How often it was asked to end.
    asked: u32,
    was_ever_ready: bool,
    pause: Duration,
}

enum Keeper {
    Alive { child: Child, since: Instant, ready: bool, heard: Instant, aborted: Option<Instant> },
    Dead { start_at: Instant },
}

impl Keeper {
    fn ready(child: Child) -> Self {
        let now = Instant::now();
        Self::Alive { child, since: now, ready: true, heard: now, aborted: None }
    }
}

fn bind(run_dir: &Path) -> io::Result<UnixDatagram> {
    let path = run_dir.join("up.notify");
    let _ = fs::remove_file(&path);
    let notify = UnixDatagram::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    notify.set_nonblocking(true)?;
    Ok(notify)
}

impl<'a> Up<'a> {
    fn begin(settings: UpSettings<'a>) -> io::Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let signals = SignalFd::block(&[SIGINT, SIGTERM, SIGCHLD])?;
        let (notify, keeper) = match settings.resumed {
            Some((notify, child)) => (notify, Keeper::ready(child)),
            None => (bind(&settings.run_dir)?, Keeper::Dead { start_at: Instant::now() }),
        };
        Ok(Self {
            run_dir: settings.run_dir,
            exe: settings.exe,
            program: settings.program,
            lock: settings.lock,
            trial: None,
            keeper_args: settings.keeper,
            watchdog: settings.watchdog,
            signals,
            notify,
            kept: Kept { fds: settings.store },
            was_ever_ready: matches!(keeper, Keeper::Alive { .. }),
            keeper,
            asked: 0,
            pause: RESTART_FIRST,
        })
    }

    fn run(mut self) -> ExitCode {
        loop {
            if let Some(code) = self.timers(Instant::now()) {
                return code;
            }
            let timeout = self.next_timer().map(|at| at.saturating_duration_since(Instant::now()));
            let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
            let mut fds =
                [PollFd::new(&self.signals, PollFlags::IN), PollFd::new(&self.notify, PollFlags::IN)];
            // EINTR: the next turn asks again.
            let _ = rustix::event::poll(&mut fds, timeout.as_ref());
            // First what the keeper said, then that it died: its last words count.
            self.hear();
            while let Some(signal) = self.signals.next() {
                if signal != SIGCHLD
                    && let Some(code) = self.ask()
                {
                    return code;
                }
            }
            while let Some(reaped) = child::reap_any() {
                self.hear();
                if let Some(code) = self.ended(reaped) {
                    return code;
                }
            }
        }
    }

    fn hear(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok((count, fds)) = machine::fds::receive(&self.notify, &mut buffer) {
            let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).into_owned();
            let Said { ready: is_ready, alive } = self.kept.take(&text, fds);
            let Keeper::Alive { child, ready, heard, .. } = &mut self.keeper else { continue };
            if is_ready || alive {
                *heard = Instant::now();
            }
            if is_ready && !*ready {
                *ready = true;
                self.was_ever_ready = true;
                // Asked while it could not hear, or asked of the one before.
                if self.asked > 0 {
                    let _ = machine::pidfd::signal(&child.pidfd, SIGINT);
                }
                self.take_up();
            }
        }
    }

    /// Somebody wants it all to end.
    fn ask(&mut self) -> Option<ExitCode> {
        self.asked += 1;
        match &mut self.keeper {
            // What runs must be drained by a keeper; but nobody waits for ever for one that cannot be started.
            Keeper::Dead { .. } if self.asked >= 2 => return Some(self.end_alone()),
            Keeper::Dead { start_at } => {
                eprintln!(
                    "mainstay up: everything is to end, and no keeper is there to drain it; one is started. {AGAIN}"
                );
                *start_at = Instant::now();
            }
            Keeper::Alive { child, ready: false, .. } if self.asked >= 2 => {
                let _ = machine::pidfd::signal(&child.pidfd, SIGKILL);
            }
            Keeper::Alive { child, .. } if self.asked >= 3 => {
                let _ = machine::pidfd::signal(&child.pidfd, SIGKILL);
            }
            Keeper::Alive { child, ready: true, .. } => {
                let _ = machine::pidfd::signal(&child.pidfd, SIGINT);
            }
            // It would die of it, before it knows what runs. It is told when it is ready.
            Keeper::Alive { ready: false, .. } => {
                eprintln!("mainstay up: everything ends as soon as the keeper has started. {AGAIN}");
            }
        }
        None
    }

    /// Without a keeper: nothing drains.
    fn end_alone(&self) -> ExitCode {
        let at_once::Ended { stopped, left } = at_once::stop_all(&self.run_dir);
        eprintln!("mainstay up: stopped at once, without a keeper: {stopped} ended, nothing was drained");
        if left == 0 {
            return ExitCode::SUCCESS;
        }
        eprintln!(
            "mainstay up: {left} could not be ended; their folders are in {}",
            self.run_dir.join("i").display()
        );
        ExitCode::FAILURE
    }

    fn ended(&mut self, reaped: Reaped) -> Option<ExitCode> {
        let Keeper::Alive { child, since, ready, .. } = &self.keeper else { return None };
        // Others are orphans that came to this subreaper; collecting them is all.
        if child.pid != reaped.pid {
            return None;
        }
        let (lived, was_ready) = (since.elapsed(), *ready);
        if self.trial.is_some() && self.asked < 2 {
            let how = match reaped.status {
                Ok(code) => format!("its keeper ended with status {code} before it was ready"),
                Err(signal) => format!("its keeper was ended by {} before it was ready", signal_name(signal)),
            };
            self.go_back(&how);
            return None;
        }
        match reaped.status {
            Ok(code) if code == i32::from(EXIT_UPGRADE) && was_ready => {
                self.begin_trial();
                return None;
            }
            Ok(code) if code == i32::from(EXIT_DOWN) => return Some(ExitCode::SUCCESS),
            Ok(code) if !self.was_ever_ready => {
                return Some(ExitCode::from(u8::try_from(code).unwrap_or(1)));
            }
            _ if self.asked >= 3 || (self.asked == 2 && !was_ready) => return Some(self.end_alone()),
            Ok(code) => {
                eprintln!("mainstay up: the keeper ended with status {code}; it is started again");
                if self.asked > 0 {
                    eprintln!("mainstay up: everything ends as soon as one can start. {AGAIN}");
                }
            }
            Err(signal) => {
                let signal = signal_name(signal);
                eprintln!("mainstay up: the keeper was ended by {signal}; it is started again");
            }
        }
        let pause = if lived >= WELL_AFTER { RESTART_FIRST } else { self.pause };
        self.pause = (pause * 2).min(RESTART_MAX);
        self.keeper = Keeper::Dead { start_at: Instant::now() + pause };
        None
    }

    fn next_timer(&self) -> Option<Instant> {
        match &self.keeper {
            Keeper::Dead { start_at } => Some(*start_at),
            Keeper::Alive { aborted: Some(at), .. } => Some(*at + ABORT_PATIENCE),
            Keeper::Alive { heard, ready, .. } => {
                let silent = *heard + self.patience(*ready);
                Some(self.trial.as_ref().map_or(silent, |trial| trial.until.min(silent)))
            }
        }
    }

    fn patience(&self, ready: bool) -> Duration {
        if ready { self.watchdog } else { self.watchdog * STARTS_SLOWER }
    }

    /// Starts what is due; aborts what hangs.
    fn timers(&mut self, now: Instant) -> Option<ExitCode> {
        let due = self.next_timer().is_some_and(|at| at <= now);
        if !due {
            return None;
        }
        match &mut self.keeper {
            Keeper::Dead { .. } => return self.start(now),
            Keeper::Alive { child, aborted, .. } => {
                let signal = if aborted.is_some() { SIGKILL } else { SIGABRT };
                eprintln!("mainstay up: the keeper does not answer; it gets {}", signal_name(signal));
                let _ = machine::pidfd::signal(&child.pidfd, signal);
                // A stopped process takes no signal but SIGKILL until it is woken.
                let _ = machine::pidfd::signal(&child.pidfd, SIGCONT);
                *aborted = Some(now);
            }
        }
        None
    }

    fn start(&mut self, now: Instant) -> Option<ExitCode> {
        match self.spawn() {
            Ok(child) => {
                if self.trial.is_some() {
                    failpoint::hit("upgrade-tried");
                }
                self.keeper = Keeper::Alive { child, since: now, ready: false, heard: now, aborted: None };
                None
            }
            Err(error) if self.trial.is_some() => {
                self.go_back(&format!("its keeper cannot be started: {error}"));
                None
            }
            Err(error) => {
                eprintln!("mainstay up: cannot start the keeper: {error}");
                self.keeper = Keeper::Dead { start_at: now + RESTART_MAX };
                // Nothing has ever run: the person before the terminal should see it, not a loop.
                (!self.was_ever_ready).then(|| ExitCode::from(1))
            }
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        let exe = self.trial.as_ref().map_or(&self.exe, |trial| &trial.exe);
        let null = File::open("/dev/null")?;
        let program = std::iter::once("mainstay".into()).chain(self.keeper_args.iter().cloned());
        let argv = program.map(c_string).collect::<io::Result<Vec<CString>>>()?;
        let mut setup = Setup::new(Exec::Held(exe), argv, self.env()?);
        let (stdout, stderr) = (io::stdout(), io::stderr());
        setup.fds = vec![(null.as_fd(), 0), (stdout.as_fd(), 1), (stderr.as_fd(), 2)];
        setup
            .fds
            .extend(self.kept.fds.iter().zip(3..).map(|((_, fd), number): (_, RawFd)| (fd.as_fd(), number)));
        setup.pid_variable = Some("LISTEN_PID");
        setup.session = Session::Group;
        child::spawn(&setup)
            .map_err(|error| io::Error::new(error.source.kind(), format!("{error}: {}", error.source)))
    }

    /// This process's own, with what sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3) ask for.
    fn env(&self) -> io::Result<Vec<CString>> {
        const OURS: [&str; 6] =
            ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"];
        let mut env = Self::inherited_env()?;
        env.retain(|pair| {
            !OURS.iter().any(|ours| {
                pair.to_bytes().strip_prefix(ours.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
            })
        });
        let names: Vec<&str> = self.kept.fds.iter().map(|(name, _)| name.as_str()).collect();
        let mut socket = OsString::from("NOTIFY_SOCKET=");
        socket.push(self.run_dir.join("up.notify"));
        env.push(c_string(socket)?);
        env.push(c_string(format!("WATCHDOG_USEC={}", self.watchdog.as_micros()))?);
        env.push(c_string(format!("LISTEN_FDS={}", names.len()))?);
        env.push(c_string(format!("LISTEN_FDNAMES={}", names.join(":")))?);
        Ok(env)
    }

    /// This process's own, but for what one program of it told the next.
    fn inherited_env() -> io::Result<Vec<CString>> {
        let inherited = std::env::vars_os().filter(|(name, _)| name != RESUMES);
        let pairs = inherited.map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            c_string(name)
        });
        pairs.collect()
    }
}
