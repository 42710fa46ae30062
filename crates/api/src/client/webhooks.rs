//! What an operator asks of webhooks, and what the station asks on its own socket.

use bytes::Bytes;

use super::{Client, Failure, QUICK, encode, wire};
use crate::{paths, station, webhooks};

impl Client {
    pub async fn webhooks(&self) -> Result<webhooks::Webhooks, Failure> {
        self.get(paths::WEBHOOKS).await
    }

    /// Waits until the receiver has answered, or has had its time.
    pub async fn webhook_test(&self, request: &webhooks::Test) -> Result<webhooks::Tested, Failure> {
        self.post(paths::WEBHOOK_TEST, request, webhooks::TEST_WITHIN).await
    }

    /// The station's question; the keeper lets it wait until there are some.
    pub async fn news(&self, cursor: &station::Cursor) -> Result<station::News, Failure> {
        let path = format!("{}?keeper={}&after={}", station::NEWS, cursor.keeper, cursor.after);
        wire::json(&self.way, "GET", &path, Bytes::new(), station::WAIT_MAX + QUICK).await
    }

    pub async fn report(&self, report: &station::Report) -> Result<(), Failure> {
        self.post_for_nothing(station::REPORT, encode(report)?, QUICK).await
    }

    pub async fn tested(&self, ended: &station::TestEnded) -> Result<(), Failure> {
        self.post_for_nothing(station::TESTED, encode(ended)?, QUICK).await
    }
}
