//! One file per command: its arguments, whose doc comments are the help, then what it does.

pub mod apps;
pub mod attach;
mod attached;
pub mod cancel;
pub mod check;
pub mod completions;
pub mod config;
pub mod deploy;
pub mod destroy;
pub mod down;
pub mod events;
pub mod exec;
pub mod init;
pub mod install;
pub mod logs;
pub mod man;
pub mod migrate;
pub mod releases;
pub mod restart;
pub mod resume;
pub mod rollback;
pub mod run;
pub mod scale;
pub mod status;
pub mod up;
pub mod version;
mod watch;
