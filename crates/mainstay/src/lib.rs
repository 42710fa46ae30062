//! The binary's parts, as a library so that its tests can use them.
//!
//! Owns the command line ([`cli`], [`commands`]), configuration ([`config`]), the words of errors ([`report`]) and the
//! wiring of the rooms. Holds no policy. Begin with [`cli`].

pub mod cli;
pub mod commands;
pub mod config;
mod formats;
mod hosts;
pub mod internal;
mod keeper;
mod keeperless;
mod logging;
pub mod output;
mod package;
pub mod progress;
pub mod report;
mod run;
pub mod session;
mod start;

/// Of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How it was built.
pub const BUILD: &str = if cfg!(debug_assertions) { "debug" } else { "release" };
