//! What keeper and shim say to each other on `ctl`: one line of JSON a message, version 1, frozen. New verbs may come,
//! and an old shim answers them with an error; the meaning of these never changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Exit;

pub(crate) const VERSION: u32 = 1;
/// Bound: a longer request closes the connection.
pub(crate) const LINE_BYTES_MAX: usize = 4096;
/// Bound of an answer: the tail, escaped.
pub(crate) const ANSWER_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Who are you; the answer carries a pidfd of the app while it is not collected.
    Hello,
    Signal {
        signal: i32,
    },
    /// To the process group that the app leads, as a key of a terminal does.
    SignalGroup {
        signal: i32,
    },
    /// Begin to stop; the shim holds the timer. A second one may shorten the grace, never lengthen it.
    Stop {
        signal: i32,
        grace_ms: u64,
    },
    /// Answered when the app has ended.
    Wait,
    /// Answered when the app said `READY=1`, or has ended.
    Ready,
    Tail {
        lines: usize,
    },
    /// End, if the app has ended.
    Forget,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Hello(Hello),
    Done,
    Exit(Exit),
    Ready(bool),
    Lines(Vec<String>),
    Error(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    /// Of Mainstay, for people.
    pub(crate) version: String,
    pub(crate) shim_pid: i32,
    pub(crate) pid: i32,
    pub(crate) started_unix_ms: u64,
    /// Of the bytes of `spec.json`: see [`digest`].
    pub(crate) digest: String,
    pub(crate) ready: bool,
    pub(crate) exit: Option<Exit>,
    /// How often each system call was refused, by its name. Shims that know of none say nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) refused: BTreeMap<String, u64>,
}

/// What the shim writes to its descriptor 1, once: whether the app runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    Started(Hello),
    /// The app could not be executed; `exit.json` says so too.
    NotStarted(String),
    /// The shim itself could not begin.
    Failed(String),
}

/// SHA-256 in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &str = include_str!("../tests/recorded/v1/wire.txt");
    const SPEC: &str = include_str!("../tests/recorded/v1/spec.json");
    const EXIT: &str = include_str!("../tests/recorded/v1/exit.json");

    /// Read and written again, so that neither a lost nor a new field passes.
    fn again<T: Serialize + serde::de::DeserializeOwned>(text: &str) -> String {
        let read: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        serde_json::to_string(&read).expect("written")
    }

    #[test]
    fn the_words_of_version_1_are_what_shims_of_it_speak() {
        for line in WIRE.lines() {
            match line.split_once(' ') {
                Some((">", text)) => assert_eq!(again::<Request>(text), text),
                Some(("<", text)) => assert_eq!(again::<Answer>(text), text),
                _ => panic!("neither asked nor answered: {line}"),
            }
        }
        let asked = WIRE.lines().filter(|line| line.starts_with('>')).count();
        assert_eq!(asked, 7, "every verb is recorded");
    }

    #[test]
    fn a_spec_of_version_2_says_which_build_wrote_it() {
        let text = include_str!("../tests/recorded/v2/spec.json").trim();
        assert_eq!(again::<crate::Spec>(text), text);
        let spec: crate::Spec = serde_json::from_str(text).expect("it reads");
        assert_eq!((spec.format, spec.build.map(|build| build.len())), (2, Some(64)));
    }

    #[test]
    fn the_files_of_version_1_are_what_its_shims_wrote() {
        assert_eq!(again::<crate::Spec>(SPEC.trim()), SPEC.trim());
        assert_eq!(again::<Exit>(EXIT.trim()), EXIT.trim());
    }
}
