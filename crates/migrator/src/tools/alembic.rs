//! Alembic: `upgrade head`, `downgrade`, and where `current` stands in `history`.

use model::Explain;

use super::{Said, ask, not_understood, run as run_tool};
use crate::Verb;

pub(crate) fn run(program: &[String], verb: Verb) -> Result<(), Explain> {
    let history = history(&asked(program, "history")?)?;
    match verb {
        Verb::Status => {}
        Verb::Up => run_tool(program, &["upgrade", "head"])?,
        Verb::Down { to } => {
            let to = usize::try_from(to).unwrap_or(usize::MAX);
            let revision = to.checked_sub(1).map(|index| history.get(index).map(String::as_str));
            let revision = revision.unwrap_or(Some("base")).ok_or_else(|| {
                let message =
                    format!("this release knows {} revisions, and {to} is not among them", history.len());
                Explain::new("no-such-version", message)
            })?;
            run_tool(program, &["downgrade", revision])?;
        }
        Verb::Contract => {
            return Err(Explain::new("no-contract-command", "Alembic has no contract step")
                .help("make it a revision of a later release, or set `migrate.contract_command`"));
        }
    }
    println!("{}", position(&history, &asked(program, "current")?)?);
    Ok(())
}

fn asked(program: &[String], what: &str) -> Result<Said, Explain> {
    let said = ask(program, &[what])?;
    if said.succeeded {
        return Ok(said);
    }
    Err(not_understood(&format!("`{} {what}`", program.join(" ")), &said))
}

/// The revisions, oldest first. Alembic tells the newest first, as `OLD -> NEW (head), message`.
pub(super) fn history(said: &Said) -> Result<Vec<String>, Explain> {
    let target = |line: &str| {
        let (_, rest) = line.split_once(" -> ")?;
        Some(rest.split([' ', ',']).next()?.to_owned())
    };
    let heads = said.out.lines().filter(|line| line.contains("(head)") || line.contains(", head)")).count();
    if heads > 1 {
        let explain = Explain::new("alembic-heads", format!("the release has {heads} heads"));
        return Err(explain.now("the database is unchanged").help("`alembic merge heads` makes them one"));
    }
    let mut revisions: Vec<String> = said.out.lines().filter_map(target).collect();
    revisions.reverse();
    Ok(revisions)
}

/// How many revisions are applied; 0: none.
pub(super) fn position(history: &[String], said: &Said) -> Result<usize, Explain> {
    let current: Vec<&str> = said.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    match current.as_slice() {
        [] => Ok(0),
        [revision] => {
            history.iter().position(|known| known == revision).map(|index| index + 1).ok_or_else(|| {
                Explain::new(
                    "sql-later-release",
                    format!("the database is at {revision}, which this release does not know"),
                )
            })
        }
        _ => Err(not_understood("where the database is", said)),
    }
}
