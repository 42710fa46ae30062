//! Does the steps, one after the other. Each can be done again: a run that was cut is ended by the next.

use std::{fs, io, path::Path};

use model::Explain;

use super::plan::Step;
use crate::commands::install::{systemctl, units};

/// `done` hears of each step once it is done.
///
/// # Errors
/// The first step that failed; those before it stand.
pub(super) fn apply(steps: &[Step], mut done: impl FnMut(&Step)) -> Result<(), Explain> {
    for step in steps {
        one(step).map_err(|error| {
            let words = step.words();
            let explain = Explain::new("not-uninstalled", format!("cannot {} {}", words.verb, words.what))
                .because(&error)
                .now("what was said before this is done, and the rest is as it was");
            match step {
                Step::Stop => explain
                    .help("`journalctl -n 50 -u mainstay-keeper -u mainstay` says why; then this again"),
                Step::Account(name) => explain.help(format!(
                    "`pgrep -u {name} -l` shows what still runs as it; end that, then this again"
                )),
                _ => explain.help("mend that, then this again"),
            }
        })?;
        done(step);
    }
    Ok(())
}

fn one(step: &Step) -> io::Result<()> {
    match step {
        Step::Stop => systemctl(&["stop", units::SERVICE, units::KEEPER]),
        Step::Disable => systemctl(&["disable", "--quiet", units::SERVICE]),
        Step::Unit(path) | Step::Completions(path) | Step::Program(path) => file(path),
        Step::Pages(pages) => pages.iter().try_for_each(|path| file(path)),
        Step::DropIns(path) | Step::Folder(path) => folder(path),
        Step::Reload => systemctl(&["daemon-reload"]),
        Step::Account(name) => machine::users::remove_account(name),
        Step::Group(name) => machine::users::remove_group(name),
    }
}

/// One that is gone is no error.
fn file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Follows no link. A disk that is mounted there is emptied, and stays.
fn folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(_) if fs::read_dir(path).is_ok_and(|mut inside| inside.next().is_none()) => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_all_that_is_in_it_and_a_link_leads_nowhere_else() {
        let place = tempfile::tempdir().expect("a folder");
        let (data, other) = (place.path().join("data"), place.path().join("other"));
        fs::create_dir_all(data.join("apps/shop")).expect("made");
        fs::create_dir(&other).expect("made");
        fs::write(other.join("kept"), "").expect("written");
        std::os::unix::fs::symlink(&other, data.join("link")).expect("linked");
        folder(&data).expect("removed");
        folder(&data).expect("gone is no error");
        assert!(!data.exists() && other.join("kept").exists());
        file(&other.join("kept")).expect("removed");
        file(&other.join("kept")).expect("gone is no error");
    }
}
