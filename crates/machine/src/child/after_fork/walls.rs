//! The child's very last steps before its program: files, then system calls.

use std::{
    io::IoSlice,
    mem::MaybeUninit,
    os::fd::{BorrowedFd, RawFd},
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use seccompiler::sock_filter;

use crate::{child::PASSES, sandbox::Walls};

/// Since 5.16 the default: without it an older kernel slows every branch of the process.
const QUICK: libc::c_ulong = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;

/// A kernel without seccomp is no error: whoever prepared the walls says that there is none.
pub(super) fn put_on(walls: &Walls, ruleset: RawFd, parent: RawFd) -> bool {
    // SAFETY: integer arguments.
    if ruleset >= 0 && unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) } != 0 {
        return false;
    }
    if let Some(unknown) = &walls.unknown
        && install(unknown.program(), QUICK).is_none()
    {
        return is_missing();
    }
    let Some(refused) = &walls.refused else { return true };
    // Kernels before 5.0 and those who are listened to already: refused all the same, but nobody is told.
    match install(refused.told(), QUICK | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER) {
        Some(listener) => pass(parent, listener),
        None => install(refused.program(), QUICK).is_some() || is_missing(),
    }
}

fn is_missing() -> bool {
    matches!(super::errno(), libc::ENOSYS | libc::EINVAL)
}

/// 0, or the listener's number.
fn install(program: &[sock_filter], flags: libc::c_ulong) -> Option<RawFd> {
    let length = u16::try_from(program.len()).ok()?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut().cast() };
    // SAFETY: a program of that length, which lives in the plan and which the kernel only reads.
    let installed =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    RawFd::try_from(installed).ok().filter(|fd| *fd >= 0)
}

/// Hands the listener to the parent; here it closes at exec.
fn pass(parent: RawFd, listener: RawFd) -> bool {
    // SAFETY: the report's socket, open until exec.
    let parent = unsafe { BorrowedFd::borrow_raw(parent) };
    // SAFETY: made by the kernel a moment ago.
    let fds = [unsafe { BorrowedFd::borrow_raw(listener) }];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(parent, &[IoSlice::new(&[PASSES])], &mut control, SendFlags::NOSIGNAL).is_ok()
}
