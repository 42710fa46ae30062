//! Runs a program of the system that tells something, with bounds.

use std::{
    io::Read as _,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::Known;

/// Bound: of one run.
const LIMIT: Duration = Duration::from_secs(10);
/// Bound: of what it prints, on each of its two outputs.
const PRINTED_BYTES_MAX: u64 = 16 << 20;
/// Where the system's own programs lie, whatever the keeper's PATH is.
const PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// Whether there is such a program.
pub(super) fn is_there(name: &str) -> bool {
    PATH.split(':').any(|folder| std::path::Path::new(folder).join(name).is_file())
}

/// What `name` prints.
///
/// # Errors
/// It is not there, failed, or went on for too long; in words.
pub(super) fn printed(name: &str, words: &[&str]) -> Known<String> {
    printed_with(name, words, &[])
}

/// The same with variables of its own.
pub(super) fn printed_with(name: &str, words: &[&str], environment: &[(&str, &str)]) -> Known<String> {
    let failed = |why: String| format!("`{}` {why}", [&[name], words].concat().join(" "));
    if !is_there(name) {
        return Err(format!("there is no `{name}` here"));
    }
    let mut command = Command::new(name);
    command
        .args(words)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .envs(environment.iter().copied())
        .current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(format!("does not start: {error}")))?;
    let out = child.stdout.take().map(reader);
    let err = child.stderr.take().map(reader);
    let ended = ended(&mut child);
    let said =
        |reader: Option<thread::JoinHandle<String>>| reader.and_then(|it| it.join().ok()).unwrap_or_default();
    let (out, err) = (said(out), said(err));
    match ended {
        Some(true) => Ok(out),
        Some(false) => {
            Err(failed(format!("failed: {}", err.lines().next_back().unwrap_or("it did not say why").trim())))
        }
        None => Err(failed(format!("did not end within {} s", LIMIT.as_secs()))),
    }
}

fn reader(from: impl std::io::Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is what there is.
        let _ = from.take(PRINTED_BYTES_MAX).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Whether it succeeded; `None`: it was killed for being slow.
fn ended(child: &mut Child) -> Option<bool> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if begun.elapsed() < LIMIT => thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
}
