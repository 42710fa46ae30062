//! The build on the client: the manifest's command in its folder, as whoever deploys, before anything is packed.

use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
};

use model::{Explain, manifest::Build};
use tokio::process::Command;

use crate::session::Session;

/// Runs it to its end. What it says goes to stderr: stdout has the words of the deploy, or JSON.
///
/// # Errors
/// It cannot be started, fails, or takes longer than its `timeout`.
pub(super) async fn build(folder: &Path, build: &Build, session: &Session) -> Result<(), Explain> {
    let words = build.command.join(" ");
    session.report.note(&format!("building: {words}"));
    let failed = |cause: String| {
        Explain::new("build-failed", "the release cannot be built")
            .caused_by(cause)
            .now("nothing was deployed")
            .help("run the command of `[release.build]` by itself, in the folder of mainstay.toml")
    };
    let end = run(folder, build).await.map_err(|error| failed(format!("`{words}`: {error}")))?;
    match end {
        None => Err(failed(format!("`{words}` takes longer than {}", build.timeout))
            .help("or give it more time: `release.build.timeout`")),
        Some(status) if !status.success() => Err(failed(format!("`{words}`: {status}"))),
        Some(_) => Ok(()),
    }
}

/// `None`: its time was over, and it was ended.
async fn run(folder: &Path, build: &Build) -> io::Result<Option<ExitStatus>> {
    let (program, arguments) = build.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).envs(&build.env).current_dir(folder);
    command.stdin(Stdio::null()).stdout(io::stderr()).kill_on_drop(true);
    let mut child = command.spawn()?;
    match tokio::time::timeout(build.timeout.0, child.wait()).await {
        Ok(status) => status.map(Some),
        Err(_) => child.kill().await.map(|()| None),
    }
}
