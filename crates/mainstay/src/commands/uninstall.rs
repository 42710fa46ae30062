//! `mainstay uninstall`: takes away what `mainstay install` has made; with `--purge` what the service has made, too.

mod apply;
mod look;
mod plan;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use model::Explain;

use super::install::{
    self, booted_by_systemd, only_root, only_the_service,
    plan::PROGRAM,
    units::{PACKAGES, SERVICE},
};
use crate::{
    cli::Globals,
    commands::confirm,
    config::folders::Folders,
    keeper,
    output::{json, line},
    package,
};
use look::Found;
use plan::Step;

/// Take Mainstay away from this machine: stop everything, remove units, program, completions and manual pages
///
/// All data, machine.toml, the accounts and the group stay, and it says where: `mainstay install` goes on with them.
/// `--purge` removes these too, for good: every app's databases, uploads and secrets. Run again it changes nothing. Needs
/// root and systemd.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay uninstall --dry-run             what it would do, and what would stay\n  mainstay uninstall\n  \
    mainstay uninstall --purge               asks for the machine's name\n  mainstay uninstall --purge --yes web1"
)]
pub struct Uninstall {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,

    /// Remove the data, machine.toml, accounts and the group, too: there is no way to undo it
    #[arg(long)]
    pub purge: bool,

    /// The machine's name, instead of typing it back
    #[arg(long, value_name = "MACHINE", requires = "purge")]
    pub yes: Option<String>,
}

impl Uninstall {
    pub fn run(self, globals: &Globals) -> Result<ExitCode, Explain> {
        only_the_service(globals, "uninstall")?;
        booted_by_systemd(Path::new("/run/systemd/system"))?;
        refuse_packages(self.purge)?;
        let found = look::look(self.purge)?;
        let steps = plan::plan(&found, self.purge);
        if !self.dry_run && !steps.is_empty() {
            only_root("uninstall")?;
            nobody_else_runs(&Folders::service(), &found, self.purge)?;
            if self.purge {
                self.is_meant(&found)?;
            }
            apply::apply(&steps, |step| {
                if !globals.json {
                    line(format!("{} {}", step.words().past, step.words().what));
                }
            })?;
        }
        self.tell(globals, &found, &steps);
        Ok(ExitCode::SUCCESS)
    }

    fn is_meant(&self, found: &Found) -> Result<(), Explain> {
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let warning = format!(
            "This stops every app of {machine} and removes ALL ITS DATA in {}.",
            found.data.display()
        );
        confirm::confirm(&machine, self.yes.as_deref(), &format!("purging {machine}"), &warning)
    }

    fn tell(&self, globals: &Globals, found: &Found, steps: &[Step]) {
        let stays = plan::stays(found, self.purge);
        if globals.json {
            let told: Vec<_> =
                steps.iter().map(|step| format!("{} {}", step.words().verb, step.words().what)).collect();
            return json(&serde_json::json!({ "dry_run": self.dry_run, "steps": told, "stays": stays }));
        }
        if self.dry_run {
            steps.iter().for_each(|step| line(format!("would {} {}", step.words().verb, step.words().what)));
        }
        stays.iter().for_each(|what| line(format!("stays: {what}")));
        line(match (steps.is_empty(), self.dry_run, self.purge) {
            (true, ..) => "Nothing of it is installed; nothing was changed.",
            (false, true, _) => "Nothing was changed.",
            (false, false, true) => "Mainstay and all that it kept are gone.",
            (false, false, false) => "Mainstay is no service of this machine any more.",
        });
    }
}

/// # Errors
/// A package put the program or the units there: they are its own to remove.
fn refuse_packages(purge: bool) -> Result<(), Explain> {
    let own = std::env::current_exe().ok();
    let unit = Path::new(PACKAGES).join(SERVICE);
    let places = own.into_iter().chain([unit, PROGRAM.into()]).filter(|path| path.exists());
    match places.into_iter().find_map(|path| Some((package::owner(&path)?, path))) {
        Some((owner, path)) => Err(of_a_package(&owner, &path, purge)),
        None => Ok(()),
    }
}

fn of_a_package(owner: &package::Owner, path: &Path, purge: bool) -> Explain {
    let package::Owner { package, remove, purge: with_data, .. } = owner;
    let explain = Explain::new(
        "uninstall-of-a-package",
        format!("{} belongs to the package {package}", path.display()),
    )
    .now("nothing was changed");
    explain.help(match (purge, with_data) {
        (true, Some(with_data)) => {
            format!("`{with_data}` removes it with all data; `{remove}` keeps the data")
        }
        (true, None) => format!(
            "`{remove}` keeps the data; then remove /var/lib/mainstay, /etc/mainstay and the accounts by hand"
        ),
        (false, Some(with_data)) => {
            format!("`{remove}` does it, and keeps the data; `{with_data}` removes that too")
        }
        (false, None) => format!("`{remove}` does it, and keeps the data"),
    })
}

/// A `mainstay up` of root's serves from the same data without any unit.
fn nobody_else_runs(folders: &Folders, found: &Found, purge: bool) -> Result<(), Explain> {
    let folders = Folders { data: found.data.clone(), ..folders.clone() };
    if !purge || found.runs || !folders.data.is_dir() || !keeper::runs(&folders)? {
        return Ok(());
    }
    Err(Explain::new("already-up", "a `mainstay up` runs for the machine's data folder")
        .now("nothing was changed")
        .help("`mainstay down` ends it; then this again"))
}

/// What purging must never be told to remove: a folder that is not Mainstay's alone.
fn is_own(data: &Path) -> bool {
    data.is_absolute() && data.components().count() > 2
}

fn too_wide(data: &Path) -> Explain {
    Explain::new("purge-too-wide", format!("{} may hold more than Mainstay's data", data.display()))
        .caused_by("machine.toml says that the data lies there")
        .now("nothing was changed")
        .help("`mainstay uninstall` takes the rest away; then remove what is Mainstay's in there by hand")
}

/// The folders of the service that a purge removes beside its data.
fn others_folders() -> [PathBuf; 3] {
    let Folders { machine_toml, run, .. } = Folders::service();
    let etc = machine_toml.parent().unwrap_or(Path::new("/etc/mainstay")).to_owned();
    [install::plan::LOGIN_HOME.into(), etc, run]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packages_files_are_left_to_its_own_commands() {
        let text = str::to_owned;
        let owner = |purge: Option<&str>| package::Owner {
            package: text("mainstay"),
            upgrade: text("up"),
            remove: text("off"),
            purge: purge.map(text),
        };
        let help = |purge, with: Option<&str>| {
            let told = of_a_package(&owner(with), Path::new("/usr/bin/mainstay"), purge);
            assert_eq!(told.code, "uninstall-of-a-package");
            told.help.expect("a remedy")
        };
        assert!(help(false, Some("gone")).starts_with("`off` does it"));
        assert!(help(true, Some("gone")).starts_with("`gone` removes it with all data"));
        assert!(help(true, None).contains("by hand"));
    }

    #[test]
    fn a_folder_at_the_top_is_not_mainstays_alone() {
        for (path, expected) in [
            ("/", false),
            ("/srv", false),
            ("data", false),
            ("/var/lib/mainstay", true),
            ("/srv/mainstay", true),
        ] {
            assert_eq!(is_own(Path::new(path)), expected, "{path}");
        }
    }
}
