//! A `mainstay up` of our own: started, asked, stopped.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::folders::Folders;
use crate::shell::{self, Doing, Error, Result};

const START_LIMIT: Duration = Duration::from_secs(30);
/// Longer than the drain of the machine's own default.
const STOP_LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Machine {
    binary: PathBuf,
    data: PathBuf,
    log: PathBuf,
    up: Child,
}

/// What was left running, as by a kill of this program, would be taken for the one that is started here.
fn refuse_a_second(binary: &Path, folders: &Folders) -> Result<()> {
    let mut status = Command::new(binary);
    status.args(["status", "--machine", "--data"]).arg(folders.data());
    let answer = status.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !answer.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let data = folders.data();
    Err(Error(format!(
        "a Mainstay runs in {} already; `{} down --data {}` ends it",
        data.display(),
        binary.display(),
        data.display()
    )))
}

impl Machine {
    /// Starts `mainstay up` in a process group of its own: Ctrl-C comes here, and here decides.
    pub(crate) fn start(binaries: &Path, folders: &Folders) -> Result<Self> {
        let binary = binaries.join("mainstay");
        refuse_a_second(&binary, folders)?;
        let log = fs::File::create(folders.log()).doing(format!("writing {}", folders.log().display()))?;
        let errors = log.try_clone().doing("sharing the log")?;
        let mut up = Command::new(&binary);
        up.arg("up")
            .arg("--data")
            .arg(folders.data())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0);
        let up = up.spawn().doing(format!("starting {}", binary.display()))?;
        Ok(Self { binary, data: folders.data(), log: folders.log(), up })
    }

    /// `mainstay` with this machine's data folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--data").arg(&self.data);
        command
    }

    /// The folder that `mainstay` was built into.
    pub(crate) fn binaries(&self) -> &Path {
        self.binary.parent().unwrap_or(&self.binary)
    }

    /// Returns when the keeper answers.
    ///
    /// # Errors
    /// It ended, took too long, or `gave_up` says so.
    pub(crate) fn wait_until_it_answers(&mut self, gave_up: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while !self.answers() {
            if let Some(status) = self.ended()? {
                return Err(Error(format!("`mainstay up` ended ({status}):\n{}", self.last_words())));
            }
            if gave_up() || Instant::now() > deadline {
                return Err(Error(format!("the keeper does not answer:\n{}", self.last_words())));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(crate) fn deploy(&self, folders: &Folders) -> Result<()> {
        shell::run(self.command(&["deploy"]).current_dir(folders.app()))
    }

    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.up.try_wait().doing("waiting for `mainstay up`")
    }

    /// Drains and stops; kills what does not end in time.
    pub(crate) fn stop(&mut self) {
        if matches!(self.up.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Err(error) = shell::run(&mut self.command(&["down"])) {
            eprintln!("error: {error}");
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if matches!(self.up.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        eprintln!("error: `mainstay up` did not end; killed");
        let _ = self.up.kill();
        let _ = self.up.wait();
    }

    fn answers(&self) -> bool {
        let mut status = self.command(&["apps", "--json"]);
        status.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        status.status().is_ok_and(|status| status.success())
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}
