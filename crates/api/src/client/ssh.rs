//! The way to a keeper on another machine: the system's `ssh HOST mainstay proxy`, whose standard streams are the connection.
//!
//! Which key is used, which host is known, which name leads where and whether several connections share one (ControlMaster) is
//! the matter of the user's own ssh configuration. A connection takes a while to be made, so that one is kept for the next request.

mod unreached;

use std::{
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use model::Explain;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStderr, Command},
    sync::watch,
};

use super::{Failure, way::Line};
use crate::remote::{GREETING, Host};

/// Bound: until the proxy greets. A person may have to type a passphrase meanwhile; sshd waits two minutes for that.
const REACHED_WITHIN: Duration = Duration::from_secs(150);
/// Bound: what a login may print before the greeting.
const NOISE_BYTES_MAX: u64 = 64 << 10;
/// Bound: of what ssh says only the end is kept.
const SAID_BYTES_MAX: usize = 16 << 10;
/// Bound: how long the last words of an `ssh` are waited for whose connection broke.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A process that ssh leaves behind (ControlPersist) holds its standard error open: what was said before its end is there by then.
const AFTER_ITS_END: Duration = Duration::from_millis(200);
/// The keeper closes a connection that is idle for 10 s.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// For every connection. A network that is gone is noticed within 30 s; nothing of the user's session is forwarded.
const OPTIONS: [&str; 11] = [
    "-T",
    "-a",
    "-x",
    "-o",
    "ClearAllForwardings=yes",
    "-o",
    "ConnectTimeout=15",
    "-o",
    "ServerAliveInterval=10",
    "-o",
    "LogLevel=ERROR",
];

/// Where the keeper is, and how it is reached.
#[derive(Clone, Debug)]
pub struct Target {
    pub host: Host,
    /// The `mainstay` there; a name is looked for in the PATH of the login.
    pub program: String,
    /// Its data folder there; `None`: the one that a client there would ask.
    pub data: Option<String>,
    /// The ssh of this machine with its first arguments; never empty.
    pub ssh: Vec<String>,
    /// Whether a person may be asked for a passphrase or about a host's key.
    pub may_ask: bool,
}

/// A [`Target`], and the connection to it that is free.
#[derive(Debug)]
pub struct Remote {
    target: Target,
    idle: Mutex<Option<(Line, Instant)>>,
}

/// An `ssh` that runs.
#[derive(Debug)]
pub(super) struct Session {
    ended: watch::Receiver<Option<Ended>>,
}

/// How an `ssh` ended, and what it and the other side said on standard error.
#[derive(Clone, Debug)]
struct Ended {
    status: Option<ExitStatus>,
    said: String,
}

impl Remote {
    pub fn new(target: Target) -> Self {
        Self { target, idle: Mutex::default() }
    }

    pub fn host(&self) -> &Host {
        &self.target.host
    }

    /// The one that is free, else a new one.
    pub(super) async fn line(&self) -> Result<Line, Failure> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        match kept {
            Some((mut line, since)) if since.elapsed() < IDLE_MAX => {
                if line.is_free().await {
                    Ok(line)
                } else {
                    self.open().await
                }
            }
            _ => self.open().await,
        }
    }

    pub(super) fn keep(&self, line: Line) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some((line, Instant::now()));
    }

    async fn open(&self) -> Result<Line, Failure> {
        let unreached = |told: unreached::Told| Failure::Unreached {
            passing: told.passing,
            explain: Box::new(told.explain),
        };
        let mut child =
            self.connection().spawn().map_err(|error| unreached(unreached::no_ssh(&self.target, &error)))?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = streams else {
            return Err(unreached(unreached::silent(&self.target, REACHED_WITHIN)));
        };
        let session = Session::of(child, errors);
        let mut output = BufReader::new(output);
        match tokio::time::timeout(REACHED_WITHIN, is_greeted(&mut output)).await {
            Ok(true) => Line::over(tokio::io::join(output, input), Some(session)).await,
            Ok(false) => {
                // So that one which waits for a word from here ends.
                drop(input);
                Err(unreached(unreached::told(&self.target, &session.end().await)))
            }
            Err(_) => Err(unreached(unreached::silent(&self.target, REACHED_WITHIN))),
        }
    }

    fn connection(&self) -> Command {
        let mut command = Command::from(self.target.command(&self.target.words()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C cancels a deploy over this connection, and then watches its end over it.
        machine::signals::start_without_interrupts(command.as_std_mut());
        command
    }
}

impl Target {
    /// An `ssh` that gives `words` to the shell of the login.
    pub fn command(&self, words: &str) -> std::process::Command {
        self.command_with(&[], words)
    }

    /// The same with more options of ssh's, which hold over those for every connection.
    pub fn command_with(&self, options: &[&str], words: &str) -> std::process::Command {
        let Self { host, ssh, may_ask, .. } = self;
        let mut command = std::process::Command::new(ssh.first().map_or("ssh", String::as_str));
        command.args(ssh.iter().skip(1)).args(OPTIONS).args(options);
        if !may_ask {
            command.args(["-o", "BatchMode=yes"]);
        }
        if let Some(port) = host.port {
            command.args(["-p", &port.to_string()]);
        }
        command.arg("--").arg(host.destination()).arg(words);
        command
    }

    /// Why an `ssh` of [`Self::command`] led nowhere, by how it ended and what it said on standard error.
    pub fn unreached(&self, status: ExitStatus, said: &str) -> Explain {
        unreached::told(self, &Ended { status: Some(status), said: said.to_owned() }).explain
    }

    /// There is no `ssh` to run here.
    pub fn no_ssh(&self, error: &std::io::Error) -> Explain {
        unreached::no_ssh(self, error).explain
    }

    /// What the shell of the login is given.
    fn words(&self) -> String {
        match &self.data {
            Some(data) => format!("{} --data {} proxy", quoted(&self.program), quoted(data)),
            None => format!("{} proxy", quoted(&self.program)),
        }
    }
}

/// One word for a POSIX shell; plain where it is one by itself.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/~".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Whether the greeting comes, after whatever the login prints.
async fn is_greeted(output: &mut (impl AsyncBufRead + Unpin)) -> bool {
    let mut left = NOISE_BYTES_MAX;
    let mut line = Vec::new();
    loop {
        line.clear();
        match output.take(left).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return false,
            Ok(_) if line == GREETING.as_bytes() => return true,
            Ok(read) => left -= read as u64,
        }
    }
}

impl Session {
    fn of(child: Child, errors: ChildStderr) -> Self {
        let (tell, ended) = watch::channel(None);
        tokio::spawn(attend(child, errors, tell));
        Self { ended }
    }

    async fn end(mut self) -> Ended {
        let ended = tokio::time::timeout(REACHED_WITHIN, self.ended.wait_for(Option::is_some)).await;
        let ended = ended.ok().and_then(Result::ok).and_then(|ended| ended.clone());
        ended.unwrap_or(Ended { status: None, said: String::new() })
    }

    pub(super) async fn last_words(self) -> String {
        let ended = tokio::time::timeout(LAST_WORDS, self.end()).await;
        ended.map(|ended| ended.said.trim().replace('\n', "; ")).unwrap_or_default()
    }
}

/// Keeps what is said until it has ended.
async fn attend(mut child: Child, errors: ChildStderr, tell: watch::Sender<Option<Ended>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = tokio::spawn(hear(errors, Arc::clone(&said)));
    let status = child.wait().await.ok();
    let _ = tokio::time::timeout(AFTER_ITS_END, heard).await;
    let said = String::from_utf8_lossy(&said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
    // Nobody asks any more where the line was dropped.
    let _ = tell.send(Some(Ended { status, said }));
}

async fn hear(mut errors: ChildStderr, said: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = errors.read(&mut chunk).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(chunk.get(..read).unwrap_or_default());
        let surplus = said.len().saturating_sub(SAID_BYTES_MAX);
        said.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            host: "ana@live:2222".parse().unwrap(),
            program: "mainstay".to_owned(),
            data: None,
            ssh: vec!["ssh".to_owned(), "-F".to_owned(), "config".to_owned()],
            may_ask: false,
        }
    }

    #[tokio::test]
    async fn ssh_is_given_the_host_after_every_option_and_one_word_for_the_shell() {
        let command = Remote::new(target()).connection();
        let words: Vec<_> = command.as_std().get_args().map(|word| word.to_string_lossy()).collect();
        assert_eq!(words[..2], ["-F", "config"]);
        assert_eq!(words[words.len() - 5..], ["-p", "2222", "--", "ana@live", "mainstay proxy"]);
        assert!(words.iter().any(|word| word == "BatchMode=yes"));
    }

    #[test]
    fn folders_of_the_other_side_are_quoted_for_its_shell() {
        let data = |data: &str| Target { data: Some(data.to_owned()), ..target() }.words();
        assert_eq!(data("/srv/main"), "mainstay --data /srv/main proxy");
        assert_eq!(data("/srv/it's; id"), r"mainstay --data '/srv/it'\''s; id' proxy");
    }

    #[tokio::test]
    async fn what_a_login_prints_before_the_greeting_is_skipped_within_a_bound() {
        let greeted = async |text: String| {
            let mut output = BufReader::new(text.as_bytes());
            let greeted = is_greeted(&mut output).await;
            let mut rest = String::new();
            output.read_to_string(&mut rest).await.unwrap();
            (greeted, rest)
        };
        assert_eq!(greeted(format!("Welcome!\n\n{GREETING}HTTP")).await, (true, "HTTP".to_owned()));
        assert!(!greeted("Welcome!\n".to_owned()).await.0);
        assert!(!greeted(format!("{}\n{GREETING}", "x".repeat(70_000))).await.0);
    }
}
