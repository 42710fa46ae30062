//! A network of the child's own, in which there is nothing but a loopback.
#![allow(unsafe_code, reason = "the calls between fork and exec")]

use std::ffi::CStr;

/// What a namespace of users is told, in which the child stays who it is. Laid out before the fork.
pub(super) struct Ids {
    is_root: bool,
    uid: Vec<u8>,
    gid: Vec<u8>,
}

impl Ids {
    pub(super) fn own() -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let same = |id: u32| format!("{id} {id} 1").into_bytes();
        Self { is_root: uid == 0, uid: same(uid), gid: same(gid) }
    }
}

/// Without privilege it takes a namespace of users, too, in which there is the right to one of the network.
pub(super) fn leave(ids: &Ids) -> bool {
    let users = if ids.is_root { 0 } else { libc::CLONE_NEWUSER };
    // SAFETY: an integer argument.
    if unsafe { libc::unshare(libc::CLONE_NEWNET | users) } != 0 {
        return false;
    }
    // user_namespaces(7): the group's line is taken only from who cannot set groups any more.
    let mapped = ids.is_root
        || write(c"/proc/self/setgroups", b"deny")
            && write(c"/proc/self/uid_map", &ids.uid)
            && write(c"/proc/self/gid_map", &ids.gid);
    mapped && raise_loopback()
}

fn write(path: &CStr, text: &[u8]) -> bool {
    // SAFETY: a static path.
    let file = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return false;
    }
    // SAFETY: `text` lives in the plan.
    let written = unsafe { libc::write(file, text.as_ptr().cast(), text.len()) };
    // SAFETY: opened above.
    unsafe { libc::close(file) };
    usize::try_from(written) == Ok(text.len())
}

/// netdevice(7): a new network has a loopback, and it is down.
fn raise_loopback() -> bool {
    // SAFETY: integer arguments.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return false;
    }
    // SAFETY: all-zero is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *to = from.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: a request of the stack, which the kernel only reads.
    let raised = unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request) } == 0;
    // SAFETY: opened above.
    unsafe { libc::close(socket) };
    raised
}
