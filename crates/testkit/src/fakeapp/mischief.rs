//! The hostile side of the fake app: what real apps do to their supervisor on a bad day.

use std::{io::Write, process::Command, thread, time::Duration};

use super::settings::Settings;

/// Bytes of the one line that has no end, in `long-line`.
const LONG_LINE_BYTES: usize = 1 << 30;
/// Bytes that `flood` writes and then stops, so that a forgotten test does not fill a disk for ever.
const FLOOD_BYTES: usize = 2 << 30;

/// Starts every mischief that the settings name; each runs on a thread of its own.
pub(super) fn begin(settings: &Settings) {
    if settings.does("daemon") {
        leave_a_daemon();
    }
    if settings.does("close-stdout") {
        close_stdout();
    }
    if settings.does("flood") {
        thread::spawn(|| {
            write_much(
                b"flood: a line of an app that logs every single thing it does, again and again\n",
                FLOOD_BYTES,
            )
        });
    }
    if settings.does("long-line") {
        thread::spawn(|| write_much(&[b'x'; 64 * 1024], LONG_LINE_BYTES));
    }
    if settings.does("count") {
        thread::spawn(count);
    }
    if settings.does("secret") {
        println!("fakeapp: my secret is {}", std::env::var("FAKE_SECRET").unwrap_or_default());
    }
}

/// A child in a session of its own that outlives its parent, as a "helpful" runtime leaves behind.
fn leave_a_daemon() {
    let child = Command::new("setsid").args(["sleep", "600"]).spawn();
    match child {
        Ok(child) => println!("fakeapp: left a daemon, pid {}", child.id()),
        Err(error) => eprintln!("fakeapp: no daemon: {error}"),
    }
}

fn close_stdout() {
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null").expect("/dev/null opens");
    rustix::stdio::dup2_stdout(&null).expect("stdout can be replaced");
}

fn write_much(piece: &[u8], bytes_max: usize) {
    let mut written = 0;
    while written < bytes_max {
        // A closed pipe ends the flood, not the app.
        if std::io::stdout().lock().write_all(piece).is_err() {
            return;
        }
        written += piece.len();
    }
}

/// A numbered line every 10 ms: what is missing in the log afterwards was lost.
fn count() {
    for n in 1..=100_000_u32 {
        println!("count {n}");
        thread::sleep(Duration::from_millis(10));
    }
}

pub(super) fn wait_for_ever() -> ! {
    loop {
        thread::park();
    }
}
