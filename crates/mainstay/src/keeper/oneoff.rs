//! `mainstay run` and `exec`: a command in a release, with its user, environment and secrets, and somebody attached.

mod conversation;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use admin::operations::Conversation;
use api::jobs::{Exec, Run, Terminal};
use machine::terminal::Size;
use model::{Address, Explain, ProcessId, Site};
use release::Runnable;
use supervisor::{Console, Enclosure, Inherited, Kind, LogTo, Order, Process, Program, Slot, StopPlan, logs};

use super::{ground::Ground, jobs, secrets, world::Outside};

/// The label of a one-off: how it was asked for, [`RUN`] or [`EXEC`].
pub(crate) const ONE_OFF: &str = "one-off";
pub(crate) const RUN: &str = "run";
pub(crate) const EXEC: &str = "exec";
/// The labels that say who asked for it, and in whose environment it runs.
pub(crate) const OPERATOR: &str = "operator";
pub(crate) const SERVICE: &str = "service";
pub(crate) const INSTANCE: &str = "instance";
/// What a terminal may be called: the longest name that terminfo knows is shorter.
const KIND_BYTES_MAX: usize = 64;

/// The one-offs that run. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct OneOffs {
    held: Arc<Mutex<HashMap<ProcessId, Process>>>,
}

impl OneOffs {
    fn held(&self) -> MutexGuard<'_, HashMap<ProcessId, Process>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn running(&self) -> Vec<Process> {
        self.held().values().filter(|process| process.exit().is_none()).cloned().collect()
    }

    /// Takes note of one until it has ended; also of one of a keeper before this one, which goes on with nobody
    /// attached.
    pub(crate) fn hold(&self, process: Process) {
        self.held().insert(process.id(), process.clone());
        let all = self.clone();
        tokio::spawn(async move {
            process.wait().await;
            all.held().remove(&process.id());
            jobs::forget(&process).await;
        });
    }

    /// Ends those of `site`, or of all, and waits for it: nothing of an app outlives it.
    pub(crate) async fn stop(&self, site: Option<&Site>) {
        let mine = |process: &&Process| site.is_none() || process.spec().site.as_ref() == site;
        let stopped: Vec<_> = self.held().values().filter(mine).cloned().collect();
        let stops = stopped.iter().map(|process| async move {
            jobs::stop(process).await;
            process.wait().await;
            jobs::forget(process).await;
        });
        futures_util::future::join_all(stops).await;
    }
}

/// Starts a command in the release that serves. It runs to its end even if nobody is attached.
/// # Errors
/// It could not be started.
pub(crate) async fn run(
    world: &Outside,
    site: &Site,
    runnable: &Runnable,
    request: Run,
    operator: &str,
) -> Result<Conversation, Explain> {
    let mut order = in_release(&world.ground, site, runnable, request.argv).await?;
    order.labels = labels(RUN, operator, [(SERVICE, runnable.service.to_string())]);
    start(world, site, order, request.terminal, operator).await
}

/// The same with all that a running instance was started with.
/// # Errors
/// The instance does not run; the command could not be started.
pub(crate) async fn exec(
    world: &Outside,
    site: &Site,
    slot: &Slot,
    request: Exec,
    operator: &str,
) -> Result<Conversation, Explain> {
    let Some(process) = slot.process() else {
        let message = format!("the instance {} of {site} does not run now", request.instance);
        return Err(Explain::new("not-running", message)
            .help("`mainstay status` says why; `mainstay run` needs no instance"));
    };
    let own = slot.settings().order.have().await.map_err(|why| {
        Explain::new("command-not-started", format!("the command could not be started in {site}"))
            .caused_by(why)
    })?;
    let mut order = beside(own, process.address(), request.argv);
    let of = [(SERVICE, request.instance.service.to_string()), (INSTANCE, request.instance.to_string())];
    order.labels = labels(EXEC, operator, of);
    start(world, site, order, request.terminal, operator).await
}

async fn start(
    world: &Outside,
    site: &Site,
    mut order: Order,
    terminal: Option<Terminal>,
    operator: &str,
) -> Result<Conversation, Explain> {
    let failed =
        || Explain::new("command-not-started", format!("the command could not be started in {site}"));
    let owner = order.user.as_ref().map(|user| user.ids.uid);
    let (console, inherited) = console(terminal.as_ref(), owner).map_err(|error| failed().because(&error))?;
    if let Some(terminal) = terminal {
        order.env.entry("TERM".to_owned()).or_insert(kind(terminal.kind));
    }
    as_a_one_off(&world.ground, site, &mut order, inherited);
    let (operator, log) = (operator.to_owned(), order.log.path.clone());
    tracing::info!(%site, operator, name = order.name, log = %log.display(), "Runs a one-off command.");
    let process = world.ground.supervisor.spawn(&order).await.map_err(|error| failed().because(&error))?;
    world.oneoffs.hold(process.clone());
    Ok(Box::new(move |stream| Box::pin(conversation::converse(stream, process, console))))
}

/// What a later keeper knows of a one-off, beside its spec.
fn labels<const N: usize>(verb: &str, operator: &str, of: [(&str, String); N]) -> BTreeMap<String, String> {
    let said = [(ONE_OFF, verb.to_owned()), (OPERATOR, operator.to_owned())];
    said.into_iter().chain(of).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A name in `TERM` reaches a file's path in terminfo: letters and the few signs that such names have.
fn kind(name: String) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-+._".contains(c);
    if name.len() <= KIND_BYTES_MAX && !name.is_empty() && name.chars().all(plain) {
        name
    } else {
        "dumb".to_owned()
    }
}

fn console(terminal: Option<&Terminal>, owner: Option<u32>) -> std::io::Result<(Console, Vec<Inherited>)> {
    match terminal {
        None => Console::pipes(),
        Some(Terminal { size, .. }) => {
            Console::terminal(Size { columns: size.columns, rows: size.rows }, owner)
        }
    }
}

/// What every one-off has, whosever environment it is.
fn as_a_one_off(ground: &Ground, site: &Site, order: &mut Order, inherited: Vec<Inherited>) {
    // One file per command: several may run at once. It gets what is written when nobody is attached any more.
    let name = format!("run-{}.log", ulid::Ulid::generate().to_string().to_lowercase());
    order.log.path = logs::folder(&ground.folders.data, site).join("run").join(name);
    order.kind = Kind::Job;
    order.listen = None;
    order.notify = false;
    order.fds = inherited;
    order.stop = StopPlan { signal: 15, grace: Duration::from_secs(10) };
}

async fn in_release(
    ground: &Ground,
    site: &Site,
    runnable: &Runnable,
    argv: Vec<String>,
) -> Result<Order, Explain> {
    let mut programs = runnable.manifest.programs();
    let program = programs.find(|program| *program.service == runnable.service).ok_or_else(|| {
        Explain::new(
            "no-such-service",
            format!("the release that serves has no service {}", runnable.service),
        )
    })?;
    // It listens nowhere: a variable that names the instance's address has no value for it.
    let env = program.env.iter().filter(|(_, value)| !names_an_address(value));
    Ok(Order {
        site: Some(site.clone()),
        name: "run".to_owned(),
        kind: Kind::Job,
        release: Some(runnable.release),
        labels: BTreeMap::new(),
        program: Program::Command(argv),
        cwd: runnable.release_dir.clone(),
        shared_dir: Some(runnable.shared_dir.clone()),
        user: ground.user(site)?,
        env: env.map(|(name, value)| (name.clone(), value.clone())).collect(),
        secrets: secrets::resolve(ground, site, program.env_secrets, runnable.kept_secrets.as_deref())
            .await?,
        told: BTreeMap::new(),
        redact: Vec::new(),
        listen: None,
        notify: false,
        fds: Vec::new(),
        limits: program.limits,
        sandbox: Some(Enclosure::of_app(
            runnable.manifest.sandbox_of(&runnable.service),
            vec![runnable.shared_dir.clone()],
        )),
        stop: StopPlan { signal: 15, grace: Duration::ZERO },
        log: LogTo { path: std::path::PathBuf::new(), limits: runnable.manifest.logs.clone() },
    })
}

fn names_an_address(value: &str) -> bool {
    ["{port}", "{socket}"].iter().any(|placeholder| value.contains(placeholder))
}

/// An instance's own order for another program: where the instance listens is only told, not opened again.
fn beside(mut order: Order, address: Option<&Address>, argv: Vec<String>) -> Order {
    let (placeholder, value) = match address {
        Some(Address::Tcp(address)) => ("{port}", address.port().to_string()),
        Some(Address::Unix(path)) => ("{socket}", path.display().to_string()),
        None => ("", String::new()),
    };
    if !placeholder.is_empty() {
        let filled = |text: &mut String| *text = text.replace(placeholder, &value);
        order.env.values_mut().for_each(filled);
    }
    if let Some(Address::Tcp(_)) = address {
        order.env.entry("PORT".to_owned()).or_insert(value);
    }
    order.program = Program::Command(argv);
    order
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kind_of_a_terminal_is_a_name_and_never_a_path() {
        assert_eq!(super::kind("xterm-256color".to_owned()), "xterm-256color");
        for bad in ["../../etc/x", "", "a b", &"x".repeat(65)] {
            assert_eq!(super::kind(bad.to_owned()), "dumb", "{bad}");
        }
    }
}
