//! A command whose output is wanted: a job like any other, through a shim and with another's rights, but what it prints goes
//! into this process's memory and nowhere else.

use std::{collections::BTreeMap, fs::File, os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use model::{Site, manifest::Limits};
use supervisor::{
    Cause, Enclosure, Inherited, Kind, LogTo, Order, Process, Program, StopPlan, Supervisor, User, console,
};
use tokio::{io::AsyncReadExt as _, net::unix::pipe::Receiver};

use super::jobs;

const AT_ONCE: StopPlan = StopPlan { signal: 9, grace: Duration::ZERO };

/// A command, who runs it, and how much it may take.
pub(super) struct Asked {
    pub site: Option<Site>,
    pub name: &'static str,
    pub argv: Vec<String>,
    pub user: Option<User>,
    pub sandbox: Option<Enclosure>,
    /// From descriptor 3 on.
    pub fds: Vec<Inherited>,
    /// What the shim says; never what the command prints.
    pub log: LogTo,
    /// Bound: from its start to its end.
    pub limit: Duration,
    pub bytes_max: usize,
}

/// What it printed, once it has ended well; `Err`: why not, in words. Nothing of it is left then.
pub(super) async fn printed(supervisor: &Supervisor, asked: Asked) -> Result<Vec<u8>, String> {
    let no_pipe = |error: std::io::Error| format!("no pipe to read it by: {error}");
    let (output, writes) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| no_pipe(error.into()))?;
    let output = Receiver::from_owned_fd(output).map_err(no_pipe)?;
    let (limit, bytes_max) = (asked.limit, asked.bytes_max);
    let order = order(asked, writes).map_err(no_pipe)?;
    let spawned = supervisor.spawn(&order).await;
    // The writing end lives in the command alone now: its end is the end of what is read.
    drop(order);
    let process = spawned.map_err(|error| error.to_string())?;
    // A task of its own: whoever asked may go away, and the command is ended all the same.
    let read = tokio::spawn(read(process, output, limit, bytes_max)).await;
    read.map_err(|error| error.to_string())?
}

fn order(asked: Asked, stdout: OwnedFd) -> std::io::Result<Order> {
    let null = OwnedFd::from(File::options().write(true).open("/dev/null")?);
    let to = |name: &str, fd| Inherited { name: name.to_owned(), fd: Arc::new(fd) };
    Ok(Order {
        site: asked.site,
        name: asked.name.to_owned(),
        kind: Kind::Job,
        release: None,
        labels: BTreeMap::new(),
        program: Program::Verbatim(asked.argv),
        cwd: PathBuf::from("/"),
        shared_dir: None,
        user: asked.user,
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        told: BTreeMap::new(),
        redact: Vec::new(),
        listen: None,
        notify: false,
        fds: asked.fds.into_iter().chain([to(console::STDOUT, stdout), to(console::STDERR, null)]).collect(),
        limits: Limits::default(),
        sandbox: asked.sandbox,
        stop: AT_ONCE,
        log: asked.log,
    })
}

async fn read(
    process: Process,
    output: Receiver,
    limit: Duration,
    bytes_max: usize,
) -> Result<Vec<u8>, String> {
    let read = tokio::time::timeout(limit, to_the_end(&process, output, bytes_max)).await;
    if process.exit().is_none() {
        jobs::stop(&process).await;
        process.wait().await;
    }
    jobs::forget(&process).await;
    read.unwrap_or_else(|_| Err(format!("no end within {} s", limit.as_secs())))
}

async fn to_the_end(process: &Process, output: Receiver, bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let count = output.take(bytes_max as u64 + 1).read_to_end(&mut text).await;
    let count = count.map_err(|error| format!("what it printed cannot be read: {error}"))?;
    if count > bytes_max {
        return Err(format!("it printed more than {} KiB", bytes_max >> 10));
    }
    let exit = process.wait().await;
    if exit.cause == Cause::Code(0) { Ok(text) } else { Err(exit.to_string()) }
}
