//! machine.toml, and what it said when it was last good: a keeper that comes back beside apps that serve must not stay away
//! because somebody is in the middle of editing a file.
//!
//! The text is kept in the run folder, so it lives no longer than what was started by it.

use std::{io::ErrorKind, path::PathBuf, time::Duration};

use model::Explain;

use super::{args::KeeperArgs, place};
use crate::config::{
    folders::Folders,
    machine::{self as machine_file, Machine},
};

/// How often a file with mistakes is looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What this keeper goes by.
pub(crate) struct Settings {
    pub machine: Machine,
    /// The text that it was read from; empty where there is no file.
    text: String,
    /// Why what stands in the file now is not what holds.
    pub unread: Option<Explain>,
}

impl Settings {
    /// Over what the file says goes what `mainstay up` was told.
    /// # Errors
    /// The file cannot be used, and this is no keeper that comes back, or the one before left nothing.
    pub(crate) fn read(folders: &Folders, args: &KeeperArgs, comes_back: bool) -> Result<Self, Explain> {
        let mut settings = match machine_file::load_with_text(folders) {
            Ok((machine, text)) => Self { machine, text: text.unwrap_or_default(), unread: None },
            Err(why) => {
                let kept = comes_back.then(|| kept(folders)).flatten();
                let Some((machine, text)) = kept else { return Err(why) };
                Self { machine, text, unread: Some(why) }
            }
        };
        args.overrule(&mut settings.machine);
        if let Some(why) = &settings.unread {
            tracing::error!(error = %why, "machine.toml cannot be used. What it said before still holds, until it is mended.");
        }
        Ok(settings)
    }

    /// For the next keeper. Where it cannot be written, that one needs a file without mistakes.
    pub(crate) fn keep(&self, folders: &Folders) {
        let file = file(folders);
        if let Err(error) = machine::fs::write_atomic(&file, self.text.as_bytes(), 0o600) {
            tracing::warn!(%error, file = %file.display(), "What machine.toml says now could not be kept for the next keeper.");
        }
    }
}

fn file(folders: &Folders) -> PathBuf {
    folders.run.join("machine.last.toml")
}

fn kept(folders: &Folders) -> Option<(Machine, String)> {
    // Only the owner may have written it: the keeper before this one.
    place::owned(&folders.run).ok()?;
    let text = machine::fs::read_text(&file(folders), machine_file::TEXT_BYTES_MAX)
        .inspect_err(|error| {
            if error.kind() != ErrorKind::NotFound {
                tracing::warn!(%error, "What machine.toml said before cannot be read.");
            }
        })
        .ok()?;
    let name = folders.machine_toml.display().to_string();
    Some((machine_file::parse(&text, &name, folders).ok()?, text))
}

/// What is wrong with the file as it stands now: it may have become so under this keeper, or have other mistakes than when
/// it was read. `then`: what was wrong with it when this keeper read it.
pub(crate) async fn unread_now(folders: &Folders, then: Option<Explain>) -> Option<Explain> {
    let folders = folders.clone();
    let read = tokio::task::spawn_blocking(move || machine_file::load(&folders)).await;
    // One that was mended is about to be taken up.
    read.ok().and_then(Result::err).or(then)
}

/// Until the file can be used again. Never, where it is used. Cancel-safe.
pub(crate) async fn mended(folders: &Folders, unread: bool) {
    if !unread {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let folders = folders.clone();
        let read = tokio::task::spawn_blocking(move || machine_file::load(&folders).is_ok()).await;
        if read.is_ok_and(|is_good| is_good) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::folders::Kind;

    fn folders(at: &std::path::Path) -> Folders {
        let (data, run) = (at.join("data"), at.join("run"));
        let folders = Folders { kind: Kind::Own, machine_toml: data.join("machine.toml"), data, run };
        place::make_data(&folders).expect("made");
        machine::fs::make_dir(&folders.run, 0o700).expect("made");
        folders
    }

    #[tokio::test]
    async fn a_file_that_breaks_under_a_keeper_is_told_at_once() {
        let at = tempfile::tempdir().expect("a folder");
        let folders = folders(at.path());
        fs::write(&folders.machine_toml, "shutdown_timeout = \"7s\"\n").expect("written");
        assert_eq!(unread_now(&folders, None).await, None);
        fs::write(&folders.machine_toml, "x = 1\n").expect("written");
        let code = |told: Option<Explain>| told.map(|why| why.code);
        assert_eq!(code(unread_now(&folders, None).await).as_deref(), Some("unknown-key"));
        fs::write(&folders.machine_toml, "shutdown_timeout = \"7s\"\n").expect("written");
        let then = Explain::new("then", "as it was read");
        assert_eq!(code(unread_now(&folders, Some(then)).await).as_deref(), Some("then"));
    }

    #[test]
    fn only_a_keeper_that_comes_back_goes_by_what_held_before() {
        let at = tempfile::tempdir().expect("a folder");
        let folders = folders(at.path());
        let read = |comes_back| Settings::read(&folders, &KeeperArgs::default(), comes_back);
        fs::write(&folders.machine_toml, "shutdown_timeout = \"7s\"\n").expect("written");
        read(false).expect("it is good").keep(&folders);
        fs::write(&folders.machine_toml, "x = 1\n").expect("written");
        assert_eq!(read(false).err().map(|why| why.code), Some("unknown-key".to_owned()));
        let again = read(true).expect("what held before");
        assert_eq!(again.machine.shutdown_timeout, model::Span::secs(7));
        assert_eq!(again.unread.map(|why| why.code), Some("unknown-key".to_owned()));
        fs::remove_file(file(&folders)).expect("there");
        assert!(read(true).is_err(), "defaults are a guess that would move listeners and accounts");
    }
}
