//! `cargo xtask run`: the first minute. Builds all, puts the reference assistant into production on this machine, says
//! where it is and what to try; Ctrl-C stops everything. `--check` does the same unattended and counts.

mod check;
mod folders;
mod machine;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::{
    build::{self, Profile},
    shell::{Doing, Error, Result},
};
use folders::Folders;
use machine::Machine;

/// Build all and put the assistant into production on this machine, as whoever runs it
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Do it unattended in a folder of its own: deploy, use it, replace it under load, kill the keeper, roll back
    #[arg(long)]
    check: bool,
    /// Build optimised; takes longer
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let profile = if args.release { Profile::Release } else { Profile::Dev };
    println!("building Mainstay and the assistant; a fresh clone takes minutes, later ones seconds");
    if args.check {
        let binaries = build::binaries(&["mainstay", "assistant", "e2e"], profile)?;
        return check::run(&binaries);
    }
    let binaries = build::binaries(&["mainstay", "assistant"], profile)?;
    let folders = Folders::lasting()?;
    folders.prepare(&binaries)?;
    let signals = Signals::catch()?;
    let mut machine = Machine::start(&binaries, &folders)?;
    let tried = first_minute(&mut machine, &folders, &signals);
    machine.stop();
    tried.map(|()| ExitCode::SUCCESS)
}

fn first_minute(machine: &mut Machine, folders: &Folders, signals: &Signals) -> Result<()> {
    machine.wait_until_it_answers(|| signals.asked())?;
    machine.deploy(folders)?;
    tell(machine, folders)?;
    while !signals.asked() {
        if let Some(status) = machine.ended()? {
            return Err(Error(format!(
                "`mainstay up` ended by itself ({status}); see {}",
                folders.log().display()
            )));
        }
        thread::sleep(Duration::from_millis(100));
    }
    println!("\nstopping: what is open is finished first");
    Ok(())
}

fn tell(machine: &Machine, folders: &Folders) -> Result<()> {
    let login = folders.login()?;
    println!(
        "
The assistant is in production on this machine.

    open      {url}
    name      {user}
    password  {password}

Try in another terminal:

    export MAINSTAY_DATA={data} PATH={binaries}:$PATH
    cd {app}                 # here lies its mainstay.toml
    mainstay status          # what is served, by which release
    mainstay logs -f         # what it says
    date >RELEASE; mainstay deploy     # a second release beside the first; nobody notices
    mainstay rollback        # and back
    mainstay status --machine          # shows the keeper's pid: kill -9 it, the site goes on

Ctrl-C stops everything. What you wrote stays in {data}.",
        url = folders.url(),
        user = login.user,
        password = login.password,
        data = folders.data().display(),
        binaries = machine.binaries().display(),
        app = folders.app().display(),
    );
    Ok(())
}

/// Whether the person asked to stop.
struct Signals(Arc<AtomicBool>);

impl Signals {
    /// From here on the first Ctrl-C is a wish, so that the site can be drained; the second ends this command at once.
    fn catch() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&asked))
                .doing("catching signals")?;
            signal_hook::flag::register(signal, Arc::clone(&asked)).doing("catching signals")?;
        }
        Ok(Self(asked))
    }

    fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
