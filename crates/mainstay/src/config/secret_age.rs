//! Secrets in a file that age has encrypted (<https://age-encryption.org/v1>), binary or armoured, with the identity that
//! opens it: the key that `age-keygen` writes. The text inside has the grammar of every other source.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use age::{
    DecryptError, Decryptor, Encryptor, Identity, Recipient, armor, secrecy::ExposeSecret as _, x25519,
};
use machine::fs::{read_regular, read_text};
use model::{Explain, Secret};

use super::secret_file::{self, TEXT_BYTES_MAX, Unread};

/// Bound: of what is encrypted, with room for a header with many recipients and for armour.
const SEALED_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;
/// Bound: of a file with identities.
const IDENTITY_BYTES_MAX: usize = 16 << 10;

/// The values in the file; no value and no key is ever in the words of an error.
///
/// # Errors
/// As [`text`]; or a line is none.
pub fn read(file: &Path, identity: &Path) -> Result<BTreeMap<String, Secret>, Unread> {
    secret_file::parse(&text(file, identity)?, file)
}

/// What is in it.
///
/// # Errors
/// One of the files is not there or not readable; the identity may be read by others than its owner, or is none; the file
/// is none of age's, is damaged, or was encrypted to another identity.
pub fn text(file: &Path, identity: &Path) -> Result<String, Unread> {
    let keys = identities(identity)?;
    let sealed = read_regular(file, SEALED_BYTES_MAX).map_err(|error| {
        let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
        let explain = Explain::new("secrets-missing", format!("{} cannot be read", file.display()))
            .caused_by(error.to_string())
            .help("`mainstay secrets set NAME` makes it; so does `age -r RECIPIENT -o FILE`, where RECIPIENT is what `age-keygen -y IDENTITY` prints");
        Unread { denied, explain }
    })?;
    let bytes = open(&sealed, &keys).map_err(|error| Unread::broken(unopened(file, identity, &error)))?;
    String::from_utf8(bytes).map_err(|_| {
        let message = format!("what {} holds is no UTF-8 text", file.display());
        Unread::broken(
            Explain::new("secrets-unreadable", message)
                .help("it holds lines NAME=value; put bytes in as base64"),
        )
    })
}

/// The text of an identity that nobody has yet, as `age-keygen` writes it.
pub fn new_identity() -> String {
    let key = x25519::Identity::generate();
    format!("# public key: {}\n{}\n", key.to_public(), key.to_string().expose_secret())
}

/// Encrypts `text` so that the identity opens it again.
///
/// # Errors
/// As of the identity in [`text`].
pub fn seal(text: &str, identity: &Path) -> Result<Vec<u8>, Unread> {
    let keys = identities(identity)?;
    let recipients: Vec<_> = keys.iter().map(x25519::Identity::to_public).collect();
    let seal = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let encryptor = Encryptor::with_recipients(recipients.iter().map(|r| r as &dyn Recipient))?;
        let armoured = armor::ArmoredWriter::wrap_output(Vec::new(), armor::Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armoured)?;
        writer.write_all(text.as_bytes())?;
        Ok(writer.finish()?.finish()?)
    };
    seal().map_err(|error| {
        Unread::broken(
            Explain::new("secrets-unsealed", "the secrets cannot be encrypted")
                .caused_by(error.to_string())
                .help(format!("is {} an identity of age?", identity.display())),
        )
    })
}

fn open(sealed: &[u8], keys: &[x25519::Identity]) -> Result<Vec<u8>, DecryptError> {
    let decryptor = Decryptor::new_buffered(armor::ArmoredReader::new(sealed))?;
    let reader = decryptor.decrypt(keys.iter().map(|key| key as &dyn Identity))?;
    let mut text = Vec::new();
    reader.take(TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut text)?;
    if text.len() > TEXT_BYTES_MAX {
        return Err(DecryptError::Io(std::io::Error::other("it holds more than 256 KiB")));
    }
    Ok(text)
}

fn unopened(file: &Path, identity: &Path, error: &DecryptError) -> Explain {
    let (file, identity) = (file.display(), identity.display());
    match error {
        DecryptError::NoMatchingKeys => Explain::new(
            "age-identity-wrong",
            format!("{identity} does not open {file}"),
        )
        .caused_by("it was encrypted to other recipients, or with a passphrase")
        .help(format!(
            "encrypt it to what `age-keygen -y {identity}` prints, or name the identity that it was made for"
        )),
        DecryptError::InvalidHeader | DecryptError::UnknownFormat => {
            Explain::new("secrets-unreadable", format!("{file} is no file that age has encrypted"))
                .caused_by(error.to_string())
                .help("`age = …` is for what `age -r RECIPIENT` writes; a plain file is named by `file = …`")
        }
        error => Explain::new("secrets-unreadable", format!("{file} is damaged"))
            .caused_by(error.to_string())
            .help("encrypt it anew, or take it from a backup"),
    }
}

/// The keys in a file, one a line, comments and blank lines aside.
fn identities(path: &Path) -> Result<Vec<x25519::Identity>, Unread> {
    let shown = path.display();
    let unread = |kind, error: String| {
        let explain = Explain::new("age-identity-missing", format!("the identity {shown} cannot be read"))
            .caused_by(error)
            .help("`age-keygen -o FILE` makes one; it is a file of mode 600 that belongs to the user that runs Mainstay");
        Unread { denied: kind == std::io::ErrorKind::PermissionDenied, explain }
    };
    let mode = std::fs::metadata(path).map_err(|e| unread(e.kind(), e.to_string()))?.mode();
    let text = read_text(path, IDENTITY_BYTES_MAX).map_err(|e| unread(e.kind(), e.to_string()))?;
    if mode & 0o077 != 0 {
        let message = format!("the identity {shown} can be read by others than its owner");
        return Err(Unread::broken(
            Explain::new("age-identity-open", message)
                .caused_by(format!("its mode is {:o}", mode & 0o7777))
                .help(format!(
                    "chmod 600 {shown}; who could read it until now may have the secrets: consider new ones"
                )),
        ));
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<_>, _> = lines.map(str::parse).collect();
    match keys {
        Ok(keys) if !keys.is_empty() => Ok(keys),
        found => {
            let explain =
                Explain::new("age-identity-unreadable", format!("{shown} holds no identity of age"))
                    .caused_by(found.err().unwrap_or("there is no line in it but comments"));
            Err(Unread::broken(explain.help(
                "it holds lines AGE-SECRET-KEY-1…, as `age-keygen` writes them; one that has a passphrase cannot be opened \
                 by a service",
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt as _,
        path::PathBuf,
    };

    use super::*;

    const TEXT: &str = "# ours\nKEY=\"two\\nlines\"\n";

    struct Place {
        folder: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().expect("a folder") }
        }

        fn put(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
            let path = self.folder.path().join(name);
            fs::write(&path, bytes).expect("written");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
            path
        }

        /// As `age-keygen` writes it.
        fn identity(&self, name: &str) -> PathBuf {
            self.put(name, format!("# created: today\n{}", new_identity()).as_bytes(), 0o600)
        }
    }

    fn code(read: Result<BTreeMap<String, Secret>, Unread>) -> String {
        read.expect_err("no values").explain.code
    }

    #[test]
    fn what_is_sealed_to_an_identity_is_opened_by_it_armoured_or_not() {
        let place = Place::new();
        let identity = place.identity("key");
        let sealed = seal(TEXT, &identity).expect("sealed");
        assert!(!String::from_utf8_lossy(&sealed).contains("lines"));
        let file = place.put("secrets.age", &sealed, 0o644);
        assert_eq!(read(&file, &identity).expect("opened")["KEY"].reveal(), "two\nlines");
        let key = &identities(&identity).expect("one")[0];
        let binary = age::encrypt(&key.to_public(), TEXT.as_bytes()).expect("sealed");
        let file = place.put("binary.age", &binary, 0o644);
        assert_eq!(text(&file, &identity).expect("opened"), TEXT);
    }

    #[test]
    fn each_way_not_to_open_a_file_of_age_has_its_code() {
        let place = Place::new();
        let (mine, other) = (place.identity("mine"), place.identity("other"));
        let sealed = seal(TEXT, &mine).expect("sealed");
        let file = place.put("secrets.age", &sealed, 0o644);
        assert_eq!(code(read(&file, &other)), "age-identity-wrong");
        assert_eq!(code(read(&file, &place.folder.path().join("none"))), "age-identity-missing");
        assert_eq!(code(read(&place.folder.path().join("none"), &mine)), "secrets-missing");
        let empty = place.put("empty", b"# nothing\n", 0o600);
        assert_eq!(code(read(&file, &empty)), "age-identity-unreadable");
        assert_eq!(
            code(read(&file, &place.put("text", b"AGE-SECRET-KEY-1QQ\n", 0o600))),
            "age-identity-unreadable"
        );
        assert_eq!(code(read(&place.put("plain", TEXT.as_bytes(), 0o600), &mine)), "secrets-unreadable");
        let cut = place.put("cut", &sealed[..sealed.len() / 2], 0o600);
        assert_eq!(code(read(&cut, &mine)), "secrets-unreadable");
        let nonsense = place.put("nonsense", &seal("export X\n", &mine).expect("sealed"), 0o600);
        assert_eq!(code(read(&nonsense, &mine)), "secrets-unreadable");
    }

    #[test]
    fn an_identity_that_others_may_read_is_refused() {
        let place = Place::new();
        let identity = place.identity("key");
        let file = place.put("secrets.age", &seal(TEXT, &identity).expect("sealed"), 0o644);
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&identity, Permissions::from_mode(mode)).expect("set");
            assert_eq!(code(read(&file, &identity)), "age-identity-open", "{mode:o}");
        }
        fs::set_permissions(&identity, Permissions::from_mode(0o400)).expect("set");
        read(&file, &identity).expect("opened");
    }

    #[test]
    fn no_key_and_no_value_is_in_the_words() {
        let place = Place::new();
        let (mine, other) = (place.identity("mine"), place.identity("other"));
        let file = place.put("secrets.age", &seal("KEY=hunter2\nhunter2\n", &mine).expect("sealed"), 0o600);
        for identity in [&mine, &other] {
            let said = format!("{:?}", read(&file, identity).expect_err("no values"));
            assert!(!said.contains("hunter2") && !said.contains("AGE-SECRET"), "{said}");
        }
    }
}
