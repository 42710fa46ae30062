//! The wire types of the admin API, version 1, and its client: the only JSON that Mainstay promises to anybody.
//!
//! Owns what crosses `<run>/api.sock` and nothing else. Never holds policy and never reads a file. The API is HTTP/1.1
//! with JSON over a unix socket, or over the streams of an `ssh` that leads to one ([`remote`]); long answers are NDJSON (one [`deploy::Event`] or [`logs::Line`] a line), and a command that a
//! client is attached to is a conversation of its own ([`console`]). Begin with
//! [`paths`], which lists every endpoint, then the module of the thing you want.

pub mod access;
pub mod apps;
pub mod artifact;
pub mod certificates;
pub mod checks;
pub mod client;
pub mod console;
pub mod deploy;
pub mod jobs;
pub mod logs;
pub mod machine;
pub mod migrate;
pub mod not_starting;
pub mod paths;
pub mod remote;
pub mod request_key;
pub mod schedule;
pub mod secrets;
pub mod station;
pub mod status;
pub mod upgrade;
pub mod version;
pub mod webhooks;

/// The version in every path, and of every request ([`version`]).
pub const VERSION: u32 = 1;
