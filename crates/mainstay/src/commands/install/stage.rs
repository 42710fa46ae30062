//! The files that a package holds beside the program: what `mainstay install` would write, in a package's own folders.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use model::Explain;

use super::{apply, files, files::Written, units};
use crate::{
    cli::Globals,
    output::{json, line},
};

/// Where a package has its program.
const PROGRAM: &str = "/usr/bin/mainstay";
const SHARE: &str = "/usr/share";
/// Debian's zsh looks for what packages bring in a folder of its own.
const ZSH: (&str, &str) = ("zsh/site-functions", "zsh/vendor-completions");

/// # Errors
/// A file cannot be written.
pub(super) fn stage(folder: &Path, globals: &Globals) -> Result<ExitCode, Explain> {
    let mut told = Vec::new();
    for (path, bytes) in all() {
        let below = below(folder, &path);
        apply::write(&(below.clone(), bytes)).map_err(|error| failed(&below, &error))?;
        told.push(below);
    }
    if globals.json {
        json(&serde_json::json!({ "written": told }));
    } else {
        told.iter().for_each(|path| line(format!("wrote {}", path.display())));
    }
    Ok(ExitCode::SUCCESS)
}

/// By their places on the machine that gets the package.
fn all() -> Vec<Written> {
    let share = Path::new(SHARE);
    let units = units::all(Path::new(units::PACKAGES), Path::new(PROGRAM));
    let units = units.into_iter().map(|(path, text)| (path, text.into_bytes()));
    let completions = files::completions(share).into_iter().map(|(_, (path, text))| {
        let path =
            path.strip_prefix(share.join(ZSH.0)).map(|name| share.join(ZSH.1).join(name)).unwrap_or(path);
        (path, text)
    });
    units.chain(completions).chain(files::pages(share)).collect()
}

fn below(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path.strip_prefix("/").unwrap_or(path))
}

fn failed(path: &Path, error: &io::Error) -> Explain {
    Explain::new("cannot-write", format!("cannot write {}", path.display()))
        .because(error)
        .help("`--stage` names a folder that you may write, which is made if it is not there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_gets_units_of_its_own_program_in_its_own_folders() {
        let all = all();
        let text = |wanted: &str| {
            let found = all.iter().find(|(path, _)| path == Path::new(wanted));
            String::from_utf8_lossy(&found.unwrap_or_else(|| panic!("no {wanted}")).1).into_owned()
        };
        assert!(
            text("/usr/lib/systemd/system/mainstay.service").contains("ExecStart=/usr/bin/mainstay start")
        );
        assert!(
            text("/usr/lib/systemd/system/mainstay-keeper.service")
                .contains("ExecStart=/usr/bin/mainstay keeper")
        );
        assert!(text("/usr/share/zsh/vendor-completions/_mainstay").starts_with("#compdef mainstay"));
        assert!(text("/usr/share/man/man1/mainstay-uninstall.1").contains("uninstall"));
        assert!(all.iter().all(|(path, _)| path.starts_with("/usr")));
    }
}
