//! How a release takes over from another: `[deploy]` and `[drain]`.

use serde::{Deserialize, Serialize};

use super::StopSignal;
use crate::Span;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deploy {
    #[serde(default)]
    pub strategy: Strategy,
    /// Another operator than the one who began it has to approve it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approval: bool,
    /// Whole time of the gate.
    pub health_timeout: Span,
    /// Ready without a break for this long before the switch.
    pub min_healthy_time: Span,
    /// How long the old release stays warm after the switch.
    pub bake_time: Span,
    /// Alive at once, draining ones included.
    pub max_generations: u32,
    pub auto_rollback: bool,
    /// `None`: all clients get the new release at once.
    #[serde(default)]
    pub canary: Option<Canary>,
    /// When users' own requests say that the new release is worse.
    #[serde(default)]
    pub abort_if: AbortIf,
    pub smoke: Vec<Smoke>,
}

/// How a release takes over from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// It starts beside the old one, and traffic moves when it is ready.
    #[default]
    BlueGreen,
    /// It starts when the old one has drained and is stopped: nobody is served in between.
    Recreate,
}

/// Some clients get the new release first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Clients of a hundred; 1 to 99.
    pub weight: u8,
    pub duration: Span,
}

/// When the figures of a new release are so much worse than the old one's that it is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AbortIf {
    /// By how much its share of failed requests may be higher; 0 to 1.
    pub error_rate: f64,
    /// How sure that must be; below 1.
    pub confidence: f64,
    /// Fewer errors say nothing.
    pub min_errors: u32,
    /// From fewer clients, nor.
    pub min_clients: u32,
    /// How many times as long an answer may take to begin.
    pub slowdown: f64,
}

/// A request through the real path of the edge that must be answered as said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smoke {
    pub get: String,
    /// Default: the first host of the site's routes.
    pub host: Option<String>,
    pub status: u16,
    pub contains: Option<String>,
    /// For event streams: the first event must arrive within.
    pub first_event_within: Option<Span>,
}

/// How long what is open may go on after the switch, by its class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    pub hint: DrainHint,
    pub http_timeout: Span,
    /// `text/event-stream` and chunked answers.
    pub stream_timeout: Span,
    pub websocket_timeout: Span,
    pub websocket_close_code: u16,
    /// WebSockets are closed spread over this time, so that clients do not come back at once.
    pub close_jitter: Span,
}

/// How an app that wants to know is told that it drains; sent when the bake has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainHint {
    None,
    Signal(StopSignal),
    /// A POST to this path of each instance.
    Http(String),
}

impl Default for Deploy {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            approval: false,
            health_timeout: Span::secs(120),
            min_healthy_time: Span::secs(10),
            bake_time: Span::secs(120),
            max_generations: 3,
            auto_rollback: true,
            canary: None,
            abort_if: AbortIf::default(),
            smoke: Vec::new(),
        }
    }
}

impl Default for AbortIf {
    fn default() -> Self {
        Self { error_rate: 0.01, confidence: 0.999, min_errors: 5, min_clients: 3, slowdown: 2.0 }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            hint: DrainHint::None,
            http_timeout: Span::secs(30),
            stream_timeout: Span::secs(15 * 60),
            websocket_timeout: Span::secs(5 * 60),
            websocket_close_code: 1012,
            close_jitter: Span::secs(30),
        }
    }
}
