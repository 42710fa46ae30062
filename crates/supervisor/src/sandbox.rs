//! What a process is kept from: which files and system calls, and which words of a manifest open what.
//!
//! Owns the lists; [`machine::sandbox`] knows how. A caller says an [`Enclosure`], the spec keeps the [`Confinement`]
//! that it means for one process, and the shim's child puts it on as its last step before the program.

mod calls;

use std::{io, path::PathBuf};

use machine::sandbox::{self, Files, Walls};
use model::sandbox::{Allow, Sandbox};
use serde::{Deserialize, Serialize};

pub use calls::{Known, of_number};

/// Devices and file systems without which no runtime lives; who may do what there is said by their owners and modes.
/// `/dev/shm` holds the semaphores and shared memory of POSIX, `/proc` the names of one's own threads.
const EVERYBODYS: [&str; 11] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/shm",
    "/dev/fd",
    "/proc",
];

/// Of the shim that opens it, which is the one that [`crate::Program::Own`] runs, wherever its file lies by now.
const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// What holds the processes of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosure {
    pub sandbox: Sandbox,
    /// All that it reads, beside its own executable; then it has no devices either. `None`: whatever its account may read.
    pub read: Option<Vec<PathBuf>>,
    /// Its own, beside its socket's folder, its temporary one and [`Sandbox::write`].
    pub write: Vec<PathBuf>,
    /// It reaches no network.
    pub offline: bool,
}

/// The same for one process, as its shim needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// `None`: its files are open.
    pub files: Option<Reach>,
    /// Whether system calls are refused.
    pub seccomp: bool,
    pub allow: Vec<Allow>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
}

/// The files that a process reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    pub read: Vec<PathBuf>,
    pub write: Vec<PathBuf>,
    /// Those of `write` that somebody asked for: if one is not there, that is said.
    pub asked: Vec<PathBuf>,
}

impl Enclosure {
    /// An app's: it reads what its account may and writes its own.
    pub fn of_app(sandbox: Sandbox, write: Vec<PathBuf>) -> Self {
        Self { sandbox, read: None, write, offline: false }
    }

    /// Around a process that has `own` folders.
    pub(crate) fn around(&self, own: &[PathBuf]) -> Confinement {
        let asked: Vec<PathBuf> = self.sandbox.write.iter().map(PathBuf::from).collect();
        let (read, devices) = match &self.read {
            None => (vec!["/".into()], EVERYBODYS.as_slice()),
            Some(read) => (read.iter().cloned().chain([OWN_EXECUTABLE.into()]).collect(), [].as_slice()),
        };
        let devices = devices.iter().map(PathBuf::from);
        let write = own.iter().chain(&self.write).chain(&asked).cloned().chain(devices).collect();
        Confinement {
            files: self.sandbox.landlock.then_some(Reach { read, write, asked }),
            seccomp: self.sandbox.seccomp,
            allow: self.sandbox.allow.clone(),
            offline: self.offline,
        }
    }
}

impl Confinement {
    /// Opens and compiles all of it. What the kernel does not have is left out; [`lost`] says so.
    pub(crate) fn walls(&self) -> io::Result<Walls> {
        let signals_within = !self.allow.contains(&Allow::Signals);
        let abstract_sockets_within = !self.allow.contains(&Allow::AbstractSockets);
        let files = self.files.as_ref().map(|reach| {
            let (read, write) = (reach.read.clone(), reach.write.clone());
            sandbox::files(&Files { read, write, signals_within, abstract_sockets_within })
        });
        let filter = |calls: Vec<_>, errno| match self.seccomp && !calls.is_empty() {
            true => sandbox::filter(&calls, errno).map(Some),
            false => Ok(None),
        };
        Ok(Walls {
            files: files.transpose()?.flatten(),
            refused: filter(calls::refused(&self.allow), sandbox::EPERM)?,
            unknown: filter(calls::unknown(&self.allow), sandbox::ENOSYS)?,
        })
    }

    /// The paths that a manifest asks for and that are not there.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().flat_map(|reach| &reach.asked).filter(|path| !path.exists())
    }
}

/// What this kernel does not hold processes from, in sentences for `status`; empty: nothing is missing.
pub fn lost() -> Vec<String> {
    lost_of(sandbox::landlock(), sandbox::seccomp(), sandbox::seccomp_tells())
}

fn lost_of(landlock: u32, seccomp: bool, tells: bool) -> Vec<String> {
    let files = match landlock {
        0 => Some("the kernel has no landlock: apps write wherever their account may".to_owned()),
        old if old < sandbox::RENAMES_BETWEEN_FOLDERS => Some(format!(
            "the kernel's landlock (version {old}) would keep apps from moving files between folders: it is not used, \
             and apps write wherever their account may"
        )),
        some if some < sandbox::SCOPES => Some(format!(
            "the kernel's landlock (version {some}) does not hold back signals: apps of one account can signal each other"
        )),
        _ => None,
    };
    let calls = match (seccomp, tells) {
        (false, _) => Some("the kernel has no seccomp: apps may use every system call"),
        (true, false) => Some("the kernel's seccomp does not tell what it refused: refusals are not counted"),
        (true, true) => None,
    };
    files.into_iter().chain(calls.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests;
