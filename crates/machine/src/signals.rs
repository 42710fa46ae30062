//! Signals as a readable descriptor, for loops without a runtime.
#![allow(unsafe_code, reason = "signal sets and signalfd")]

use std::{
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::Command,
};

/// Blocks signals in the calling thread (and in threads and children made from it later) and reads them instead.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// To be called before any thread is made, else that thread still gets them.
    pub fn block(signals: &[i32]) -> io::Result<Self> {
        let set = set_of(signals);
        // SAFETY: `set` was filled by `set_of`; a null old set is allowed.
        let blocked = unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if blocked != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: -1 asks for a new descriptor, `set` is valid for the call.
        let raw = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made it for us alone.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// The next pending signal's number.
    pub fn next(&self) -> Option<i32> {
        const SIZE: usize = size_of::<libc::signalfd_siginfo>();
        let mut bytes = [0_u8; SIZE];
        let read = rustix::io::read(&self.0, &mut bytes).ok()?;
        // `ssi_signo` is the first field, a u32 (signalfd(2)).
        let number = bytes.get(..4).filter(|_| read == SIZE)?;
        i32::try_from(u32::from_ne_bytes(number.try_into().ok()?)).ok()
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset fills the whole set that it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: filled by the line above.
    let mut set = unsafe { set.assume_init() };
    for signal in signals {
        // SAFETY: `set` is initialised; an invalid number only makes the call fail.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    set
}

/// Ignores a signal in this process. Children made by [`crate::child`] get the default back.
pub fn ignore(signal: i32) {
    // SAFETY: SIG_IGN installs no handler, so nothing runs at a bad time.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Lets the program that `command` starts begin with SIGINT ignored: Ctrl-C in its terminal is then for this process alone. It
/// stays in this one's group, so that it may still ask something there.
pub fn start_without_interrupts(command: &mut Command) {
    let ignore = || {
        ignore(libc::SIGINT);
        Ok(())
    };
    // SAFETY: between fork and exec only signal(2) is called, which is async-signal-safe (signal-safety(7)).
    unsafe { command.pre_exec(ignore) };
}
