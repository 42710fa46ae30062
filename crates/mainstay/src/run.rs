//! Where the rooms meet: each internal verb and the room that plays it. Decides nothing.

use std::{
    ffi::OsString,
    io::{IsTerminal as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use machine::{
    child::{Child, Executable},
    lock::FileLock,
};
use model::{EnvName, Explain};
use supervisor::up::{Resumed, UpSettings};

use crate::{
    cli::{Colour, Globals},
    commands::up::Up,
    config::{
        folders::{Folders, Surroundings},
        manifest,
    },
    keeper::{self, KeeperArgs, place},
    keeperless, logging,
    report::Report,
    session::MANIFEST,
};

/// How long an orphaned keeper may take to make room.
const HANDOVER_LIMIT: Duration = Duration::from_secs(10);

/// `mainstay keeper`.
pub(crate) fn keeper(args: &[OsString]) -> ExitCode {
    keeper::main(args)
}

/// `mainstay edge --settings FILE`.
pub(crate) fn with_settings(args: &[OsString], main: fn(&Path) -> Result<(), Explain>) -> ExitCode {
    match args.get(2..) {
        Some([flag, file]) if flag == "--settings" => to_its_end(|| main(Path::new(file))),
        _ => not_understood("--settings FILE"),
    }
}

/// `mainstay station --settings FILE [--certs FILE]`: webhooks, and certificates where there is a file of theirs.
pub(crate) fn station(args: &[OsString]) -> ExitCode {
    match args.get(2..) {
        Some([flag, file]) if flag == "--settings" => {
            to_its_end(|| station::main(Path::new(file), std::future::pending()))
        }
        Some([flag, file, certs, other]) if flag == "--settings" && certs == "--certs" => {
            to_its_end(|| station::main(Path::new(file), certs::run(Path::new(other))?))
        }
        _ => not_understood("--settings FILE [--certs FILE]"),
    }
}

fn to_its_end(main: impl FnOnce() -> Result<(), Explain>) -> ExitCode {
    logging::begin();
    match main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(explain) => {
            Report::new(Colour::Auto, false).error(&explain);
            ExitCode::FAILURE
        }
    }
}

fn not_understood(takes: &str) -> ExitCode {
    eprintln!("error: this part of Mainstay takes {takes}   [usage]");
    ExitCode::FAILURE
}

/// `mainstay up`: becomes the keeper's parent, with nothing but a poll loop.
/// # Errors
/// A Mainstay with a parent runs already; the executable or the run folder cannot be used.
pub(crate) fn up(args: Up, globals: &Globals) -> Result<ExitCode, Explain> {
    let around = Surroundings::of_this_process();
    let folders = Folders::to_start(globals.data.as_deref(), &around);
    let resumed = Resumed::inherited().map_err(|error| {
        Explain::new("not-resumed", "`mainstay up` became another program and lost what it kept")
            .because(&error)
    })?;
    if let Some(Resumed { lock, store, notify, keeper }) = resumed {
        // All is there, made by the program that this process was.
        return in_front(&folders, globals, args, lock, store, Some((notify, keeper)));
    }
    place::refuse_anothers(&folders, around.uid)?;
    crate::config::machine::load(&folders).map_err(|explain| keeperless::beside(explain, &folders))?;
    place::make_data(&folders)?;
    let front = place::front_lock(&folders)?;
    let store = take_over(&folders)?;
    place::make_run(&folders)?;
    if args.deploy || wants_deploy(&folders, globals) {
        deploy_when_up(&folders)?;
    }
    in_front(&folders, globals, args, front, store, None)
}

/// The poll loop, until its end.
fn in_front(
    folders: &Folders,
    globals: &Globals,
    args: Up,
    front: FileLock,
    store: Vec<(String, OwnedFd)>,
    resumed: Option<(UnixDatagram, Child)>,
) -> Result<ExitCode, Explain> {
    let no_executable =
        |error: std::io::Error| Explain::new("no-executable", "cannot open this executable").because(&error);
    let keeper = KeeperArgs {
        data: globals.data.clone(),
        listen: args.listen,
        listen_tls: args.listen_tls,
        ready_file: args.ready_file,
        within: args.within,
        wait_for_start: false,
    };
    let code = supervisor::up::main(UpSettings {
        run_dir: folders.run.clone(),
        exe: Executable::own().map_err(no_executable)?,
        program: Executable::own_path().map_err(no_executable)?,
        lock: &front,
        keeper: keeper.words(),
        store,
        watchdog: args.watchdog.0,
        resumed,
    });
    place::leave(folders, &front);
    Ok(code)
}

/// The descriptors of a keeper whose parent died, once it has made room. None runs, or it died before it gave them: nothing,
/// and the next keeper has the listeners of the edge. One with a parent: refused.
fn take_over(folders: &Folders) -> Result<Vec<(String, OwnedFd)>, Explain> {
    let failed =
        || Explain::new("handover-failed", "the keeper that runs without a parent did not hand over");
    let (mut store, mut why_not) = (None, None);
    let mut since = Instant::now();
    while keeper::runs(folders)? {
        if since.elapsed() > HANDOVER_LIMIT {
            let explain = why_not.iter().fold(failed(), |explain, error| explain.because(error));
            return Err(explain.caused_by(format!("it still runs after {} s", HANDOVER_LIMIT.as_secs())));
        }
        if store.is_none() {
            match keeper::has_parent(folders) {
                Some(true) => return Err(place::already_up(folders)),
                Some(false) => match keeper::take_over(&folders.run) {
                    Ok(given) => (store, since) = (given, Instant::now()),
                    // One that dies in the middle does not run at the next look.
                    Err(error) => why_not = Some(error),
                },
                // It begins, or it has said its last word.
                None => {}
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(store.unwrap_or_default())
}

/// On a terminal, in the folder of an app that this Mainstay does not have: asks.
fn wants_deploy(folders: &Folders, globals: &Globals) -> bool {
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return false;
    }
    let read = machine::fs::read_text(Path::new(MANIFEST), manifest::TEXT_BYTES_MAX);
    let Ok(text) = read else { return false };
    let env = globals.env().cloned().unwrap_or_else(EnvName::production);
    let Ok((meant, _)) = manifest::parse(&text, MANIFEST, &env) else {
        return false;
    };
    if folders.of_site(&meant.site()).exists() {
        return false;
    }
    print!("Deploy {} from this folder when Mainstay is up? [Y/n] ", meant.site());
    let mut answer = String::new();
    let asked = std::io::stdout().flush().and_then(|()| std::io::stdin().read_line(&mut answer));
    asked.is_ok_and(|bytes| bytes > 0) && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes")
}

/// `up --deploy`: a client of its own, which waits until the keeper answers.
fn deploy_when_up(folders: &Folders) -> Result<(), Explain> {
    let failed =
        |error: &std::io::Error| Explain::new("no-deploy", "the deploy could not be started").because(error);
    let exe = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut deploy = Command::new(exe);
    deploy.arg("--data").arg(&folders.data).args(["deploy", "--first"]).stdin(Stdio::null());
    // It ends by itself and is reaped with everything else that this process adopts.
    deploy.spawn().map(drop).map_err(|error| failed(&error))
}
