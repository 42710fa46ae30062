//! The list of accounts that were erased, by their pseudonyms: a file of its own, since a restored database brings its own
//! tables back. A line of JSON for each; only ever appended to.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use kit::clock;
use serde_json::{Value, json};

use crate::{
    attachments::store::StoreError,
    error::{Error, Result},
};

pub(crate) const FILE: &str = "erased.jsonl";
const VERSION: u64 = 1;

/// Pseudonyms of all accounts that were erased; none when there is no list.
///
/// # Errors
/// The list cannot be read, or a line of it is not understood: then nobody knows what is to be erased again.
pub(crate) fn read(list: &Path) -> Result<HashSet<String>> {
    let text = match fs::read_to_string(list) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(StoreError::from(error).into()),
    };
    let mut erased = HashSet::new();
    let lines: Vec<&str> = text.lines().collect();
    for (n, line) in lines.iter().enumerate() {
        let read: Option<Value> = serde_json::from_str(line).ok();
        let account = read.filter(|read| read["version"] == VERSION);
        match account.as_ref().and_then(|read| read["account"].as_str()) {
            Some(account) => {
                erased.insert(account.to_owned());
            }
            // Crash: a line that was being written; its account is still there and comes again.
            None if n + 1 == lines.len() && !text.ends_with('\n') => {}
            None => {
                let what = format!("line {} of {} is not understood; was it edited?", n + 1, list.display());
                return Err(Error::Invalid(what));
            }
        }
    }
    Ok(erased)
}

/// Puts an account into the list, once. It is on the disk when this returns.
///
/// # Errors
/// The disk's, or the list cannot be read.
pub(crate) fn add(list: &Path, account: &str) -> Result<()> {
    if read(list)?.contains(account) {
        return Ok(());
    }
    let line = json!({"version": VERSION, "account": account, "at": clock::rfc3339(clock::now_ms())});
    Ok(append(list, &line.to_string()).map_err(StoreError::from)?)
}

fn append(list: &Path, line: &str) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).read(true).mode(0o600).open(list)?;
    // What a crash left of a line does not spoil the next one.
    let is_whole = fs::read(list)?.last().is_none_or(|last| *last == b'\n');
    if !is_whole {
        let whole = fs::read_to_string(list)?.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
    }
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()?;
    match list.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written_also_after_a_crash_in_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let list = folder.path().join(FILE);
        assert!(read(&list).expect("none yet").is_empty());
        add(&list, "one").expect("adds");
        let mode = fs::metadata(&list).expect("is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "others read who was erased: {mode:o}");
        for account in ["one", "two", "one"] {
            add(&list, account).expect("adds");
        }
        let mut file = File::options().append(true).open(&list).expect("opens");
        file.write_all(b"{\"version\":1,\"acc").expect("half a line");
        assert_eq!(read(&list).expect("reads").len(), 2);
        add(&list, "three").expect("adds");
        let wanted: HashSet<String> = ["one", "two", "three"].map(str::to_owned).into();
        assert_eq!(read(&list).expect("reads"), wanted);
        fs::write(&list, "{\"version\":9}\n{\"version\":1,\"account\":\"x\"}\n").expect("writes");
        assert!(read(&list).is_err(), "a line of another version is not passed over");
    }
}
