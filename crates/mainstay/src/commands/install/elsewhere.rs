//! `mainstay --host HOST install`: sends the binary for that machine over ssh, and lets it install itself there.
//!
//! What is asked of the other side is POSIX shell and sha256sum, before anything of Mainstay's is there. Nothing is changed
//! until the binary has arrived whole and says its version; what was sent is removed again.

mod binary;
mod words;

use std::{
    fs::File,
    io,
    process::{Command, ExitCode, Output, Stdio},
};

use api::client::{
    Failure,
    ssh::{Target, quoted},
};
use model::Explain;

use self::{binary::Binary, words::There};
use super::Install;
use crate::{
    cli::Globals,
    output::line,
    session::{Session, block_on},
};

/// ssh's own failures (ssh(1), "exit status").
const OF_SSH: i32 = 255;

/// A machine that is reached, what it is, and what it gets.
struct Elsewhere<'a> {
    install: &'a Install,
    globals: &'a Globals,
    target: Target,
}

/// # Errors
/// No way leads there, nobody may become root there, no binary of ours runs there, or the installation fails.
pub(super) fn install(install: &Install, globals: &Globals, target: Target) -> Result<ExitCode, Explain> {
    let elsewhere = Elsewhere { install, globals, target };
    let there = elsewhere.look()?;
    if !install.dry_run && !there.may_install(elsewhere.target.may_ask) {
        return Err(words::no_root(&elsewhere.target.host, &there));
    }
    let binary = binary::choose(install.binary.as_deref(), &there.architecture, &elsewhere.target.host)?;
    elsewhere.say(format!(
        "{} is a {} Linux; it gets {}",
        elsewhere.target.host,
        there.architecture,
        binary.path.display()
    ));
    let place = elsewhere.send(&binary)?;
    elsewhere.run(&there, &place)
}

impl Elsewhere<'_> {
    fn look(&self) -> Result<There, Explain> {
        let output = self.ask(words::LOOK, Stdio::null())?;
        There::parse(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| self.not_understood(&output))
    }

    /// The folder there that holds the binary, whole.
    fn send(&self, binary: &Binary) -> Result<String, Explain> {
        let file = File::open(&binary.path).map_err(|error| binary.unreadable(&error))?;
        let output = self.ask(words::TAKE, Stdio::from(file))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let taken = words::Taken::parse(&text).ok_or_else(|| self.not_understood(&output))?;
        let refused = match (taken.digest == binary.digest, taken.runs) {
            (true, true) => return Ok(taken.folder),
            (false, _) => words::cut(&self.target.host),
            (true, false) => words::does_not_run(&self.target.host, &binary.path, &output.stderr),
        };
        self.remove(&taken.folder);
        Err(refused)
    }

    fn run(&self, there: &There, place: &str) -> Result<ExitCode, Explain> {
        let script = words::install(self.install, self.globals.json, there, place);
        // `sudo` asks on the terminal, which is this one's.
        let options: &[&str] = if there.asks() && !self.install.dry_run { &["-t", "-q"] } else { &[] };
        let mut ssh = self.target.command_with(options, &script);
        let status = ssh.status().map_err(|error| self.target.no_ssh(&error))?;
        match status.code() {
            Some(0) if self.install.dry_run || self.install.no_start || self.globals.json => {
                Ok(ExitCode::SUCCESS)
            }
            Some(0) => self.reached().map(|()| ExitCode::SUCCESS),
            // Its own words were said already.
            Some(code @ 1..OF_SSH) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
            _ => Err(self.target.unreached(status, "").now(
                "the installation there may go on: run this again, it does only what is still to be done",
            )),
        }
    }

    /// From now on every command goes there.
    fn reached(&self) -> Result<(), Explain> {
        let session = Session::new(self.globals)?;
        let host = &self.target.host;
        let asked = block_on(async { session.client.machine().await.map_err(Failure::explain) });
        asked.map_err(|explain| explain.now(format!("it is installed and started on {host}")))?;
        line(format!("It answers: `mainstay --host {host} deploy` puts an app there."));
        Ok(())
    }

    fn remove(&self, folder: &str) {
        // What is refused is told; that a folder of /tmp stays is no more than that.
        let _ = self.ask(&format!("rm -rf {}", quoted(folder)), Stdio::null());
    }

    /// Runs a script there by a POSIX shell, whatever the login's is.
    fn ask(&self, script: &str, input: Stdio) -> Result<Output, Explain> {
        let mut ssh: Command = self.target.command(&format!("sh -c {}", quoted(script)));
        ssh.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = ssh.spawn().and_then(std::process::Child::wait_with_output);
        let output = output.map_err(|error: io::Error| self.target.no_ssh(&error))?;
        match output.status.code() {
            Some(OF_SSH) | None => {
                Err(self.target.unreached(output.status, &String::from_utf8_lossy(&output.stderr)))
            }
            Some(_) => Ok(output),
        }
    }

    fn not_understood(&self, output: &Output) -> Explain {
        words::not_understood(&self.target.host, &String::from_utf8_lossy(&output.stderr))
    }

    fn say(&self, text: String) {
        if !self.globals.json {
            line(text);
        }
    }
}
