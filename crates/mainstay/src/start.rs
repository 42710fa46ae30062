//! `mainstay start`: what `mainstay.service` runs. Gives the keeper the unit's cgroup to put processes into, and
//! returns when what served before the stop or the reboot serves again.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use api::{apps::App, client::Client};
use model::Explain;

use crate::{config::folders::Folders, keeper, session::block_on};

/// The unit whose cgroup the processes live in.
pub(crate) const UNIT: &str = "mainstay.service";
/// Bound: how long the keeper may take to answer; what it finds is looked at before.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
/// Bound: how long apps may take to be ready. One that takes longer comes up later: the unit is not failed by it.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) fn main() -> ExitCode {
    match start(&Folders::service()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(explain) => {
            eprintln!("{}", crate::report::plain(&explain));
            ExitCode::FAILURE
        }
    }
}

fn start(folders: &Folders) -> Result<(), Explain> {
    let group = units_group()?;
    leave(&group)?;
    keeper::grant_workload(&folders.run, &group).map_err(|error| {
        Explain::new("no-keeper", "the keeper cannot be given the unit's cgroup")
            .because(&error)
            .help("`journalctl -u mainstay-keeper` says what the keeper lacks")
    })?;
    let client = Client::new(folders.api_socket());
    block_on(async {
        answers(&client).await?;
        let late = all_ready(&client).await;
        late.iter().for_each(|app| println!("{} is not ready yet: {}", app.site, app.state));
        Ok(())
    })
}

/// This process's group, which must be the unit's: what is put into a shell's would end with the shell.
fn units_group() -> Result<PathBuf, Explain> {
    let group = machine::cgroup::own();
    group.filter(|group| group.file_name().is_some_and(|name| name == UNIT)).ok_or_else(|| {
        Explain::new("not-in-unit", format!("`mainstay start` is what {UNIT} runs"))
            .now("nothing was started")
            .help("`systemctl start mainstay` starts the service, `mainstay install` makes it")
    })
}

/// A group with a process of its own gives its children no controllers (cgroups(7), "no internal processes").
fn leave(group: &Path) -> Result<(), Explain> {
    let leaf = group.join("start");
    let moved = machine::cgroup::make(&leaf).and_then(|()| machine::cgroup::set(&leaf, "cgroup.procs", "0"));
    moved.map_err(|error| {
        Explain::new("group-unusable", format!("cannot use the cgroup {}", group.display()))
            .because(&error)
            .help(format!("{UNIT} needs `Delegate=yes`: `mainstay install` writes it anew"))
    })
}

async fn answers(client: &Client) -> Result<(), Explain> {
    let until = Instant::now() + ANSWERS_WITHIN;
    loop {
        match client.machine().await {
            Ok(_) => return Ok(()),
            Err(failure) if Instant::now() >= until => {
                return Err(failure
                    .explain()
                    .help("`journalctl -u mainstay-keeper` says why it does not begin"));
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Waits for every app that serves; those that are not ready in time.
async fn all_ready(client: &Client) -> Vec<App> {
    let until = Instant::now() + READY_WITHIN;
    loop {
        let apps = client.apps().await;
        let is_over = Instant::now() >= until;
        match apps.map(|apps| apps.into_iter().filter(is_late).collect::<Vec<_>>()) {
            Ok(late) if late.is_empty() || is_over => return late,
            // A keeper that has just died says nothing about the apps; the next one will.
            Err(_) if is_over => return Vec::new(),
            Ok(_) | Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

fn is_late(app: &App) -> bool {
    app.serving.is_some() && app.instances_ready < app.instances_wanted
}
