//! A command that gives secrets: a job like any other, through a shim and as the app's user, but what it prints goes into
//! this process's memory and nowhere else.

use std::{collections::BTreeMap, os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use model::{Explain, Site, manifest::Limits};
use supervisor::{Cause, Inherited, Kind, Order, Process, Program, StopPlan, console};
use tokio::{io::AsyncReadExt as _, net::unix::pipe::Receiver};

use super::Values;
use crate::{
    config::{secret_file::TEXT_BYTES_MAX, secret_lines},
    keeper::{ground::Ground, jobs, orders},
};

/// Bound: from its start to its end.
const LIMIT: Duration = Duration::from_secs(20);
const AT_ONCE: StopPlan = StopPlan { signal: 9, grace: Duration::ZERO };

pub(super) async fn values(ground: &Ground, site: &Site, argv: &[String]) -> Result<Values, Explain> {
    let failed = |cause: String| {
        Explain::new("secrets-command-failed", format!("the command that gives the secrets of {site} failed"))
            .caused_by(cause)
            .help("run it by hand as the app's user; its output is never logged")
    };
    let no_pipe = |error: std::io::Error| failed(format!("no pipe to read it by: {error}"));
    let (output, writes) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| no_pipe(error.into()))?;
    let output = Receiver::from_owned_fd(output).map_err(no_pipe)?;
    let order = order(ground, site, argv, writes).map_err(no_pipe)??;
    let spawned = ground.supervisor.spawn(&order).await;
    // The writing end lives in the command alone now: its end is the end of what is read.
    drop(order);
    let process = spawned.map_err(|error| failed(error.to_string()))?;
    // A task of its own: whoever asked may go away, and the command is ended all the same.
    let read = tokio::spawn(read(process, output)).await.map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(read.map_err(failed)?)
        .map_err(|_| failed("it printed bytes that are no UTF-8".into()))?;
    secret_lines::parse(&text)
        .map_err(|line| failed(format!("line {line} of what it printed is not of the form NAME=value")))
}

fn order(
    ground: &Ground,
    site: &Site,
    argv: &[String],
    stdout: OwnedFd,
) -> std::io::Result<Result<Order, Explain>> {
    let null = OwnedFd::from(std::fs::File::options().write(true).open("/dev/null")?);
    let to = |name: &str, fd| Inherited { name: name.to_owned(), fd: Arc::new(fd) };
    let fds = vec![to(console::STDOUT, stdout), to(console::STDERR, null)];
    Ok(ground.user(site).map(|user| Order {
        site: Some(site.clone()),
        name: "secrets".to_owned(),
        kind: Kind::Job,
        release: None,
        labels: BTreeMap::new(),
        program: Program::Verbatim(argv.to_vec()),
        cwd: PathBuf::from("/"),
        shared_dir: None,
        user,
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        told: BTreeMap::new(),
        redact: Vec::new(),
        listen: None,
        notify: false,
        fds,
        limits: Limits::default(),
        // The operator's own command, which may keep a cache or ask an agent wherever it likes.
        sandbox: None,
        stop: AT_ONCE,
        log: orders::job_log(ground, site, "secrets"),
    }))
}

/// What it printed, once it has ended well; `Err`: why not, in words. Nothing of it is left then.
async fn read(process: Process, output: Receiver) -> Result<Vec<u8>, String> {
    let read = tokio::time::timeout(LIMIT, to_the_end(&process, output)).await;
    if process.exit().is_none() {
        if let Err(error) = process.stop().await {
            tracing::warn!(%error, "A command that gives secrets could not be ended.");
        }
        process.wait().await;
    }
    jobs::forget(&process).await;
    read.unwrap_or_else(|_| Err(format!("no end within {} s", LIMIT.as_secs())))
}

async fn to_the_end(process: &Process, output: Receiver) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let count = output.take(TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut text).await;
    let count = count.map_err(|error| format!("what it printed cannot be read: {error}"))?;
    if count > TEXT_BYTES_MAX {
        return Err("it printed more than 256 KiB".to_owned());
    }
    let exit = process.wait().await;
    if exit.cause == Cause::Code(0) { Ok(text) } else { Err(exit.to_string()) }
}
