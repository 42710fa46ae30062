//! Where a Mainstay lives: its data folder, its run folder, its machine.toml, its API socket.
//!
//! Two data folders are two Mainstays that never meet: the run folder's name is derived from the data folder's path.
//! Only computes paths; the keeper makes the folders and checks who owns them.

use std::{
    ffi::OsString,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// Whether this is the machine's service or somebody's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/etc/mainstay`, `/var/lib/mainstay`, `/run/mainstay`.
    Service,
    /// A plain user's, or any data folder that was named by `--data`.
    Own,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    pub kind: Kind,
    /// Absolute.
    pub data: PathBuf,
    pub run: PathBuf,
    /// The machine's own file; need not exist.
    pub machine_toml: PathBuf,
}

/// What of the surroundings decides about paths; a value, so that tests need no environment.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub uid: u32,
    pub xdg_data_home: Option<OsString>,
    pub xdg_runtime_dir: Option<OsString>,
    pub home: Option<OsString>,
}

impl Surroundings {
    pub fn of_this_process() -> Self {
        let absolute = |name| std::env::var_os(name).filter(|path| Path::new(path).is_absolute());
        Self {
            uid: rustix::process::geteuid().as_raw(),
            xdg_data_home: absolute("XDG_DATA_HOME"),
            xdg_runtime_dir: absolute("XDG_RUNTIME_DIR"),
            home: absolute("HOME"),
        }
    }
}

impl Folders {
    /// The machine's service.
    pub fn service() -> Self {
        Self {
            kind: Kind::Service,
            data: "/var/lib/mainstay".into(),
            run: "/run/mainstay".into(),
            machine_toml: "/etc/mainstay/machine.toml".into(),
        }
    }

    /// A Mainstay in a data folder of its own. A folder that exists is resolved, so that every spelling of its path
    /// leads to the same run folder.
    pub fn own(data: &Path, around: &Surroundings) -> Self {
        let data =
            data.canonicalize().or_else(|_| std::path::absolute(data)).unwrap_or_else(|_| data.to_owned());
        let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
        let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let run = match &around.xdg_runtime_dir {
            Some(dir) => Path::new(dir).join("mainstay").join(short),
            None => PathBuf::from(format!("/tmp/mainstay-{}", around.uid)).join(short),
        };
        Self { kind: Kind::Own, machine_toml: data.join("machine.toml"), data, run }
    }

    /// For what starts a keeper: `--data`, else the service's for root, else the user's own.
    pub fn to_start(data: Option<&Path>, around: &Surroundings) -> Self {
        match data {
            Some(data) => Self::own(data, around),
            None if around.uid == 0 => Self::service(),
            None => Self::own(&users_data(around), around),
        }
    }

    /// For a client: `--data`, else the user's own if its API socket is there, else the service's.
    pub fn to_reach(data: Option<&Path>, around: &Surroundings) -> Self {
        if let Some(data) = data {
            let own = Self::own(data, around);
            let here = own.api_socket().exists();
            return Self::of_its_owner(data, around).filter(|_| !here).unwrap_or(own);
        }
        let own = Self::own(&users_data(around), around);
        if answers(&own.api_socket()) { own } else { Self::service() }
    }

    /// The Mainstay of somebody else, to whom the data folder belongs: this user may be allowed to ask it, or is told so.
    /// `None`: it is nobody else's, or has no run folder.
    fn of_its_owner(data: &Path, around: &Surroundings) -> Option<Self> {
        let owner = std::fs::metadata(data).ok()?.uid();
        if owner == around.uid {
            return None;
        }
        // Anybody may make a folder of any name in /tmp: only the owner's own is the owner's word.
        let is_theirs = |dir: &Path| std::fs::symlink_metadata(dir).is_ok_and(|found| found.uid() == owner);
        let runtime = PathBuf::from(format!("/run/user/{owner}"));
        let theirs = |xdg_runtime_dir| {
            Self::own(data, &Surroundings { uid: owner, xdg_runtime_dir, ..around.clone() })
        };
        let in_runtime = is_theirs(&runtime).then(|| theirs(Some(runtime.into_os_string())));
        let in_tmp = is_theirs(Path::new(&format!("/tmp/mainstay-{owner}"))).then(|| theirs(None));
        // One that may not be looked into may be there.
        let may_be = |folders: &Self| match std::fs::symlink_metadata(folders.api_socket()) {
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
            Ok(_) => true,
        };
        in_runtime.into_iter().chain(in_tmp).find(may_be)
    }

    pub fn api_socket(&self) -> PathBuf {
        self.run.join("api.sock")
    }

    /// `<data>/apps/<app>/<env>`
    pub fn of_site(&self, site: &model::Site) -> PathBuf {
        self.data.join("apps").join(site.app.as_str()).join(site.env.as_str())
    }

    /// Where a site's secrets are read from when machine.toml names no other source.
    pub fn secrets_file(&self, site: &model::Site) -> PathBuf {
        self.of_site(site).join("secrets.env")
    }

    /// The key of the values of secrets that are kept with releases.
    pub fn secrets_key(&self) -> PathBuf {
        self.data.join("secrets.key")
    }

    /// The secrets of webhooks: lines NAME=value beside machine.toml.
    pub fn webhook_secrets(&self) -> PathBuf {
        self.machine_toml.with_file_name("webhooks.env")
    }
}

fn users_data(around: &Surroundings) -> PathBuf {
    match (&around.xdg_data_home, &around.home) {
        (Some(dir), _) => Path::new(dir).join("mainstay"),
        (None, Some(home)) => Path::new(home).join(".local/share/mainstay"),
        (None, None) => PathBuf::from(format!("/tmp/mainstay-{}/data", around.uid)),
    }
}

/// A connection is accepted; a socket file whose keeper died refuses.
fn answers(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::chown};

    use super::*;

    fn around(uid: u32) -> Surroundings {
        Surroundings { uid, xdg_data_home: None, xdg_runtime_dir: None, home: None }
    }

    #[test]
    fn a_data_folder_of_somebody_else_leads_to_their_mainstay() {
        if !rustix::process::geteuid().is_root() {
            println!("only root can give a folder away; not shown in this run");
            return;
        }
        // An account that no machine has.
        const OWNER: u32 = 3_999_999_999;
        let data = tempfile::tempdir().expect("a folder");
        let run = PathBuf::from(format!("/tmp/mainstay-{OWNER}"));
        fs::create_dir_all(&run).expect("made");
        let reached = || Folders::to_reach(Some(data.path()), &around(0)).run;
        chown(data.path(), Some(OWNER), None).expect("given away");
        assert!(reached().starts_with("/tmp/mainstay-0"), "a folder that anybody made says nothing");
        chown(&run, Some(OWNER), None).expect("given away");
        assert!(reached().starts_with("/tmp/mainstay-0"), "nobody is there");
        let theirs = Folders::own(data.path(), &around(OWNER)).run;
        fs::create_dir_all(&theirs).expect("made");
        fs::write(theirs.join("api.sock"), "").expect("written");
        assert_eq!(reached(), theirs);
        fs::remove_dir_all(&run).expect("removed");
    }
}
