//! Errors and warnings as words: the one place that turns an [`Explain`] into what a person reads.
//!
//! Goes to standard error; colours only on a terminal. With `--json` it is the `Explain` itself, one line.

use std::io::{IsTerminal as _, Write as _};

use model::Explain;

use crate::cli::Colour;

/// How this process talks.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub json: bool,
    pub colour: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Error,
    Warning,
    Note,
}

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

impl Report {
    pub fn new(colour: Colour, json: bool) -> Self {
        let colour = match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        Self { json, colour }
    }

    pub fn error(&self, explain: &Explain) {
        self.print("error", Kind::Error, explain);
    }

    pub fn warning(&self, explain: &Explain) {
        self.print("warning", Kind::Warning, explain);
    }

    /// What is worth knowing and asks for nothing.
    pub fn remark(&self, explain: &Explain) {
        self.print("note", Kind::Note, explain);
    }

    /// A sentence for those who asked for more (`-v`); not part of any answer.
    pub fn note(&self, text: &str) {
        // Nobody reads standard error any more: there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{}", clean(text));
    }

    fn print(&self, name: &str, kind: Kind, explain: &Explain) {
        let text = if self.json {
            serde_json::json!({ name: explain }).to_string()
        } else {
            render(explain, name, kind, self.colour)
        };
        // Nobody reads standard error any more: there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    }
}

/// An error without colours, as tests and files want it.
pub fn plain(explain: &Explain) -> String {
    render(explain, "error", Kind::Error, false)
}

fn render(explain: &Explain, name: &str, kind: Kind, colour: bool) -> String {
    let paint =
        |code: &str, text: &str| if colour { format!("{code}{text}{PLAIN}") } else { text.to_owned() };
    let code = match kind {
        Kind::Error => RED,
        Kind::Warning => YELLOW,
        Kind::Note => CYAN,
    };
    let mut lines = vec![format!("{} {}", paint(code, &format!("{name}:")), clean(&explain.message))];
    // The excerpt of a file belongs to the sentence above it; everything else follows what to do about it.
    let (excerpts, others): (Vec<_>, Vec<_>) =
        explain.details.iter().partition(|detail| detail.title.is_empty());
    for detail in excerpts {
        lines.extend(detail.lines.iter().map(|line| format!("  {}", clean(line))));
    }
    lines.extend(
        explain.causes.iter().map(|cause| format!("  {} {}", paint(CYAN, "caused by:"), clean(cause))),
    );
    lines.extend(explain.now.iter().map(|now| format!("  {} {}", paint(CYAN, "now:"), clean(now))));
    lines.extend(explain.help.iter().map(|help| format!("  {} {}", paint(CYAN, "help:"), clean(help))));
    if let Some(last) = lines.last_mut() {
        last.push_str(&format!("   {}", paint(DIM, &format!("[{}]", explain.code))));
    }
    for detail in others {
        lines.push(format!("  {}", paint(CYAN, &clean(&detail.title))));
        lines.extend(detail.lines.iter().map(|line| format!("    {}", clean(line))));
    }
    lines.join("\n")
}

/// What an app wrote is shown, never obeyed: control characters become visible, so no log line moves the cursor or
/// changes a title.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' && c != '\n' { '\u{fffd}' } else { c }).collect()
}
