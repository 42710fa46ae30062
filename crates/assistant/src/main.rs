//! The reference assistant: tasks, a journal and a chat, in one binary that serves, works and migrates.
//!
//! Start reading at `cli`, which names what the binary can do; `web` is what people see, `brain` reads their sentences,
//! `command` does what they say, `answer` writes what they are told, `day` tells what comes at its time. Uses `kit` and no
//! other room.

use std::process::ExitCode;

mod accounts;
mod answer;
mod attachments;
mod audit;
mod brain;
mod chat;
mod cli;
mod command;
mod day;
mod erase;
mod error;
mod export;
mod habits;
mod ids;
mod import;
mod journal;
mod model;
mod once;
mod recurrence;
mod reminders;
mod retention;
mod schema;
mod search;
mod settings;
mod spending;
mod summary;
mod tasks;
mod tools;
mod upkeep;
mod web;
mod when;

fn main() -> ExitCode {
    cli::run()
}
