//! What the room is started with: one JSON file, written 0600 by the keeper, read once. No secret is in it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Version of the file.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub format: u32,
    /// The socket on which the keeper answers the station alone.
    pub keeper: PathBuf,
    /// The folder of what must not be lost: records and accounts.
    pub state: PathBuf,
    /// Where the edge reads certificates and the answers to challenges.
    pub folder: PathBuf,
    /// URL of the CA's directory (RFC 8555, 7.1.1).
    pub directory: String,
    /// URL of a directory at which an order is tried first; what it issues is thrown away. `None`: nothing is tried.
    pub rehearsal: Option<String>,
    /// `mailto:` URLs of whom the CA may write to.
    pub contact: Vec<String>,
    /// PEM of whom to trust instead of whom the system does, in what is asked of the CA.
    pub roots: Option<String>,
    pub key: KeyKind,
    /// The CA's name of a kind of certificates (draft-ietf-acme-profiles); `None`: its own choice.
    pub profile: Option<String>,
    pub challenge: Challenge,
    /// The program that writes a record into the DNS and takes it out again, with its arguments; for [`Challenge::Dns01`].
    pub dns_hook: Vec<String>,
}

/// What kind of key a certificate is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    #[default]
    EcdsaP256,
    EcdsaP384,
    Rsa2048,
    Rsa4096,
}

/// How this machine shows the CA that a name leads to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Challenge {
    /// By an answer on port 80 (RFC 8555, 8.3).
    #[default]
    #[serde(rename = "http-01")]
    Http01,
    /// By a certificate on port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// By a record in the DNS (RFC 8555, 8.4): the only one for a wildcard.
    #[serde(rename = "dns-01")]
    Dns01,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path} is of another version")]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("{path} has the format {found}, which this build does not read; it reads {FORMAT}")]
    Format { path: PathBuf, found: u32 },
}

impl Settings {
    /// # Errors
    /// The file does not read, or another version wrote it.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let settings: Self = serde_json::from_slice(&text)
            .map_err(|source| SettingsError::Parse { path: path.to_owned(), source })?;
        if settings.format != FORMAT {
            return Err(SettingsError::Format { path: path.to_owned(), found: settings.format });
        }
        Ok(settings)
    }

    /// Writes it 0600 for that uid and gid (`None`: this process's own), atomically. Blocking.
    /// # Errors
    /// The disk's.
    pub fn write(&self, path: &Path, owner: Option<(u32, u32)>) -> Result<(), SettingsError> {
        let failed = |source| SettingsError::Write { path: path.to_owned(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        machine::fs::write_atomic_for(owner, path, &text, 0o600).map_err(failed)
    }
}
