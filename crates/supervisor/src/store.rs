//! The descriptor store: what outlives the keeper. systemd's protocol, spoken by both sides, so that the keeper has one
//! code path under a unit and under `mainstay up` (sd_notify(3), sd_pid_notify_with_fds(3), sd_listen_fds(3)).

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram, UnixStream},
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
}

impl Store {
    /// From `NOTIFY_SOCKET`; `None`: nobody above (then nothing outlives the keeper, and `status` says so).
    pub fn from_env() -> Option<Self> {
        let path = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty())?;
        let address = match path.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(&path),
        };
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect_addr(&address.ok()?).ok()?;
        Some(Self { socket })
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
        check_name(name)?;
        self.send(&format!("FDSTORE=1\nFDNAME={name}"), &[fd])
    }

    /// Lets go of all descriptors of that name.
    ///
    /// # Errors
    /// As of [`Store::put`].
    pub fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
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

/// sd_pid_notify_with_fds(3): printable ASCII, no `:`, at most 255.
fn check_name(name: &str) -> io::Result<()> {
    let fits = !name.is_empty() && name.len() <= 255;
    let well = fits && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if well { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Sends named descriptors over a connected unix socket: a keeper without a parent hands its store to a new `up`.
/// Bound: 253 descriptors, what one message carries.
///
/// # Errors
/// The kernel's; `InvalidInput` for more descriptors or a name that the protocol cannot carry.
pub fn send_all(to: &UnixStream, fds: &[(String, BorrowedFd<'_>)]) -> io::Result<()> {
    use io::Write as _;
    fds.iter().try_for_each(|(name, _)| check_name(name))?;
    let names: Vec<&str> = fds.iter().map(|(name, _)| name.as_str()).collect();
    let line = names.join(":") + "\n";
    let raw: Vec<BorrowedFd<'_>> = fds.iter().map(|(_, fd)| *fd).collect();
    let sent = machine::fds::send(to, line.as_bytes(), &raw)?;
    let mut to = to;
    to.write_all(line.as_bytes().get(sent..).unwrap_or_default())
}

/// The other end of [`send_all`].
///
/// # Errors
/// The kernel's; `InvalidData` where names and descriptors do not match.
pub fn receive_all(from: &UnixStream) -> io::Result<Vec<(String, OwnedFd)>> {
    /// Of 253 names of 255 bytes.
    const LINE_BYTES_MAX: usize = 253 * 256 + 1;
    let (mut line, mut fds) = (Vec::new(), Vec::new());
    while !line.ends_with(b"\n") {
        let mut buffer = [0; 4096];
        let (count, more) = machine::fds::receive(from.as_fd(), &mut buffer)?;
        line.extend_from_slice(buffer.get(..count).unwrap_or_default());
        fds.extend(more);
        if count == 0 || line.len() > LINE_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let text = String::from_utf8_lossy(&line);
    let names: Vec<String> =
        text.trim().split(':').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.len() != fds.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "names and descriptors do not match"));
    }
    Ok(names.into_iter().zip(fds).collect())
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
        let name = value("FDNAME").filter(|name| check_name(name).is_ok()).unwrap_or("stored");
        if value("FDSTORE") == Some("1") {
            let room = FDS_MAX.saturating_sub(self.fds.len());
            self.fds.extend(fds.into_iter().take(room).map(|fd| (name.to_owned(), fd)));
        }
        if value("FDSTOREREMOVE") == Some("1") {
            self.fds.retain(|(kept, _)| kept != name);
        }
        Said { ready: value("READY") == Some("1"), alive: value("WATCHDOG") == Some("1") }
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
        for _ in 0..FDS_MAX + 10 {
            kept.take("FDSTORE=1", vec![fd.try_clone().expect("a copy")]);
        }
        assert_eq!(kept.fds.len(), FDS_MAX);
    }

    #[test]
    fn words_are_read_line_by_line() {
        let mut kept = Kept::default();
        assert_eq!(kept.take("STATUS=READY=1", Vec::new()), Said::default());
        assert_eq!(kept.take("READY=1\nWATCHDOG=1\n", Vec::new()), Said { ready: true, alive: true });
    }

    #[test]
    fn a_store_is_handed_over_with_its_names() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let (read, fd) = pipe();
        let all: Vec<_> = (0..100).map(|n| (format!("listener-{n}"), fd.as_fd())).collect();
        send_all(&ours, &all).expect("sent");
        let got = receive_all(&theirs).expect("received");
        assert_eq!(got.len(), 100);
        assert_eq!(got[7].0, "listener-7");
        drop((got, fd));
        assert!(is_closed(read));
        assert!(send_all(&ours, &[("a:b".to_owned(), theirs.as_fd())]).is_err());
    }
}
