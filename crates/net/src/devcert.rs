//! A certificate for development: self-signed, for this machine's own names, kept so that a browser's exception lasts.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::sign::CertifiedKey;

use crate::tls::{CertificateError, read_certificate};

/// After this a new one is made; it is valid for at least as long again.
const MAX_AGE: Duration = Duration::from_secs(365 * 24 * 3600);
const NAMES: [&str; 4] = ["localhost", "*.localhost", "127.0.0.1", "::1"];

/// Why there is no development certificate.
#[derive(Debug, thiserror::Error)]
pub enum DevCertError {
    #[error("cannot make a development certificate")]
    Make(#[from] rcgen::Error),
    #[error("cannot keep the development certificate in {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Read(#[from] CertificateError),
}

/// The certificate in `folder` (`development.crt`, `development.key` 0600), made if there is none or it is old. Blocking.
pub fn development_certificate(folder: &Path) -> Result<CertifiedKey, DevCertError> {
    let (certificate, key) = (folder.join("development.crt"), folder.join("development.key"));
    if is_young(&certificate)
        && let Ok(kept) = read_certificate(&certificate, &key)
    {
        return Ok(kept);
    }
    let pair = KeyPair::generate()?;
    let made = params()?.self_signed(&pair)?;
    let write = |path: &Path, text: &str, mode| {
        machine::fs::write_atomic(path, text.as_bytes(), mode)
            .map_err(|source| DevCertError::Write { path: path.to_owned(), source })
    };
    // Crash: a new key beside an old certificate does not fit it and is made anew.
    write(&key, &pair.serialize_pem(), 0o600)?;
    write(&certificate, &made.pem(), 0o644)?;
    Ok(read_certificate(&certificate, &key)?)
}

fn params() -> Result<CertificateParams, rcgen::Error> {
    const YEAR_S: u64 = 31_556_952;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let year = i32::try_from(1970 + now_s / YEAR_S).unwrap_or(2026);
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Mainstay development");
    params.not_before = rcgen::date_time_ymd(year - 1, 12, 30);
    params.not_after = rcgen::date_time_ymd(year + 2, 1, 2);
    Ok(params)
}

fn is_young(path: &Path) -> bool {
    let modified = std::fs::metadata(path).and_then(|meta| meta.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < MAX_AGE))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_once_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = development_certificate(folder.path()).unwrap();
        let second = development_certificate(folder.path()).unwrap();
        assert_eq!(first.cert, second.cert);
        let mode = std::fs::metadata(folder.path().join("development.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_does_not_fit_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let first = development_certificate(folder.path()).unwrap();
        let other = KeyPair::generate().unwrap().serialize_pem();
        std::fs::write(folder.path().join("development.key"), other).unwrap();
        assert_ne!(development_certificate(folder.path()).unwrap().cert, first.cert);
    }
}
