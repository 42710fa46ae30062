//! Prisma: `migrate deploy`, and by `migrate status` how many of its migrations are applied.

use model::Explain;

use super::{Said, ask, not_understood, run as run_tool};
use crate::Verb;

pub(crate) fn run(program: &[String], verb: Verb) -> Result<(), Explain> {
    match verb {
        Verb::Status => {}
        Verb::Up => run_tool(program, &["migrate", "deploy"])?,
        Verb::Down { .. } | Verb::Contract => {
            return Err(Explain::new("no-down-command", "Prisma goes forward only").help(
                "set `migrate.down_command` or `contract_command`, or bring a migration that takes it back",
            ));
        }
    }
    println!("{}", applied(&ask(program, &["migrate", "status"])?)?);
    Ok(())
}

/// `status` ends with 1 where something pends; its words say what.
pub(super) fn applied(said: &Said) -> Result<usize, Explain> {
    if said.all.contains("have failed") || said.all.contains("has failed") {
        let explain = not_understood("a migration that failed", said);
        return Err(
            explain.help("look at the database, then `prisma migrate resolve` says what became of it")
        );
    }
    let found = said.out.lines().find_map(|line| {
        let (number, _) = line.split_once(" found in ")?;
        match number.split_whitespace().next()? {
            "No" => Some(0),
            number => number.parse::<usize>().ok(),
        }
    });
    let found = found.ok_or_else(|| not_understood("`prisma migrate status`", said))?;
    let is_last = |line: &str| line.trim().is_empty();
    let mut lines = said.out.lines().skip_while(|line| !line.contains("not yet been applied")).skip(1);
    let pending = lines.by_ref().skip_while(|line| is_last(line)).take_while(|line| !is_last(line)).count();
    if pending == 0 && !said.succeeded {
        return Err(not_understood("`prisma migrate status`", said));
    }
    found.checked_sub(pending).ok_or_else(|| not_understood("`prisma migrate status`", said))
}
