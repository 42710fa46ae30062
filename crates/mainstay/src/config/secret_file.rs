//! A file of secrets, read in one way by everybody: the keeper for its apps, `check` for who writes it.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _, path::Path};

use machine::fs::read_text;
use model::{Explain, Secret};

use super::secret_lines;

/// Bound: of a source's text, whichever source it is.
pub const TEXT_BYTES_MAX: usize = 256 << 10;

/// Why there are no values.
#[derive(Debug)]
pub struct Unread {
    /// This user may not read it, which says nothing about another.
    pub denied: bool,
    pub explain: Explain,
}

/// The values in the file; no value is ever in the words of an error.
///
/// # Errors
/// It is not there, is no file, may be read by others than its owner, is too long, or has a line that is none.
pub fn read(path: &Path) -> Result<BTreeMap<String, Secret>, Unread> {
    parse(&text(path)?, path)
}

/// What stands in it.
///
/// # Errors
/// As [`read`], but for its lines.
pub fn text(path: &Path) -> Result<String, Unread> {
    let shown = path.display();
    let mode = std::fs::metadata(path).map_err(|error| unread(path, error.kind(), &error))?.mode();
    let text = read_text(path, TEXT_BYTES_MAX).map_err(|error| unread(path, error.kind(), &error))?;
    if mode & 0o077 != 0 {
        let message = format!("{shown} can be read by others than its owner");
        return Err(Unread::broken(
            Explain::new("secrets-open", message)
                .caused_by(format!("its mode is {:o}", mode & 0o7777))
                .help(format!("chmod 600 {shown}")),
        ));
    }
    Ok(text)
}

/// The lines of a source, whatever it was kept in.
///
/// # Errors
/// Names the first line that is none.
pub fn parse(text: &str, path: &Path) -> Result<BTreeMap<String, Secret>, Unread> {
    secret_lines::parse(text).map_err(|line| {
        let message = format!("line {line} of {} is not of the form NAME=value", path.display());
        Unread::broken(Explain::new("secrets-unreadable", message).help(
            "a name is letters, digits and `_` (no `export`); a quote that begins a value must end it; a comment \
             begins its line with `#`",
        ))
    })
}

impl Unread {
    pub(crate) fn broken(explain: Explain) -> Self {
        Self { denied: false, explain }
    }
}

fn unread(path: &Path, kind: std::io::ErrorKind, error: &dyn std::fmt::Display) -> Unread {
    let shown = path.display();
    let explain = match kind {
        std::io::ErrorKind::NotFound => Explain::new("secrets-missing", format!("there is no {shown}"))
            .help(
                "`mainstay secrets set NAME` makes it; or make it with mode 600 and lines NAME=value, or name another source \
                 in machine.toml",
            ),
        std::io::ErrorKind::InvalidData => {
            Explain::new("secrets-unreadable", format!("{shown} cannot be read"))
                .caused_by(error.to_string())
                .help("it holds lines NAME=value as UTF-8 text; put bytes in as base64")
        }
        _ => Explain::new("secrets-unreadable", format!("{shown} cannot be read"))
            .caused_by(error.to_string())
            .help("it is a file of mode 600 that belongs to the user that runs Mainstay"),
    };
    Unread { denied: kind == std::io::ErrorKind::PermissionDenied, explain }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::read;

    #[test]
    fn each_way_to_have_no_secrets_has_its_code() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secrets.env");
        let code = || read(&path).expect_err("not readable").explain.code;
        let put = |text: &str, mode: u32| {
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        };
        assert_eq!(code(), "secrets-missing");
        put("A=1\n", 0o640);
        assert_eq!(code(), "secrets-open");
        put("export A\n", 0o600);
        assert_eq!(code(), "secrets-unreadable");
        put(&"# long\n".repeat(40_000), 0o600);
        assert_eq!(code(), "secrets-unreadable");
        put("A=1\n", 0o600);
        assert_eq!(read(&path).expect("readable").len(), 1);
        std::fs::remove_file(&path).expect("removed");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        assert_eq!(code(), "secrets-unreadable");
    }
}
