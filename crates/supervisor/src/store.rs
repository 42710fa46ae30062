//! The descriptor store: what outlives the keeper. systemd's protocol, spoken by both sides, so that the keeper has one
//! code path under a unit and under `mainstay up` (sd_notify(3), sd_pid_notify_with_fds(3), sd_listen_fds(3)).

use std::{
    io,
    os::{
        fd::{BorrowedFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

/// Most descriptors that are kept; `FileDescriptorStoreMax=` of the unit says the same.
pub const FDS_MAX: usize = 256;

/// The keeper's side.
#[derive(Debug)]
pub struct Store {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Store {
    /// From `NOTIFY_SOCKET`; `None`: nobody above (then nothing outlives the keeper, and `status` says so).
    pub fn from_env() -> Option<Self> {
        let path = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty())?;
        let address = match path.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(&path),
        };
        Self::at(address.ok()?).ok()
    }

    fn at(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: connected(&address)?, address })
    }

    /// Whether the parent that this process was started by lives: nobody else listens there before this process has ended. Its
    /// pid would not tell, since a parent that dies while the keeper starts has been replaced by whoever reaps orphans.
    pub fn is_heard(&self) -> bool {
        connected(&self.address).is_ok()
    }

    /// Descriptors that were kept, by name, in no order. Call it once, first thing: later calls give nothing, and what
    /// this process has opened before would be taken for one of them.
    pub fn inherited() -> Vec<(String, OwnedFd)> {
        let var = |name| std::env::var(name).unwrap_or_default();
        // A variable that another process was meant to have came along by accident.
        if var("LISTEN_PID") != std::process::id().to_string() {
            return Vec::new();
        }
        let count = var("LISTEN_FDS").parse().unwrap_or(0);
        let names = var("LISTEN_FDNAMES");
        let names = names.split(':').map(str::to_owned).chain(std::iter::repeat("unknown".to_owned()));
        let fds = machine::fds::inherited(count).into_iter();
        names.zip(fds).filter_map(|(name, fd)| Some((name, fd?))).collect()
    }

    /// Keeps a copy of `fd` under `name` (no `:`). Names need not be unique.
    ///
    /// # Errors
    /// `InvalidInput` for a name that the protocol cannot carry; the kernel's, when the store's side is gone.
    pub fn put(&self, name: &str, fd: BorrowedFd<'_>) -> io::Result<()> {
        machine::fds::check_name(name)?;
        self.send(&format!("FDSTORE=1\nFDNAME={name}"), &[fd])
    }

    /// Lets go of all descriptors of that name.
    ///
    /// # Errors
    /// As of [`Store::put`].
    pub fn remove(&self, name: &str) -> io::Result<()> {
        machine::fds::check_name(name)?;
        self.send(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), &[])
    }

    /// `READY=1`: the keeper has looked around and serves its API.
    ///
    /// # Errors
    /// The kernel's, when the other side is gone; the same holds for those below.
    pub fn ready(&self) -> io::Result<()> {
        self.send("READY=1", &[])
    }

    /// `STOPPING=1`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn stopping(&self) -> io::Result<()> {
        self.send("STOPPING=1", &[])
    }

    /// `STATUS=…`, one line for people.
    ///
    /// # Errors
    /// The kernel's.
    pub fn status(&self, line: &str) -> io::Result<()> {
        self.send(&format!("STATUS={}", line.replace('\n', " ")), &[])
    }

    /// `WATCHDOG=1`: the main loop turns.
    ///
    /// # Errors
    /// The kernel's.
    pub fn alive(&self) -> io::Result<()> {
        self.send("WATCHDOG=1", &[])
    }

    /// Half of `WATCHDOG_USEC`: how often to call [`Store::alive`]; `None`: nobody watches.
    pub fn alive_every() -> Option<Duration> {
        let micros: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
        Some(Duration::from_micros(micros / 2)).filter(|every| !every.is_zero())
    }

    fn send(&self, text: &str, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        machine::fds::send(&self.socket, text.as_bytes(), fds).map(drop)
    }
}

fn connected(address: &SocketAddr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(address)?;
    Ok(socket)
}

/// What a parent keeps.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) fds: Vec<(String, OwnedFd)>,
}

/// What a notification says, apart from descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) ready: bool,
    pub(crate) alive: bool,
}

impl Kept {
    /// Takes one message. Descriptors that are not to be kept (`BARRIER=1`) are closed here, at once: their sender waits
    /// for that.
    pub(crate) fn take(&mut self, text: &str, fds: Vec<OwnedFd>) -> Said {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let name = value("FDNAME").filter(|name| machine::fds::check_name(name).is_ok()).unwrap_or("stored");
        if value("FDSTORE") == Some("1") {
            for fd in fds {
                // A keeper that came back puts what it has been given again; systemd keeps one of these too.
                let there = self.fds.iter().any(|(kept, other)| kept == name && is_same(other, &fd));
                if !there && self.fds.len() < FDS_MAX {
                    self.fds.push((name.to_owned(), fd));
                }
            }
        }
        if value("FDSTOREREMOVE") == Some("1") {
            self.fds.retain(|(kept, _)| kept != name);
        }
        Said { ready: value("READY") == Some("1"), alive: value("WATCHDOG") == Some("1") }
    }
}

/// Sockets, pipes and memory files each have an inode of their own.
fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    match (rustix::fs::fstat(one), rustix::fs::fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn pipe() -> (io::PipeReader, OwnedFd) {
        let (read, write) = io::pipe().expect("a pipe");
        (read, write.into())
    }

    /// Whether all writers of the pipe are gone.
    fn is_closed(mut read: io::PipeReader) -> bool {
        read.read(&mut [0]).expect("readable") == 0
    }

    #[test]
    fn descriptors_are_kept_and_let_go_by_name() {
        let mut kept = Kept::default();
        let (http, one) = pipe();
        let (https, two) = pipe();
        kept.take("FDSTORE=1\nFDNAME=http", vec![one]);
        kept.take("FDSTORE=1\nFDNAME=https", vec![two]);
        kept.take("FDSTOREREMOVE=1\nFDNAME=http", Vec::new());
        assert!(is_closed(http));
        assert_eq!(kept.fds.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["https"]);
        drop(kept);
        assert!(is_closed(https));
    }

    #[test]
    fn a_barriers_descriptor_is_closed_at_once() {
        let (barrier, fd) = pipe();
        Kept::default().take("BARRIER=1", vec![fd]);
        assert!(is_closed(barrier));
    }

    #[test]
    fn no_more_than_the_bound_is_kept() {
        let mut kept = Kept::default();
        let (_read, fd) = pipe();
        for n in 0..FDS_MAX + 10 {
            kept.take(&format!("FDSTORE=1\nFDNAME=number-{n}"), vec![fd.try_clone().expect("a copy")]);
        }
        assert_eq!(kept.fds.len(), FDS_MAX);
    }

    #[test]
    fn what_is_put_again_is_kept_once() {
        let mut kept = Kept::default();
        let ((_one, first), (_two, second)) = (pipe(), pipe());
        for fd in [&first, &first, &second, &first] {
            kept.take("FDSTORE=1\nFDNAME=http", vec![fd.try_clone().expect("a copy")]);
        }
        assert_eq!(kept.fds.len(), 2, "two listeners of one name, each once");
    }

    #[test]
    fn a_parent_is_there_as_long_as_its_socket_is_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let at = || Store::at(SocketAddr::from_pathname(&path).expect("a short path"));
        let parent = UnixDatagram::bind(&path).expect("bound");
        let store = at().expect("it is there");
        assert!(store.is_heard());
        drop(parent);
        assert!(!store.is_heard() && at().is_err(), "its file alone hears nobody");
    }

    #[test]
    fn words_are_read_line_by_line() {
        let mut kept = Kept::default();
        assert_eq!(kept.take("STATUS=READY=1", Vec::new()), Said::default());
        assert_eq!(kept.take("READY=1\nWATCHDOG=1\n", Vec::new()), Said { ready: true, alive: true });
    }
}
