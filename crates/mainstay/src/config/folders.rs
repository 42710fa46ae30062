//! Where a Mainstay lives: its data folder, its run folder, its machine.toml, its API socket.
//!
//! Two data folders are two Mainstays that never meet: the run folder's name is derived from the data folder's path.
//! Only computes paths; the keeper makes the folders and checks who owns them.

use std::{
    ffi::OsString,
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
            return Self::own(data, around);
        }
        let own = Self::own(&users_data(around), around);
        if answers(&own.api_socket()) { own } else { Self::service() }
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
