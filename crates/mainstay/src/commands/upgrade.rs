//! `mainstay upgrade`: another binary for this machine's Mainstay, while it serves.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use api::{
    artifact::Artifact,
    client::Failure,
    machine::Process,
    upgrade::{EXIT_RETURNED, Outcome, Planned, Record, Request, What},
};
use clap::{ArgGroup, Args};
use model::Explain;
use ulid::Ulid;

use super::deploy::send;
use crate::{
    output::{json, line},
    session::{Session, block_on, unreadable},
};

/// Bound: from the keeper's answer until the one after it has said how it went; a new one that is never ready is given
/// up after a minute, under systemd after three starts.
const SETTLED_WITHIN: Duration = Duration::from_secs(300);
/// Bound: from a request whose connection broke until its keeper has begun with it, or never will.
const BEGUN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Bound: a signature of minisign's has some 300.
const SIGNATURE_BYTES_MAX: usize = 4096;

/// Replace the binary of this machine's Mainstay, while it serves
///
/// FILE is a mainstay binary, signed by minisign with a key that machine.toml (`upgrade_keys`) or the build trusts; its signature
/// lies beside it as FILE.minisig. The keeper checks both, asks the binary for its version, keeps the one that runs now as
/// `mainstay.previous` beside it, and gives way to a keeper of the new one. Apps go on; another edge takes the place of the one
/// that serves, which ends when what it holds has ended. A binary whose keeper does not become ready is returned from by itself.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay upgrade ./mainstay --dry-run\n  mainstay upgrade ./mainstay\n  \
    mainstay upgrade --back\n\nExit codes:\n  0 the new binary runs, or it did already    2 it would be replaced (--dry-run)\n  \
    1 refused, nothing was changed              3 returned to the one before",
    group(ArgGroup::new("what").required(true).args(["file", "back"]))
)]
pub struct Upgrade {
    /// The new binary
    pub file: Option<PathBuf>,

    /// Its signature, instead of FILE.minisig
    #[arg(long, value_name = "PATH", requires = "file")]
    pub signature: Option<PathBuf>,

    /// Take up again the binary that was there before the last upgrade
    #[arg(long)]
    pub back: bool,

    /// Say what would happen, and change nothing (exit 2 if anything would)
    #[arg(long)]
    pub dry_run: bool,
}

impl Upgrade {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(self.go(session))
    }

    async fn go(self, session: &Session) -> Result<ExitCode, Explain> {
        // Without a keeper nothing of what follows has a use.
        let asked = session.client.machine().await.map_err(Failure::explain)?.keeper;
        let what = match &self.file {
            Some(file) => self.send(session, file).await?,
            None => What::Previous,
        };
        let id = Ulid::generate().to_string();
        let request = Request { id: id.clone(), what, dry_run: self.dry_run };
        let lost = match session.client.upgrade(&request).await {
            Ok(planned) => {
                show(session, &planned, self.dry_run);
                if planned.same {
                    return Ok(ExitCode::SUCCESS);
                }
                if self.dry_run {
                    return Ok(ExitCode::from(api::deploy::EXIT_FINDINGS));
                }
                None
            }
            // It may have died over it: the next one knows.
            Err(failure @ (Failure::Lost { .. } | Failure::Hung { .. })) if !self.dry_run => Some(failure),
            Err(failure) => return Err(failure.explain()),
        };
        let record = settled(session, &id, &asked, lost).await?;
        Ok(tell(session, &record))
    }

    async fn send(&self, session: &Session, file: &Path) -> Result<What, Explain> {
        let signature = self.signature.clone().unwrap_or_else(|| {
            let mut name = file.as_os_str().to_owned();
            name.push(".minisig");
            name.into()
        });
        let unread = |error: &dyn std::fmt::Display| {
            Explain::new("unreadable-file", format!("cannot read {}", file.display()))
                .caused_by(error.to_string())
                .help("it must be a mainstay binary that you may read")
        };
        let opened = machine::fs::open_regular(file).map_err(|error| unread(&error))?;
        let text =
            machine::fs::read_text(&signature, SIGNATURE_BYTES_MAX).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => {
                    Explain::new("upgrade-unsigned", format!("{} has no signature beside it", file.display()))
                        .caused_by(format!("{} is not there", signature.display()))
                        .help("get it from where the binary was published, or name it by `--signature PATH`")
                }
                _ => unreadable(&signature, &error),
            })?;
        let artifact = artifact(opened).map_err(|error| unread(&error))?;
        let what = What::New { artifact: artifact.clone(), signature: text };
        let received = session.client.received(&artifact.digest).await.map_err(Failure::explain)?;
        if !received.is_some_and(|received| received.complete) {
            refused_unsent(session, &what).await?;
            send::bytes_of(session, &artifact, file).await?;
        }
        Ok(what)
    }
}

/// # Errors
/// What the keeper refuses without a look at the bytes: no need to send them.
async fn refused_unsent(session: &Session, what: &What) -> Result<(), Explain> {
    let request = Request { id: Ulid::generate().to_string(), what: what.clone(), dry_run: true };
    match session.client.upgrade(&request).await.map_err(Failure::explain) {
        Err(explain) if explain.code != send::UNSENT => Err(explain),
        _ => Ok(()),
    }
}

fn artifact(file: File) -> std::io::Result<Artifact> {
    let bytes = file.metadata()?.len();
    Ok(Artifact { digest: release::sha256(file)?, bytes })
}

/// The record of this upgrade, once a keeper has ended it; `asked` is the one that was to begin it.
async fn settled(
    session: &Session,
    id: &str,
    asked: &Process,
    lost: Option<Failure>,
) -> Result<Record, Explain> {
    let until = tokio::time::Instant::now() + SETTLED_WITHIN;
    let begun_until = tokio::time::Instant::now() + BEGUN_WITHIN;
    loop {
        match session.client.upgrades().await {
            Ok(records) => match records.into_iter().find(|record| record.id == id) {
                Some(record) if record.outcome.is_some() => return Ok(record),
                Some(_) => {}
                None if lost.is_none() || !is_there(session, asked).await => {
                    return Err(not_begun(lost, "it died before it had begun; nothing was changed"));
                }
                // It lives, and alone knows whether it is still at it.
                None if tokio::time::Instant::now() > begun_until => {
                    return Err(not_begun(lost, "whether it has begun is not known"));
                }
                None => {}
            },
            Err(failure) if !failure.is_gone() => return Err(failure.explain()),
            Err(_) => {}
        }
        if tokio::time::Instant::now() > until {
            return Err(Explain::new(
                "upgrade-not-settled",
                format!("no keeper has said how it went within {} s", SETTLED_WITHIN.as_secs()),
            )
            .now("apps serve on: they do not depend on the keeper")
            .help("`mainstay status --machine` and the keeper's log say what it waits for"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether that keeper still answers, and not one after it.
async fn is_there(session: &Session, asked: &Process) -> bool {
    let keeper = session.client.machine().await.map(|machine| machine.keeper);
    keeper.is_ok_and(|keeper| (keeper.pid, &keeper.started) == (asked.pid, &asked.started))
}

/// `lost`: why the keeper that was asked has given no answer.
fn not_begun(lost: Option<Failure>, now: &str) -> Explain {
    let unknown = || {
        Explain::new("upgrade-unknown", "the keeper has no record of this upgrade")
            .help("`mainstay status --machine` says which binary it runs")
    };
    lost.map_or_else(unknown, |failure| failure.explain().now(now))
}

fn show(session: &Session, planned: &Planned, dry_run: bool) {
    if session.json() {
        return json(planned);
    }
    if let Some(comment) = &planned.signed {
        line(format!("Signed: {comment}"));
    }
    let (from, to) = (&planned.from, &planned.to);
    line(match (planned.same, dry_run) {
        (true, _) => format!("{} is {to} already: nothing to do.", planned.path),
        (false, true) => format!("Would replace {}: {from} -> {to}.", planned.path),
        (false, false) => format!("Replaced {}: {from} -> {to}; its keeper starts.", planned.path),
    });
}

fn pending(record: &Record) -> Explain {
    let told = Explain::new("upgrade-edge-pending", "the edge is not all that the new binary asks for");
    let told = record.pending.iter().fold(told, |told, why| told.caused_by(why));
    told.now("everything is served on").help(
        "other addresses under [listen] are taken up by `mainstay down` and `mainstay up`, or `systemctl restart mainstay`; an edge \
         that could not be replaced is tried again at the next start of the keeper, as by `systemctl restart mainstay-keeper`",
    )
}

fn tell(session: &Session, record: &Record) -> ExitCode {
    if session.json() {
        json(record);
    }
    match record.outcome {
        Some(Outcome::Done) => {
            if !session.json() {
                line(format!("Mainstay {} runs; what was served is served on.", record.to));
                match record.pending.is_empty() {
                    true => line("Its edge serves; the one before ends when what it holds has ended."),
                    false => session.report.warning(&pending(record)),
                }
            }
            ExitCode::SUCCESS
        }
        Some(Outcome::Returned | Outcome::Overtaken) | None => {
            let overtaken = || {
                Explain::new("upgrade-overtaken", "somebody put another binary in its place meanwhile")
                    .help("`mainstay status --machine` says which one runs")
            };
            session.report.error(&record.why.clone().unwrap_or_else(overtaken));
            ExitCode::from(EXIT_RETURNED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [listen] alone may be what waits: then the edge was replaced, and no keeper's start takes the addresses up.
    #[test]
    fn what_the_edge_does_not_do_yet_is_told_with_what_takes_it_up() {
        let why = "[listen] asks for http 127.0.0.1:81; the edge that runs has http 127.0.0.1:80";
        let record = serde_json::json!({
            "id": "1", "back": false, "operator": "ana", "host": "here", "started": "2026-12-01T00:00:00Z",
            "from": { "version": "1", "digest": "a" }, "to": { "version": "2", "digest": "b" },
            "pending": [why],
        });
        let told = pending(&serde_json::from_value(record).expect("a record"));
        let help = told.help.expect("a remedy");
        assert!(help.contains("`mainstay down` and `mainstay up`") && help.contains("[listen]"), "{help}");
        let now = told.now.expect("what is true");
        assert!(!now.contains("the edge that was there"), "{now}");
        assert_eq!(told.causes, [why]);
    }
}
