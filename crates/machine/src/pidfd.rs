//! Processes by descriptor: a pid may be reused, a pidfd never means another process.
#![allow(unsafe_code, reason = "signals by number need the raw system call")]

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use tokio::io::{Interest, unix::AsyncFd};

/// # Errors
/// `NotFound` where no such process is, as a zombie neither.
pub fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => Err(io::ErrorKind::NotFound.into()),
        other => Ok(other?),
    }
}

/// Sends a signal by number. A process that has ended is no error.
pub fn signal(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    let raw = pidfd.as_fd();
    // SAFETY: the descriptor is open for the length of the call, the info pointer may be null, and the kernel checks
    // the signal number and that the descriptor is a pidfd.
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            std::os::fd::AsRawFd::as_raw_fd(&raw),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0_u32,
        )
    };
    match done {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        },
    }
}

/// Whether it has ended (also while its status waits to be collected).
pub fn has_ended(pidfd: impl AsFd) -> bool {
    let mut polled = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(rustix::event::poll(&mut polled, Some(&now)), Ok(n) if n > 0)
}

/// Collects the status of a child of this process, so that no zombie stays. `None`: alive, or not a child.
pub fn collect(pidfd: impl AsFd) -> Option<i32> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let status = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options).ok()??;
    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal))
}

/// Waits until it has ended. Cancel-safe.
///
/// # Errors
/// Outside of a tokio runtime with I/O, or out of descriptors.
pub async fn ended(pidfd: impl AsFd) -> io::Result<()> {
    let own = pidfd.as_fd().try_clone_to_owned()?;
    // SAFETY: `own` is owned by the AsyncFd, so it stays the same open descriptor until that is dropped.
    let watched =
        unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) }.map_err(io::Error::from)?;
    let _ready = watched.readable().await?;
    Ok(())
}
