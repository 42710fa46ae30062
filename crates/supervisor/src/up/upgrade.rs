//! The keeper gave way to another program that lies in its place by now. The next keeper is made of that one; once it is
//! ready this process becomes the new program too, with its pid, its children and all that it keeps. A keeper that does
//! not become ready is followed by one of the program that was there before, which this process holds open.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::net::{UnixDatagram, UnixStream},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use machine::{
    child::{Child, Executable, c_string},
    failpoint,
    lock::FileLock,
};

use super::{Keeper, Up};

/// Exit status of a keeper that gives way to the program that lies in its place now.
pub const EXIT_UPGRADE: u8 = 65;
/// The variable that names the descriptor by which a program that this process has become gets what it keeps.
pub(super) const RESUMES: &str = "MAINSTAY_UP_RESUMES";
/// Bound: from the start of a new program's keeper until it is ready. It only looks at what runs already.
const TRIAL_MAX: Duration = Duration::from_secs(60);

const LOCK: &str = "up.lock";
const NOTIFY: &str = "up.notify";
/// With the keeper's pid behind it.
const KEEPER: &str = "up.keeper.";

/// The file in which the keeper that is started again finds why the new program's was not ready.
pub fn why_file(run_dir: &Path) -> PathBuf {
    run_dir.join("upgrade.why")
}

/// A new program whose first keeper is not ready yet.
pub(super) struct Trial {
    pub(super) exe: Executable,
    pub(super) until: Instant,
}

/// What a `mainstay up` was that has become this program.
#[derive(Debug)]
pub struct Resumed {
    pub lock: FileLock,
    /// What it kept for its keepers.
    pub store: Vec<(String, OwnedFd)>,
    /// Where its keeper speaks to it.
    pub notify: UnixDatagram,
    pub keeper: Child,
}

impl Resumed {
    /// To be called before anything opens a file. `None`: this process was started by somebody else.
    ///
    /// # Errors
    /// What was kept did not come along.
    pub fn inherited() -> io::Result<Option<Self>> {
        let Ok(number) = std::env::var(RESUMES) else { return Ok(None) };
        let lost =
            || io::Error::new(io::ErrorKind::InvalidData, "what `mainstay up` kept did not come along");
        let number = number.parse::<RawFd>().map_err(|_| lost())?;
        let given = UnixStream::from(machine::fds::inherited_at(number).ok_or_else(lost)?);
        let (mut lock, mut notify, mut keeper, mut store) = (None, None, None, Vec::new());
        for (name, fd) in machine::fds::receive_named(&given)? {
            match (name.as_str(), name.strip_prefix(KEEPER).map(str::parse)) {
                (LOCK, _) => lock = Some(FileLock::adopt(fd)),
                (NOTIFY, _) => notify = Some(UnixDatagram::from(fd)),
                (_, Some(Ok(pid))) => keeper = Some(Child { pid, pidfd: fd, refusals: None }),
                _ => store.push((name, fd)),
            }
        }
        failpoint::hit("upgrade-resumed");
        match (lock, notify, keeper) {
            (Some(lock), Some(notify), Some(keeper)) => Ok(Some(Self { lock, store, notify, keeper })),
            _ => Err(lost()),
        }
    }
}

impl Up<'_> {
    /// The keeper has given way: the next one is the new program's.
    pub(super) fn begin_trial(&mut self) {
        match Executable::open(&self.program) {
            Ok(exe) => self.trial = Some(Trial { exe, until: Instant::now() + TRIAL_MAX }),
            Err(error) => self.go_back(&format!("{} cannot be opened: {error}", self.program.display())),
        }
        self.keeper = Keeper::Dead { start_at: Instant::now() };
    }

    /// The keeper of the new program was not ready: the next one is of the program that was there before.
    pub(super) fn go_back(&mut self, why: &str) {
        self.trial = None;
        eprintln!("mainstay up: the new program is not taken up: {why}; the one before goes on");
        if let Err(error) = fs::write(why_file(&self.run_dir), why) {
            eprintln!("mainstay up: nobody will be told why: {error}");
        }
        self.keeper = Keeper::Dead { start_at: Instant::now() };
    }

    /// The new program's keeper is ready: this process becomes the new program. Where it cannot, it goes on as it is,
    /// with keepers of the new one.
    pub(super) fn take_up(&mut self) {
        let Some(trial) = self.trial.take() else { return };
        self.exe = trial.exe;
        // Who waits for the end waits for this process, whatever it is.
        if self.asked > 0 {
            return;
        }
        failpoint::hit("upgrade-taken-up");
        let error = self.become_new().err();
        if let Some(error) = error {
            eprintln!(
                "mainstay up: cannot become the new program, whose keeper runs: {error}; it goes on as it is"
            );
        }
    }

    fn become_new(&self) -> io::Result<()> {
        let Keeper::Alive { child, .. } = &self.keeper else { return Ok(()) };
        let mut all: Vec<(String, BorrowedFd<'_>)> = vec![
            (LOCK.to_owned(), self.lock.as_fd()),
            (NOTIFY.to_owned(), self.notify.as_fd()),
            (format!("{KEEPER}{}", child.pid), child.pidfd.as_fd()),
        ];
        all.extend(self.kept.fds.iter().map(|(name, fd)| (name.clone(), fd.as_fd())));
        // They wait in the socket, which alone is kept.
        let (give, given) = UnixStream::pair()?;
        machine::fds::send_named(&give, &all)?;
        drop(give);
        let argv = std::env::args_os().map(c_string).collect::<io::Result<Vec<CString>>>()?;
        let mut env = Self::inherited_env()?;
        env.push(c_string(format!("{RESUMES}={}", given.as_raw_fd()))?);
        Err(self.exe.become_it(&argv, &env, given.as_fd()))
    }
}
