//! All that the station may ask of the keeper: of webhooks, and of certificates.

use std::sync::Arc;

use admin::{Reply, StationOperations};
use api::{
    certificates,
    station::{Cursor, News, Report, Seen, TestEnded},
};

use crate::keeper::{certificates::Certificates, webhooks::Webhooks};

/// Hands each question to whom it concerns.
#[derive(Clone)]
pub(crate) struct Desk {
    pub webhooks: Arc<Webhooks>,
    pub certificates: Arc<Certificates>,
}

impl StationOperations for Desk {
    async fn news(&self, cursor: Cursor) -> Reply<News> {
        self.webhooks.news(cursor).await
    }

    async fn report(&self, report: Report) -> Reply<()> {
        self.webhooks.report(report).await
    }

    async fn tested(&self, ended: TestEnded) -> Reply<()> {
        self.webhooks.tested(ended);
        Ok(())
    }

    async fn certificates_wanted(&self, seen: Seen) -> Reply<certificates::Wanted> {
        Ok(self.certificates.wanted(seen).await)
    }

    async fn certificates_report(&self, report: certificates::Report) -> Reply<()> {
        self.certificates.report(report);
        Ok(())
    }
}
