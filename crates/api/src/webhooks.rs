//! Webhooks: what happens on this machine, told to others. For operators; the station's own words are in [`crate::station`].

use model::{Explain, Site};
use serde::{Deserialize, Serialize};

/// How long an operator waits for the end of a test: longer than the station lets a receiver take.
pub const TEST_WITHIN: std::time::Duration = std::time::Duration::from_secs(45);

/// One `[[webhook]]` of machine.toml and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Webhook {
    /// From 1, as they stand in machine.toml.
    pub number: usize,
    /// Without what may be secret in it: its user, its query.
    pub url: String,
    pub events: Vec<String>,
    /// Empty: of all apps.
    pub apps: Vec<String>,
    /// Why nothing is sent to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Explain>,
    /// Why its file no longer gives the secret that it signs with; it is told all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Explain>,
    /// `None`: the station has not said anything yet.
    pub state: Option<State>,
}

/// What the station says of one webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Deliveries that wait, those that are tried again among them.
    pub queued: u64,
    /// Since the queue was made.
    pub delivered: u64,
    /// Given up: refused for a day, refused for good, or pushed out of a full queue.
    pub dead: u64,
    /// RFC 3339, UTC: the last that was taken.
    pub last_delivery: Option<String>,
    /// The last try that failed, with its time, in words; gone with the next that is taken.
    pub last_error: Option<String>,
}

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    /// The event's, as the receiver would have seen it.
    pub id: String,
    /// `deploy.served`
    pub event: String,
    pub site: Option<Site>,
    /// The URL, without what may be secret in it.
    pub url: String,
    /// RFC 3339, UTC: when it was given up.
    pub at: String,
    pub why: String,
}

/// Everything that `mainstay webhook list` shows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Webhooks {
    pub hooks: Vec<Webhook>,
    /// Newest last, at most 100.
    pub dead: Vec<Dead>,
}

/// Asks for a test event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Test {
    /// Its number, or its URL.
    pub hook: String,
}

/// What the receiver made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    pub url: String,
    /// The event's id.
    pub id: String,
    /// Of its answer.
    pub status: Option<u16>,
    /// The beginning of the answer's body.
    pub body: String,
    /// Why there is no answer, in words.
    pub error: Option<String>,
    pub took_ms: u64,
}

impl Tested {
    pub fn is_taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}
