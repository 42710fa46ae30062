//! The command line as a user has it: the real binary, its words, its exit codes. One file per command.

#![allow(clippy::unwrap_used, reason = "a test's helper that cannot go on must fail the test")]

mod approve;
mod apps;
mod attach;
mod cancel;
mod check;
mod completions;
mod config;
mod deploy;
mod destroy;
mod down;
mod events;
mod exec;
mod export;
mod init;
mod install;
mod logs;
mod man;
mod migrate;
mod releases;
mod report;
mod restart;
mod resume;
mod rollback;
mod run;
mod scale;
mod secrets;
mod status;
mod support;
mod uninstall;
mod up;
mod upgrade;
mod usage;
mod version;
