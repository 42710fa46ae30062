//! The binary's parts, as a library so that its tests can use them.
//!
//! Owns the command line ([`cli`], [`commands`]), configuration ([`config`]), the words of errors ([`report`]) and the
//! wiring of the rooms. Holds no policy. Begin with [`cli`].

pub mod cli;
pub mod commands;
pub mod config;
pub mod internal;
pub mod report;
