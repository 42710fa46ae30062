//! What a command finds around it: the keeper to ask, the site that is meant, the manifest in this folder.

use std::{
    future::Future,
    path::{Path, PathBuf},
};

use api::client::Client;
use machine::fs::read_text;
use model::{AppName, EnvName, Explain, Site, manifest::Manifest};

use crate::{
    cli::Globals,
    config::{
        folders::{Folders, Surroundings},
        manifest,
        problem::{ConfigErrors, Warning},
    },
    hosts,
    report::Report,
};

/// The name of an app's file.
pub const MANIFEST: &str = "mainstay.toml";

/// One run of the client.
#[derive(Clone, Debug)]
pub struct Session {
    pub globals: Globals,
    pub report: Report,
    pub folders: Folders,
    pub client: Client,
}

/// A manifest as it lies in its folder.
#[derive(Clone, Debug)]
pub struct ManifestFile {
    pub path: PathBuf,
    pub text: String,
}

impl Session {
    /// # Errors
    /// `--host` names nothing that can be asked.
    pub fn new(globals: &Globals) -> Result<Self, Explain> {
        let around = Surroundings::of_this_process();
        let report = Report::new(globals.color, globals.json);
        let target = hosts::target(globals)?;
        // With a host, `--data` is a folder of that machine.
        let folders = Folders::to_reach(globals.data.as_deref().filter(|_| target.is_none()), &around);
        if globals.verbose {
            report.note(&match &target {
                Some(target) => format!("asking the keeper at {}", target.host),
                None => format!("asking the keeper at {}", folders.api_socket().display()),
            });
        }
        let client = target.map_or_else(|| Client::new(folders.api_socket()), Client::over_ssh);
        Ok(Self { report, client, folders, globals: globals.clone() })
    }

    pub fn json(&self) -> bool {
        self.globals.json
    }

    pub fn env(&self) -> EnvName {
        self.globals.env().cloned().unwrap_or_else(EnvName::production)
    }

    /// The folders of the Mainstay that answers, else of the one that `mainstay up` would start here; and whether it
    /// answers.
    pub fn folders_here(&self) -> (Folders, bool) {
        if std::os::unix::net::UnixStream::connect(self.folders.api_socket()).is_ok() {
            return (self.folders.clone(), true);
        }
        (Folders::to_start(self.globals.data.as_deref(), &Surroundings::of_this_process()), false)
    }

    /// The site that is meant: `--app`, else the app of the manifest here, else the only one on the machine.
    ///
    /// # Errors
    /// Nothing says which app is meant.
    pub async fn site(&self) -> Result<Site, Explain> {
        let env = self.env();
        if let Some(app) = self.globals.app() {
            return Ok(Site { app: app.clone(), env });
        }
        if let Some(file) = ManifestFile::find()? {
            return Ok(Site { app: file.app()?, env });
        }
        let apps = self.client.apps().await.map_err(api::client::Failure::explain)?;
        let mut here = apps.into_iter().map(|app| app.site).filter(|site| site.env == env);
        match (here.next(), here.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(no_manifest().now(format!("no app is on this machine in {env}"))),
            (Some(_), Some(_)) => Err(Explain::new("which-app", "this machine has several apps, and none is named")
                .help("name it by `--app NAME`, or run this in the folder of its mainstay.toml; `mainstay apps` lists them")),
        }
    }
}

fn no_manifest() -> Explain {
    Explain::new("no-manifest", format!("there is no {MANIFEST} in this folder or above it"))
        .help("write one with `mainstay init`, or name the app by `--app NAME`")
}

impl ManifestFile {
    /// The nearest manifest, in this folder or above.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn find() -> Result<Option<Self>, Explain> {
        let here = std::env::current_dir().map_err(|error| {
            Explain::new("no-folder", "the current folder is not there")
                .because(&error)
                .help("it was removed: `cd` to one that is there")
        })?;
        Self::find_from(&here)
    }

    /// # Errors
    /// It is there and cannot be read.
    pub fn find_from(folder: &Path) -> Result<Option<Self>, Explain> {
        for folder in folder.ancestors() {
            let path = folder.join(MANIFEST);
            match read_text(&path, manifest::TEXT_BYTES_MAX) {
                Ok(text) => return Ok(Some(Self { path, text })),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        Ok(None)
    }

    /// # Errors
    /// There is none, or it cannot be read.
    pub fn needed() -> Result<Self, Explain> {
        Self::find()?.ok_or_else(no_manifest)
    }

    /// Its folder: what its paths are relative to.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// As a person would name it from here.
    pub fn shown(&self) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        self.path.strip_prefix(&here).unwrap_or(&self.path).display().to_string()
    }

    /// # Errors
    /// All its mistakes.
    pub fn parse(&self, env: &EnvName) -> Result<(Manifest, Vec<Warning>), ConfigErrors> {
        manifest::parse(&self.text, &self.shown(), env)
    }

    /// The app's name alone: a manifest that is being edited must not keep anybody from reading logs.
    ///
    /// # Errors
    /// It has no name that is one.
    pub fn app(&self) -> Result<AppName, Explain> {
        manifest::app_name(&self.text).ok_or_else(|| {
            Explain::new("no-app-name", format!("{} does not say which app it is", self.shown()))
                .help("write `[app]` with `name = \"my-app\"`, or name the app by `--app NAME`")
        })
    }
}

pub(crate) fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Explain {
    Explain::new("unreadable-file", format!("cannot read {}", path.display()))
        .caused_by(error.to_string())
        .help("it must be a regular file of UTF-8 text that you may read")
}

/// Runs a command's questions on a runtime of their own.
///
/// # Errors
/// Those of `work`, or there are no descriptors for a runtime.
pub fn block_on<T>(work: impl Future<Output = Result<T, Explain>>) -> Result<T, Explain> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Explain::new("no-runtime", "cannot start").because(&error))?
        .block_on(work)
}
