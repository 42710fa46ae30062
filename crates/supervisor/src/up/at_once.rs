//! The end of everything without a keeper: for a person who asks for it again while none can be started. Nothing drains.
//!
//! Speaks to the shims alone, whose words never change: what a newer version has started ends by it too. Blocks; its
//! caller has nothing else to do any more.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    dirs,
    protocol::{self, Request},
};

const SIGKILL: i32 = 9;
/// Bound: of each answer. What SIGKILL does not end within this hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(5);

/// How it went, in processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    pub stopped: usize,
    /// Those that nobody could end.
    pub left: usize,
}

/// Kills every process below the run folder by its shim, and removes its folder there.
pub(super) fn stop_all(run_dir: &Path) -> Ended {
    let entries = fs::read_dir(dirs::all(run_dir)).into_iter().flatten().flatten();
    // All are told before the first is waited for.
    let told: Vec<_> = entries
        .map(|entry| entry.path())
        .filter_map(|dir| match Shim::stop(&dir) {
            // No shim is there: whatever this was has ended with it.
            Err(error) if is_gone(&error) => None,
            told => Some((dir, told)),
        })
        .collect();
    let mut ended = Ended::default();
    for (dir, told) in told {
        match told.and_then(|shim| shim.wait(&dir)) {
            Ok(()) => ended.stopped += 1,
            Err(_) => ended.left += 1,
        }
    }
    ended
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

struct Shim(BufReader<UnixStream>);

impl Shim {
    fn stop(dir: &Path) -> io::Result<Self> {
        // By way of the folder's descriptor: the path itself may be longer than a socket's may.
        let folder = File::open(dir)?;
        let ctl: PathBuf = crate::shim::through(&folder).join("ctl");
        let stream = UnixStream::connect(ctl)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut shim = Self(BufReader::new(stream));
        shim.ask(&Request::Stop { signal: SIGKILL, grace_ms: 0 })?;
        Ok(shim)
    }

    fn wait(mut self, dir: &Path) -> io::Result<()> {
        self.ask(&Request::Wait)?;
        self.ask(&Request::Forget)?;
        // A folder that stays is the next keeper's to remove.
        let _ = fs::remove_dir_all(dir);
        Ok(())
    }

    /// What it answers does not matter: that it does says that it has heard, or that the process has ended.
    fn ask(&mut self, request: &Request) -> io::Result<()> {
        self.0.get_mut().write_all(&protocol::line(request))?;
        match self.0.read_until(b'\n', &mut Vec::new())? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
