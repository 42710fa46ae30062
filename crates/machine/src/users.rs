//! Accounts: who a process may become.
#![allow(unsafe_code, reason = "the C library's account database")]

use std::{
    ffi::{CStr, CString},
    io,
    mem::MaybeUninit,
    path::PathBuf,
    process::Command,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups, `gid` included.
    pub groups: Vec<u32>,
    pub home: PathBuf,
}

/// Longest record that NSS may need; LDAP homes and gecos fields stay far below.
const RECORD_BYTES: usize = 64 * 1024;
/// Bound: more groups than this are left out.
const GROUPS_MAX: usize = 256;

/// The account of that name, by NSS (files, LDAP). `None`: there is none.
pub fn by_name(name: &str) -> io::Result<Option<Account>> {
    let name = CString::new(name)?;
    record(|entry, buffer, found| {
        // SAFETY: all pointers are valid for the call and `buffer` has the length that is said.
        unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer.as_mut_ptr().cast(), buffer.len(), found) }
    })
}

pub fn by_uid(uid: u32) -> io::Result<Option<Account>> {
    record(|entry, buffer, found| {
        // SAFETY: all pointers are valid for the call and `buffer` has the length that is said.
        unsafe { libc::getpwuid_r(uid, entry, buffer.as_mut_ptr().cast(), buffer.len(), found) }
    })
}

/// The gid of a group; `None`: there is none.
pub fn group(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    let mut entry = MaybeUninit::<libc::group>::uninit();
    let mut found: *mut libc::group = std::ptr::null_mut();
    let mut buffer = vec![0_u8; RECORD_BYTES];
    // SAFETY: all pointers are valid for the call and `buffer` has the length that is said.
    let failed = unsafe {
        libc::getgrnam_r(
            name.as_ptr(),
            entry.as_mut_ptr(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            &raw mut found,
        )
    };
    if failed != 0 {
        return missing(failed);
    }
    if found.is_null() {
        return Ok(None);
    }
    // SAFETY: `found` is not null, so the call has filled `entry`.
    Ok(Some(unsafe { entry.assume_init() }.gr_gid))
}

/// The effective uid of this process.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The effective gid of this process.
pub fn own_gid() -> u32 {
    rustix::process::getegid().as_raw()
}

/// Makes a system account without login and with a group of its own, by `useradd`. One that is there is taken as it is.
///
/// # Errors
/// `PermissionDenied` for anyone but root; what `useradd` said.
pub fn make_system_account(name: &str, home: &std::path::Path) -> io::Result<Account> {
    if let Some(account) = by_name(name)? {
        return Ok(account);
    }
    let mut useradd = Command::new("useradd");
    useradd.args([
        "--system",
        "--user-group",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        "--home-dir",
    ]);
    let made = useradd.arg(home).arg("--").arg(name).output()?;
    // Another keeper may have made it at the same time: what counts is that it is there.
    match by_name(name)? {
        Some(account) => Ok(account),
        None => Err(io::Error::other(format!("useradd: {}", String::from_utf8_lossy(&made.stderr).trim()))),
    }
}

/// Makes a system account that one may log in to by a key and by no password, with `shell` and the group `group`, by `useradd`. One
/// that is there is taken as it is.
///
/// # Errors
/// `PermissionDenied` for anyone but root; what `useradd` said.
pub fn make_login_account(
    name: &str,
    group: &str,
    home: &std::path::Path,
    shell: &std::path::Path,
) -> io::Result<Account> {
    if let Some(account) = by_name(name)? {
        return Ok(account);
    }
    let mut useradd = Command::new("useradd");
    // `*` is no password's digest; without one the account would be locked, and sshd without PAM refuses those.
    useradd.args(["--system", "--no-create-home", "--password", "*", "--gid", group]);
    useradd.arg("--home-dir").arg(home).arg("--shell").arg(shell);
    let made = useradd.arg("--").arg(name).output()?;
    match by_name(name)? {
        Some(account) => Ok(account),
        None => Err(io::Error::other(format!("useradd: {}", String::from_utf8_lossy(&made.stderr).trim()))),
    }
}

/// Makes a system group, by `groupadd`. One that is there is taken as it is.
///
/// # Errors
/// `PermissionDenied` for anyone but root; what `groupadd` said.
pub fn make_system_group(name: &str) -> io::Result<u32> {
    if let Some(gid) = group(name)? {
        return Ok(gid);
    }
    let made = Command::new("groupadd").args(["--system", "--", name]).output()?;
    match group(name)? {
        Some(gid) => Ok(gid),
        None => Err(io::Error::other(format!("groupadd: {}", String::from_utf8_lossy(&made.stderr).trim()))),
    }
}

/// Puts an account into a group, by `usermod`.
///
/// # Errors
/// What `usermod` said; there may be no such account.
pub fn add_to_group(account: &str, group: &str) -> io::Result<()> {
    said(Command::new("usermod").args(["-aG", group, "--", account]))
}

/// Gives an account another shell, by `usermod`.
///
/// # Errors
/// What `usermod` said; there may be no such account.
pub fn set_shell(account: &str, shell: &std::path::Path) -> io::Result<()> {
    said(Command::new("usermod").arg("--shell").arg(shell).args(["--", account]))
}

/// Removes an account, by `userdel`, and its group of the same name. What it owns stays. One that is gone is no error.
///
/// # Errors
/// What `userdel` said: something may still run as it.
pub fn remove_account(name: &str) -> io::Result<()> {
    if by_name(name)?.is_some() {
        said(Command::new("userdel").args(["--", name]))?;
    }
    // `userdel` removes it only where login.defs says so.
    remove_group(name)
}

/// Removes a group, by `groupdel`. One that is gone is no error.
///
/// # Errors
/// What `groupdel` said: an account may still have it for its first.
pub fn remove_group(name: &str) -> io::Result<()> {
    if group(name)?.is_none() {
        return Ok(());
    }
    said(Command::new("groupdel").args(["--", name]))
}

fn said(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn record(
    ask: impl Fn(*mut libc::passwd, &mut [u8], *mut *mut libc::passwd) -> libc::c_int,
) -> io::Result<Option<Account>> {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut found: *mut libc::passwd = std::ptr::null_mut();
    let mut buffer = vec![0_u8; RECORD_BYTES];
    let failed = ask(entry.as_mut_ptr(), &mut buffer, &raw mut found);
    if failed != 0 {
        return missing(failed);
    }
    if found.is_null() {
        return Ok(None);
    }
    // SAFETY: `found` is not null, so the call has filled `entry`; its strings lie in `buffer`, which still lives.
    let entry = unsafe { entry.assume_init() };
    // SAFETY: NSS gives NUL-terminated strings.
    let name = unsafe { CStr::from_ptr(entry.pw_name) };
    // SAFETY: the same.
    let home = unsafe { CStr::from_ptr(entry.pw_dir) };
    Ok(Some(Account {
        groups: groups(name, entry.pw_gid),
        name: name.to_string_lossy().into_owned(),
        uid: entry.pw_uid,
        gid: entry.pw_gid,
        home: PathBuf::from(home.to_string_lossy().into_owned()),
    }))
}

fn groups(name: &CStr, gid: u32) -> Vec<u32> {
    let mut all = vec![0; GROUPS_MAX];
    let mut count = libc::c_int::try_from(GROUPS_MAX).unwrap_or(libc::c_int::MAX);
    // SAFETY: `all` holds `count` entries, which is how many may be written.
    let got = unsafe { libc::getgrouplist(name.as_ptr(), gid, all.as_mut_ptr(), &raw mut count) };
    match usize::try_from(got) {
        Ok(filled) => {
            all.truncate(filled);
            all
        }
        Err(_) => vec![gid],
    }
}

/// Several libcs say ENOENT, ESRCH, EBADF or EPERM for "no such entry" (getpwnam(3)).
fn missing<T>(errno: i32) -> io::Result<Option<T>> {
    match errno {
        libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => Ok(None),
        other => Err(io::Error::from_raw_os_error(other)),
    }
}
