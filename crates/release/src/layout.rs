//! Where things lie below the data folder, and how they are written so that a crash leaves the old or the new.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use model::{DeployId, Explain, ReleaseNumber, Site};

/// `<data>`.
#[derive(Clone, Debug)]
pub struct Layout {
    pub data: PathBuf,
}

impl Layout {
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into() }
    }

    pub fn apps(&self) -> PathBuf {
        self.data.join("apps")
    }

    pub fn artifacts(&self) -> PathBuf {
        self.data.join("artifacts")
    }

    pub fn site(&self, site: &Site) -> SiteLayout {
        SiteLayout { root: self.apps().join(site.app.as_str()).join(site.env.as_str()) }
    }

    /// Every site, in order; what a destroyed one has left is none, and folders whose names are no names are left alone.
    /// # Errors
    /// The data folder cannot be read.
    pub fn sites(&self) -> io::Result<Vec<Site>> {
        let mut sites = Vec::new();
        for app in names(&self.apps())? {
            for env in names(&self.apps().join(&app))? {
                if let Ok(site) = format!("{app}/{env}").parse::<Site>()
                    && self.site(&site).is_there()
                {
                    sites.push(site);
                }
            }
        }
        sites.sort();
        Ok(sites)
    }
}

/// Names of the folders in `dir`; a missing `dir` has none.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// `<data>/apps/<app>/<env>`.
#[derive(Clone, Debug)]
pub struct SiteLayout {
    pub root: PathBuf,
}

impl SiteLayout {
    /// Something was deployed here, or begun. A shared folder or secrets alone were put there before the first deploy, or
    /// are what `destroy` leaves.
    pub fn is_there(&self) -> bool {
        self.state().exists() || self.deploys().exists()
    }

    pub fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// When the site's scheduled jobs ran.
    pub fn schedule(&self) -> PathBuf {
        self.root.join("schedule.json")
    }

    pub fn releases(&self) -> PathBuf {
        self.root.join("releases")
    }

    pub fn release(&self, number: ReleaseNumber) -> PathBuf {
        self.releases().join(number.to_string())
    }

    /// `{release_dir}` of the app.
    pub fn files(&self, number: ReleaseNumber) -> PathBuf {
        self.release(number).join("files")
    }

    /// The manifest that the release runs under.
    pub fn manifest(&self, number: ReleaseNumber) -> PathBuf {
        self.release(number).join("manifest.json")
    }

    /// The digests of its files.
    pub fn seal(&self, number: ReleaseNumber) -> PathBuf {
        self.release(number).join("seal.json")
    }

    /// The values of secrets that this generation of the release was started with, encrypted. They go with the release.
    pub fn kept_secrets(&self, number: ReleaseNumber, generation: u64) -> PathBuf {
        self.release(number).join("secrets").join(format!("{generation}.age"))
    }

    /// Stands while a release is being staged: what it holds is not to be trusted.
    pub fn staging(&self, number: ReleaseNumber) -> PathBuf {
        self.release(number).join("staging")
    }

    /// For people: a link to the release that serves. Nothing reads it.
    pub fn current(&self) -> PathBuf {
        self.root.join("current")
    }

    /// `{shared_dir}` of the app.
    pub fn shared(&self) -> PathBuf {
        self.root.join("shared")
    }

    /// The home of builds: what package managers keep from one to the next.
    pub fn build_cache(&self) -> PathBuf {
        self.root.join("build-cache")
    }

    /// Where a person keeps the site's secrets unless machine.toml names another source.
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets.env")
    }

    pub fn deploys(&self) -> PathBuf {
        self.root.join("deploys")
    }

    pub fn journal(&self, deploy: DeployId) -> PathBuf {
        self.deploys().join(format!("{deploy}.journal"))
    }
}

/// Replaces a file of the books: a crash leaves the old or the new whole. Who may come near is the site folder's mode.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    crate::tests::failpoint::before_write(|| {})?;
    machine::fs::write_atomic(path, bytes, 0o644)?;
    #[cfg(test)]
    crate::tests::failpoint::after_write();
    Ok(())
}

/// Points the link at `target` by an atomic rename.
pub(crate) fn link_atomically(link: &Path, target: &Path) -> io::Result<()> {
    let mut temporary = link.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, &temporary)?;
    fs::rename(&temporary, link)
}

/// An I/O error told with the file that it is about.
pub(crate) fn told(code: &str, what: &str, path: &Path, error: &io::Error) -> Explain {
    let explain = Explain::new(code, format!("cannot {what} {}", path.display())).because(error);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            explain.help("free disk space on this file system, then try again")
        }
        io::ErrorKind::PermissionDenied => {
            explain.help("it belongs to the user that runs Mainstay: see who owns it, and the folders above it")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            explain.help("its file system was mounted read-only, often after an error of the disk: the kernel's log says why")
        }
        _ => explain.help("look at the disk and the mount of the data folder; the kernel's log says more"),
    }
}
