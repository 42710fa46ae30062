//! Descriptors: those that a process was started with, and passing them over unix sockets.
#![allow(unsafe_code, reason = "adopting inherited descriptors by number")]

use std::{
    io::{self, IoSlice, IoSliceMut, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

/// Linux's `SCM_MAX_FD`: most descriptors in one message.
pub const PASSED_MAX: usize = 253;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The descriptors 3 to 3 + `count` - 1 that this process was executed with, made close-on-exec. Those that are not
/// open are left out, with their place kept as `None`. Only the first call in a process gets them.
///
/// To be called before anything else opens a file: what is open at 3 by then is taken for inherited.
pub fn inherited(count: usize) -> Vec<Option<OwnedFd>> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    let last = RawFd::try_from(count).unwrap_or(0).min(1024);
    (3..3 + last).map(take).collect()
}

/// The one descriptor that this process was executed with under a number that its environment names, made
/// close-on-exec. `None`: it is not open. As [`inherited`], which it shares the only call with.
pub fn inherited_at(raw: RawFd) -> Option<OwnedFd> {
    if raw < 3 || TAKEN.swap(true, Ordering::SeqCst) {
        return None;
    }
    take(raw)
}

fn take(raw: RawFd) -> Option<OwnedFd> {
    // SAFETY: F_GETFD on a number reads a flag of this process's table and has no other effect, open or not.
    let flags = unsafe { libc::fcntl(raw, libc::F_GETFD) };
    if flags < 0 {
        return None;
    }
    // SAFETY: it is open, and `TAKEN` makes this the only owner that is ever made of an inherited number.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).ok()?;
    Some(fd)
}

/// Opens anew what a descriptor of a file stands for, to read, or to write too. Needs `/proc`.
///
/// # Errors
/// The kernel's: its mode may not allow it to this user.
pub fn reopen(fd: impl AsFd, writable: bool) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    std::fs::File::options().read(true).write(writable).open(path).map(OwnedFd::from)
}

/// Sends `bytes` with `fds` in one message.
///
/// # Errors
/// The kernel's; `InvalidInput` for more than [`PASSED_MAX`] descriptors or no byte (nothing would carry them).
pub fn send(to: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    if fds.len() > PASSED_MAX || bytes.is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PASSED_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(rustix::net::sendmsg(to, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}

/// Receives one message's bytes and its descriptors, close-on-exec. 0 bytes: the other side has closed.
pub fn receive(from: impl AsFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space =
        vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PASSED_MAX), ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got =
        rustix::net::recvmsg(from, &mut [IoSliceMut::new(bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok((got.bytes, fds))
}

/// Who is at the other end of a connected unix socket. For a listener's client: who called `listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

pub fn peer(socket: impl AsFd) -> io::Result<Peer> {
    let cred = rustix::net::sockopt::socket_peercred(socket)?;
    Ok(Peer { pid: cred.pid.as_raw_nonzero().get(), uid: cred.uid.as_raw(), gid: cred.gid.as_raw() })
}

/// Names as sd_pid_notify_with_fds(3) has them: printable ASCII, no `:`, at most 255.
///
/// # Errors
/// `InvalidInput`.
pub fn check_name(name: &str) -> io::Result<()> {
    let fits = !name.is_empty() && name.len() <= 255;
    let well = fits && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if well { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Sends named descriptors over a connected unix socket: one process hands all it holds to another.
/// Bound: 253 descriptors, what one message carries.
///
/// # Errors
/// The kernel's; `InvalidInput` for more descriptors or a name that the protocol cannot carry.
pub fn send_named(to: &UnixStream, fds: &[(String, BorrowedFd<'_>)]) -> io::Result<()> {
    fds.iter().try_for_each(|(name, _)| check_name(name))?;
    let names: Vec<&str> = fds.iter().map(|(name, _)| name.as_str()).collect();
    let line = names.join(":") + "\n";
    let raw: Vec<BorrowedFd<'_>> = fds.iter().map(|(_, fd)| *fd).collect();
    let sent = send(to, line.as_bytes(), &raw)?;
    let mut to = to;
    to.write_all(line.as_bytes().get(sent..).unwrap_or_default())
}

/// The other end of [`send_named`].
///
/// # Errors
/// The kernel's; `InvalidData` where names and descriptors do not match.
pub fn receive_named(from: &UnixStream) -> io::Result<Vec<(String, OwnedFd)>> {
    /// Of 253 names of 255 bytes.
    const LINE_BYTES_MAX: usize = 253 * 256 + 1;
    let (mut line, mut fds) = (Vec::new(), Vec::new());
    while !line.ends_with(b"\n") {
        let mut buffer = [0; 4096];
        let (count, more) = receive(from.as_fd(), &mut buffer)?;
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

#[cfg(test)]
mod named {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn descriptors_arrive_with_their_names_and_nothing_else_stays_open() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let (mut read, write) = io::pipe().expect("a pipe");
        let fd: OwnedFd = write.into();
        let all: Vec<_> = (0..100).map(|n| (format!("listener-{n}"), fd.as_fd())).collect();
        send_named(&ours, &all).expect("sent");
        let got = receive_named(&theirs).expect("received");
        assert_eq!(got.len(), 100);
        assert_eq!(got.get(7).map(|(name, _)| name.as_str()), Some("listener-7"));
        drop((got, fd));
        assert_eq!(read.read(&mut [0]).expect("readable"), 0, "all writers are gone");
        assert!(send_named(&ours, &[("a:b".to_owned(), theirs.as_fd())]).is_err());
    }
}
