//! Replacing the binary of this machine's Mainstay.

use std::{collections::BTreeMap, fmt};

use model::Explain;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;

/// The program went back to the one before.
pub const EXIT_RETURNED: u8 = 3;

/// Versions of stored formats, by name.
pub type Formats = BTreeMap<String, Format>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// Lowest and highest version that is read.
    pub reads: [u32; 2],
    pub writes: u32,
}

impl Format {
    /// A reader of its own version and the one before.
    pub const fn at(version: u32) -> Self {
        let before = if version > 1 { version - 1 } else { version };
        Self { reads: [before, version], writes: version }
    }
}

/// The names of the formats that `writer` writes and `reader` cannot read. One that the reader does not name it has never
/// heard of.
pub fn unread(writer: &Formats, reader: &Formats) -> Vec<String> {
    let reads = |name: &str, version: u32| {
        reader.get(name).is_some_and(|format| (format.reads[0]..=format.reads[1]).contains(&version))
    };
    let unread = writer.iter().filter(|(name, format)| !reads(name, format.writes));
    unread.map(|(name, _)| name.clone()).collect()
}

/// What `mainstay version --json` says of a binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    pub version: String,
    /// Of the admin API.
    pub api: u32,
    /// Those of its stored state.
    pub formats: Formats,
}

/// One binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    pub version: String,
    /// `sha256:<64 hex>` of its file.
    pub digest: String,
}

/// `0.1.0 (sha256:3f9a12b4)`: two builds may have one version.
impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.digest.strip_prefix("sha256:").unwrap_or(&self.digest);
        match digest.get(..8).unwrap_or(digest) {
            "" => f.write_str(&self.version),
            short => write!(f, "{} (sha256:{short})", self.version),
        }
    }
}

/// Which binary is to be taken up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Bytes that were sent as an artifact, and the text of their signature as minisign writes it.
    New { artifact: Artifact, signature: String },
    /// The one that was there before the last upgrade.
    Previous,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The asker's, a ULID: by it the next keeper's record is found.
    pub id: String,
    pub what: What,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// What happens, or would.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Planned {
    pub from: Build,
    pub to: Build,
    /// The file that is replaced.
    pub path: String,
    /// The signature's trusted comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
    /// Both are the same file: nothing is done.
    pub same: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The keeper that serves is of the new binary.
    Done,
    /// The one before goes on.
    Returned,
    /// Somebody put a third binary in its place meanwhile.
    Overtaken,
}

impl Outcome {
    /// As `events` says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Returned => "returned",
            Self::Overtaken => "overtaken",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub from: Build,
    pub to: Build,
    /// Asked for with `--back`.
    pub back: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
    pub operator: String,
    pub host: String,
    /// RFC 3339, UTC.
    pub started: String,
    /// `None`: it is at work.
    pub ended: Option<String>,
    pub outcome: Option<Outcome>,
    /// Why it was returned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Explain>,
    /// What the edge did not do yet when it ended, in words: that it is still of the build before, and why. Empty: it is of
    /// the keeper's build.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_of_one_version_are_told_apart() {
        let of = |digest: &str| Build { version: "0.1.0".to_owned(), digest: digest.to_owned() }.to_string();
        assert_eq!(of("sha256:ab12cd34ef"), "0.1.0 (sha256:ab12cd34)");
        assert_eq!(of(""), "0.1.0");
    }

    fn formats(all: &[(&str, Format)]) -> Formats {
        all.iter().map(|(name, format)| ((*name).to_owned(), *format)).collect()
    }

    #[test]
    fn what_the_other_cannot_read_is_named_in_either_direction() {
        let old = formats(&[("journal", Format::at(1)), ("state", Format::at(2))]);
        let new = formats(&[("journal", Format::at(2)), ("seal", Format::at(1)), ("state", Format::at(2))]);
        assert_eq!(unread(&old, &new), Vec::<String>::new(), "one version back is read");
        assert_eq!(
            unread(&new, &old),
            ["journal", "seal"],
            "a newer one, and one that it has never heard of"
        );
        let newer = formats(&[("journal", Format::at(3)), ("state", Format::at(4))]);
        assert_eq!(unread(&old, &newer), ["journal", "state"], "two versions back is too far");
    }
}
