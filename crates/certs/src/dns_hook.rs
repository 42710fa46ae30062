//! The operator's program that writes to a DNS: `HOOK set NAME VALUE`, `HOOK clear NAME VALUE`. It runs in the station's sandbox,
//! as the station's account, and ends once the world can see what it did.

use std::{process::Stdio, time::Duration};

use tokio::{io::AsyncReadExt as _, process::Command};

use crate::order::Failed;

/// Bound: of one run; a record may take minutes to be seen everywhere.
const RUN_LIMIT: Duration = Duration::from_secs(300);
/// Bound: of what it says that is told.
const SAID_BYTES_MAX: u64 = 2_000;

/// A TXT record that was written.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    hook: Vec<String>,
    name: String,
    value: String,
}

impl Record {
    /// Returns once the hook says that it is there.
    /// # Errors
    /// The hook's own words.
    pub(crate) async fn set(hook: &[String], domain: &str, value: String) -> Result<Self, Failed> {
        let record = Self { hook: hook.to_vec(), name: format!("_acme-challenge.{domain}"), value };
        record.run("set").await.map_err(Failed::new)?;
        Ok(record)
    }

    /// One that stays harms nobody: its value is of one order.
    pub(crate) async fn clear(self) {
        if let Err(why) = self.run("clear").await {
            tracing::warn!(record = self.name, why, "A record of a challenge stays in the DNS.");
        }
    }

    async fn run(&self, verb: &str) -> Result<(), String> {
        let (program, arguments) = self.hook.split_first().ok_or("no `dns_hook` is named")?;
        let failed = |what: &str| format!("the `dns_hook` {program} {verb} {}: {what}", self.name);
        let mut command = Command::new(program);
        command.args(arguments).args([verb, &self.name, &self.value]).kill_on_drop(true);
        // Pipes of our own: there need be no device in the sandbox.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = async {
            let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
            drop(child.stdin.take());
            let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
            let (out, err) = tokio::join!(said(out.as_mut()), said(err.as_mut()));
            let status = child.wait().await.map_err(|error| failed(&error.to_string()))?;
            let words = [err, out].join(" ");
            if status.success() { Ok(()) } else { Err(failed(&format!("{status}: {}", words.trim()))) }
        };
        tokio::time::timeout(RUN_LIMIT, run)
            .await
            .unwrap_or_else(|_| Err(failed("it did not end within its time")))
    }
}

/// The beginning of what it says, in one line; the rest is read and left, so that it never waits for a reader.
async fn said(from: Option<&mut (impl tokio::io::AsyncRead + Unpin)>) -> String {
    let Some(from) = from else { return String::new() };
    let mut bytes = Vec::new();
    let _ = (&mut *from).take(SAID_BYTES_MAX).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(from, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(script: &str) -> Vec<String> {
        ["sh", "-c", script, "hook"].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn a_hook_is_told_the_record_and_its_failure_is_told_in_its_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("said");
        let writes = hook(&format!("echo \"$@\" >> {}", file.display()));
        let record = Record::set(&writes, "example.com", "proof".to_owned()).await.expect("it is set");
        record.clear().await;
        let said = std::fs::read_to_string(&file).expect("there");
        assert_eq!(said, "set _acme-challenge.example.com proof\nclear _acme-challenge.example.com proof\n");

        let fails = hook("head -c 100000 /dev/zero; echo no such zone >&2; exit 3");
        let failed = Record::set(&fails, "example.com", "proof".to_owned()).await;
        let why = failed.expect_err("it fails").why;
        assert!(why.contains("exit status: 3") && why.contains("no such zone"), "{why}");
        let none = Record::set(&["/nowhere/hook".to_owned()], "example.com", "proof".to_owned()).await;
        assert!(none.is_err_and(|failed| failed.why.contains("/nowhere/hook")));
    }
}
