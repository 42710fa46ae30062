//! SHA256SUMS of what is given, and a signature of minisign beside each file.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use minisign::{SecretKey, SecretKeyBox};
use sha2::{Digest as _, Sha256};

use crate::shell::{Doing, Error, Result};

const SUMS: &str = "SHA256SUMS";
/// For a CI, which no one can ask.
const PASSWORD: &str = "MINISIGN_PASSWORD";

/// Reads the secret key; one without a password is taken as it is, for another the password is asked.
pub(super) fn key(path: &Path) -> Result<SecretKey> {
    let text = fs::read_to_string(path).doing(path.display())?;
    let bare = SecretKeyBox::from_string(&text).and_then(SecretKeyBox::into_unencrypted_secret_key);
    if let Ok(key) = bare {
        return Ok(key);
    }
    let key = SecretKeyBox::from_string(&text)
        .and_then(|locked| locked.into_secret_key(std::env::var(PASSWORD).ok()))
        .doing(format!("{} is no secret key of minisign, or the password is another", path.display()))?;
    Ok(key)
}

/// The files in the folder, by name.
pub(super) fn files(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let entries = fs::read_dir(folder).doing(folder.display())?.flatten();
    Ok(entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect())
}

/// As sha256sum(1) checks it; then the signatures, also of the sums.
pub(super) fn write(folder: &Path, key: Option<&SecretKey>) -> Result<()> {
    let mut text = String::new();
    for (name, path) in files(folder)? {
        let mut digest = Sha256::new();
        digest.update(fs::read(&path).doing(&name)?);
        let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{digest}  {name}").doing("memory")?;
    }
    fs::write(folder.join(SUMS), text).doing(SUMS)?;
    let Some(key) = key else {
        println!("not signed: no --key was given");
        return Ok(());
    };
    files(folder)?.into_iter().try_for_each(|(name, path)| sign(key, &name, &path))
}

/// `NAME.minisig`, which `mainstay upgrade` and minisign(1) look for.
fn sign(key: &SecretKey, name: &str, path: &Path) -> Result<()> {
    let file = io::BufReader::new(File::open(path).doing(name)?);
    let comment = format!("mainstay {}, file:{name}", env!("CARGO_PKG_VERSION"));
    let signature = minisign::sign(None, key, file, Some(&comment), None)
        .map_err(|error| Error(format!("signing {name}: {error}")))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".minisig");
    fs::write(beside, signature.into_string()).doing(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use minisign::{KeyPair, SignatureBox};

    #[test]
    fn each_file_has_its_sum_and_a_signature_of_the_key() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("mainstay-x86_64"), "abc").expect("written");
        let pair = KeyPair::generate_unencrypted_keypair().expect("a pair");
        let secret = folder.path().join("secret");
        fs::write(&secret, pair.sk.to_box(None).expect("a box").into_string()).expect("written");
        let key = key(&secret).expect("a key without a password");
        fs::remove_file(&secret).expect("removed");
        write(folder.path(), Some(&key)).expect("written");
        let sums = fs::read_to_string(folder.path().join(SUMS)).expect("there");
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  mainstay-x86_64\n";
        assert_eq!(sums, expected);
        for (name, bytes) in [("mainstay-x86_64", "abc"), (SUMS, expected)] {
            let signature =
                SignatureBox::from_file(folder.path().join(format!("{name}.minisig"))).expect("there");
            minisign::verify(&pair.pk, &signature, io::Cursor::new(bytes), true, false, false).expect(name);
            assert!(signature.trusted_comment().expect("one").ends_with(&format!("file:{name}")));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_by_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("none");
        assert!(key(&file).is_err_and(|error| error.to_string().contains("none")));
    }
}
