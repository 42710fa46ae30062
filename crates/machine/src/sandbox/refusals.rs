//! What a filter has refused: read, counted by the caller, and answered with EPERM. Until it is answered, the thread that
//! called waits.
#![allow(unsafe_code, reason = "the ioctls of seccomp_unotify(2)")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

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

    /// Takes one and answers it. To be called when the descriptor is readable.
    ///
    /// # Errors
    /// `NotFound`: whoever called is gone. Others: nothing more comes.
    pub fn take(&self) -> io::Result<Refusal> {
        let mut asked = std::mem::MaybeUninit::<libc::seccomp_notif>::zeroed();
        // SAFETY: the kernel fills a struct of this size, which must be zero before.
        if unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, asked.as_mut_ptr()) } < 0
        {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: all-zero is a valid value of it, and the kernel has filled it.
        let asked = unsafe { asked.assume_init() };
        let answer = libc::seccomp_notif_resp { id: asked.id, val: 0, error: -libc::EPERM, flags: 0 };
        // SAFETY: a whole struct that the kernel only reads. Who is gone needs no answer.
        unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) };
        const X32: i64 = 0x4000_0000;
        Ok(Refusal { thread: asked.pid, number: i64::from(asked.data.nr) & !X32 })
    }
}

impl AsFd for Refusals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
