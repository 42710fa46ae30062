//! Watching work to its end: a deploy, a rollback, a restart. A line per phase with its time, what serves at the end.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use api::{
    client::{
        Client, Failure,
        follow::Seen,
        once::{Unanswered, once},
    },
    deploy::{EXIT_DETACHED, Event, EventKind, Outcome, Phase, Started},
    request_key::RequestKey,
    status::SiteStatus,
};
use clap::Args;
use model::{Explain, ReleaseNumber, Site};

use super::restart::refused;
use crate::{
    output::{json, line},
    progress::Progress,
    report::clean,
    session::Session,
};

/// Shown by every command that watches a run, behind its examples.
macro_rules! exit_codes {
    () => {
        "Ctrl-C cancels; a second Ctrl-C leaves it going on.\n\nExit codes:\n  \
         0 serving, or nothing to change    4 aborted, the old release serves\n  \
         1 refused before it began          5 held, needs a person\n  \
         2 changes (--dry-run)              6 detached, it goes on\n  \
         3 rolled back                      75 somebody else holds the lock"
    };
}
pub(super) use exit_codes;

/// How the work is watched.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// Begin it and do not wait for its end (exit 6)
    #[arg(long)]
    pub detach: bool,
}

/// The same, of what another operator may have to approve.
#[derive(Clone, Debug, Default, Args)]
pub struct DeployOptions {
    #[command(flatten)]
    options: Options,

    /// Where another operator has to approve it, do not wait for that (exit 6)
    #[arg(long)]
    leave_waiting: bool,
}

/// When the client leaves what it began alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    AtOnce,
    /// Once this phase has said what it does.
    In(Phase),
    AtItsEnd,
}

impl Options {
    pub(super) fn leave(&self) -> Leave {
        if self.detach { Leave::AtOnce } else { Leave::AtItsEnd }
    }
}

impl DeployOptions {
    pub(super) fn leave(&self) -> Leave {
        match self.options.leave() {
            Leave::AtItsEnd if self.leave_waiting => Leave::In(Phase::Approve),
            leave => leave,
        }
    }
}

/// Said where no keeper is there to watch by. From another machine it cannot be seen whether the keeper went or the way to it.
fn keeper_away(session: &Session) -> String {
    match &session.globals.host {
        Some(host) => {
            format!("The connection to {host} is lost; what was begun goes on there. Connecting again.")
        }
        None => "Mainstay's keeper went away; the apps serve on. Waiting for the next one.".to_owned(),
    }
}

fn keeper_back(session: &Session) -> String {
    match &session.globals.host {
        Some(host) => format!("Connected to {host} again."),
        None => "The keeper is back.".to_owned(),
    }
}

/// Asks for a start, once whichever keeper dies over it, and goes on from the answer: refused, detached, or watched to the end.
pub(super) async fn start(
    session: &Session,
    site: &Site,
    ask: impl AsyncFn(&RequestKey) -> Result<Started, Failure>,
    doing: &str,
    leave: Leave,
) -> Result<ExitCode, Explain> {
    let asked = once(ask, |seen| {
        note(
            session,
            &match seen {
                Unanswered::Begins(Failure::Silent { .. }) => {
                    "Mainstay does not answer; the apps serve on. It is asked again.".to_owned()
                }
                Unanswered::Begins(_) => keeper_away(session),
                Unanswered::Over => keeper_back(session),
            },
        );
    });
    let started = match asked.await {
        Ok(started) => started,
        Err(failure) => return Ok(refused(session, failure)),
    };
    if session.json() {
        json(&serde_json::json!({ "started": started }));
    } else {
        line(format!("{doing} {site}: release {}", started.release));
    }
    if leave == Leave::AtOnce {
        detached(session, site);
        return Ok(ExitCode::from(EXIT_DETACHED));
    }
    watch(session, site, &started, leave).await
}

fn note(session: &Session, text: &str) {
    if session.json() {
        json(&serde_json::json!({ "client": text }));
    } else {
        line(text);
    }
}

fn detached(session: &Session, site: &Site) {
    if !session.json() {
        line(format!(
            "It goes on without this client: `mainstay {}attach --app {} --env {}` watches it again.",
            session.globals.host.as_ref().map(|host| format!("--host {host} ")).unwrap_or_default(),
            site.app,
            site.env
        ));
    }
}

/// Shows the events of a deploy until its end, and gives its exit code.
pub(super) async fn watch(
    session: &Session,
    site: &Site,
    started: &Started,
    leave: Leave,
) -> Result<ExitCode, Explain> {
    let mut follow = session.client.follow(site, started.deploy);
    let mut shown = Shown::new(session);
    let mut interrupts = Interrupts::listen();
    loop {
        tokio::select! {
            // Events first: an end that is here already is told, whatever was typed.
            biased;
            seen = follow.next() => match seen {
                Ok(Some(Seen::Event(event))) => {
                    if let Some(code) = shown.event(&event) {
                        return Ok(end(session, site, code, &shown).await);
                    }
                    if matches!(&event.kind, EventKind::Note { phase, .. } if leave == Leave::In(*phase)) {
                        shown.progress.clear();
                        detached(session, site);
                        return Ok(ExitCode::from(EXIT_DETACHED));
                    }
                }
                Ok(Some(Seen::KeeperAway)) => shown.keeper_away(),
                Ok(Some(Seen::KeeperBack)) => shown.keeper_back(),
                Ok(None) => return Err(Explain::new("no-end", "the deploy's events ended without its end")
                    .help("`mainstay status` shows what is true")),
                Err(failure) => {
                    shown.progress.clear();
                    return Err(failure.explain().now("how the deploy ended is not known here; the next keeper ends it"));
                }
            },
            () = interrupts.next() => {
                // A keeper that does not answer must not keep anybody at the terminal: the second one is heard meanwhile.
                let first = interrupts.is_first();
                let cancelled = first && tokio::select! {
                    () = cancel(&session.client, site, &mut shown) => true,
                    () = interrupts.next() => false,
                };
                if !cancelled {
                    shown.progress.clear();
                    detached(session, site);
                    return Ok(ExitCode::from(EXIT_DETACHED));
                }
            }
        }
    }
}

/// Ctrl-C, counted. One listener for the whole watching: none is missed between two events.
struct Interrupts {
    signal: Option<tokio::signal::unix::Signal>,
    count: u32,
}

impl Interrupts {
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self { signal: signal(SignalKind::interrupt()).ok(), count: 0 }
    }

    async fn next(&mut self) {
        match &mut self.signal {
            Some(signal) => signal.recv().await,
            // Signals cannot be heard here; then Ctrl-C ends the client, and the deploy goes on.
            None => std::future::pending().await,
        };
        self.count += 1;
    }

    fn is_first(&self) -> bool {
        self.count <= 1
    }
}

async fn cancel(client: &Client, site: &Site, shown: &mut Shown<'_>) {
    match client.cancel(site).await {
        Ok(cancelled) => shown.note(&format!(
            "Cancelling in {}: it will end {}. Ctrl-C again leaves it alone.",
            cancelled.phase.name(),
            cancelled.outcome.name()
        )),
        Err(failure) => {
            shown.progress.clear();
            shown.session.report.warning(&failure.explain());
        }
    }
}

/// The last words: what serves, and where.
async fn end(session: &Session, site: &Site, code: u8, shown: &Shown<'_>) -> ExitCode {
    if session.json() {
        return ExitCode::from(code);
    }
    let status = match shown.serving {
        Some(_) => session.client.status(site).await.ok(),
        None => None,
    };
    match shown.serving {
        Some(release) if status.as_ref().is_some_and(|status| is_down(status, release)) => {
            line(format!("Requests for {site} go to release {release}, and no instance of it is up"))
        }
        Some(release) if shown.unchanged => {
            line(format!("Nothing had to change: release {release} serves {site}"))
        }
        Some(release) => line(format!("Release {release} serves {site}")),
        None => line(format!("Nothing serves {site}")),
    }
    if let Some(status) = status {
        status.urls.iter().for_each(|url| line(format!("  {url}")));
    }
    ExitCode::from(code)
}

/// Whether a release has instances that requests lead to, of which not one is up. What is ready only the edge knows, and an
/// edge that says nothing says nothing of them.
fn is_down(status: &SiteStatus, release: ReleaseNumber) -> bool {
    let live = status.services.iter().filter(|service| service.state == "live" && service.release == release);
    let routed = live.flat_map(|service| &service.instances).filter(|instance| instance.ready.is_some());
    let mut up = routed.map(|instance| instance.state == "up").peekable();
    up.peek().is_some() && !up.any(|up| up)
}

/// What was shown so far.
struct Shown<'a> {
    session: &'a Session,
    progress: Progress,
    phase: Option<(Phase, Option<jiff::Timestamp>)>,
    /// Since when no keeper answers, and how long none did in this phase before.
    away_since: Option<Instant>,
    away_for: Duration,
    serving: Option<ReleaseNumber>,
    unchanged: bool,
}

impl<'a> Shown<'a> {
    fn new(session: &'a Session) -> Self {
        Self {
            session,
            progress: Progress::spinner(session.json()),
            phase: None,
            away_since: None,
            away_for: Duration::ZERO,
            serving: None,
            unchanged: false,
        }
    }

    fn note(&mut self, text: &str) {
        if self.session.json() {
            note(self.session, text);
        } else {
            self.progress.line(text);
        }
    }

    fn keeper_away(&mut self) {
        self.away_since = Some(Instant::now());
        self.note(&keeper_away(self.session));
    }

    fn keeper_back(&mut self) {
        self.away_for += self.away_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.note(&keeper_back(self.session));
    }

    /// Shows one event; the exit code if it was the end.
    fn event(&mut self, event: &Event) -> Option<u8> {
        if self.session.json() {
            json(event);
        }
        let at = event.at.parse().ok();
        match &event.kind {
            EventKind::Entered { phase } => self.enter(*phase, at),
            EventKind::Note { phase, message } => self.phase_note(*phase, message),
            EventKind::Warning { warning } if !self.session.json() => {
                self.progress.clear();
                self.session.report.warning(warning);
            }
            EventKind::Warning { .. } => {}
            EventKind::Ended { outcome, serving, error, report } => {
                let last = self.phase.map(|(phase, _)| phase);
                self.leave(at);
                self.progress.clear();
                self.serving = *serving;
                // A migration by hand changes no release, and says in its report what it did.
                self.unchanged = *outcome == Outcome::Unchanged && report.is_empty();
                if !self.session.json() {
                    report.iter().for_each(|said| line(format!("  {}", clean(said))));
                    if let Some(error) = error {
                        self.session.report.error(error);
                    }
                }
                return Some(exit_code(*outcome, error.as_ref(), last));
            }
        }
        None
    }

    fn enter(&mut self, phase: Phase, at: Option<jiff::Timestamp>) {
        self.leave(at);
        self.phase = Some((phase, at));
        self.away_for = Duration::ZERO;
        self.progress.doing(phase.name());
    }

    /// The line of the phase that ended. Times are the keeper's, so they are right after a reconnection too.
    fn leave(&mut self, at: Option<jiff::Timestamp>) {
        let Some((phase, since)) = self.phase.take() else { return };
        if self.session.json() {
            return;
        }
        let took = since.zip(at).and_then(|(since, at)| Duration::try_from(at.duration_since(since)).ok());
        let took = took.map_or_else(|| "     -".to_owned(), |took| format!("{:>6.1}", took.as_secs_f64()));
        self.progress.line(&format!("  {:<10}{took} s{}", phase.name(), without_keeper(self.away_for)));
    }

    fn phase_note(&mut self, phase: Phase, message: &str) {
        if !self.session.json() {
            self.progress.line(&format!("    {}: {}", phase.name(), clean(message)));
        }
    }
}

/// Behind the time of a phase, which goes on while nobody watches; its own limits count from the next keeper.
fn without_keeper(away_for: Duration) -> String {
    match away_for.is_zero() {
        true => String::new(),
        false => format!("  (for {:.1} s of them there was no keeper)", away_for.as_secs_f64()),
    }
}

/// An abort before PREFLIGHT is a refusal: nothing had begun.
fn exit_code(outcome: Outcome, error: Option<&Explain>, last: Option<Phase>) -> u8 {
    let refused = outcome == Outcome::Aborted && last.is_none_or(|phase| phase < Phase::Preflight);
    match error {
        Some(error) if refused && error.code == "locked" => api::deploy::EXIT_LOCKED,
        _ if refused => api::deploy::EXIT_USAGE,
        _ => outcome.exit_code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_phase_says_how_much_of_it_nobody_watched() {
        assert_eq!(without_keeper(Duration::ZERO), "");
        assert_eq!(without_keeper(Duration::from_millis(4_060)), "  (for 4.1 s of them there was no keeper)");
    }

    #[test]
    fn exit_codes_are_those_of_the_release_page() {
        let locked = Explain::new("locked", "x");
        let code = |outcome, last| exit_code(outcome, None, last);
        assert_eq!(code(Outcome::Served, Some(Phase::Commit)), 0);
        assert_eq!(code(Outcome::Unchanged, Some(Phase::Plan)), 0);
        assert_eq!(code(Outcome::RolledBack, Some(Phase::Bake)), 3);
        assert_eq!(code(Outcome::Aborted, Some(Phase::Preflight)), 4);
        assert_eq!(code(Outcome::Aborted, Some(Phase::Gate)), 4);
        assert_eq!(code(Outcome::Held, Some(Phase::Migrate)), 5);
        assert_eq!(code(Outcome::Aborted, Some(Phase::Plan)), 1);
        assert_eq!(exit_code(Outcome::Aborted, Some(&locked), Some(Phase::Lock)), 75);
    }
}
