//! What can be asked of a keeper. The keeper implements it; the routes only call it.

use std::future::Future;

use api::{
    apps, artifact, certificates, checks, deploy, jobs, logs, machine, migrate, secrets, station, status,
    upgrade, webhooks,
};
use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use hyper_util::rt::TokioIo;
use model::{DeployId, Explain, Freeze, Notice, ReleaseNumber, Site};

use crate::operator::{Asker, Operator};

/// An answer, or why there is none.
pub type Reply<T> = Result<T, Refusal>;

/// An answer that comes line by line. Dropping the stream ends the asking, never the work behind it.
pub type Lines<T> = BoxStream<'static, T>;

/// What is said over a connection once it was upgraded. Dropped without being called where that does not come about.
pub type Conversation =
    Box<dyn FnOnce(TokioIo<hyper::upgrade::Upgraded>) -> BoxFuture<'static, ()> + Send + 'static>;

/// A refusal in words, and its kind.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub why: Why,
    pub explain: Explain,
}

/// The kinds of refusal that a program may want to tell apart; each is an HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// 400: the question is malformed.
    Malformed,
    /// 403: this operator may not.
    Forbidden,
    /// 404: no such app, release, deploy, instance.
    Unknown,
    /// 409: the state of things forbids it.
    Conflict,
    /// 422: understood, and refused in PLAN.
    Refused,
    /// 423: somebody else holds the site's lock.
    Locked,
    /// 500: our fault.
    Failed,
    /// 503: shutting down, or not up.
    Unavailable,
}

impl Refusal {
    pub fn new(why: Why, explain: Explain) -> Self {
        Self { why, explain }
    }
}

/// Every verb of the API. Methods that change something take the operator: it stands in every record. Those that begin a run
/// take the key of the request with it: under a key that is known they begin nothing.
pub trait Operations: Send + Sync + 'static {
    fn machine(&self) -> impl Future<Output = Reply<machine::Machine>> + Send;
    fn down(
        &self,
        by: Operator,
        request: machine::Down,
    ) -> impl Future<Output = Reply<Lines<machine::DownStep>>> + Send;
    /// Answers before this keeper gives way to the next.
    fn upgrade(
        &self,
        by: Operator,
        request: upgrade::Request,
    ) -> impl Future<Output = Reply<upgrade::Planned>> + Send;
    fn upgrades(&self) -> impl Future<Output = Reply<Vec<upgrade::Record>>> + Send;
    fn apps(&self) -> impl Future<Output = Reply<Vec<apps::App>>> + Send;
    fn webhooks(&self) -> impl Future<Output = Reply<webhooks::Webhooks>> + Send;
    fn webhook_test(
        &self,
        by: Operator,
        request: webhooks::Test,
    ) -> impl Future<Output = Reply<webhooks::Tested>> + Send;
    fn certificates(&self) -> impl Future<Output = Reply<certificates::Certificates>> + Send;
    /// Returns once the station has it on its disk.
    fn certificate_renew(
        &self,
        by: Operator,
        request: certificates::Renew,
    ) -> impl Future<Output = Reply<()>> + Send;

    fn received(
        &self,
        by: Operator,
        digest: String,
    ) -> impl Future<Output = Reply<Option<artifact::Received>>> + Send;
    fn receive(
        &self,
        by: Operator,
        digest: String,
        total: u64,
        offset: u64,
        chunk: Bytes,
    ) -> impl Future<Output = Reply<artifact::Received>> + Send;

    fn plan(
        &self,
        by: Operator,
        site: Site,
        request: deploy::Request,
    ) -> impl Future<Output = Reply<deploy::Plan>> + Send;
    fn deploy(
        &self,
        by: Asker,
        site: Site,
        request: deploy::Request,
    ) -> impl Future<Output = Reply<deploy::Started>> + Send;
    fn rollback(
        &self,
        by: Asker,
        site: Site,
        request: deploy::Rollback,
    ) -> impl Future<Output = Reply<deploy::Started>> + Send;
    /// Events from `from` on, of a deploy at work or long ended; the stream ends after `Ended`.
    fn deploy_events(
        &self,
        site: Site,
        deploy: DeployId,
        from: u64,
    ) -> impl Future<Output = Reply<Lines<deploy::Event>>> + Send;
    fn cancel(&self, by: Operator, site: Site) -> impl Future<Output = Reply<deploy::Cancelled>> + Send;
    /// Lets a deploy go on that another operator began.
    fn approve(
        &self,
        by: Operator,
        site: Site,
        request: deploy::Approve,
    ) -> impl Future<Output = Reply<()>> + Send;
    fn resume(&self, by: Operator, site: Site) -> impl Future<Output = Reply<()>> + Send;
    /// Refuses deploys for a while; `None` allows them again.
    fn freeze(
        &self,
        by: Operator,
        site: Site,
        freeze: Option<Freeze>,
    ) -> impl Future<Output = Reply<()>> + Send;

    /// Puts a page up in place of the site; `None` takes it down.
    fn post(
        &self,
        by: Operator,
        site: Site,
        notice: Option<Notice>,
    ) -> impl Future<Output = Reply<()>> + Send;

    fn status(&self, site: Site) -> impl Future<Output = Reply<status::SiteStatus>> + Send;
    fn releases(&self, site: Site) -> impl Future<Output = Reply<Vec<status::Release>>> + Send;
    fn records(&self, site: Site, limit: usize) -> impl Future<Output = Reply<Vec<deploy::Record>>> + Send;
    /// The manifest of a release, merged and defaulted; `None`: of the one that serves.
    fn config(
        &self,
        site: Site,
        release: Option<ReleaseNumber>,
    ) -> impl Future<Output = Reply<model::manifest::Manifest>> + Send;
    fn logs(&self, site: Site, query: logs::Query) -> impl Future<Output = Reply<Lines<logs::Line>>> + Send;
    fn machine_checks(&self) -> impl Future<Output = Reply<Vec<checks::Finding>>> + Send;
    fn checks(&self, site: Site) -> impl Future<Output = Reply<Vec<checks::Finding>>> + Send;

    fn restart(
        &self,
        by: Asker,
        site: Site,
        request: jobs::Restart,
    ) -> impl Future<Output = Reply<deploy::Started>> + Send;
    fn scale(
        &self,
        by: Asker,
        site: Site,
        request: jobs::Scale,
    ) -> impl Future<Output = Reply<deploy::Started>> + Send;
    fn run(
        &self,
        by: Operator,
        site: Site,
        request: jobs::Run,
    ) -> impl Future<Output = Reply<Conversation>> + Send;
    fn exec(
        &self,
        by: Operator,
        site: Site,
        request: jobs::Exec,
    ) -> impl Future<Output = Reply<Conversation>> + Send;

    fn migrate_status(&self, site: Site) -> impl Future<Output = Reply<migrate::MigrateStatus>> + Send;
    fn migrate_retry(&self, by: Asker, site: Site) -> impl Future<Output = Reply<deploy::Started>> + Send;
    fn migrate_contract(&self, by: Asker, site: Site) -> impl Future<Output = Reply<deploy::Started>> + Send;
    fn migrate_down(&self, by: Asker, site: Site) -> impl Future<Output = Reply<deploy::Started>> + Send;
    fn secrets(&self, site: Site) -> impl Future<Output = Reply<secrets::Secrets>> + Send;
    fn change_secret(
        &self,
        by: Operator,
        site: Site,
        name: String,
        change: secrets::Change,
    ) -> impl Future<Output = Reply<secrets::Changed>> + Send;
    fn destroy(
        &self,
        by: Operator,
        site: Site,
        request: apps::Destroy,
    ) -> impl Future<Output = Reply<()>> + Send;
}

/// What the station may ask: it reads what happens, and says what became of it. Nothing that it says changes an app.
pub trait StationOperations: Send + Sync + 'static {
    /// At once where there are some, else when there are, within [`station::WAIT_MAX`].
    fn news(&self, cursor: station::Cursor) -> impl Future<Output = Reply<station::News>> + Send;
    fn report(&self, report: station::Report) -> impl Future<Output = Reply<()>> + Send;
    fn tested(&self, ended: station::TestEnded) -> impl Future<Output = Reply<()>> + Send;
    /// At once where it is another than what was seen, else when it is, within [`station::WAIT_MAX`].
    fn certificates_wanted(
        &self,
        seen: station::Seen,
    ) -> impl Future<Output = Reply<certificates::Wanted>> + Send;
    fn certificates_report(&self, report: certificates::Report) -> impl Future<Output = Reply<()>> + Send;
}
