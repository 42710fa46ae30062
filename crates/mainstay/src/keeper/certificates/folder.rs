//! The folders of certificates by ACME: the station writes them, the edge reads one of them.

use std::{
    io,
    os::unix::fs::chown,
    path::{Path, PathBuf},
};

use model::Explain;

use crate::keeper::ground::Ground;

/// Where they are.
pub(crate) struct Folders {
    /// `<data>/station/acme`: records and accounts, the station's alone.
    pub state: PathBuf,
    /// `<data>/certs`: certificates, and answers to challenges.
    pub certs: PathBuf,
}

pub(crate) fn folders(data: &Path) -> Folders {
    Folders { state: data.join("station/acme"), certs: data.join("certs") }
}

impl Folders {
    /// Makes the folder of certificates, before the edge starts: its sandbox holds the folder that is there then. It is the
    /// station's, and whatever is made in it has the edge's group (set-group-id).
    /// # Errors
    /// An account or the folder cannot be made.
    pub(crate) fn make(&self, ground: &Ground) -> Result<(), Explain> {
        let owner = ground.users.station()?.zip(ground.users.edge()?);
        let owner = owner.map(|(station, edge)| (station.ids.uid, edge.ids.gid));
        [self.certs.clone(), self.certs.join("challenges")]
            .iter()
            .try_for_each(|dir| make(dir, owner))
            .map_err(|error| {
                Explain::new(
                    "folder-not-made",
                    format!("cannot make {} for certificates", self.certs.display()),
                )
                .because(&error)
                .help("the data folder is the keeper's to write: see its owner, its mount and its free space")
            })
    }
}

fn make(dir: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    machine::fs::make_dir(dir, 0o700)?;
    let Some((uid, gid)) = owner else { return Ok(()) };
    chown(dir, Some(uid), Some(gid))?;
    machine::fs::make_dir(dir, 0o2750)
}
