//! What the station and the keeper say to each other, on a socket that has these endpoints and no other.
//!
//! | method, path | body → answer |
//! |---|---|
//! | GET `/v1/station/news?keeper=ULID&after=N` | → [`News`], at once or when there are some, within [`WAIT_MAX`] |
//! | POST `/v1/station/report` | [`Report`] → 204 |
//! | POST `/v1/station/tested` | [`TestEnded`] → 204 |
//! | GET `/v1/station/certificates?seen=TEXT` | → [`crate::certificates::Wanted`], at once where it is another, within [`WAIT_MAX`] |
//! | POST `/v1/station/certificates` | [`crate::certificates::Report`] → 204 |

use std::{collections::BTreeMap, time::Duration};

use model::Site;
use serde::{Deserialize, Serialize};

use crate::webhooks::{Dead, State, Tested};

pub const NEWS: &str = "/v1/station/news";
pub const REPORT: &str = "/v1/station/report";
pub const TESTED: &str = "/v1/station/tested";
pub const CERTIFICATES: &str = "/v1/station/certificates";

/// The keeper answers after so long even if nothing has happened.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

/// How far somebody has read, in the words of the keeper that told it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Which keeper's count it is. Empty: nothing was read yet.
    #[serde(default)]
    pub keeper: String,
    /// Everything up to here is kept by who asks, and can be forgotten by who is asked.
    #[serde(default)]
    pub after: u64,
}

/// What the station knows already, in the keeper's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    #[serde(default)]
    pub seen: String,
}

/// What has happened since.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct News {
    /// To be asked with the next time, once `events` are on the disk.
    pub cursor: Cursor,
    /// With these the keeper has told everything that it knows of, to whoever has followed it from its first event on.
    pub complete: bool,
    /// In the order in which they were seen. A keeper that does not know the cursor begins anew, with known ones among them.
    pub events: Vec<Event>,
    pub tests: Vec<TestAsked>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Of this event for ever.
    pub id: String,
    /// `deploy.served`
    #[serde(rename = "type")]
    pub name: String,
    /// RFC 3339, UTC.
    pub at: String,
    pub site: Option<Site>,
    /// It was there before there were webhooks: it is known, and told to nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub past: bool,
    /// What is told of it; nothing of what is told to nobody.
    pub data: serde_json::Value,
}

/// A test that an operator waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TestAsked {
    /// Also the event's id.
    pub id: String,
    /// The webhook's key.
    pub hook: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TestEnded {
    pub id: String,
    pub tested: Tested,
}

/// What the station has to say for itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// By the webhook's key.
    pub hooks: BTreeMap<String, State>,
    /// Not yet told; the answer is the receipt.
    pub dead: Vec<Dead>,
}
