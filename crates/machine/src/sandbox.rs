//! What a process can be kept from, by the kernel, for the rest of its life and that of all its children: files by
//! landlock(7), system calls by seccomp(2). Prepared before a fork, put on after it by [`crate::child`].
//!
//! Knows how, never what: which files and which calls is said by the caller. Begin with [`Walls`].
#![allow(unsafe_code, reason = "asking the kernel what it has")]

mod calls;
mod files;
pub mod numbers;
mod refusals;

use std::os::fd::OwnedFd;

pub use calls::{AnyBit, Call, Filter, filter};
pub use files::{Files, RENAMES_BETWEEN_FOLDERS, SCOPES, files};
pub use refusals::{Refusal, Refusals};

/// The answer to a call that is refused.
pub const EPERM: i32 = libc::EPERM;
/// The answer to a call that an older kernel would not know.
pub const ENOSYS: i32 = libc::ENOSYS;

/// What one child is held by.
#[derive(Debug, Default)]
pub struct Walls {
    /// Of [`files`]; `None`: its files are open.
    pub files: Option<OwnedFd>,
    /// Calls that fail with EPERM, each told to the parent where the kernel can.
    pub refused: Option<Filter>,
    /// Calls that fail with ENOSYS, as if the kernel were older: a library then takes the older call, which can be looked into.
    pub unknown: Option<Filter>,
}

/// The version of landlock that this kernel has and lets be used; 0: none.
pub fn landlock() -> u32 {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag no memory is read (landlock_create_ruleset(2)).
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    u32::try_from(version).unwrap_or(0)
}

/// Whether this kernel can refuse system calls.
pub fn seccomp() -> bool {
    can(libc::SECCOMP_RET_ERRNO)
}

/// Whether it can also tell a parent of each refusal.
pub fn seccomp_tells() -> bool {
    can(libc::SECCOMP_RET_USER_NOTIF)
}

fn can(action: u32) -> bool {
    // SAFETY: reads one integer of the stack.
    let said =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    said == 0
}

#[cfg(test)]
mod tests;
