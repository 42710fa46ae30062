//! One snapshot in the shapes that other people's monitoring reads: `plain`, and those of the guides S0 to S4.
//!
//! The shape is theirs, key by key and type by type; what it means is ours: a vendor that fails or a disk that fills
//! never turns an instance away (W-H5), so such an answer is 200 where a guide says 503. What only the operator should
//! see is left out for others (W-H10): they get `status` and `timestamp`.
//!
//! | dialect | paths | source |
//! |---|---|---|
//! | `plain` | `/api/health` | this crate |
//! | `S0` | `/api/health`, `?metrics=true` | HEALTH-01 to -03 |
//! | `S1` | `/api/health`, `?detailed=true` | HEALTH-04; the guide leaves the inner shape open |
//! | `S2` | `/health/overall`, `/health/database`, `/health/database/performance` | HEALTH-06; shape left open |
//! | `S3` | `/health`, and its words on `/health/ready` and `/health/live` | HEALTH-07 to -09 |
//! | `S4` | `/api/health` | HEALTH-11 |

use std::sync::Arc;

use serde_json::Value;

use super::Health;

mod shapes;

#[cfg(test)]
mod tests;

/// Whose shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Dialect {
    /// This crate's own.
    #[default]
    Plain,
    /// The hub's (Next.js).
    S0,
    /// The voice assistant's (Next.js).
    S1,
    /// The Python service's.
    S2,
    /// The agents' (Express).
    S3,
    /// The personal assistant's (Next.js).
    S4,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// All of it.
    Overall,
    /// Whether requests may come.
    Ready,
    /// Whether the process answers.
    Live,
    /// The database alone.
    Database,
    /// How fast the database answers.
    DatabasePerformance,
}

/// What an asker may see and wants to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Asked {
    /// Is the operator: checks, errors and figures may be shown.
    pub may_see_all: bool,
    /// Said `?metrics=true` (S0) or `?detailed=true` (S1).
    pub wants_more: bool,
}

impl Asked {
    /// From the part of an address behind the `?`.
    pub fn new(query: &str, may_see_all: bool) -> Self {
        let wants_more = query.split('&').any(|pair| matches!(pair, "metrics=true" | "detailed=true"));
        Self { may_see_all, wants_more }
    }
}

/// A status code and a JSON body.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// 200, or 503 where the instance is not ready.
    pub status: u16,
    /// An object.
    pub body: Value,
}

/// What a report says of the app beside its checks.
#[derive(Clone, Default)]
pub struct About {
    /// As it was built.
    pub version: &'static str,
    /// `production`, `staging`, `development`.
    pub environment: String,
    /// Names that a guide's monitoring asks for, and the check that stands for each. A name whose check is missing is
    /// not healthy (W-H6).
    pub services: &'static [(&'static str, &'static str)],
    /// Names of outside services in S3's `externalServices`, and the check that stands for each.
    pub vendors: &'static [(&'static str, &'static str)],
    /// Figures of the requests, where the app has any.
    pub figures: Option<Arc<dyn Fn() -> Figures + Send + Sync>>,
}

/// What the app's metrics say now.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Figures {
    /// Prometheus text.
    pub text: String,
    /// Requests since the start.
    pub answered: u64,
    /// Of these, with a status of 500 and above.
    pub failed: u64,
    /// Of these, with 401, 403 or 429.
    pub refused: u64,
    /// Time of all of them together, in seconds.
    pub seconds: f64,
}

/// Answers questions about one process; clones are the same.
#[derive(Clone)]
pub struct Reporter {
    health: Health,
    dialect: Dialect,
    about: Arc<About>,
}

impl Dialect {
    /// What a setting may say.
    pub const NAMES: &'static [&'static str] = &["plain", "S0", "S1", "S2", "S3", "S4"];

    /// One of [`Dialect::NAMES`].
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "plain" => Self::Plain,
            "S0" => Self::S0,
            "S1" => Self::S1,
            "S2" => Self::S2,
            "S3" => Self::S3,
            "S4" => Self::S4,
            _ => return None,
        })
    }

    /// Which path asks what, beside `/health/live` and `/health/ready`, which every dialect has.
    pub fn paths(self) -> &'static [(&'static str, Question)] {
        match self {
            Self::Plain | Self::S0 | Self::S1 | Self::S4 => &[("/api/health", Question::Overall)],
            Self::S2 => &[
                ("/health/overall", Question::Overall),
                ("/health/database", Question::Database),
                ("/health/database/performance", Question::DatabasePerformance),
            ],
            Self::S3 => &[("/health", Question::Overall)],
        }
    }
}

impl Reporter {
    /// A reporter on the checks of `health`.
    pub fn new(health: Health, dialect: Dialect, about: About) -> Self {
        Self { health, dialect, about: Arc::new(about) }
    }

    /// Whose shapes it speaks.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Never runs a check, so it is fast however the app does.
    pub fn answer(&self, question: Question, asked: Asked) -> Answer {
        match question {
            Question::Live => Answer { status: 200, body: self.live() },
            Question::Ready => self.ready(),
            Question::Overall => self.overall(asked),
            Question::Database => self.database(asked),
            Question::DatabasePerformance => self.database_performance(asked),
        }
    }
}
