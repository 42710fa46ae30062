//! Progress: a moving line on a terminal, plain lines in a pipe, nothing beside JSON.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// A moving line below the lines that stay.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
}

impl Progress {
    /// For work of unknown length.
    pub fn spinner(quiet: bool) -> Self {
        let bar = bar(quiet, None);
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, quiet }
    }

    /// For a known number of bytes.
    pub fn bytes(quiet: bool, what: &str, total: u64) -> Self {
        let bar = bar(quiet, Some(total));
        if let Ok(style) =
            ProgressStyle::with_template("  {msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_owned());
        Self { bar, quiet }
    }

    pub fn at(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// What the moving line says from now on.
    pub fn doing(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.bar.reset_elapsed();
    }

    /// A line that stays, above the moving one.
    pub fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        self.bar.suspend(|| output::line(text));
    }

    /// Takes the moving line away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn bar(quiet: bool, total: Option<u64>) -> ProgressBar {
    let moving = !quiet && std::io::stderr().is_terminal() && std::io::stdout().is_terminal();
    let target = if moving { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    ProgressBar::with_draw_target(total, target)
}
