//! What is told where no keeper answers and what it has started serves on: how much it is, and what to do.

use std::os::unix::net::UnixStream;

use model::Explain;

use crate::{
    cli::Globals,
    config::folders::{Folders, Kind, Surroundings},
};

/// An error of nobody answering, with what serves on all the same.
pub(crate) fn told(explain: Explain, globals: &Globals) -> Explain {
    // What is said of another machine its own mainstay has looked at.
    if explain.code != "no-keeper" || globals.host.is_some() {
        return explain;
    }
    let around = Surroundings::of_this_process();
    let data = globals.data.as_deref();
    // Without a keeper nothing says whose Mainstay was meant, the user's own or the service.
    let places = [Folders::to_reach(data, &around), Folders::to_start(data, &around)];
    let found =
        places.iter().map(|folders| (folders, supervisor::living(&folders.run))).find(|(_, n)| *n > 0);
    let Some((folders, living)) = found else { return explain };
    let processes = if living == 1 { "1 process".to_owned() } else { format!("{living} processes") };
    Explain {
        message: "no keeper is running here".to_owned(),
        now: Some(format!("{processes} that it has started serve on without one, and nothing restarts them")),
        help: Some(format!(
            "{} takes them over; then `mainstay down` can stop them",
            again(folders, globals)
        )),
        ..explain
    }
}

/// An error of machine.toml where `mainstay up` was refused for it, with what serves on all the same.
pub(crate) fn beside(explain: Explain, folders: &Folders) -> Explain {
    if UnixStream::connect(folders.api_socket()).is_ok() {
        let data = folders.data.display();
        return explain.now(format!(
            "Mainstay is up for {data} already and serves on, by what machine.toml said before"
        ));
    }
    match supervisor::living(&folders.run) {
        0 => explain,
        _ => explain.now("what was started before serves on without a keeper"),
    }
}

fn again(folders: &Folders, globals: &Globals) -> String {
    match (folders.kind, &globals.data) {
        (Kind::Service, _) => {
            "`systemctl start mainstay-keeper`, or `mainstay up` where there is no systemd,".to_owned()
        }
        (Kind::Own, Some(data)) => format!("`mainstay --data {} up`", data.display()),
        (Kind::Own, None) => "`mainstay up`".to_owned(),
    }
}
