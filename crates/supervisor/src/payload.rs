//! What reaches a shim through descriptor 0 and never through a file: the environment with its secrets, the words that
//! are struck from the log, the names of the inherited descriptors. A sealed memory file, read once.

use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
};

use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payload {
    /// Complete: nothing else is in the app's environment but `LISTEN_PID`.
    pub(crate) env: Vec<(String, String)>,
    /// See [`words`].
    pub(crate) redact: Vec<String>,
    /// Of the descriptors from 3 on, in order.
    pub(crate) fd_names: Vec<String>,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[payload]")
    }
}

impl Payload {
    /// The inherited descriptor of that name; `fds` are all of them, in order.
    pub(crate) fn fd<'a>(&self, name: &str, fds: &'a [OwnedFd]) -> Option<&'a OwnedFd> {
        self.fd_names.iter().zip(fds).find(|(one, _)| *one == name).map(|(_, fd)| fd)
    }

    pub(crate) fn read(from: impl AsFd) -> io::Result<Self> {
        Ok(serde_json::from_slice(&machine::memfd::read_sealed(from)?)?)
    }
}

/// Shorter secrets are not struck: replacing every `1` would make the log unreadable and hide nothing.
pub(crate) const WORD_BYTES_MIN: usize = 4;
/// Longer ones are looked for in pieces.
pub(crate) const WORD_BYTES_MAX: usize = 4096;

/// The words that a secret shows up as in a log: each of its lines (a PEM key is printed line by line), and each as it
/// looks inside JSON.
pub(crate) fn words(secrets: impl Iterator<Item = impl AsRef<str>>) -> Vec<String> {
    let mut all = std::collections::BTreeSet::new();
    for secret in secrets {
        for line in secret.as_ref().lines().map(str::trim) {
            let quoted = serde_json::to_string(line).unwrap_or_default();
            let escaped = quoted.trim_matches('"').to_owned();
            all.extend([line.to_owned(), escaped].into_iter().flat_map(pieces));
        }
    }
    all.retain(|word| word.len() >= WORD_BYTES_MIN);
    all.into_iter().collect()
}

fn pieces(word: String) -> Vec<String> {
    if word.len() <= WORD_BYTES_MAX {
        return vec![word];
    }
    let mut pieces = vec![String::new()];
    for c in word.chars() {
        if pieces.last().is_some_and(|piece| piece.len() + c.len_utf8() > WORD_BYTES_MAX) {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}
