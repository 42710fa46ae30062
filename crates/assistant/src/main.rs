//! The reference assistant: tasks, a journal and a chat, in one binary that serves, works and migrates.
//!
//! Start reading at `cli`, which names what the binary can do; `web` is what people see, `brain` reads their sentences,
//! `command` does what they say, `answer` writes what they are told, by itself or by a `model` that calls `tools`. Uses `kit` and no other room.

use std::process::ExitCode;

mod accounts;
mod answer;
mod brain;
mod chat;
mod cli;
mod command;
mod error;
mod ids;
mod journal;
mod model;
mod once;
mod schema;
mod settings;
mod spending;
mod tasks;
mod tools;
mod web;
mod when;

fn main() -> ExitCode {
    cli::run()
}
