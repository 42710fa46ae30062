//! A request that comes again: the key by which a keeper knows it, and what comes of others that are sent twice.
//!
//! A client that got no answer cannot know whether its request was carried out. So a POST that begins a run (`deploys`,
//! `rollback`, `restart`, `scale`, `migrate/…`) may have the header `Idempotency-Key`, as
//! draft-ietf-httpapi-idempotency-key-header has it: 1 to 64 letters, digits, `-`, `_` and `.`, with or without quotes. The first
//! record of the run's journal has the key. The same request under the same key is answered with that run and begins nothing,
//! also when the run has ended, when another keeper lives by then, and when nothing may begin now; the run is looked for in the
//! newest 64 journals of the site. Under a key that was another verb's a request is refused (422). `mainstay` gives each start
//! a key of its own; where the keeper goes away over it, it is sent again until a keeper answers, for a minute at most.
//!
//! Other requests have no key, and `mainstay` sends them once: whoever asks again knows whether that is meant.
//!
//! | sent twice | what comes of it |
//! |---|---|
//! | any GET, `plan`, a chunk of an artifact | the same as of one |
//! | `resume` | the same, but that a pause which came in between is over too |
//! | `down` | one end, within the shorter of both times |
//! | `cancel` | what is under way by then ends, which may be another run |
//! | `destroy` | 404, or what was deployed in between is gone too |
//! | `secrets/{name}` | the value from before both is no longer kept, so that an undo has nothing to return to |
//! | `machine/upgrades` | it has an id of its own, by which `GET /v1/machine/upgrades` tells what became of the first |
//! | `run`, `exec`, `webhooks/test` | it is done twice |

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The header's name, in lower case.
pub const HEADER: &str = "idempotency-key";
/// Bound: characters of a key; a UUID has 36, a ULID 26.
pub const KEY_LENGTH_MAX: usize = 64;

/// 1 to 64 letters, digits, `-`, `_` and `.`; no two requests that mean another thing have the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestKey(String);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has 1 to {KEY_LENGTH_MAX} letters, digits, `-`, `_` and `.`")]
pub struct NoKey;

impl RequestKey {
    /// One that nobody has used.
    pub fn fresh() -> Self {
        Self(ulid::Ulid::generate().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RequestKey {
    type Err = NoKey;

    /// With or without the quotes that the draft has around it.
    fn from_str(text: &str) -> Result<Self, NoKey> {
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_key = (1..=KEY_LENGTH_MAX).contains(&bare.len()) && bare.chars().all(is_known);
        is_key.then(|| Self(bare.to_owned())).ok_or(NoKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_with_and_without_quotes_and_nothing_else_is_one() {
        let key: RequestKey = "8e03978e-40d5-43dd-bc93-6894a57f9324".parse().unwrap();
        assert_eq!("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"".parse(), Ok(key));
        let longest = "k".repeat(KEY_LENGTH_MAX);
        assert_eq!(longest.parse::<RequestKey>().unwrap().as_str(), longest);
        for text in ["", "\"\"", "\"half", "two words", "a/b", "ü", &"k".repeat(KEY_LENGTH_MAX + 1)] {
            assert_eq!(text.parse::<RequestKey>(), Err(NoKey), "{text}");
        }
        assert_ne!(RequestKey::fresh(), RequestKey::fresh());
    }
}
