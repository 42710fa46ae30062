//! Making a child process: everything between fork and exec.
//!
//! std's `Command` cannot join a cgroup, place descriptors, write the child's own pid into its environment, or arm the
//! death signal after the uid change; so this does, with allocations before the fork and only async-signal-safe calls
//! (signal-safety(7)) after it. Begin with [`Setup`].
#![allow(unsafe_code, reason = "fork, exec and wait4")]

mod after_fork;

use std::{
    ffi::{CString, OsStr},
    fmt,
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    path::{Path, PathBuf},
};

use crate::sandbox::{Refusals, Walls};

/// An executable held open, so that what runs is what was opened, whatever stands at its path by then.
#[derive(Debug)]
pub struct Executable(OwnedFd);

impl Executable {
    /// The one that this process runs.
    pub fn own() -> io::Result<Self> {
        Self::open(Path::new("/proc/self/exe"))
    }

    /// Where the one that this process runs was found, also where another file has that name by now.
    ///
    /// # Errors
    /// `/proc` is not there.
    pub fn own_path() -> io::Result<PathBuf> {
        let path = std::fs::read_link("/proc/self/exe")?;
        // proc_pid_exe(5): the kernel says so of a name that means something else, or nothing, by now.
        let named = path.as_os_str().as_bytes().strip_suffix(b" (deleted)");
        Ok(named.map_or_else(|| path.clone(), |named| OsStr::from_bytes(named).into()))
    }

    /// Its bytes, from the first on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn bytes(&self) -> io::Result<File> {
        crate::fds::reopen(&self.0, false).map(File::from)
    }

    /// Becomes this program: same pid, same children, same signals blocked, and of the descriptors above 2 `keep` alone.
    /// Returns only where that failed; nothing has changed then.
    pub fn become_it(&self, argv: &[CString], env: &[CString], keep: BorrowedFd<'_>) -> io::Error {
        let flags = |flags| rustix::io::fcntl_setfd(keep, flags);
        if let Err(error) = flags(rustix::io::FdFlags::empty()) {
            return error.into();
        }
        let pointers = |texts: &[CString]| {
            let all = texts.iter().map(|text| text.as_ptr());
            all.chain([std::ptr::null()]).collect::<Vec<_>>()
        };
        let (argv, env) = (pointers(argv), pointers(env));
        // SAFETY: both lists end with null and point to strings that live until the call returns.
        unsafe { libc::fexecve(self.0.as_raw_fd(), argv.as_ptr(), env.as_ptr()) };
        let error = io::Error::last_os_error();
        // What could not be set back would be closed by nobody; every other child closes what it was not given.
        let _ = flags(rustix::io::FdFlags::CLOEXEC);
        error
    }

    /// A native executable; a script would need its path again by then.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(File::open(path)?.into()))
    }
}

impl AsFd for Executable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What is executed.
#[derive(Debug)]
pub enum Exec<'a> {
    Held(&'a Executable),
    /// The image that this process itself runs.
    Own,
    /// The first of these that can be executed, as a shell looks through `PATH`.
    Paths(Vec<CString>),
}

/// The uid, gid and supplementary groups to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Become {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// All that a child is made of. Descriptors not named in `fds` are closed at exec; signals are back at their defaults.
#[derive(Debug)]
pub struct Setup<'a> {
    pub exec: Exec<'a>,
    pub argv: Vec<CString>,
    /// Complete: nothing is inherited.
    pub env: Vec<CString>,
    /// A variable beside `env` that gets the child's own pid: `LISTEN_PID`.
    pub pid_variable: Option<&'static str>,
    pub cwd: Option<CString>,
    /// Which descriptor becomes which number.
    pub fds: Vec<(BorrowedFd<'a>, RawFd)>,
    pub session: Session,
    /// An open `cgroup.procs`.
    pub cgroup: Option<BorrowedFd<'a>>,
    pub user: Option<Become>,
    /// It reaches itself alone: a network of its own, with nothing but a loopback.
    pub offline: bool,
    /// `RLIMIT_NOFILE`, soft and hard. Above the hard limit of an unprivileged parent: that limit.
    pub nofile: Option<u64>,
    /// `RLIMIT_NPROC`.
    pub nproc: Option<u64>,
    /// Tried; a lower value than the parent's needs privilege.
    pub oom_score_adj: Option<i16>,
    pub no_new_privs: bool,
    /// No capability is left, and none can be had again.
    pub no_capabilities: bool,
    /// Last of all, so that nothing before the program is held by them. They need `no_new_privs`.
    pub walls: Walls,
    /// SIGKILL when the thread that calls [`spawn`] ends: call it from the main thread.
    pub dies_with_parent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// That of the parent.
    Shared,
    /// `setsid`: no terminal, and no SIGHUP to a stopped group whose parent dies.
    New,
    /// `setsid`, and the descriptor that becomes number 0 is the session's terminal.
    Terminal,
    /// A process group of its own in the parent's session.
    Group,
}

impl<'a> Setup<'a> {
    pub fn new(exec: Exec<'a>, argv: Vec<CString>, env: Vec<CString>) -> Self {
        Self {
            exec,
            argv,
            env,
            pid_variable: None,
            cwd: None,
            fds: Vec::new(),
            session: Session::Shared,
            cgroup: None,
            user: None,
            offline: false,
            nofile: None,
            nproc: None,
            oom_score_adj: None,
            no_new_privs: false,
            no_capabilities: false,
            walls: Walls::default(),
            dies_with_parent: false,
        }
    }
}

#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// With [`Walls::refused`], where the kernel tells of refusals: to be read, or those who are refused wait.
    pub refusals: Option<Refusals>,
}

/// How [`Step::Network`] is told.
pub const NETWORK_STAYS: &str = "cannot leave the machine's network";

/// Which step between fork and exec failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    Fork,
    Session,
    Cgroup,
    Network,
    Descriptors,
    Limits,
    User,
    Parent,
    Cwd,
    Sandbox,
    Exec,
}

impl Step {
    fn from_u8(byte: u8) -> Self {
        let all = [
            Self::Fork,
            Self::Session,
            Self::Cgroup,
            Self::Network,
            Self::Descriptors,
            Self::Limits,
            Self::User,
            Self::Parent,
            Self::Cwd,
            Self::Sandbox,
        ];
        all.into_iter().find(|step| *step as u8 == byte).unwrap_or(Self::Exec)
    }
}

/// The child never became the program.
#[derive(Debug)]
pub struct ChildError {
    pub step: Step,
    pub source: io::Error,
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.step {
            Step::Fork => "cannot fork",
            Step::Session => "cannot begin a session",
            Step::Cgroup => "cannot join the cgroup",
            Step::Network => NETWORK_STAYS,
            Step::Descriptors => "cannot place the descriptors",
            Step::Limits => "cannot set the limits",
            Step::User => "cannot become the user",
            Step::Parent => "the parent died",
            Step::Cwd => "cannot enter the working folder",
            Step::Sandbox => "cannot put on the sandbox",
            Step::Exec => "cannot execute the program",
        })
    }
}

impl std::error::Error for ChildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A text for exec; a NUL in it is an error.
pub fn c_string(text: impl AsRef<OsStr>) -> io::Result<CString> {
    Ok(CString::new(text.as_ref().as_bytes())?)
}

/// Forks, sets up, executes. Returns when the program runs or could not.
///
/// # Errors
/// [`ChildError`]; no child is left then.
pub fn spawn(setup: &Setup<'_>) -> Result<Child, ChildError> {
    let at = |step| move |source: io::Error| ChildError { step, source };
    let (ours, theirs) = UnixStream::pair().map_err(at(Step::Fork))?;
    let plan = after_fork::Plan::of(setup, theirs.as_raw_fd());
    let pid = plan.fork().map_err(at(Step::Fork))?;
    drop(theirs);
    let (report, passed) = told(&ours).map_err(at(Step::Fork))?;
    match report.as_slice() {
        [] => {
            let pidfd = crate::pidfd::open(pid).map_err(at(Step::Fork))?;
            Ok(Child { pid, pidfd, refusals: passed.map(Refusals::new) })
        }
        [step, errno @ ..] => {
            reap(pid);
            let errno = errno.try_into().map(i32::from_ne_bytes).unwrap_or(libc::EIO);
            Err(ChildError { step: Step::from_u8(*step), source: io::Error::from_raw_os_error(errno) })
        }
    }
}

/// What comes with a descriptor that the child passes, and is no [`Step`].
const PASSES: u8 = u8::MAX;

/// What the child reports, and the descriptor that it passes. The socket's other end closes at exec, or with the child.
fn told(from: &UnixStream) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let (mut report, mut passed) = (Vec::new(), None);
    loop {
        let mut bytes = [0; 16];
        let (count, fds) = match crate::fds::receive(from, &mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            received => received?,
        };
        if count == 0 {
            return Ok((report, passed));
        }
        passed = fds.into_iter().next().or(passed);
        // A step comes alone or behind it: no step has this number.
        let behind = usize::from(bytes.first() == Some(&PASSES) && report.is_empty());
        report.extend(bytes.iter().take(count).skip(behind));
    }
}

fn reap(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        // The child has written its last word and exits: this does not block for long.
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    }
}

/// Whether a child can write itself into an open `cgroup.procs`.
pub(crate) fn joins(procs: &File) -> bool {
    let mut setup = Setup::new(Exec::Paths(Vec::new()), Vec::new(), Vec::new());
    setup.cgroup = Some(procs.as_fd());
    // There is nothing to execute: a child that joined comes as far as `Exec`.
    spawn(&setup).is_err_and(|error| error.step == Step::Exec)
}

/// One child that was collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    pub pid: i32,
    /// The exit status, or else the signal that ended it.
    pub status: Result<i32, i32>,
    pub user_ms: u64,
    pub system_ms: u64,
    pub rss_max_bytes: u64,
}

/// Collects one child of this process that has ended, with what it used; `None`: none has.
pub fn reap_any() -> Option<Reaped> {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are valid; -1 with WNOHANG never blocks.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, usage.as_mut_ptr()) };
    if pid <= 0 {
        return None;
    }
    // SAFETY: all-zero is a valid rusage, and the kernel has filled it.
    let usage = unsafe { usage.assume_init() };
    let millis = |time: libc::timeval| u64::try_from(time.tv_sec * 1000 + time.tv_usec / 1000).unwrap_or(0);
    let status =
        if libc::WIFEXITED(status) { Ok(libc::WEXITSTATUS(status)) } else { Err(libc::WTERMSIG(status)) };
    Some(Reaped {
        pid,
        status,
        user_ms: millis(usage.ru_utime),
        system_ms: millis(usage.ru_stime),
        rss_max_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024),
    })
}

/// Signals a child of this process that was not collected yet, so that its pid cannot mean another.
pub fn signal_child(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill has no memory effects; the caller's promise is about which process is meant.
    match unsafe { libc::kill(pid, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The same for the whole group that such a child leads, as a key of a terminal does.
pub fn signal_group_of(leader: i32, signal: i32) -> io::Result<()> {
    match leader {
        // 0 and 1 would mean this process's own group, or everybody.
        ..=1 => Err(io::ErrorKind::InvalidInput.into()),
        _ => signal_child(-leader, signal),
    }
}

#[cfg(test)]
mod tests;
