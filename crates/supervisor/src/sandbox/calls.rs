//! The system calls that no web app needs, and the words that open them.

use machine::sandbox::{AnyBit, Call, numbers};
use model::sandbox::Allow;

/// One call that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub name: &'static str,
    number: i64,
    /// Refused only with one of these bits in its first argument.
    bits: Option<u32>,
    /// What opens it; `None`: only the whole filter can be switched off.
    pub opened_by: Option<Allow>,
}

/// Every namespace that clone(2) and unshare(2) make; for clone the one of time lies among the bits of the signal.
const NAMESPACES: u32 = 0x7e02_0000;
const NAMESPACES_AND_TIME: u32 = NAMESPACES | 0x80;

const fn call(name: &'static str, number: i64, opened_by: Option<Allow>) -> Known {
    Known { name, number, bits: None, opened_by }
}

const fn with(name: &'static str, number: i64, bits: u32) -> Known {
    Known { name, number, bits: Some(bits), opened_by: Some(Allow::UserNamespaces) }
}

/// The machine's own affairs: all of these need a capability, which apps do not have; this is the second lock.
const MACHINE: [Known; 16] = [
    call("acct", numbers::SYS_acct, None),
    call("clock_settime", numbers::SYS_clock_settime, None),
    call("delete_module", numbers::SYS_delete_module, None),
    call("finit_module", numbers::SYS_finit_module, None),
    call("init_module", numbers::SYS_init_module, None),
    call("kexec_file_load", numbers::SYS_kexec_file_load, None),
    call("kexec_load", numbers::SYS_kexec_load, None),
    call("open_by_handle_at", numbers::SYS_open_by_handle_at, None),
    call("quotactl", numbers::SYS_quotactl, None),
    call("reboot", numbers::SYS_reboot, None),
    call("setdomainname", numbers::SYS_setdomainname, None),
    call("sethostname", numbers::SYS_sethostname, None),
    call("settimeofday", numbers::SYS_settimeofday, None),
    call("swapoff", numbers::SYS_swapoff, None),
    call("swapon", numbers::SYS_swapon, None),
    call("vhangup", numbers::SYS_vhangup, None),
];

#[cfg(target_arch = "x86_64")]
const PORTS: [Known; 2] = [call("ioperm", numbers::SYS_ioperm, None), call("iopl", numbers::SYS_iopl, None)];
#[cfg(not(target_arch = "x86_64"))]
const PORTS: [Known; 0] = [];

/// What some programs need, each behind its word.
const NAMED: [Known; 30] = [
    call("add_key", numbers::SYS_add_key, Some(Allow::Keyring)),
    call("bpf", numbers::SYS_bpf, Some(Allow::Bpf)),
    call("chroot", numbers::SYS_chroot, Some(Allow::UserNamespaces)),
    with("clone", numbers::SYS_clone, NAMESPACES),
    call("fsconfig", numbers::SYS_fsconfig, Some(Allow::Mount)),
    call("fsmount", numbers::SYS_fsmount, Some(Allow::Mount)),
    call("fsopen", numbers::SYS_fsopen, Some(Allow::Mount)),
    call("fspick", numbers::SYS_fspick, Some(Allow::Mount)),
    call("io_uring_enter", numbers::SYS_io_uring_enter, Some(Allow::IoUring)),
    call("io_uring_register", numbers::SYS_io_uring_register, Some(Allow::IoUring)),
    call("io_uring_setup", numbers::SYS_io_uring_setup, Some(Allow::IoUring)),
    call("kcmp", numbers::SYS_kcmp, Some(Allow::Ptrace)),
    call("keyctl", numbers::SYS_keyctl, Some(Allow::Keyring)),
    call("mount", numbers::SYS_mount, Some(Allow::Mount)),
    call("mount_setattr", numbers::SYS_mount_setattr, Some(Allow::Mount)),
    call("move_mount", numbers::SYS_move_mount, Some(Allow::Mount)),
    call("open_tree", numbers::SYS_open_tree, Some(Allow::Mount)),
    call("perf_event_open", numbers::SYS_perf_event_open, Some(Allow::Perf)),
    call("pidfd_getfd", numbers::SYS_pidfd_getfd, Some(Allow::Ptrace)),
    call("pivot_root", numbers::SYS_pivot_root, Some(Allow::Mount)),
    call("process_vm_readv", numbers::SYS_process_vm_readv, Some(Allow::Ptrace)),
    call("process_vm_writev", numbers::SYS_process_vm_writev, Some(Allow::Ptrace)),
    call("ptrace", numbers::SYS_ptrace, Some(Allow::Ptrace)),
    call("quotactl_fd", numbers::SYS_quotactl_fd, None),
    call("request_key", numbers::SYS_request_key, Some(Allow::Keyring)),
    call("setns", numbers::SYS_setns, Some(Allow::UserNamespaces)),
    call("syslog", numbers::SYS_syslog, None),
    call("umount2", numbers::SYS_umount2, Some(Allow::Mount)),
    with("unshare", numbers::SYS_unshare, NAMESPACES_AND_TIME),
    call("userfaultfd", numbers::SYS_userfaultfd, Some(Allow::Userfaultfd)),
];

/// On x86-64 these have other numbers in the x32 ABI (linux/arch/x86/entry/syscalls/syscall_64.tbl), beside the usual ones.
#[cfg(target_arch = "x86_64")]
const X32: [Known; 4] = [
    call("kexec_load", 528, None),
    call("process_vm_readv", 539, Some(Allow::Ptrace)),
    call("process_vm_writev", 540, Some(Allow::Ptrace)),
    call("ptrace", 521, Some(Allow::Ptrace)),
];
#[cfg(not(target_arch = "x86_64"))]
const X32: [Known; 0] = [];

fn all() -> impl Iterator<Item = Known> {
    MACHINE.into_iter().chain(PORTS).chain(NAMED).chain(X32)
}

/// What fails with EPERM where only `allow` is open.
pub(super) fn refused(allow: &[Allow]) -> Vec<Call> {
    let closed = all().filter(|known| !known.opened_by.is_some_and(|word| allow.contains(&word)));
    let with = |bits| AnyBit { argument: 0, bits };
    closed.map(|known| Call { number: known.number, with: known.bits.map(with) }).collect()
}

/// clone3(2) has its flags in memory, where a filter sees nothing: libraries that find none call clone(2).
pub(super) fn unknown(allow: &[Allow]) -> Vec<Call> {
    let open = allow.contains(&Allow::UserNamespaces);
    (!open).then_some(Call { number: numbers::SYS_clone3, with: None }).into_iter().collect()
}

/// The call of that number, if it is one that may be refused.
pub fn of_number(number: i64) -> Option<Known> {
    all().find(|known| known.number == number)
}
