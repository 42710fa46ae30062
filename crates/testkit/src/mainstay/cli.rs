//! The command line as a user has it: exit code, standard output, standard error, with a bound on time.

use std::{
    fmt,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::Mainstay;
use crate::{binaries, wait};

/// Longer than any command of a journey takes.
const COMMAND_LIMIT: Duration = Duration::from_secs(150);

/// What a command said.
#[derive(Clone, Debug)]
pub struct Said {
    pub words: String,
    /// -1: ended by a signal.
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// The lines of a `--json` run.
    pub fn json_lines(&self) -> Vec<Value> {
        self.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// # Panics
    /// When the code is another one; what was said is the message.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Both streams, for looking for words.
    pub fn all(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {} -> {}", self.words, self.code)?;
        writeln!(f, "{}\n{}", self.out, self.err)
    }
}

/// A command at work; killed when dropped.
pub struct Running {
    words: String,
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Mainstay {
    /// Runs `mainstay ARGUMENTS --data …` to its end.
    ///
    /// # Panics
    /// When it takes longer than 150 s.
    pub fn cli(&self, arguments: &[&str]) -> Said {
        self.cli_in(self.folder.path(), arguments)
    }

    /// The same in a folder, as `deploy` wants it.
    ///
    /// # Panics
    /// As [`Mainstay::cli`].
    pub fn cli_in(&self, folder: &Path, arguments: &[&str]) -> Said {
        self.spawn_in(folder, arguments).wait()
    }

    /// Starts a command and returns at once.
    ///
    /// # Panics
    /// When it does not start.
    pub fn spawn_in(&self, folder: &Path, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.current_dir(folder);
        Running::start(command, format!("mainstay {}", arguments.join(" ")))
    }

    /// The command itself, for a test that has its own idea of its streams.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binaries::path("mainstay"));
        // Before the arguments: what follows a `--` is not ours.
        command.arg("--data").arg(&self.data).args(arguments).current_dir(self.folder.path());
        command.env_remove("XDG_RUNTIME_DIR").env_remove("MAINSTAY_DATA");
        command
    }
}

impl Running {
    /// Any command.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(mut command: Command, words: String) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the built binary starts");
        let (out, err) = (Arc::default(), Arc::default());
        let readers = vec![
            copy(BufReader::new(child.stdout.take().expect("piped")), Arc::clone(&out)),
            copy(BufReader::new(child.stderr.take().expect("piped")), Arc::clone(&err)),
        ];
        Self { words, child, out, err, readers }
    }

    /// What it has said on standard error so far.
    ///
    /// # Panics
    /// Never: its readers do not.
    pub fn err(&self) -> String {
        self.err.lock().expect("readers do not panic").clone()
    }

    /// What it has said on standard output so far.
    pub fn out(&self) -> String {
        self.out.lock().expect("readers do not panic").clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the machine has told (`--json`) that it entered `phase`.
    pub fn has_entered(&self, phase: &str) -> bool {
        let entered = |line: &str| {
            let event: Value = serde_json::from_str(line).ok()?;
            Some(event["kind"]["entered"]["phase"].as_str()? == phase)
        };
        self.out().lines().any(|line| entered(line).unwrap_or(false))
    }

    /// # Panics
    /// When it is no child of this process.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("own child").is_some()
    }

    /// Returns when `phase` was entered (needs `--json`).
    ///
    /// # Panics
    /// When it ends without, or takes longer than the bound.
    pub fn wait_for_phase(&mut self, phase: &str) {
        let words = self.words.clone();
        wait::until(&format!("{words} enters {phase}"), COMMAND_LIMIT, || {
            if self.has_entered(phase) {
                return true;
            }
            let ended = self.child.try_wait().expect("own child");
            // What it said last may still be on its way through the pipe.
            assert!(ended.is_none() || self.has_entered(phase), "ended before {phase}:\n{}", self.out());
            false
        });
    }

    /// # Panics
    /// When it takes longer than the bound.
    pub fn wait(mut self) -> Said {
        let words = self.words.clone();
        let status = wait::value(&format!("{words} ends"), COMMAND_LIMIT, || {
            self.child.try_wait().expect("own child")
        });
        self.readers.drain(..).for_each(|reader| reader.join().expect("readers do not panic"));
        let err = self.err.lock().expect("readers do not panic").clone();
        Said { words, code: status.code().unwrap_or(-1), out: self.out(), err }
    }

    /// SIGKILL, as a closed terminal or a lost network does it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn copy(mut from: impl BufRead + Send + 'static, to: Arc<Mutex<String>>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            to.lock().expect("readers do not panic").push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}
