//! `mainstay run` and `exec`: a command in the release that serves, with its user, environment and secrets.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use admin::operations::Lines;
use api::jobs::Frame;
use futures_util::{StreamExt as _, stream};
use model::{Explain, Site};
use release::Runnable;
use supervisor::{
    Kind, LogTo, Order, Process, Program, StopPlan,
    logs::{self, Stream},
};

use super::{ground::Ground, jobs, secrets};

/// What is looked at, and how often, while the command runs.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Starts the command and gives its output line by line, at last its exit. It runs to its end even if nobody listens.
/// # Errors
/// It could not be started.
pub(crate) async fn run(
    ground: &Arc<Ground>,
    site: &Site,
    runnable: &Runnable,
    argv: Vec<String>,
    operator: &str,
) -> Result<Lines<Frame>, Explain> {
    let order = order(ground, site, runnable, argv).await?;
    let log = order.log.path.clone();
    tracing::info!(%site, operator, log = %log.display(), "Runs a one-off command.");
    let process = ground.supervisor.spawn(&order).await.map_err(|error| {
        Explain::new("command-not-started", format!("the command could not be started in {site}"))
            .because(&error)
    })?;
    let output = Output { process, log, read: 0, ready: Vec::new().into_iter(), done: false };
    Ok(stream::unfold(output, |mut output| async move { Some((output.next().await?, output)) }).boxed())
}

async fn order(
    ground: &Ground,
    site: &Site,
    runnable: &Runnable,
    argv: Vec<String>,
) -> Result<Order, Explain> {
    let service = runnable.manifest.services.get(&runnable.service).ok_or_else(|| {
        Explain::new(
            "no-such-service",
            format!("the release that serves has no service {}", runnable.service),
        )
    })?;
    // One file per command: several may run at once, and each client reads only its own.
    let name = format!("run-{}", ulid::Ulid::generate().to_string().to_lowercase());
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
        env: service.env.iter().filter(|(_, value)| !names_an_address(value)).map(own).collect(),
        secrets: secrets::resolve(ground, site, &service.env_secrets).await?,
        redact: Vec::new(),
        listen: None,
        notify: false,
        fds: Vec::new(),
        limits: service.limits,
        stop: StopPlan { signal: 15, grace: Duration::from_secs(10) },
        log: LogTo {
            path: logs::folder(&ground.folders.data, site).join("run").join(format!("{name}.log")),
            limits: runnable.manifest.logs.clone(),
        },
    })
}

/// A one-off listens nowhere: a variable that names the instance's address has no value for it.
fn names_an_address(value: &str) -> bool {
    ["{port}", "{socket}"].iter().any(|placeholder| value.contains(placeholder))
}

fn own((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

/// Reads a command's log as it grows.
struct Output {
    process: Process,
    log: std::path::PathBuf,
    /// Bytes of the log that were taken.
    read: u64,
    ready: std::vec::IntoIter<Frame>,
    done: bool,
}

impl Output {
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.ready.next() {
                return Some(frame);
            }
            if self.done {
                return None;
            }
            let exit = tokio::time::timeout(LOOK_EVERY, self.process.wait()).await.ok();
            // After the end, so that the last lines are in: the shim writes them before it says that it is over.
            let mut frames = self.fresh().await;
            if let Some(exit) = exit {
                let (code, signal) = jobs::code_and_signal(&exit);
                if let supervisor::Cause::NotStarted(why) = &exit.cause {
                    frames.push(Frame::Stderr { text: why.clone() });
                }
                frames.push(Frame::Exit { code, signal });
                jobs::forget(&self.process).await;
                self.done = true;
            }
            self.ready = frames.into_iter();
        }
    }

    async fn fresh(&mut self) -> Vec<Frame> {
        let (path, from) = (self.log.clone(), self.read);
        let read = tokio::task::spawn_blocking(move || logs::read_from(&path, from)).await;
        let Ok(Ok((lines, end))) = read else { return Vec::new() };
        self.read = end;
        lines.into_iter().map(frame).collect()
    }
}

/// What the command wrote, its line ends with it; a line that the log had to cut goes on in the next frame.
fn frame(line: logs::Line) -> Frame {
    let end = if line.partial { "" } else { "\n" };
    let text = line.text + end;
    match line.stream {
        Stream::Stdout => Frame::Stdout { text },
        Stream::Stderr => Frame::Stderr { text },
    }
}
