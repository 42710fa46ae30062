//! Why a model server gave no answer, in words for a person; never with a prompt or a key in it.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no connection: {0}")]
    Connect(String),
    #[error("it answered with status {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    #[error("{0} within {1} s")]
    Slow(&'static str, u64),
    #[error("the stream was cut")]
    Cut,
    #[error("it sent what no model sends: {0}")]
    Garbled(&'static str),
    /// The server's own words; for whoever asked, not for the log.
    #[error("it said: {0}")]
    Said(String),
    #[error("it called a tool and named none")]
    NoCall,
    #[error("its answer is longer than 256 KiB")]
    TooLong,
    /// It kept somebody waiting a moment ago.
    #[error("it was silent a moment ago, and is asked again in {0} s")]
    Resting(u64),
}

impl Failure {
    /// Whether asking again may help: the server is gone or busy, neither silent nor of another opinion.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Cut => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Slow(..)
            | Self::Garbled(_)
            | Self::Said(_)
            | Self::NoCall
            | Self::TooLong
            | Self::Resting(_) => false,
        }
    }

    /// How long the server asks to be left alone (RFC 9110 10.2.3).
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// One word for logs and metrics, which hold nothing of what was said.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "no_connection",
            Self::Status { status: 429, .. } => "busy",
            Self::Status { status: 500..=599, .. } => "server_error",
            Self::Status { .. } => "refused",
            Self::Slow(..) | Self::Resting(_) => "slow",
            Self::TooLong => "too_long",
            Self::Cut => "cut",
            Self::Garbled(_) | Self::NoCall => "garbled",
            Self::Said(_) => "error",
        }
    }
}
