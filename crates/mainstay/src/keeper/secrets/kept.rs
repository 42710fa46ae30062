//! The values that a release was started with, in a file of age beside it that the key of this data folder opens. Who may
//! read the whole data folder may read them; who has the releases without `secrets.key` may not.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use machine::fs::{make_dirs_durably, write_atomic};
use model::Explain;

use super::Values;
use crate::config::{folders::Folders, secret_age, secret_file::TEXT_BYTES_MAX, secret_lines::replaced};

/// Keeps the values; the key is made where there is none.
/// # Errors
/// The key or the file cannot be written; the values are longer than any source may be.
pub(crate) fn keep(folders: &Folders, values: &Values, file: &Path) -> Result<(), Explain> {
    let key = folders.secrets_key();
    make_key(&key).map_err(|error| unwritten(&key, &error))?;
    let text = values.iter().fold(String::new(), |text, (name, value)| replaced(&text, name, Some(value)));
    if text.len() > TEXT_BYTES_MAX {
        let message = "the values of the release's secrets are longer than 256 KiB and cannot be kept";
        return Err(Explain::new("secrets-too-long", message).help("give what is long as a file in `shared`"));
    }
    let sealed = secret_age::seal(&text, &key).map_err(|unread| unread.explain)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let written = make_dirs_durably(folder).and_then(|()| write_atomic(file, &sealed, 0o600));
    written.map_err(|error| unwritten(file, &error))
}

/// The values of `wanted`.
/// # Errors
/// The file or the key is gone or damaged, or another key is in its place; a value was never kept.
pub(crate) fn values(folders: &Folders, file: &Path, wanted: &BTreeSet<&String>) -> Result<Values, Explain> {
    let mut all = secret_age::read(file, &folders.secrets_key()).map_err(|unread| {
        gone("the values of secrets that the release was started with cannot be read")
            .caused_by(unread.explain.message)
            .caused_by(unread.explain.causes.join(": "))
    })?;
    all.retain(|name, _| wanted.contains(name));
    let missing: Vec<&str> =
        wanted.iter().filter(|name| !all.contains_key(**name)).map(|name| name.as_str()).collect();
    match missing.as_slice() {
        [] => Ok(all),
        missing => Err(gone(&format!("the release was started without a value of {}", missing.join(", ")))),
    }
}

fn gone(message: &str) -> Explain {
    Explain::new("secrets-not-kept", message)
        .help("put the old values in, `mainstay secrets set NAME`, then `mainstay rollback` without `--with-secrets`")
}

fn unwritten(path: &Path, error: &std::io::Error) -> Explain {
    Explain::new("secrets-unwritable", format!("cannot write {}", path.display()))
        .because(error)
        .help("is the disk full, or the folder read-only for the user that runs Mainstay?")
}

fn make_key(path: &PathBuf) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            write_atomic(path, secret_age::new_identity().as_bytes(), 0o600)
        }
        found => found.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::{folders::Surroundings, secret_lines};

    #[test]
    fn what_is_kept_is_read_again_by_this_key_alone() {
        let data = tempfile::tempdir().expect("a folder");
        let folders = Folders::own(data.path(), &Surroundings::of_this_process());
        let file = data.path().join("apps/shop/production/releases/7/secrets/3.age");
        let text = "KEY=\"two\\nlines of \\\"hunter2\\\"\"\nOTHER=plain\n";
        let values_kept = secret_lines::parse(text).expect("readable");
        keep(&folders, &values_kept, &file).expect("kept");
        for path in [&file, &folders.secrets_key()] {
            assert_eq!(std::fs::metadata(path).expect("there").permissions().mode() & 0o777, 0o600);
            assert!(!std::fs::read_to_string(path).expect("text").contains("hunter2"));
        }
        let (key, other, third) = ("KEY".to_owned(), "OTHER".to_owned(), "THIRD".to_owned());
        let one = values(&folders, &file, &[&key].into()).expect("opened");
        assert_eq!(one.keys().collect::<Vec<_>>(), ["KEY"], "nothing but what was asked for");
        assert_eq!(one["KEY"].reveal(), values_kept["KEY"].reveal());
        let more = values(&folders, &file, &[&other, &third].into()).expect_err("never kept");
        assert!(more.code == "secrets-not-kept" && more.message.ends_with("of THIRD"), "{more:?}");

        // The same key for the next; another one opens none.
        let before = std::fs::read(folders.secrets_key()).expect("there");
        keep(&folders, &values_kept, &file.with_file_name("4.age")).expect("kept");
        assert_eq!(std::fs::read(folders.secrets_key()).expect("there"), before);
        std::fs::remove_file(folders.secrets_key()).expect("removed");
        for remake in [false, true] {
            if remake {
                keep(&folders, &values_kept, &file.with_file_name("5.age")).expect("kept");
            }
            let said = values(&folders, &file, &[&key].into()).expect_err("not opened");
            assert_eq!(said.code, "secrets-not-kept");
            assert!(!format!("{said:?}").contains("hunter2"));
        }
    }
}
