//! `mainstay status`: what is true now.

use std::process::ExitCode;

use api::{
    client::Failure,
    deploy::{Outcome, Phase},
    machine::{Certificate, Machine},
    schedule::Scheduled,
    status::{Awaited, Instance, Job, ServiceStatus, SiteStatus, Unwritten},
    upgrade::Build,
};
use clap::Args;
use model::Explain;

use crate::{
    output::{bytes, count, json, line, moment, or_dash, table, until},
    report::clean,
    session::{ManifestFile, Session, block_on},
};

/// Bound: what a table shows of a command; `--json` has all of it.
const COMMAND_CHARS_MAX: usize = 60;
/// The kinds of jobs that are hooks of a deploy.
const HOOKS: [&str; 3] = ["pre-deploy", "post-deploy", "on-rollback"];

/// Show what is true now: what is served, what runs, what drains
///
/// What serves is the edge's own word, not what was asked of it. In a folder without a manifest it shows the machine
/// and all its apps.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay status\n  mainstay status --machine\n  mainstay status --json | jq .serving"
)]
pub struct Status {
    /// The machine, also in a folder with a manifest
    #[arg(long)]
    pub machine: bool,
}

impl Status {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let named = session.globals.app().is_some() || ManifestFile::find()?.is_some();
        block_on(async {
            if named && !self.machine {
                let site = session.site().await?;
                let status = session.client.status(&site).await.map_err(Failure::explain)?;
                if session.json() { json(&status) } else { show_site(session, &status) }
            } else {
                let machine = session.client.machine().await.map_err(Failure::explain)?;
                let apps = session.client.apps().await.map_err(Failure::explain)?;
                if session.json() {
                    json(&serde_json::json!({ "machine": machine, "apps": apps }));
                } else {
                    line(machine_words(&machine));
                    for app in &apps {
                        let serving =
                            app.serving.map_or("nothing".to_owned(), |release| format!("release {release}"));
                        line(format!(
                            "{}: {}, {serving}, {} of {} ready  {}",
                            app.site,
                            app.state,
                            app.instances_ready,
                            app.instances_wanted,
                            app.urls.join(" ")
                        ));
                    }
                    super::apps::warn(session, &apps);
                }
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn show_site(session: &Session, status: &SiteStatus) {
    line(site_words(status));
    if let Some(unwritten) = &status.unwritten {
        session.report.warning(&unwritten.why);
    }
    if let Some(frozen) = &status.frozen {
        session.report.warning(
            &Explain::new("frozen", format!("deploys are frozen {}", until(frozen.freeze.until_unix_ms)))
                .caused_by(format!(
                    "{} at {}: {}",
                    frozen.operator,
                    moment(&frozen.since),
                    frozen.freeze.reason
                ))
                .help("`mainstay freeze --lift` ends it now"),
        );
    }
    if let Some(paused) = &status.paused {
        session.report.warning(
            &Explain::new("paused", "deploys are paused")
                .caused_by(paused.clone())
                .help("allow them with `mainstay resume`"),
        );
    }
    if let Some(held) = &status.held {
        session.report.warning(held);
    }
}

fn site_words(status: &SiteStatus) -> String {
    let mut lines = Vec::new();
    lines.push(match status.serving {
        Some(release) => format!("{} serves release {release}  {}", status.site, status.urls.join(" ")),
        None => match &status.recess {
            Some(since) => format!(
                "{} serves nobody since {}: what served was stopped for its successor.",
                status.site,
                moment(since)
            ),
            None => format!("{} serves nothing yet", status.site),
        },
    });
    if let Some(up) = &status.maintenance {
        lines.push(format!(
            "Its maintenance page is up {}; put up by {} at {}.",
            super::maintenance::extent(&up.notice),
            up.operator,
            moment(&up.since)
        ));
    }
    if let Some(stable) = status.last_stable.filter(|stable| Some(*stable) != status.serving) {
        lines.push(format!("A rollback returns to release {stable}."));
    }
    if let Some(deploy) = &status.deploy {
        lines.push(format!(
            "A {} of release {} is at work: {}, begun by {} at {}.",
            if deploy.verb.is_empty() { "deploy" } else { &deploy.verb },
            deploy.to,
            phase_words(deploy.phase, &status.jobs),
            deploy.operator,
            moment(&deploy.since)
        ));
        lines.extend(status.canary.map(|share| format!("  {share} % of clients get release {}", deploy.to)));
        lines.extend(deploy.approval.iter().map(awaited_words));
        lines.extend(deploy.unwritten.iter().flat_map(unwritten_words));
    }
    lines.extend(status.services.iter().flat_map(service_words));
    let rows: Vec<Vec<String>> =
        status.services.iter().flat_map(|service| &service.instances).map(instance_row).collect();
    if !rows.is_empty() {
        lines.push(table(
            &["INSTANCE", "STATE", "READY", "PID", "SINCE", "RESTARTS", "MEMORY", "LAST EXIT"],
            &rows,
        ));
    }
    if !status.jobs.is_empty() {
        let rows: Vec<Vec<String>> = status.jobs.iter().map(job_row).collect();
        lines.push(table(&["JOB", "OF", "RELEASE", "BY", "SINCE", "PID", "COMMAND"], &rows));
    }
    let scheduled: Vec<Vec<String>> =
        status.schedules.iter().filter(|job| is_shown(job)).map(scheduled_row).collect();
    if !scheduled.is_empty() {
        lines.push(table(&["SCHEDULED", "WHEN", "NEXT", "NOW", "LAST", "WENT"], &scheduled));
    }
    if let Some(last) = &status.last {
        let end = last.outcome.map_or("not ended", Outcome::name);
        lines.push(format!("Last: {} by {} at {}: {end}.", last.verb, last.operator, moment(&last.started)));
        lines.extend(last.why().map(|why| format!("  why: {why}")));
    }
    lines.join("\n")
}

/// A hook is begun in the phase beside it, which it may hold up for long.
fn phase_words(phase: Phase, jobs: &[Job]) -> String {
    let hook = jobs.iter().map(|job| job.kind.as_str()).find(|kind| HOOKS.contains(kind));
    match hook {
        Some(hook) => format!("{}, in its hook {}", phase.name(), hook.replace('-', "_")),
        None => phase.name().to_owned(),
    }
}

/// What another operator may do, below the line of the deploy.
fn awaited_words(awaited: &Awaited) -> String {
    format!("  waits for another operator {}: `{}`", until(awaited.until_unix_ms), awaited.command)
}

/// Since when, why, and the remedy, below the line of the deploy.
fn unwritten_words(unwritten: &Unwritten) -> Vec<String> {
    let why = format!("  since {}: {}", moment(&unwritten.since), unwritten.why);
    std::iter::once(why).chain(unwritten.why.help.iter().map(|help| format!("  help: {help}"))).collect()
}

fn service_words(service: &ServiceStatus) -> Option<String> {
    let mut parts = Vec::new();
    if service.scaled {
        parts.push(format!("scaled to {} until a deploy changes the manifest's number", service.wanted));
    }
    if let Some(open) = service.open.filter(|open| open.http + open.streams + open.websockets > 0) {
        parts.push(format!(
            "open: {} requests, {} streams, {} WebSockets",
            open.http, open.streams, open.websockets
        ));
    }
    if let Some(recycled) = &service.recycled {
        parts.push(format!("{} recycled, the last at {}", recycled.count, moment(&recycled.last)));
    }
    if parts.is_empty() && service.state == "live" {
        return None;
    }
    parts.insert(0, service.state.clone());
    Some(format!("{} of release {}: {}", service.service, service.release, parts.join("; ")))
}

fn instance_row(instance: &Instance) -> Vec<String> {
    let ready = match instance.ready {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    vec![
        instance.name.to_string(),
        instance.state.clone(),
        ready.to_owned(),
        or_dash(instance.pid),
        instance.since.as_deref().map_or_else(|| "-".to_owned(), moment),
        instance.restarts.to_string(),
        instance.memory_bytes.map_or_else(|| "-".to_owned(), bytes),
        or_dash(instance.last_exit.as_deref()),
    ]
}

fn job_row(job: &Job) -> Vec<String> {
    let of = job.instance.as_ref().map(ToString::to_string);
    let of = of.or_else(|| job.service.as_ref().map(ToString::to_string));
    let command = clean(&job.command.join(" ")).replace(['\n', '\t'], " ");
    let shown: String = command.chars().take(COMMAND_CHARS_MAX).collect();
    let more = if shown.len() < command.len() { "…" } else { "" };
    vec![
        job.kind.clone(),
        or_dash(of),
        or_dash(job.release),
        or_dash(job.operator.as_deref()),
        moment(&job.since),
        job.pid.to_string(),
        format!("{shown}{more}"),
    ]
}

/// What no release wants any more is shown as long as it runs.
fn is_shown(job: &Scheduled) -> bool {
    job.release.is_some() || job.running.is_some()
}

fn scheduled_row(job: &Scheduled) -> Vec<String> {
    let now = match (&job.problem, &job.running) {
        (Some(problem), _) => problem.code.clone(),
        (None, Some(run)) => format!("runs since {}", or_dash(run.began.as_deref().map(moment))),
        (None, None) => "waits".to_owned(),
    };
    let last = job.past.first();
    vec![
        job.service.to_string(),
        format!("{} {}", job.schedule, job.timezone),
        // In its own zone: that is how its operator wrote it.
        or_dash(job.next.as_deref()),
        now,
        or_dash(last.map(|run| moment(run.began.as_deref().unwrap_or(&run.due)))),
        or_dash(last.map(|run| run.outcome.as_str())),
    ]
}

fn certificate_words(known: &Certificate) -> String {
    let names = known.names.join(" ");
    let until = match (&known.expires, known.days_left) {
        (Some(_), Some(days)) if days < 0 => "expired".to_owned(),
        (Some(expires), Some(days)) => format!("until {}, {days} days", moment(expires)),
        _ if known.served => "served".to_owned(),
        _ => "not served".to_owned(),
    };
    let problem = known.problem.as_ref().map(|problem| format!("; its files are not taken: {problem}"));
    format!("certificate {names}: {until}{}", problem.unwrap_or_default())
}

/// With the line to mend, where there is one.
fn placed(why: &Explain) -> String {
    match &why.place {
        Some(place) => format!("{why} (line {})", place.line),
        None => why.to_string(),
    }
}

fn machine_words(machine: &Machine) -> String {
    let own = Build { version: machine.version.clone(), digest: machine.digest.clone() };
    let mut lines = vec![format!("Mainstay {} on {}, data in {}", own, machine.host, machine.data)];
    if let Some(record) = &machine.returned {
        let why = record.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        lines.push(format!("upgrade: {} was returned from at {}{why}", record.to, moment(&record.started)));
    }
    let process = |name: &str, process: &api::machine::Process| {
        format!(
            "{name}: pid {}, since {}, {}",
            process.pid,
            moment(&process.started),
            count(process.restarts, "restart")
        )
    };
    lines.push(process("keeper", &machine.keeper));
    lines.push(
        machine.edge.as_ref().map_or_else(|| "edge: not running".to_owned(), |edge| process("edge", edge)),
    );
    lines.extend(machine.edges_draining.iter().map(|edge| {
        format!(
            "edge: pid {}, since {}, drains; it takes no connection any more",
            edge.pid,
            moment(&edge.started)
        )
    }));
    lines.extend(machine.edge_said.iter().map(|said| format!("    {said}")));
    match &machine.station {
        Some(station) => lines.push(process("station", station)),
        None if machine.station_wanted => lines.push("station: not running".to_owned()),
        None => {}
    }
    lines.extend(machine.station_said.iter().map(|said| format!("    {said}")));
    lines.extend(machine.webhooks_unusable.iter().map(|why| format!("webhook: {why}")));
    if machine.edge_hung > 0 {
        lines.push(format!("edge: hung and was replaced {}", count(machine.edge_hung, "time")));
    }
    lines.extend(
        machine
            .listeners
            .iter()
            .map(|listener| format!("{}: {}  {}", listener.kind, listener.address, listener.url)),
    );
    lines.extend(machine.certificates.iter().map(certificate_words));
    lines.push(format!("disk: {} free, {} inodes free", bytes(machine.disk_free_bytes), machine.inodes_free));
    if !machine.has_parent {
        lines.push("no parent: nothing restarts the keeper; `mainstay up` takes it over".to_owned());
    }
    lines.extend(machine.lost.iter().map(|lost| format!("not here: {lost}")));
    if let Some(why) = &machine.unread {
        lines.push(format!("machine.toml: not used, what it said before holds: {}", placed(why)));
    }
    if !machine.given.is_empty() {
        lines.push(format!("`mainstay up` was given {}", machine.given.join(" ")));
    }
    lines.extend(machine.pending.iter().map(|pending| format!("not yet: {pending}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deploy_that_waits_for_a_hook_says_so() {
        let job = |kind: &str| Job {
            kind: kind.to_owned(),
            process: model::ProcessId(ulid::Ulid::nil()),
            pid: 1,
            release: None,
            service: None,
            instance: None,
            operator: None,
            since: String::new(),
            command: Vec::new(),
        };
        assert_eq!(phase_words(Phase::Migrate, &[job("migrate")]), "migrate");
        assert_eq!(
            phase_words(Phase::Migrate, &[job("run"), job("pre-deploy")]),
            "migrate, in its hook pre_deploy"
        );
    }
}
