//! What an account may reach: asked by somebody else, mostly root, who may reach everything.
//!
//! Goes by the bits of owner, group and others, folder by folder and through every link, as the kernel does
//! (path_resolution(7)). Where an access control list says more than the bits, the account is given the benefit of it.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Component, Path, PathBuf},
};

use crate::users::Account;

/// Bound: links followed on one way, as in the kernel.
const LINKS_MAX: usize = 40;

/// What stands between an account and a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// Nothing has this name.
    Missing(PathBuf),
    /// A folder on the way that the account cannot enter.
    Closed(PathBuf),
    /// It is there and can be reached, and is no file that anybody may execute.
    NotExecutable(PathBuf),
    /// It may be executed, but not by this account.
    NotForThem(PathBuf),
    /// Its file system is mounted so that nothing of it is executed.
    NoExec(PathBuf),
    /// The one who asks cannot see: nothing is known.
    Unseen(PathBuf),
}

/// The file that `account` executes by `path`, every link followed.
///
/// # Errors
/// The first [`Barrier`] on the way.
pub fn to_execute(path: &Path, account: &Account) -> Result<PathBuf, Barrier> {
    let file = resolve(path, account)?;
    let found = fs::metadata(&file).map_err(|error| unseen_or_missing(&file, &error))?;
    if !found.is_file() || found.permissions().mode() & 0o111 == 0 {
        return Err(Barrier::NotExecutable(file));
    }
    if !passes(&file, &found, account) {
        return Err(Barrier::NotForThem(file));
    }
    let noexec = rustix::fs::statvfs(&file)
        .is_ok_and(|mount| mount.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC));
    if noexec { Err(Barrier::NoExec(file)) } else { Ok(file) }
}

/// The first folder on the way to and with `dir` that `account` cannot enter.
pub fn closed_folder(dir: &Path, account: &Account) -> Option<PathBuf> {
    match resolve(&dir.join("x"), account) {
        Err(Barrier::Closed(folder)) => Some(folder),
        _ => None,
    }
}

/// Walks to `path` as `account`; its last name may be missing.
fn resolve(path: &Path, account: &Account) -> Result<PathBuf, Barrier> {
    let mut left: Vec<OsString> = names(path);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = left.pop() {
        enter(&at, account)?;
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        match fs::read_link(&next) {
            Ok(_) if links == LINKS_MAX => return Err(Barrier::Missing(path.to_owned())),
            Ok(target) => {
                links += 1;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                left.extend(names(&target));
            }
            // No link: a folder, a file, or nothing, which the next step or the caller sees.
            Err(_) => at = next,
        }
    }
    Ok(at)
}

/// Its names, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let named = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    });
    named.collect()
}

fn enter(dir: &Path, account: &Account) -> Result<(), Barrier> {
    let found = fs::metadata(dir).map_err(|error| unseen_or_missing(dir, &error))?;
    if !found.is_dir() {
        return Err(Barrier::Missing(dir.to_owned()));
    }
    if passes(dir, &found, account) { Ok(()) } else { Err(Barrier::Closed(dir.to_owned())) }
}

fn unseen_or_missing(path: &Path, error: &io::Error) -> Barrier {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Barrier::Unseen(path.to_owned()),
        _ => Barrier::Missing(path.to_owned()),
    }
}

/// The bit `x` of the one class that the account is of. Root enters everything and executes what anybody may.
fn passes(path: &Path, found: &Metadata, account: &Account) -> bool {
    let mode = found.mode();
    let bit = if account.uid == 0 {
        0o111
    } else if found.uid() == account.uid {
        0o100
    } else if found.gid() == account.gid || account.groups.contains(&found.gid()) {
        0o010
    } else {
        0o001
    };
    mode & bit != 0 || (account.uid == 0 && found.is_dir()) || has_list(path)
}

fn has_list(path: &Path) -> bool {
    rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0_u8; 0][..]).is_ok_and(|bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn account(uid: u32, groups: &[u32]) -> Account {
        Account { name: "someone".to_owned(), uid, gid: 70_001, groups: groups.to_vec(), home: "/".into() }
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mine");
    }

    #[test]
    fn the_way_of_another_account_is_seen_through_every_link() {
        let base = tempfile::tempdir().expect("a folder");
        let base = base.path().canonicalize().expect("there");
        mode(&base, 0o755);
        let (home, open) = (base.join("home"), base.join("open"));
        fs::create_dir_all(home.join("py/bin")).expect("made");
        fs::create_dir_all(&open).expect("made");
        let program = home.join("py/bin/python");
        fs::write(&program, "#!").expect("written");
        mode(&program, 0o755);
        symlink("../home/py/bin/python", open.join("python")).expect("linked");
        symlink("loop", open.join("loop")).expect("linked");
        let stranger = account(70_000, &[]);
        let go = |name: &str, who: &Account| to_execute(&open.join(name), who);
        assert_eq!(go("python", &stranger), Ok(program.clone()));
        mode(&home, 0o700);
        assert_eq!(go("python", &stranger), Err(Barrier::Closed(home.clone())));
        assert_eq!(closed_folder(&home.join("py"), &stranger), Some(home.clone()));
        assert_eq!(closed_folder(&open, &stranger), None);
        let owner = account(crate::users::own_uid(), &[]);
        assert_eq!(go("python", &owner), Ok(program.clone()));
        mode(&home, 0o710);
        let friend = account(70_000, &[crate::users::own_gid()]);
        assert_eq!(go("python", &friend), Ok(program.clone()));
        mode(&home, 0o755);
        mode(&program, 0o744);
        assert_eq!(go("python", &stranger), Err(Barrier::NotForThem(program.clone())));
        mode(&program, 0o644);
        assert_eq!(go("python", &stranger), Err(Barrier::NotExecutable(program)));
        assert_eq!(go("none", &stranger), Err(Barrier::Missing(open.join("none"))));
        assert_eq!(go("loop", &stranger), Err(Barrier::Missing(open.join("loop"))));
        assert_eq!(go("..", &stranger), Err(Barrier::NotExecutable(base)));
    }
}
