//! Other people's migrators. They count no versions; the position of what is applied in their history is the schema's version.

pub(crate) mod alembic;
pub(crate) mod prisma;
#[cfg(test)]
mod tests;

use std::process::{Command, Stdio};

use model::Explain;

/// Bound: what is read of a tool's answer.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What a tool printed.
struct Said {
    out: String,
    /// Both streams, for an error.
    all: String,
    succeeded: bool,
}

/// Runs the tool and reads what it says.
fn ask(program: &[String], words: &[&str]) -> Result<Said, Explain> {
    let output = command(program, words)?.stdin(Stdio::null()).output();
    let output = output.map_err(|error| not_started(program, &error))?;
    let text =
        |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(ANSWER_BYTES_MAX)]).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    Ok(Said { all: format!("{out}{err}"), out, succeeded: output.status.success() })
}

/// Runs the tool, its words being ours.
fn run(program: &[String], words: &[&str]) -> Result<(), Explain> {
    let status = command(program, words)?.stdin(Stdio::null()).status();
    let status = status.map_err(|error| not_started(program, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Explain::new("migrate-tool-failed", format!("`{}` failed", joined(program, words)))
        .caused_by(status.to_string()))
}

fn command(program: &[String], words: &[&str]) -> Result<Command, Explain> {
    let [first, more @ ..] = program else {
        return Err(Explain::new("migrator-usage", "no program is named"));
    };
    let mut command = Command::new(first);
    command.args(more).args(words);
    Ok(command)
}

fn not_started(program: &[String], error: &std::io::Error) -> Explain {
    Explain::new("migrate-tool-not-started", format!("cannot start {}", program.join(" ")))
        .because(error)
        .help("`migrate.program` names it: a path with `/` is below the release")
}

/// The answer was not what this tool says in the versions that are known.
fn not_understood(what: &str, said: &Said) -> Explain {
    let mut explain = Explain::new("migrate-tool-not-understood", format!("{what} is not understood"));
    for line in said.all.lines().filter(|line| !line.trim().is_empty()).take(10) {
        explain = explain.caused_by(line.to_owned());
    }
    explain.help("`command` and `status_command` in [migrate] run any tool in your own words")
}

fn joined(program: &[String], words: &[&str]) -> String {
    program.iter().map(String::as_str).chain(words.iter().copied()).collect::<Vec<_>>().join(" ")
}
