//! `mainstay logs`: what the instances wrote.

use std::{process::ExitCode, time::Duration};

use api::{
    client::Failure,
    logs::{Line, Query},
};
use clap::Args;
use model::{Explain, InstanceName, ServiceName, Site, Span};

use crate::{
    output::{json, line},
    report::clean,
    session::{Session, block_on},
};

/// Bound: how long `-f` waits for a keeper to come back.
const WITHOUT_KEEPER_MAX: Duration = Duration::from_secs(60);
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Lines that are looked through for what was missed while the keeper was away.
const CATCH_UP_LINES: usize = 10_000;

/// Show what an app's instances wrote
///
/// Standard output and standard error of all instances, in the order of time; secrets are redacted. The lines are on
/// disk, also those of instances that ended, as long as `[logs]` of the manifest says.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay logs                     the last 200 lines of all services\n  \
    mainstay logs web -f              go on as they come\n  \
    mainstay logs --release 41 --grep Error --since 2h"
)]
pub struct Logs {
    /// Only this service
    pub service: Option<ServiceName>,

    /// Go on as lines come
    #[arg(long, short)]
    pub follow: bool,

    /// Only this release
    #[arg(long, value_name = "NUMBER")]
    pub release: Option<u64>,

    /// Only this instance, like web.42.1
    #[arg(long, value_name = "NAME")]
    pub instance: Option<InstanceName>,

    /// Only lines younger than this, like 90s or 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<Span>,

    /// Only lines that hold this text
    #[arg(long, value_name = "TEXT")]
    pub grep: Option<String>,

    /// The last so many lines [default: 200]
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub tail: Option<usize>,
}

impl Logs {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let query = Query {
            service: self.service,
            instance: self.instance,
            release: self.release,
            since: self.since,
            grep: self.grep,
            follow: self.follow,
            tail: self.tail,
        };
        block_on(async {
            let site = session.site().await?;
            if query.follow {
                follow(session, &site, query).await
            } else {
                once(session, &site, &query).await
            }
        })
    }
}

async fn once(session: &Session, site: &Site, query: &Query) -> Result<ExitCode, Explain> {
    let mut lines = session.client.logs(site, query).await.map_err(Failure::explain)?;
    while let Some(line) = lines.next().await.map_err(Failure::explain)? {
        show(session, &line);
    }
    Ok(ExitCode::SUCCESS)
}

/// Goes on across keepers: logs are written without one, so nothing is missed, only told later.
async fn follow(session: &Session, site: &Site, mut query: Query) -> Result<ExitCode, Explain> {
    let mut last = String::new();
    let mut away_since: Option<tokio::time::Instant> = None;
    loop {
        let failure = match session.client.logs(site, &query).await {
            Ok(mut lines) => loop {
                match lines.next().await {
                    Ok(Some(line)) => {
                        away_since = None;
                        // After a break the past is asked for again: what was shown is passed over.
                        if line.at > last {
                            last.clone_from(&line.at);
                            show(session, &line);
                        }
                    }
                    Ok(None) => break None,
                    Err(failure) => break Some(failure),
                }
            },
            Err(failure) => Some(failure),
        };
        let first_try = last.is_empty() && away_since.is_none();
        let since = *away_since.get_or_insert_with(tokio::time::Instant::now);
        match failure {
            Some(failure) if first_try || !failure.is_gone() || since.elapsed() > WITHOUT_KEEPER_MAX => {
                return Err(failure.explain());
            }
            None if since.elapsed() > WITHOUT_KEEPER_MAX => return Ok(ExitCode::SUCCESS),
            _ => tokio::time::sleep(RETRY_AFTER).await,
        }
        query.tail = Some(CATCH_UP_LINES);
    }
}

fn show(session: &Session, shown: &Line) {
    if session.json() {
        return json(shown);
    }
    line(format!("{} {} {}", short(&shown.at), shown.instance, clean(&shown.text)));
}

/// `2026-01-31T12:00:05.123`: people do not read nanoseconds.
fn short(at: &str) -> &str {
    at.get(..23).unwrap_or(at)
}
