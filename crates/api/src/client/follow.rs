//! The events of a deploy to its end, across the death of keepers.
//!
//! A keeper that is killed in a deploy has a successor that ends it. So a stream that breaks is asked for again, from
//! the event after the last one, until the end is told or nobody answers for [`WITHOUT_KEEPER_MAX`].

use std::time::Duration;

use model::{DeployId, Site};
use tokio::time::Instant;

use super::{Client, Failure, lines::Lines};
use crate::deploy::{Event, EventKind};

/// Bound: how long one waits for a keeper to come back.
pub const WITHOUT_KEEPER_MAX: Duration = Duration::from_secs(60);
pub(super) const RETRY_FIRST: Duration = Duration::from_millis(50);
pub(super) const RETRY_MAX: Duration = Duration::from_secs(1);

/// What is seen of a deploy.
#[derive(Debug)]
pub enum Seen {
    Event(Box<Event>),
    /// The keeper went away; it is asked for again. Told once per absence.
    KeeperAway,
    /// It is back.
    KeeperBack,
}

/// Events of one deploy, in order, each once.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    site: Site,
    deploy: DeployId,
    /// The next number to ask for.
    from: u64,
    lines: Option<Lines<Event>>,
    away_since: Option<Instant>,
    retry_after: Duration,
    told_away: bool,
    ended: bool,
}

impl Follow {
    pub(super) fn new(client: Client, site: Site, deploy: DeployId) -> Self {
        Self {
            client,
            site,
            deploy,
            from: 1,
            lines: None,
            away_since: None,
            retry_after: RETRY_FIRST,
            told_away: false,
            ended: false,
        }
    }

    /// The next thing seen; `None` after the event that ended the deploy. Cancel-safe.
    ///
    /// # Errors
    /// What the keeper refuses, or [`Failure::NoKeeper`] when none was there for [`WITHOUT_KEEPER_MAX`].
    pub async fn next(&mut self) -> Result<Option<Seen>, Failure> {
        while !self.ended {
            let Some(lines) = &mut self.lines else {
                if let Some(seen) = self.connect().await? {
                    return Ok(Some(seen));
                }
                continue;
            };
            match lines.next().await {
                Ok(Some(event)) if event.seq < self.from => {}
                Ok(Some(event)) => {
                    self.from = event.seq + 1;
                    self.ended = matches!(event.kind, EventKind::Ended { .. });
                    // Only an event proves a keeper that works: one that accepts and dies is still away.
                    self.away_since = None;
                    self.retry_after = RETRY_FIRST;
                    return Ok(Some(Seen::Event(Box::new(event))));
                }
                // A stream that ends without the deploy's end was cut by a keeper that stopped in order.
                Ok(None) => {
                    if let Some(seen) = self.broke("the answer ended before the deploy")? {
                        return Ok(Some(seen));
                    }
                }
                Err(failure) if failure.is_gone() => {
                    if let Some(seen) = self.broke(&failure.to_string())? {
                        return Ok(Some(seen));
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    async fn connect(&mut self) -> Result<Option<Seen>, Failure> {
        if self.away_since.is_some() {
            tokio::time::sleep(self.retry_after).await;
            self.retry_after = (self.retry_after * 2).min(RETRY_MAX);
        }
        match self.client.deploy_events(&self.site, self.deploy, self.from).await {
            Ok(lines) => {
                self.lines = Some(lines);
                let back = std::mem::take(&mut self.told_away);
                Ok(back.then_some(Seen::KeeperBack))
            }
            Err(failure) if self.may_wait(&failure) => {
                let is_news = failure.is_gone() && !self.told_away;
                self.told_away |= is_news;
                Ok(is_news.then_some(Seen::KeeperAway))
            }
            Err(failure) => Err(failure),
        }
    }

    /// A keeper that is not there, or that is there and not ready to speak of deploys yet.
    fn may_wait(&mut self, failure: &Failure) -> bool {
        let starting = matches!(failure, Failure::Refused { status: 503, .. });
        let since = *self.away_since.get_or_insert_with(Instant::now);
        (failure.is_gone() || starting) && since.elapsed() < WITHOUT_KEEPER_MAX
    }

    /// Bound: a keeper that takes the question and never answers it counts as away.
    fn broke(&mut self, cause: &str) -> Result<Option<Seen>, Failure> {
        self.lines = None;
        let since = *self.away_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= WITHOUT_KEEPER_MAX {
            return Err(Failure::Lost { what: format!("deploy {}", self.deploy), cause: cause.to_owned() });
        }
        let told = std::mem::replace(&mut self.told_away, true);
        Ok((!told).then_some(Seen::KeeperAway))
    }
}
