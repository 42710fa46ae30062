//! `mainstay install`: makes this machine's Mainstay a system service. What is there already is left as it is.

mod apply;
mod elsewhere;
pub(super) mod files;
pub(super) mod look;
pub(super) mod plan;
mod stage;
pub(super) mod units;

pub(super) use self::apply::systemctl;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use model::Explain;

use crate::{
    cli::Globals,
    config::folders::Folders,
    hosts, keeper,
    output::{json, line},
    package,
};
use plan::{Service, Step, Wanted};

/// Make Mainstay a service of this machine: groups, accounts, folders, two systemd units, completions, manual pages
///
/// What is there and right is left alone, so running it again changes nothing; after an upgrade it puts the new program in
/// its place and replaces the keeper, while everything serves on. People in the group `mainstay` may deploy. Needs root
/// and systemd. `mainstay uninstall` takes it away again. With `--host` it sends the binary for that machine over ssh, runs
/// this there by sudo, and lets the account that logs in deploy.
#[derive(Clone, Debug, Default, Args)]
#[command(
    after_help = "Examples:\n  mainstay install --dry-run          what it would do\n  mainstay install --operator ana     ana may deploy\n  \
    mainstay install --no-start         everything but the start\n  \
    mainstay --host ana@app.example.com install    on another machine, over ssh"
)]
pub struct Install {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,

    /// Neither start the service nor replace its keeper
    #[arg(long)]
    pub no_start: bool,

    /// Put this account into the group of those who deploy, change and stop everything
    #[arg(long, value_name = "ACCOUNT")]
    pub operator: Option<String>,

    /// With --host: this binary for that machine, instead of `mainstay-ARCHITECTURE` beside this program or this program
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,

    /// Only group, accounts, folders and machine.toml: what a package's own script leaves to it, also where systemd does not run
    #[arg(long, conflicts_with = "no_start")]
    pub packaged: bool,

    /// Change nothing here: write the units, completions and manual pages of a package below this folder, for /usr/bin/mainstay
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dry_run", "no_start", "operator", "packaged"])]
    pub stage: Option<PathBuf>,
}

impl Install {
    pub fn run(self, globals: &Globals) -> Result<ExitCode, Explain> {
        if let Some(folder) = &self.stage {
            return stage::stage(folder, globals);
        }
        only_the_service(globals, "install")?;
        if let Some(target) = hosts::target(globals)? {
            return elsewhere::install(&self, globals, target);
        }
        if self.binary.is_some() {
            return Err(Explain::new("no-host", "`--binary` is for another machine, and none is named")
                .now("nothing was changed")
                .help(
                    "`--host ana@app.example.com`; on this machine the binary that is run installs itself",
                ));
        }
        if !self.packaged {
            booted_by_systemd(Path::new("/run/systemd/system"))?;
        }
        let wanted = self.wanted()?;
        self.is_an_account()?;
        let found = look::look(&wanted)?;
        let steps = plan::plan(&wanted, &found);
        if !self.dry_run && !steps.is_empty() {
            only_root("install")?;
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

    /// # Errors
    /// A package, or an installation without one, is there already and would be in the way.
    fn wanted(&self) -> Result<Wanted, Explain> {
        let of_all = Wanted::of_this_program()?;
        let at = |folder: &str| Path::new(folder).join(units::SERVICE);
        let owner = package::owner(&of_all.source);
        if self.packaged || owner.is_some() {
            not_beside_another(&at(units::FOLDER))?;
        } else {
            not_beside_a_package(&at(units::PACKAGES), package::owner)?;
        }
        let wanted = match self.packaged || owner.is_some() {
            true => Wanted::of_package(of_all.source),
            false => of_all,
        };
        let service = match (self.packaged, self.no_start) {
            (true, _) => Service::LeftAlone,
            (false, true) => Service::Enabled,
            (false, false) => Service::Runs,
        };
        Ok(Wanted { service, operator: self.operator.clone(), ..wanted })
    }

    /// # Errors
    /// There is no account of the operator's name.
    fn is_an_account(&self) -> Result<(), Explain> {
        let Some(operator) = &self.operator else { return Ok(()) };
        match machine::users::by_name(operator) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => {
                Err(Explain::new("no-such-user", format!("there is no account {operator} on this machine"))
                    .now("nothing was changed")
                    .help("`--operator` names who shall deploy, by the name that they log in with"))
            }
            Err(error) => Err(look::unreadable(&error)),
        }
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
            (false, false, _) if self.packaged => "What a package leaves to it is in its place.",
            (false, false, true) => "Mainstay is installed; `systemctl start mainstay` starts it.",
            (false, false, false) => {
                "Mainstay is a service of this machine; `mainstay status --machine` shows it."
            }
        });
    }
}

/// A package's units would not be heard: those of `mainstay install` come before them.
fn not_beside_another(unit: &Path) -> Result<(), Explain> {
    let text = machine::fs::read_text(unit, look::UNIT_BYTES_MAX).unwrap_or_default();
    if !text.starts_with(units::MARK) {
        return Ok(());
    }
    Err(Explain::new("installed-otherwise", "this machine has a Mainstay that no package has put there")
        .caused_by(format!("{} is there", unit.display()))
        .now("nothing was changed")
        .help(format!("`{} uninstall` takes it away and keeps all data; then this again", plan::PROGRAM)))
}

fn not_beside_a_package(unit: &Path, owner: impl Fn(&Path) -> Option<package::Owner>) -> Result<(), Explain> {
    let Some(owner) = unit.exists().then(|| owner(unit)).flatten() else { return Ok(()) };
    Err(Explain::new(
        "install-of-a-package",
        format!("this machine has Mainstay by the package {}", owner.package),
    )
    .caused_by(format!("{} is there", unit.display()))
    .now("nothing was changed")
    .help(format!(
        "upgrade that by `{}`; or `{}`, which keeps all data, and then this again",
        owner.upgrade, owner.remove
    )))
}

/// The units have one data folder, the machine's.
pub(super) fn only_the_service(globals: &Globals, command: &str) -> Result<(), Explain> {
    let Some(data) = &globals.data else { return Ok(()) };
    let explain = Explain::new("not-the-service", format!("`mainstay {command}` takes no data folder"));
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
pub(super) fn booted_by_systemd(mark: &Path) -> Result<(), Explain> {
    if mark.is_dir() {
        return Ok(());
    }
    Err(Explain::new("no-systemd", "process 1 of this machine is not systemd")
        .caused_by(format!("there is no {}", mark.display()))
        .now("nothing was changed")
        .help("let what starts things here (the container, another init) run `mainstay up`; it needs no installation"))
}

pub(super) fn only_root(command: &str) -> Result<(), Explain> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Explain::new("not-root", format!("only root can {command} a service"))
        .now("nothing was changed")
        .help(format!("sudo mainstay {command}; `--dry-run` shows what it would do")))
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
    fn a_package_and_an_installation_without_one_are_not_put_beside_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let unit = folder.path().join("mainstay.service");
        let owner = |_: &Path| {
            let text = str::to_owned;
            Some(package::Owner {
                package: text("mainstay"),
                upgrade: text("up"),
                remove: text("off"),
                purge: None,
            })
        };
        assert!(
            not_beside_another(&unit).is_ok() && not_beside_a_package(&unit, owner).is_ok(),
            "neither is there"
        );
        std::fs::write(&unit, "[Unit]\n").expect("written");
        assert!(not_beside_another(&unit).is_ok(), "a unit of an administrator's own");
        assert!(not_beside_a_package(&unit, |_| None).is_ok());
        let refused = not_beside_a_package(&unit, owner).expect_err("two would be there");
        assert_eq!(refused.code, "install-of-a-package");
        assert!(refused.help.is_some_and(|help| help.contains("`off`")));
        std::fs::write(&unit, format!("{}; change it\n", units::MARK)).expect("written");
        assert_eq!(not_beside_another(&unit).expect_err("two would be there").code, "installed-otherwise");
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
