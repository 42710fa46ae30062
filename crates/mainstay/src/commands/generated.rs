//! Files that a command writes into a person's folder, for them to read and to keep.

use std::{io, path::Path};

use model::Explain;

/// One is there, and nobody has said that it may be replaced.
pub(super) fn already_there(path: &Path) -> Explain {
    Explain::new("already-there", format!("{} is there already", path.display()))
        .now("nothing was changed")
        .help("`--force` replaces it; `--print` shows what would be written")
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Explain {
    Explain::new("cannot-write", format!("cannot write {}", path.display()))
        .because(error)
        .help("run it as the user to whom the folder belongs; `--print` shows what would be written")
}
