//! What a filter has refused: read, counted by the caller, and answered with EPERM. Until it is answered, the thread that
//! called waits.
#![allow(unsafe_code, reason = "the ioctls of seccomp_unotify(2)")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::calls::X32;

/// The other end of one child's filter, for it and all its children.
#[derive(Debug)]
pub struct Refusals(OwnedFd);

/// One call that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of the thread that called.
    pub thread: u32,
    /// As [`super::Call::number`].
    pub number: i64,
}

impl Refusals {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Takes one and answers it; `None`: there is none now, or whoever called is gone. Does not wait.
    ///
    /// # Errors
    /// Nothing more comes: all who could be refused have ended.
    pub fn take(&self) -> io::Result<Option<Refusal>> {
        if !self.has_one()? {
            return Ok(None);
        }
        let mut asked = std::mem::MaybeUninit::<libc::seccomp_notif>::zeroed();
        // SAFETY: the kernel fills a struct of this size, which must be zero before.
        if unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, asked.as_mut_ptr()) } < 0
        {
            let error = io::Error::last_os_error();
            let passing = [io::ErrorKind::NotFound, io::ErrorKind::Interrupted].contains(&error.kind());
            return if passing { Ok(None) } else { Err(error) };
        }
        // SAFETY: all-zero is a valid value of it, and the kernel has filled it.
        let asked = unsafe { asked.assume_init() };
        let answer = libc::seccomp_notif_resp { id: asked.id, val: 0, error: -libc::EPERM, flags: 0 };
        // SAFETY: a whole struct that the kernel only reads. Who is gone needs no answer.
        unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) };
        Ok(Some(Refusal { thread: asked.pid, number: i64::from(asked.data.nr) & !X32 }))
    }

    /// Kernels before 6.7 wait for ever where nobody is left to be refused, so that is asked first.
    fn has_one(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(self, PollFlags::IN)];
        rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        let ready = fds[0].revents();
        if ready.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(ready.contains(PollFlags::IN))
    }
}

impl AsFd for Refusals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
