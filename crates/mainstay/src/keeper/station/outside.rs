//! What of the system the station reads to reach others: whom it trusts, and how a name's address is found.
//!
//! Its sandbox holds files, not names: who replaces one (a renamed or mounted `/etc/resolv.conf`) takes it from the
//! station, which is started anew then.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

const FILES: [&str; 9] = [
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
];
/// Where an operator says that whom to trust is elsewhere.
const TRUST_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// As it is for one start of the station.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    /// Variables of this process that the station gets.
    pub trust: BTreeMap<String, String>,
    seen: Vec<Option<(u64, u64)>>,
}

impl Outside {
    pub(super) fn look() -> Self {
        let trust =
            TRUST_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        Self::with(trust.collect())
    }

    fn with(trust: BTreeMap<String, String>) -> Self {
        let mut outside = Self { trust, seen: Vec::new() };
        outside.seen = outside.now();
        outside
    }

    /// What it may read.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        FILES.iter().map(PathBuf::from).chain(self.trust.values().map(PathBuf::from))
    }

    /// Which files these are; links are followed, as the sandbox does.
    pub(super) fn files(&self) -> &[Option<(u64, u64)>] {
        &self.seen
    }

    /// Whether another file has the place of one of them, or one has come or gone.
    pub(super) fn is_replaced(&self) -> bool {
        self.now() != self.seen
    }

    fn now(&self) -> Vec<Option<(u64, u64)>> {
        self.paths().map(|path| which(&path)).collect()
    }
}

fn which(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_another_takes_the_place_of_is_noticed_and_one_that_is_written_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        let trust = BTreeMap::from([("SSL_CERT_FILE".to_owned(), file.display().to_string())]);
        let outside = Outside::with(trust.clone());
        assert!(!outside.is_replaced(), "it is not there yet");
        std::fs::write(&file, "one").expect("written");
        assert!(outside.is_replaced(), "it has come");

        let outside = Outside::with(trust);
        std::fs::write(&file, "two").expect("written");
        assert!(!outside.is_replaced(), "it is the same file");
        let other = folder.path().join("new");
        std::fs::write(&other, "three").expect("written");
        std::fs::rename(&other, &file).expect("renamed");
        assert!(outside.is_replaced(), "another has its name");
    }
}
