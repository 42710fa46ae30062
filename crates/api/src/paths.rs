//! Every endpoint, once. Server and client build their paths here.
//!
//! | method, path | body → answer |
//! |---|---|
//! | POST `/v1/connection` | [`crate::access::Grant`] → 204; this connection may no more than that from now on |
//! | GET `/v1/machine` | → [`crate::machine::Machine`] |
//! | POST `/v1/machine/down` | [`crate::machine::Down`] → NDJSON of [`crate::machine::DownStep`] |
//! | GET `/v1/machine/checks` | → `Vec<`[`crate::checks::Finding`]`>` of the machine itself |
//! | GET `/v1/machine/upgrades` | → `Vec<`[`crate::upgrade::Record`]`>`, newest first |
//! | POST `/v1/machine/upgrades` | [`crate::upgrade::Request`] → [`crate::upgrade::Planned`] |
//! | GET `/v1/webhooks` | → [`crate::webhooks::Webhooks`] |
//! | POST `/v1/webhooks/test` | [`crate::webhooks::Test`] → [`crate::webhooks::Tested`] |
//! | GET `/v1/certificates` | → [`crate::certificates::Certificates`] |
//! | POST `/v1/certificates/renew` | [`crate::certificates::Renew`] → 204, once it is on the station's disk |
//! | GET `/v1/apps` | → `Vec<`[`crate::apps::App`]`>` |
//! | GET `/v1/artifacts/{digest}` | → [`crate::artifact::Received`] (404: nothing yet) |
//! | PUT `/v1/artifacts/{digest}?offset=N&total=M` | bytes → [`crate::artifact::Received`] |
//! | POST `/v1/apps/{app}/{env}/plan` | [`crate::deploy::Request`] → [`crate::deploy::Plan`] |
//! | POST `/v1/apps/{app}/{env}/deploys` | [`crate::deploy::Request`] → [`crate::deploy::Started`] |
//! | POST `/v1/apps/{app}/{env}/rollback` | [`crate::deploy::Rollback`] → [`crate::deploy::Started`] |
//! | GET `/v1/apps/{app}/{env}/deploys/{id}/events?from=N` | → NDJSON of [`crate::deploy::Event`], ends after `Ended` |
//! | POST `/v1/apps/{app}/{env}/cancel` | → [`crate::deploy::Cancelled`] |
//! | POST `/v1/apps/{app}/{env}/approve` | [`crate::deploy::Approve`] → 204; never by who began it |
//! | POST `/v1/apps/{app}/{env}/resume` | → 204 |
//! | POST `/v1/apps/{app}/{env}/freeze` | [`model::Freeze`], or `null`, which ends it → 204 |
//! | POST `/v1/apps/{app}/{env}/maintenance` | [`model::Notice`], or `null` → 204, once the edge serves it so |
//! | GET `/v1/apps/{app}/{env}/status` | → [`crate::status::SiteStatus`] |
//! | GET `/v1/apps/{app}/{env}/releases` | → `Vec<`[`crate::status::Release`]`>` |
//! | GET `/v1/apps/{app}/{env}/events?limit=N` | → `Vec<`[`crate::deploy::Record`]`>`, newest first |
//! | GET `/v1/apps/{app}/{env}/config?release=N` | → effective manifest as JSON; without `release` of the one that serves |
//! | GET `/v1/apps/{app}/{env}/logs?…` | [`crate::logs::Query`] → NDJSON of [`crate::logs::Line`] |
//! | GET `/v1/apps/{app}/{env}/checks` | → `Vec<`[`crate::checks::Finding`]`>` (live) |
//! | POST `/v1/apps/{app}/{env}/restart` | [`crate::jobs::Restart`] → [`crate::deploy::Started`] |
//! | POST `/v1/apps/{app}/{env}/scale` | [`crate::jobs::Scale`] → [`crate::deploy::Started`] |
//! | POST `/v1/apps/{app}/{env}/run` | [`crate::jobs::Run`], `Upgrade: mainstay-console` → 101, then frames of [`crate::console`] |
//! | POST `/v1/apps/{app}/{env}/exec` | [`crate::jobs::Exec`], `Upgrade: mainstay-console` → 101, then frames of [`crate::console`] |
//! | GET `/v1/apps/{app}/{env}/migrate` | → [`crate::migrate::MigrateStatus`] |
//! | POST `/v1/apps/{app}/{env}/migrate/{retry,down,contract}` | → [`crate::deploy::Started`] |
//! | GET `/v1/apps/{app}/{env}/secrets` | → [`crate::secrets::Secrets`]; never a value |
//! | POST `/v1/apps/{app}/{env}/secrets/{name}` | [`crate::secrets::Change`] → [`crate::secrets::Changed`] |
//! | POST `/v1/apps/{app}/{env}/destroy` | [`crate::apps::Destroy`] → 204 |
//!
//! Those that answer with [`crate::deploy::Started`] take a [`crate::request_key`].
//!
//! An error answers with its status and a [`model::Explain`] as JSON.

use model::{DeployId, Site};

pub const CONNECTION: &str = "/v1/connection";
pub const MACHINE: &str = "/v1/machine";
pub const DOWN: &str = "/v1/machine/down";
pub const MACHINE_CHECKS: &str = "/v1/machine/checks";
pub const UPGRADES: &str = "/v1/machine/upgrades";
pub const APPS: &str = "/v1/apps";
pub const WEBHOOKS: &str = "/v1/webhooks";
pub const WEBHOOK_TEST: &str = "/v1/webhooks/test";
pub const CERTIFICATES: &str = "/v1/certificates";
pub const CERTIFICATES_RENEW: &str = "/v1/certificates/renew";

pub fn site(site: &Site, what: &str) -> String {
    format!("/v1/apps/{}/{}/{what}", site.app, site.env)
}

pub fn artifact(digest: &str) -> String {
    format!("/v1/artifacts/{digest}")
}

pub fn deploy_events(of: &Site, deploy: DeployId, from: u64) -> String {
    site(of, &format!("deploys/{deploy}/events?from={from}"))
}
