//! The child's own part. After the fork of a process with threads only async-signal-safe calls are allowed: no
//! allocation, no lock, no formatting. So everything is laid out in a [`Plan`] before.
#![allow(unsafe_code, reason = "the calls between fork and exec")]

use std::{
    cell::{Cell, RefCell},
    ffi::CStr,
    io,
    os::fd::{AsRawFd, RawFd},
};

mod network;
mod walls;

use rustix::process::{Resource, Rlimit};

use super::{Become, Exec, Session, Setup, Step};

/// Digits of the largest pid and a NUL.
const PID_ROOM: usize = 11;

const OOM_FILE: &CStr = c"/proc/self/oom_score_adj";

pub(super) struct Plan<'a> {
    setup: &'a Setup<'a>,
    argv: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
    /// `NAME=` and room for a pid; `env` points to it.
    pid_text: RefCell<Vec<u8>>,
    oom: Option<Vec<u8>>,
    ids: network::Ids,
    /// Scratch: the held executable's number after it was moved out of the way.
    image: Cell<RawFd>,
    /// Scratch: the same of the files' rules.
    ruleset: Cell<RawFd>,
    /// Scratch: the descriptors' numbers after they were moved out of the way.
    moved: RefCell<Vec<RawFd>>,
    high: RawFd,
    error: RawFd,
    parent: i32,
    nofile_hard: u64,
}

impl<'a> Plan<'a> {
    pub(super) fn of(setup: &'a Setup<'a>, error: RawFd) -> Self {
        let pointers =
            |texts: &[std::ffi::CString]| texts.iter().map(|text| text.as_ptr()).collect::<Vec<_>>();
        let mut argv = pointers(&setup.argv);
        argv.push(std::ptr::null());
        let mut env = pointers(&setup.env);
        let mut pid_text = Vec::new();
        if let Some(name) = setup.pid_variable {
            pid_text.extend_from_slice(name.as_bytes());
            pid_text.push(b'=');
            pid_text.extend_from_slice(&[0; PID_ROOM]);
            // The heap buffer stays where it is when the vector moves into the plan.
            env.push(pid_text.as_ptr().cast());
        }
        env.push(std::ptr::null());
        let highest = setup.fds.iter().map(|(_, target)| *target).max().unwrap_or(2);
        Self {
            setup,
            argv,
            env,
            pid_text: RefCell::new(pid_text),
            oom: setup.oom_score_adj.map(|score| score.to_string().into_bytes()),
            ids: network::Ids::own(),
            image: Cell::new(-1),
            ruleset: Cell::new(-1),
            moved: RefCell::new(vec![-1; setup.fds.len()]),
            high: highest + 1,
            error,
            parent: rustix::process::getpid().as_raw_nonzero().get(),
            nofile_hard: hard_limit(),
        }
    }

    /// Forks with all signals blocked, so that no handler of the parent runs in the child.
    pub(super) fn fork(&self) -> io::Result<i32> {
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigfillset fills the set that it is given.
        unsafe { libc::sigfillset(all.as_mut_ptr()) };
        // SAFETY: `all` is filled; `before` gets the old mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
        // SAFETY: the child runs only `child`, which never returns and keeps to async-signal-safe calls.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            self.child();
        }
        let result = if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) };
        // SAFETY: `before` was filled above.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
        result
    }

    fn child(&self) -> ! {
        self.or_die(Step::Session, self.session());
        self.or_die(Step::Cgroup, self.join());
        if self.setup.offline {
            self.or_die(Step::Network, network::leave(&self.ids));
        }
        self.oom();
        let error = self.descriptors();
        check(error, Step::Session, self.terminal());
        self.limits(error);
        if self.setup.no_capabilities {
            drop_bounding_set();
        }
        if let Some(user) = &self.setup.user {
            check(error, Step::User, become_user(user));
        }
        if self.setup.no_capabilities {
            check(error, Step::User, drop_capabilities());
        }
        self.parent_bond(error);
        if let Some(cwd) = &self.setup.cwd {
            // SAFETY: a NUL-terminated string that lives in `setup`.
            check(error, Step::Cwd, unsafe { libc::chdir(cwd.as_ptr()) } == 0);
        }
        reset_signals();
        self.write_pid();
        check(error, Step::Sandbox, walls::put_on(&self.setup.walls, self.ruleset.get(), error));
        die(error, Step::Exec, self.exec())
    }

    fn session(&self) -> bool {
        match self.setup.session {
            Session::Shared => true,
            // SAFETY: no memory is involved.
            Session::New | Session::Terminal => (unsafe { libc::setsid() }) >= 0,
            // SAFETY: no memory is involved.
            Session::Group => (unsafe { libc::setpgid(0, 0) }) == 0,
        }
    }

    fn join(&self) -> bool {
        let Some(procs) = self.setup.cgroup else { return true };
        // SAFETY: one byte of a static string; `0` means the writer itself.
        unsafe { libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1) == 1 }
    }

    /// Before the uid change, after which `/proc/self` belongs to root. Only tried.
    fn oom(&self) {
        let Some(text) = &self.oom else { return };
        // SAFETY: a static path.
        let file = unsafe { libc::open(OOM_FILE.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
        if file >= 0 {
            // SAFETY: `text` lives in the plan.
            unsafe { libc::write(file, text.as_ptr().cast(), text.len()) };
            // SAFETY: opened above.
            unsafe { libc::close(file) };
        }
    }

    /// Moves every source and the executable above the targets, then each into its place. Returns where the error pipe is now.
    fn descriptors(&self) -> RawFd {
        // SAFETY: F_DUPFD_CLOEXEC makes a new number at or above `high`.
        let error = unsafe { libc::fcntl(self.error, libc::F_DUPFD_CLOEXEC, self.high) };
        self.or_die(Step::Descriptors, error >= 0);
        let mut moved = self.moved.borrow_mut();
        for ((source, _), slot) in self.setup.fds.iter().zip(moved.iter_mut()) {
            // SAFETY: the same.
            *slot = unsafe { libc::fcntl(source.as_raw_fd(), libc::F_DUPFD_CLOEXEC, self.high) };
            check(error, Step::Descriptors, *slot >= 0);
        }
        if let Exec::Held(held) = &self.setup.exec {
            // SAFETY: the same.
            self.image.set(unsafe { libc::fcntl(held.0.as_raw_fd(), libc::F_DUPFD_CLOEXEC, self.high) });
            check(error, Step::Descriptors, self.image.get() >= 0);
        }
        if let Some(files) = &self.setup.walls.files {
            // SAFETY: the same.
            self.ruleset.set(unsafe { libc::fcntl(files.as_raw_fd(), libc::F_DUPFD_CLOEXEC, self.high) });
            check(error, Step::Descriptors, self.ruleset.get() >= 0);
        }
        // Everything closes at exec; dup2 below makes the exceptions. Kernels before 5.11 refuse the flag, and then all
        // that matters is close-on-exec already, because everything in this workspace opens it so.
        // SAFETY: only flags of the child's own table change.
        unsafe { libc::syscall(libc::SYS_close_range, 0_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        for ((_, target), source) in self.setup.fds.iter().zip(moved.iter()) {
            // SAFETY: `source` was made above and is never equal to `target`, so the copy is not close-on-exec.
            check(error, Step::Descriptors, unsafe { libc::dup2(*source, *target) } >= 0);
        }
        error
    }

    /// After the descriptors are in their places, and before the uid change: a terminal of another owner can be taken.
    fn terminal(&self) -> bool {
        // SAFETY: an integer argument; 0 steals from nobody.
        self.setup.session != Session::Terminal || unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } == 0
    }

    fn limits(&self, error: RawFd) {
        if let Some(nofile) = self.setup.nofile {
            // An unprivileged parent cannot raise the hard limit: then as many as there are.
            let lower = nofile.min(self.nofile_hard);
            check(
                error,
                Step::Limits,
                set_limit(Resource::Nofile, nofile) || set_limit(Resource::Nofile, lower),
            );
        }
        if let Some(nproc) = self.setup.nproc {
            check(error, Step::Limits, set_limit(Resource::Nproc, nproc));
        }
        // SAFETY: umask cannot fail. The parent's, whatever started it, is not the app's.
        unsafe { libc::umask(0o022) };
    }

    /// After the uid change, which clears the death signal.
    fn parent_bond(&self, error: RawFd) {
        if self.setup.dies_with_parent {
            // SAFETY: an integer argument.
            check(error, Step::Parent, unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } == 0);
            // The parent may have died before the line above.
            // SAFETY: no memory is involved.
            check(error, Step::Parent, unsafe { libc::getppid() } == self.parent);
        }
        if self.setup.no_new_privs {
            // SAFETY: integer arguments.
            check(error, Step::User, unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == 0);
        }
    }

    /// Writes the child's pid in digits behind the `=`: the protocol's readers take no leading zeros.
    fn write_pid(&self) {
        let mut text = self.pid_text.borrow_mut();
        let Some(start) = text.len().checked_sub(PID_ROOM) else { return };
        // SAFETY: no memory is involved.
        let mut pid = unsafe { libc::getpid() }.unsigned_abs();
        let mut digits = [0_u8; PID_ROOM];
        let mut first = PID_ROOM - 1;
        while first > 0 {
            first -= 1;
            digits[first] = b'0' + (pid % 10) as u8;
            pid /= 10;
            if pid == 0 {
                break;
            }
        }
        let room = text.iter_mut().skip(start);
        room.zip(digits.iter().skip(first)).for_each(|(to, from)| *to = *from);
    }

    /// Returns only with the error.
    fn exec(&self) -> i32 {
        let (argv, env) = (self.argv.as_ptr(), self.env.as_ptr());
        match &self.setup.exec {
            // SAFETY: null-terminated arrays of NUL-terminated strings that live in `setup`; the empty path with
            // AT_EMPTY_PATH means the descriptor itself.
            Exec::Held(_) => unsafe {
                libc::syscall(
                    libc::SYS_execveat,
                    self.image.get(),
                    c"".as_ptr(),
                    argv,
                    env,
                    libc::AT_EMPTY_PATH,
                );
            },
            // SAFETY: as above; the link is the image that the parent was forked from.
            Exec::Own => unsafe {
                libc::execve(c"/proc/self/exe".as_ptr(), argv, env);
            },
            Exec::Paths(paths) => return try_paths(paths, argv, env),
        }
        errno()
    }

    fn or_die(&self, step: Step, well: bool) {
        check(self.error, step, well);
    }
}

/// Like execvp(3): goes on past what is not there, remembers what may not be executed.
fn try_paths(
    paths: &[std::ffi::CString],
    argv: *const *const libc::c_char,
    env: *const *const libc::c_char,
) -> i32 {
    let mut remembered = libc::ENOENT;
    for path in paths {
        // SAFETY: null-terminated arrays of NUL-terminated strings that live in the plan.
        unsafe { libc::execve(path.as_ptr(), argv, env) };
        match errno() {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => remembered = libc::EACCES,
            other => return other,
        }
    }
    remembered
}

fn hard_limit() -> u64 {
    rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// One system call, without a lock or memory of its own.
fn set_limit(resource: Resource, value: u64) -> bool {
    let limit = Rlimit { current: Some(value), maximum: Some(value) };
    rustix::process::setrlimit(resource, limit).is_ok()
}

/// Raw system calls: the C library's would change all threads' ids, of which the child has one, and take locks.
fn become_user(user: &Become) -> bool {
    let groups = &user.groups;
    // SAFETY: `groups` lives in the plan and has the length that is said.
    let set = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    // SAFETY: integers only.
    let gid = || unsafe { libc::syscall(libc::SYS_setresgid, user.gid, user.gid, user.gid) };
    // SAFETY: integers only.
    let uid = || unsafe { libc::syscall(libc::SYS_setresuid, user.uid, user.uid, user.uid) };
    set == 0 && gid() == 0 && uid() == 0
}

/// While this is root still. Without the right to do so there is nothing to drop: `no_new_privs` keeps it so.
fn drop_bounding_set() {
    for capability in 0..64 {
        // SAFETY: integer arguments; numbers that the kernel does not know only fail.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    // SAFETY: integer arguments.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
}

/// All three sets of this thread: capset(2), version 3, which has two words of each.
fn drop_capabilities() -> bool {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let none = [0_u32; 6];
    // SAFETY: a header and two words of each set, which the kernel only reads.
    unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) == 0 }
}

fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: the default is no handler; numbers that cannot be set only fail.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset fills the set that it is given.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: filled by the line above.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) };
}

/// Reads a thread's own variable; nothing is allocated.
fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

fn check(error: RawFd, step: Step, well: bool) {
    if !well {
        die(error, step, errno());
    }
}

fn die(error: RawFd, step: Step, errno: i32) -> ! {
    let [a, b, c, d] = errno.to_ne_bytes();
    let report = [step as u8, a, b, c, d];
    // SAFETY: five bytes of the stack into a socket, which takes them whole.
    unsafe { libc::write(error, report.as_ptr().cast(), report.len()) };
    // SAFETY: ends the child without running the parent's exit handlers.
    unsafe { libc::_exit(127) }
}
