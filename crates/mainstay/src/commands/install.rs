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
    config::folders::Folders,
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
        let found = look::look(&wanted)?;
        let steps = plan::plan(&wanted, &found);
        if !self.dry_run && !steps.is_empty() {
            only_root()?;
            // A keeper that `mainstay up` has started would be in the way of the unit's.
            if steps.contains(&Step::Start) && !found.keeper_active {
                nobody_else_runs(&Folders::service())?;
            }
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
        line(match (steps.is_empty(), self.dry_run, self.no_start) {
            (true, ..) => "Everything is in its place; nothing was changed.",
            (false, true, _) => "Nothing was changed.",
            (false, false, true) => "Mainstay is installed; `systemctl start mainstay` starts it.",
            (false, false, false) => {
                "Mainstay is a service of this machine; `mainstay status --machine` shows it."
            }
        });
    }
}

/// The units have one data folder, the machine's.
fn only_the_service(globals: &Globals) -> Result<(), Explain> {
    let Some(data) = &globals.data else { return Ok(()) };
    let explain = Explain::new("not-the-service", "`mainstay install` takes no data folder");
    let (cause, remedy) = match std::env::var_os("MAINSTAY_DATA").is_some_and(|said| said == data.as_os_str())
    {
        true => (format!("MAINSTAY_DATA says {}", data.display()), "`unset MAINSTAY_DATA`"),
        false => (format!("`--data` says {}", data.display()), "leave `--data` out"),
    };
    Err(explain.caused_by(cause).help(format!(
        "{remedy}: the service keeps its data in /var/lib/mainstay, and `data` in /etc/mainstay/machine.toml moves it"
    )))
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

fn only_root() -> Result<(), Explain> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Explain::new("not-root", "only root can install a service")
        .now("nothing was changed")
        .help("sudo mainstay install; `--dry-run` shows what it would do"))
}

fn nobody_else_runs(folders: &Folders) -> Result<(), Explain> {
    if !folders.data.is_dir() || !keeper::runs(folders)? {
        return Ok(());
    }
    Err(Explain::new("already-up", "a `mainstay up` runs for the machine's data folder already")
        .now("nothing was changed")
        .help("`mainstay down` ends it; then install, and the service starts what it served"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mainstay_up_for_the_same_data_is_not_pushed_aside() {
        let folder = tempfile::tempdir().expect("a folder");
        let folders = Folders { data: folder.path().join("data"), ..Folders::service() };
        assert!(nobody_else_runs(&folders).is_ok(), "nothing was ever here");
        std::fs::create_dir(&folders.data).expect("made");
        assert!(nobody_else_runs(&folders).is_ok());
        // The lock is a process's own: somebody else must hold it.
        let held = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()";
        let mut other = std::process::Command::new("python3");
        other.args(["-c", held]).arg(folders.data.join("keeper.lock"));
        other.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut other = other.spawn().expect("python3 is there for the journeys");
        let told = std::io::Read::read(other.stdout.as_mut().expect("piped"), &mut [0]);
        assert_eq!(told.expect("it holds the lock"), 1);
        assert_eq!(nobody_else_runs(&folders).expect_err("in the way").code, "already-up");
        other.kill().and_then(|()| other.wait()).expect("ended");
    }

    #[test]
    fn without_systemd_it_says_what_to_run_instead() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(booted_by_systemd(folder.path()).is_ok());
        let refused = booted_by_systemd(&folder.path().join("none")).expect_err("no systemd");
        assert_eq!(refused.code, "no-systemd");
        assert!(refused.help.is_some_and(|help| help.contains("mainstay up")));
    }
}
