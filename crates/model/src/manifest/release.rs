//! `[release]`: what a release is made of, how it is built and how long it stays.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Limits;
use crate::{ByteSize, Explain, Span};

/// What a release is made of and how long it stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    pub source: Source,
    /// The only artifact that this manifest is for: `sha256:` and 64 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Folders of a release whose files the next releases keep for `asset_retention`, where they have none of that name:
    /// pages of the last build ask for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asset_paths: Vec<String>,
    #[serde(default = "asset_retention", skip_serializing_if = "is_usual_retention")]
    pub asset_retention: Span,
    /// What is run before there is a release; `None`: the files are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// Relative to the shared folder `<data>/apps/<app>/<env>/shared`; linked into the release at the same path.
    pub shared_paths: Vec<String>,
    /// Asks the app which release it is, so that "what is serving" is its own word too.
    pub proof: Option<Proof>,
    /// Pruning keeps this many releases besides those that are in use.
    pub keep_releases: u32,
    /// And at most this many bytes of them.
    pub keep_bytes: ByteSize,
}

/// As long as a tab is left open, and forgotten.
pub fn asset_retention() -> Span {
    Span::secs(7 * 24 * 3600)
}

fn is_usual_retention(retention: &Span) -> bool {
    *retention == asset_retention()
}

impl Release {
    /// Whether an artifact of this digest is the one that the manifest is for.
    ///
    /// # Errors
    /// It is pinned to another.
    pub fn check_digest(&self, artifact: &str) -> Result<(), Explain> {
        match self.digest.as_deref().filter(|pinned| *pinned != artifact) {
            None => Ok(()),
            Some(pinned) => Err(Explain::new(
                "digest-differs",
                "the artifact is not the one that `release.digest` names",
            )
            .caused_by(format!("it is {artifact}, and {pinned} is wanted"))
            .now("nothing was deployed")
            .help("build or fetch the right one; `sha256sum` of a file that you trust is its new digest")),
        }
    }
}

/// Where the client takes the files from; the keeper only ever sees bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A folder, relative to the manifest.
    Dir(String),
    /// A `.tar`, `.tar.gz` or `.tar.zst` file, relative to the manifest.
    Artifact(String),
}

/// A command that makes of the files what runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Build {
    pub place: BuildPlace,
    /// Program and arguments; placeholders `{release_dir} {shared_dir}` allowed on the server.
    pub command: Vec<String>,
    /// What runs longer is stopped, and has failed.
    pub timeout: Span,
    pub env: BTreeMap<String, String>,
    /// Names of secrets that are put into its environment; none on the client.
    pub env_secrets: Vec<String>,
    /// On the server.
    pub limits: Limits,
    /// On the server.
    #[serde(default, skip_serializing_if = "BuildNetwork::is_machine")]
    pub network: BuildNetwork,
}

/// What a build reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildNetwork {
    /// What the machine does.
    #[default]
    Machine,
    /// Itself.
    None,
}

impl BuildNetwork {
    fn is_machine(&self) -> bool {
        *self == Self::Machine
    }
}

/// Where a release is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildPlace {
    /// In the release's own folder, as the app's user, when its files are unpacked: virtual environments and native modules
    /// do not travel.
    Server,
    /// In the manifest's folder, by whoever deploys, before it is packed.
    Client,
}

impl Release {
    /// The build that the keeper does.
    pub fn build_on_server(&self) -> Option<&Build> {
        self.build.as_ref().filter(|build| build.place == BuildPlace::Server)
    }

    /// The build that the client does.
    pub fn build_on_client(&self) -> Option<&Build> {
        self.build.as_ref().filter(|build| build.place == BuildPlace::Client)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Path of the GET.
    pub get: String,
    /// Key of the JSON answer that holds the value of `MAINSTAY_RELEASE`.
    pub json: String,
}
