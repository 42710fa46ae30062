//! Descriptors: those that a process was started with, and passing them over unix sockets.
#![allow(unsafe_code, reason = "adopting inherited descriptors by number")]

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
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
