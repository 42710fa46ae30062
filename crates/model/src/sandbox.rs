//! What a process may do beyond what every web app needs. Closed is the default; each loosening has a name.

use serde::{Deserialize, Serialize};

/// How the processes of an app are held, beside their account, `no_new_privs` and limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// The file system is read-only but for what is theirs, and signals stay among them.
    pub landlock: bool,
    /// System calls that no web app needs are refused.
    pub seccomp: bool,
    /// Absolute paths that they may write besides, with all below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// In order, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allow>,
}

/// One loosening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allow {
    /// Connecting to abstract unix sockets of others.
    AbstractSockets,
    /// Loading BPF programs.
    Bpf,
    IoUring,
    /// The kernel's keyrings.
    Keyring,
    /// Mounting file systems, within a user namespace.
    Mount,
    /// The kernel's performance counters.
    Perf,
    /// Reading and changing other processes: debuggers, crash reporters.
    Ptrace,
    /// Signalling others than oneself and one's children.
    Signals,
    Userfaultfd,
    /// Namespaces of one's own: the sandbox of a browser.
    UserNamespaces,
}

impl Allow {
    /// All of them, by the word that a manifest has for each.
    pub const WORDS: [(&'static str, Self); 10] = [
        ("abstract-sockets", Self::AbstractSockets),
        ("bpf", Self::Bpf),
        ("io-uring", Self::IoUring),
        ("keyring", Self::Keyring),
        ("mount", Self::Mount),
        ("perf", Self::Perf),
        ("ptrace", Self::Ptrace),
        ("signals", Self::Signals),
        ("userfaultfd", Self::Userfaultfd),
        ("user-namespaces", Self::UserNamespaces),
    ];

    /// Its word in a manifest.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, one)| *one == self);
        found.map_or("", |(word, _)| word)
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { landlock: true, seccomp: true, write: Vec::new(), allow: Vec::new() }
    }
}

impl Sandbox {
    /// That of releases which were deployed before there was one: what serves is not tightened behind anybody's back.
    pub fn open() -> Self {
        Self { landlock: false, seccomp: false, ..Self::default() }
    }

    /// With the loosenings of another as well.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.landlock &= other.landlock;
        both.seccomp &= other.seccomp;
        both.write.extend(other.write.iter().filter(|path| !self.write.contains(path)).cloned());
        both.allow.extend(&other.allow);
        both.allow.sort_unstable();
        both.allow.dedup();
        both
    }

    pub fn allows(&self, what: Allow) -> bool {
        self.allow.contains(&what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_its_own_loosenings_and_the_apps() {
        let app = Sandbox { write: vec!["/a".into()], allow: vec![Allow::Ptrace], ..Sandbox::default() };
        let own = Sandbox {
            landlock: false,
            write: vec!["/a".into(), "/b".into()],
            allow: vec![Allow::Bpf, Allow::Ptrace],
            ..Sandbox::default()
        };
        let both = app.with(&own);
        assert_eq!((both.landlock, both.seccomp), (false, true));
        assert_eq!(
            (both.write, both.allow),
            (vec!["/a".into(), "/b".into()], vec![Allow::Bpf, Allow::Ptrace])
        );
    }

    #[test]
    fn a_loosening_is_stored_by_the_word_that_a_manifest_has_for_it() {
        for (word, allow) in Allow::WORDS {
            assert_eq!(allow.word(), word);
            assert_eq!(serde_json::to_value(allow).expect("written"), word);
        }
    }
}
