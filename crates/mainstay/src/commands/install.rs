//! `mainstay install`: makes this machine's Mainstay a system service. What is there already is left as it is.

mod apply;
mod look;
mod plan;
mod units;

use std::{path::Path, process::ExitCode};

use clap::Args;
use model::Explain;

use crate::{
    cli::Globals,
    config::folders::{Folders, Kind},
    keeper,
    output::{json, line},
};
use plan::Step;

/// Make Mainstay a service of this machine: groups, accounts, folders, two systemd units
///
/// What is there and right is left alone, so running it again changes nothing; after an upgrade it puts the new program in
/// its place and replaces the keeper, while everything serves on. People in the group `mainstay` may deploy. Needs root
/// and systemd.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay install --dry-run     what it would do\n  mainstay install\n  mainstay install --no-start    everything but the start"
)]
pub struct Install {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,

    /// Neither start the service nor replace its keeper
    #[arg(long)]
    pub no_start: bool,
}

impl Install {
    pub fn run(self, globals: &Globals) -> Result<ExitCode, Explain> {
        only_the_service(globals)?;
        booted_by_systemd(Path::new("/run/systemd/system"))?;
        let wanted = plan::Wanted::of_this_program(!self.no_start)?;
        let steps = plan::plan(&wanted, &look::look(&wanted)?);
        if !self.dry_run && !steps.is_empty() {
            may_begin(&steps)?;
            apply::apply(&steps, |step| {
                if !globals.json {
                    line(format!("{} {}", step.words().past, step.words().what));
                }
            })?;
        }
        self.tell(globals, &steps);
        Ok(ExitCode::SUCCESS)
    }

    fn tell(&self, globals: &Globals, steps: &[Step]) {
        if globals.json {
            let told: Vec<_> =
                steps.iter().map(|step| format!("{} {}", step.words().verb, step.words().what)).collect();
            return json(&serde_json::json!({ "dry_run": self.dry_run, "steps": told }));
        }
        if self.dry_run {
            steps.iter().for_each(|step| line(format!("would {} {}", step.words().verb, step.words().what)));
        }
        line(match (steps.is_empty(), self.dry_run) {
            (true, _) => "Everything is in its place; nothing was changed.",
            (false, true) => "Nothing was changed.",
            (false, false) => "Mainstay is a service of this machine; `mainstay status --machine` shows it.",
        });
    }
}

/// The units have one data folder, the machine's.
fn only_the_service(globals: &Globals) -> Result<(), Explain> {
    match &globals.data {
        None => Ok(()),
        Some(_) => Err(Explain::new("not-the-service", "`mainstay install` takes no `--data`").help(
            "the service keeps its data in /var/lib/mainstay; `data` in /etc/mainstay/machine.toml moves it",
        )),
    }
}

/// Whether systemd is process 1 (sd_booted(3)).
fn booted_by_systemd(mark: &Path) -> Result<(), Explain> {
    if mark.is_dir() {
        return Ok(());
    }
    Err(Explain::new("no-systemd", "process 1 of this machine is not systemd")
        .caused_by(format!("there is no {}", mark.display()))
        .now("nothing was changed")
        .help("let what starts things here (the container, another init) run `mainstay up`; it needs no installation"))
}

fn may_begin(steps: &[Step]) -> Result<(), Explain> {
    if !rustix::process::geteuid().is_root() {
        return Err(Explain::new("not-root", "only root can install a service")
            .now("nothing was changed")
            .help("sudo mainstay install; `--dry-run` shows what it would do"));
    }
    let folders = Folders::service();
    debug_assert_eq!(folders.kind, Kind::Service);
    // A keeper that `mainstay up` has started would be in the way of the unit's.
    if steps.contains(&Step::Start) && folders.data.is_dir() && keeper::runs(&folders)? {
        return Err(Explain::new("already-up", "a `mainstay up` runs for the machine's data folder already")
            .now("nothing was changed")
            .help("`mainstay down` ends it; then install, and the service starts what it served"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_systemd_it_says_what_to_run_instead() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(booted_by_systemd(folder.path()).is_ok());
        let refused = booted_by_systemd(&folder.path().join("none")).expect_err("no systemd");
        assert_eq!(refused.code, "no-systemd");
        assert!(refused.help.is_some_and(|help| help.contains("mainstay up")));
    }
}
