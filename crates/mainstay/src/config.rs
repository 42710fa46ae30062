//! Configuration: the text of the two files becomes what the rooms want.
//!
//! Owns the TOML of `mainstay.toml` ([`manifest`]), `machine.toml` ([`machine`]) and `hosts.toml` ([`hosts`]), their defaults that stand in no
//! room, and the folders of a Mainstay ([`folders`]). Strict: an unknown key is an error. Complete: all errors are
//! told, not the first. Never starts anything and, but for [`machine::load`] and [`hosts::load`], never reads a file. Begin with
//! [`manifest::parse`]; [`decode`] is the small decoder under both.

pub mod attest;
pub mod decode;
pub mod folders;
pub mod hosts;
pub mod machine;
pub mod manifest;
mod network;
pub mod problem;
pub mod secret_age;
pub mod secret_file;
pub mod secret_lines;
pub mod sheet;
mod syntax;

pub use problem::{ConfigErrors, Warning};
