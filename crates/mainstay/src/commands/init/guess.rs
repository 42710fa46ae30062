//! What is believed of an app, before it is written as a manifest.

use std::ops::RangeInclusive;

use model::{ByteSize, Span};
use serde::Serialize;

use super::account::Account;
use crate::commands::packages::Build;

/// What is believed of the app.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Guess {
    pub name: String,
    /// Folder of the release, relative to the manifest.
    pub dir: String,
    /// What makes of the folder what runs.
    pub build: Option<Build>,
    pub services: Vec<GuessedService>,
    /// Empty: one for each service that takes requests.
    pub routes: Vec<GuessedRoute>,
    /// How many instances stand behind whom a route leads to.
    pub instances: Vec<(Target, u32)>,
    /// A command that looks like a migration, for a comment.
    pub migrate: Option<Vec<String>>,
    pub shared_paths: Vec<String>,
    pub asset_paths: Vec<String>,
    pub keep_releases: Option<u32>,
    /// Of every service.
    pub env_secrets: Vec<String>,
    pub ready_path: Option<String>,
    /// Of the whole gate.
    pub health_timeout: Option<Span>,
    /// Of plain requests.
    pub drain_timeout: Option<Span>,
    /// Sentences: what, and why.
    pub because: Vec<String>,
    /// What became of the lines of other tools' files.
    pub account: Account,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct GuessedService {
    pub name: String,
    pub command: Vec<String>,
    /// Mainstay serves these files; there is no command.
    pub files: Option<GuessedFiles>,
    /// Takes requests.
    pub web: bool,
    pub instances: u32,
    /// It must never run twice.
    pub single: bool,
    pub env: Vec<(String, String)>,
    /// Of this service alone.
    pub env_secrets: Vec<String>,
    pub probe: GuessedProbe,
    pub stop_signal: Option<String>,
    pub stop_timeout: Option<Span>,
    pub nofile: Option<u64>,
    pub memory_max: Option<ByteSize>,
    /// It is replaced when it holds so much.
    pub recycle_memory: Option<ByteSize>,
    /// It runs at these times and ends by itself; in UTC unless the app says more.
    pub schedule: Option<String>,
    /// Ports by which it was known before.
    pub ports: Vec<u16>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct GuessedFiles {
    pub root: String,
    pub fallback: Option<String>,
}

/// Of how an app is asked whether it is well; what is not said has a default.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct GuessedProbe {
    pub path: Option<String>,
    pub period: Option<Span>,
    pub timeout: Option<Span>,
    pub failures: Option<u32>,
    pub deadline: Option<Span>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct GuessedRoute {
    /// Where it was said.
    pub file: String,
    pub lines: Option<RangeInclusive<usize>>,
    pub hosts: Vec<String>,
    pub path_prefix: String,
    pub target: Target,
    pub tls_required: bool,
    pub affinity: Option<&'static str>,
    pub response_header_timeout: Option<Span>,
    pub idle_timeout: Option<Span>,
    pub max_request_body: Option<ByteSize>,
    /// Headers of answers.
    pub headers: Vec<(String, String)>,
    /// Headers that the app is told.
    pub request_headers: Vec<(String, String)>,
    pub compress: bool,
    pub redirects: Vec<GuessedRedirect>,
    pub rewrites: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct GuessedRedirect {
    pub host: Option<String>,
    pub from: String,
    pub to: String,
    pub status: u16,
}

/// Whom a route leads to, as far as its file knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) enum Target {
    /// The one that takes requests.
    #[default]
    Any,
    /// A name, of a service or of a host that is one; and the port there.
    Named(String, Option<u16>),
    /// This machine, on one of these ports or under such a name.
    Ports(Vec<u16>),
}

impl GuessedService {
    /// One instance of a program.
    pub(super) fn of(name: impl Into<String>, command: Vec<String>) -> Self {
        Self { name: name.into(), command, instances: 1, ..Self::default() }
    }
}
