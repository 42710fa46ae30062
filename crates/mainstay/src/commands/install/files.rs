//! What an installation writes besides units: completions, manual pages, a first machine.toml.

use std::path::{Path, PathBuf};

use clap_complete::Shell;

use crate::commands::{completions, man};

/// What comes with the administrator's own programs; a package's files lie in `/usr/share`.
pub(in crate::commands) const LOCAL_SHARE: &str = "/usr/local/share";
/// A first machine.toml: every line is a comment.
pub(super) const MACHINE_TOML: &str = include_str!("machine.toml");

/// Where each shell looks by itself, below a `share`. zsh has another folder for packages on Debian.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/mainstay"),
    (Shell::Zsh, "zsh/site-functions/_mainstay"),
    (Shell::Fish, "fish/vendor_completions.d/mainstay.fish"),
];

/// A file with what it says.
pub(in crate::commands) type Written = (PathBuf, Vec<u8>);

/// The completions of each shell, by its name.
pub(in crate::commands) fn completions(share: &Path) -> Vec<(String, Written)> {
    let written =
        |(shell, place): (Shell, &str)| (shell.to_string(), (share.join(place), completions::text(shell)));
    COMPLETIONS.into_iter().map(written).collect()
}

/// The folder of the manual pages.
pub(in crate::commands) fn man(share: &Path) -> PathBuf {
    share.join("man/man1")
}

/// The manual page of each command.
pub(in crate::commands) fn pages(share: &Path) -> Vec<Written> {
    let folder = man(share);
    man::pages().into_iter().map(|(name, text)| (folder.join(name), text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{folders::Folders, machine};

    #[test]
    fn the_first_machine_toml_changes_nothing_and_each_example_in_it_is_understood() {
        let folders = Folders::service();
        let parse = |text: &str| machine::parse(text, "machine.toml", &folders);
        assert_eq!(parse(MACHINE_TOML).expect("understood"), machine::Machine::default_in(&folders));
        // `#key = …` is an example, `# Prose` is not.
        let is_example = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
        let examples: Vec<_> = MACHINE_TOML.lines().filter(is_example).collect();
        let text: String = MACHINE_TOML
            .lines()
            .map(|line| if is_example(&line) { &line[1..] } else { line })
            .map(|line| format!("{line}\n"))
            .collect();
        let read = parse(&text).unwrap_or_else(|errors| panic!("{:?}", errors.problems));
        assert_ne!(read, machine::Machine::default_in(&folders));
        assert!(examples.len() > 20, "{examples:?}");
    }

    #[test]
    fn every_command_has_a_page_and_every_shell_its_words() {
        let share = Path::new("/usr/local/share");
        let pages = pages(share);
        assert!(
            pages
                .iter()
                .any(|(path, _)| path == Path::new("/usr/local/share/man/man1/mainstay-user-add-key.1"))
        );
        let completions = completions(share);
        assert!(completions.iter().all(|(_, (_, text))| String::from_utf8_lossy(text).contains("rollback")));
        assert!(completions.iter().any(|(shell, (path, _))| {
            shell == "zsh" && path == Path::new("/usr/local/share/zsh/site-functions/_mainstay")
        }));
    }
}
