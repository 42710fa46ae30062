//! One file per command: its arguments, whose doc comments are the help, then what it does.

pub mod completions;
pub mod man;
pub mod up;
pub mod version;
