//! JSON lines that keep a secret, and a level that changes while the process runs.
//!
//!     cargo run -p kit --no-default-features --features logs --example logs

use kit::{Private, logs};

#[derive(Debug)]
struct Note {
    id: u32,
    text: Private<String>,
}

fn main() {
    let level = logs::start("logs", "info");
    let note = Note { id: 7, text: Private::new("buy milk".to_owned()) };
    tracing::info!(id = note.id, ?note, "a note was added");
    tracing::debug!("nobody reads this");
    level.set("debug");
    tracing::debug!(text = %note.text, "somebody looks closer");
    level.set("loud");
    assert_eq!(note.text.reveal(), "buy milk");
}
