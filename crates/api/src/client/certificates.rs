//! What an operator asks of certificates, and what the station asks on its own socket.

use bytes::Bytes;

use super::{Client, Failure, QUICK, encode, wire};
use crate::{certificates, paths, station};

impl Client {
    pub async fn certificates(&self) -> Result<certificates::Certificates, Failure> {
        self.get(paths::CERTIFICATES).await
    }

    /// Waits until the station has it on its disk.
    pub async fn certificate_renew(&self, request: &certificates::Renew) -> Result<(), Failure> {
        self.post_for_nothing(paths::CERTIFICATES_RENEW, encode(request)?, certificates::RENEW_WITHIN).await
    }

    /// The station's question; the keeper lets it wait until something is another than what was seen.
    pub async fn certificates_wanted(&self, seen: &str) -> Result<certificates::Wanted, Failure> {
        let path = format!("{}?seen={seen}", station::CERTIFICATES);
        wire::json(&self.way, "GET", &path, Bytes::new(), station::WAIT_MAX + QUICK).await
    }

    pub async fn certificates_report(&self, report: &certificates::Report) -> Result<(), Failure> {
        self.post_for_nothing(station::CERTIFICATES, encode(report)?, QUICK).await
    }
}
