//! The verbs of the admin API, each handed to the room that knows.

use std::{path::Path, sync::Arc};

use admin::{
    Asker, Operations, Operator, Refusal, Reply, Why,
    operations::{Conversation, Lines},
};
use api::{
    apps, artifact, certificates as wire_certificates, checks, deploy, jobs, logs, machine as wire, migrate,
    secrets as wire_secrets, status, upgrade, webhooks as wire_webhooks,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use model::{DeployId, Explain, Freeze, Notice, ReleaseNumber, Site, manifest::Manifest};
use release::{
    Caller, MigrateVerb, Refused, RefusedKind, SiteHandle, Sites, Wanted, What, world::InstanceState,
};

use super::{
    certificates::Certificates,
    ending::Ending,
    log_lines,
    log_names::Names,
    oneoff,
    secrets::store,
    standing::{self, Standing},
    upgrade::Upgrades,
    webhooks::Webhooks,
    world::Outside,
};
use crate::config;

pub(crate) struct Keeper {
    pub world: Arc<Outside>,
    pub sites: Sites,
    pub standing: Standing,
    pub ending: Ending,
    pub upgrades: Upgrades,
    pub webhooks: Arc<Webhooks>,
    pub certificates: Arc<Certificates>,
}

fn refusal(refused: Refused) -> Refusal {
    let why = match refused.kind {
        RefusedKind::Locked => Why::Locked,
        RefusedKind::Plan => Why::Refused,
        RefusedKind::NotFound => Why::Unknown,
        RefusedKind::Conflict => Why::Conflict,
        RefusedKind::Failed => Why::Failed,
    };
    Refusal::new(why, refused.explain)
}

fn failed(explain: Explain) -> Refusal {
    Refusal::new(Why::Failed, explain)
}

impl Keeper {
    fn site(&self, site: &Site) -> Reply<SiteHandle> {
        self.sites.get(site).map_err(refusal)
    }

    fn caller(&self, by: Operator) -> Caller {
        Caller { operator: by.name, host: self.world.ground.host.clone(), key: None }
    }

    fn starter(&self, Asker { by, key }: Asker) -> Caller {
        Caller { key, ..self.caller(by) }
    }

    async fn wanted(&self, site: &Site, request: deploy::Request) -> Reply<Wanted> {
        let what = match request.what {
            deploy::What::Existing { release } => What::Existing { release },
            deploy::What::New { manifest, artifact } => {
                What::New { manifest: Box::new(manifest_of(site, &manifest)?), artifact }
            }
            deploy::What::Promoted { manifest, from, release } => What::New {
                manifest: Box::new(manifest_of(site, &manifest)?),
                artifact: self.artifact_of(&Site { app: site.app.clone(), env: from }, release).await?,
            },
        };
        let wait = request.wait.map_or(std::time::Duration::ZERO, |span| span.0);
        Ok(Wanted { what, wait, drain_now: request.drain_now })
    }

    /// What a release was made of, or the one that serves; its bytes are still here.
    async fn artifact_of(&self, site: &Site, release: Option<ReleaseNumber>) -> Reply<artifact::Artifact> {
        let releases = self.site(site)?.releases().await.map_err(refusal)?;
        let is_meant = |one: &status::Release| match release {
            Some(number) => one.number == number,
            None => one.state == "serving",
        };
        let found = releases.into_iter().find(is_meant).ok_or_else(|| {
            let explain = match release {
                Some(number) => Explain::new("no-such-release", format!("{site} has no release {number}")),
                None => {
                    Explain::new("nothing-serves", format!("{site} serves nothing that could be promoted"))
                }
            };
            Refusal::new(
                Why::Unknown,
                explain.help(format!("`mainstay releases --env {}` lists them", site.env)),
            )
        })?;
        if found.state == "failed" {
            let explain =
                Explain::new("release-failed", format!("release {} of {site} has failed", found.number));
            return Err(Refusal::new(Why::Refused, explain.help("promote one that has served")));
        }
        let here = self.sites.artifacts().received(&found.digest).map_err(refusal)?;
        match here.filter(|here| here.complete) {
            Some(here) => Ok(artifact::Artifact { digest: found.digest, bytes: here.offset }),
            None => Err(Refusal::new(
                Why::Refused,
                Explain::new(
                    "artifact-gone",
                    format!("the archive of release {} of {site} is not kept any more", found.number),
                )
                .caused_by("archives are kept of what serves, and of others for an hour")
                .help(format!("deploy it to {} again, and promote what serves there then", site.env)),
            )),
        }
    }

    fn obtain(&self, site: &Site) -> Reply<SiteHandle> {
        self.ending.refuse_new_work()?;
        self.sites.obtain(site).map_err(failed)
    }

    async fn log_names(&self, site: &Site) -> Reply<Names> {
        let handle = self.site(site)?;
        let status = handle.status().await.map_err(refusal)?;
        let releases = handle.releases().await.map_err(refusal)?;
        // Where nothing serves there is no manifest that could name a service.
        let services = handle.config(None).await.map(|manifest| manifest.services).unwrap_or_default();
        let folder = supervisor::logs::folder(&self.world.ground.folders.data, site);
        let written = tokio::task::spawn_blocking(move || supervisor::logs::writers(&folder)).await;
        let written = written.map_err(std::io::Error::other).and_then(|written| written);
        let unread = |error: std::io::Error| {
            failed(
                Explain::new("logs-unreadable", format!("cannot read the logs of {site}"))
                    .because(&error)
                    .help("they belong to the user that runs Mainstay: see their owner and the disk"),
            )
        };
        let services = services.into_keys().map(|service| service.to_string());
        Ok(Names::of(&status, &releases, services, written.map_err(unread)?))
    }

    /// What serves, and with which values; `None`: nothing, or nothing that is known.
    async fn serving(&self, site: &Site) -> Option<store::Serving> {
        let handle = self.sites.get(site).ok()?;
        let manifest = handle.config(None).await.ok()?;
        let releases = handle.releases().await.ok()?;
        let environment = releases.into_iter().find(|release| release.state == "serving")?.environment?;
        let taken = environment.services.into_values().chain(environment.migrate);
        let digests = taken.flat_map(|variables| variables.secrets);
        let digests = digests.filter_map(|(name, digest)| Some((name, digest?))).collect();
        Some(store::Serving { manifest, digests })
    }

    async fn machine_now(&self) -> wire::Machine {
        let machine = self.standing.machine(&self.world, &self.webhooks).await;
        wire::Machine {
            digest: self.upgrades.digest().to_owned(),
            returned: self.upgrades.returned(),
            ..machine
        }
    }

    async fn app(&self, handle: SiteHandle) -> Reply<apps::App> {
        let status = handle.status().await.map_err(refusal)?;
        let serving = status.serving;
        let live: Vec<_> =
            status.services.iter().filter(|service| Some(service.release) == serving).collect();
        let instances = live.iter().flat_map(|service| &service.instances);
        let ready = instances.filter(|instance| instance.ready.unwrap_or(instance.state == "up")).count();
        let degraded = live.iter().flat_map(|s| &s.instances).any(|instance| instance.state == "degraded");
        let state = match () {
            () if status.deploy.is_some() => "deploying",
            () if status.held.is_some() => "held",
            () if status.paused.is_some() => "paused",
            () if serving.is_none() => "empty",
            () if degraded => "degraded",
            () => "serving",
        };
        Ok(apps::App {
            site: status.site,
            serving,
            instances_ready: u32::try_from(ready).unwrap_or(u32::MAX),
            instances_wanted: live.iter().map(|service| service.wanted).sum(),
            urls: status.urls,
            state: state.to_owned(),
            problem: None,
        })
    }

    /// One whose state does not read: what the edge and the instances say of it.
    async fn unopened_app(&self, site: Site, problem: Explain) -> apps::App {
        let observed = self.world.instances.observed(&site);
        let up = observed.iter().filter(|instance| instance.state == InstanceState::Up).count();
        let in_effect = self.world.tables.in_effect(&site).await;
        apps::App {
            serving: in_effect.served.and_then(|served| served.release),
            instances_ready: u32::try_from(up).unwrap_or(u32::MAX),
            instances_wanted: u32::try_from(observed.len()).unwrap_or(u32::MAX),
            urls: Vec::new(),
            state: "unreadable".to_owned(),
            problem: Some(problem),
            site,
        }
    }
}

/// The manifest is read here, for the site's environment and by this machine's rules, never by the caller's.
fn manifest_of(site: &Site, text: &str) -> Reply<Manifest> {
    let (manifest, _) = config::manifest::parse(text, "mainstay.toml", &site.env)
        .map_err(|errors| Refusal::new(Why::Refused, errors.explain()))?;
    if manifest.app == site.app {
        return Ok(manifest);
    }
    let message = format!("the manifest is of the app {}, and the request is for {}", manifest.app, site.app);
    Err(Refusal::new(Why::Malformed, Explain::new("other-app", message)))
}

impl Operations for Keeper {
    async fn machine(&self) -> Reply<wire::Machine> {
        Ok(self.machine_now().await)
    }

    async fn upgrade(&self, by: Operator, request: upgrade::Request) -> Reply<upgrade::Planned> {
        self.ending.refuse_new_work()?;
        if !self.standing.has_parent() {
            let explain = Explain::new(
                "upgrade-no-parent",
                "nobody stands above this keeper who would start the next one",
            )
            .now("nothing was changed")
            .help("start `mainstay up` first: it takes this keeper over");
            return Err(Refusal::new(Why::Refused, explain));
        }
        self.upgrades.upgrade(&self.world.ground, self.sites.artifacts(), by, request).await
    }

    async fn upgrades(&self) -> Reply<Vec<upgrade::Record>> {
        self.upgrades.records().map_err(failed)
    }

    async fn down(&self, by: Operator, request: wire::Down) -> Reply<Lines<wire::DownStep>> {
        tracing::info!(operator = by.name, "Asked to drain and stop.");
        let within = request.within.unwrap_or(self.world.ground.machine.shutdown_timeout);
        Ok(self.ending.begin(within.0))
    }

    async fn apps(&self) -> Reply<Vec<apps::App>> {
        let mut all = Vec::new();
        for handle in self.sites.list() {
            all.push(self.app(handle).await?);
        }
        for (site, problem) in self.sites.unopened() {
            all.push(self.unopened_app(site, problem).await);
        }
        all.sort_by(|one, other| one.site.cmp(&other.site));
        Ok(all)
    }

    async fn webhooks(&self) -> Reply<wire_webhooks::Webhooks> {
        Ok(self.webhooks.told())
    }

    async fn certificates(&self) -> Reply<wire_certificates::Certificates> {
        Ok(self.certificates.told(standing::certificates(&self.world).await).await)
    }

    async fn certificate_renew(&self, by: Operator, request: wire_certificates::Renew) -> Reply<()> {
        tracing::info!(operator = by.name, name = request.name, "Asked to renew a certificate.");
        self.certificates.renew(request).await
    }

    async fn webhook_test(&self, by: Operator, request: wire_webhooks::Test) -> Reply<wire_webhooks::Tested> {
        tracing::info!(operator = by.name, "Asked to test a webhook.");
        self.webhooks.test(&request.hook).await
    }

    async fn received(&self, by: Operator, digest: String) -> Reply<Option<artifact::Received>> {
        self.sites.artifacts().sent_by(by.key.as_ref()).received(&digest).map_err(refusal)
    }

    async fn receive(
        &self,
        by: Operator,
        digest: String,
        total: u64,
        offset: u64,
        chunk: Bytes,
    ) -> Reply<artifact::Received> {
        self.ending.refuse_new_work()?;
        let store = self.sites.artifacts().sent_by(by.key.as_ref());
        // Writing and checking a digest blocks: not on the threads that serve everybody else.
        let stored = tokio::task::spawn_blocking(move || store.append(&digest, total, offset, &chunk)).await;
        stored
            .map_err(|error| {
                failed(
                    Explain::new("upload-failed", "the chunk was not stored")
                        .because(&error)
                        .help("send it again: what came before is kept; the keeper's log says more"),
                )
            })?
            .map_err(refusal)
    }

    async fn plan(&self, _by: Operator, site: Site, request: deploy::Request) -> Reply<deploy::Plan> {
        let wanted = self.wanted(&site, request).await?;
        self.obtain(&site)?.plan(wanted).await.map_err(refusal)
    }

    async fn deploy(&self, by: Asker, site: Site, request: deploy::Request) -> Reply<deploy::Started> {
        let wanted = self.wanted(&site, request).await?;
        self.obtain(&site)?.deploy(wanted, self.starter(by)).await.map_err(refusal)
    }

    async fn rollback(&self, by: Asker, site: Site, request: deploy::Rollback) -> Reply<deploy::Started> {
        self.ending.refuse_new_work()?;
        self.site(&site)?.rollback(request, self.starter(by)).await.map_err(refusal)
    }

    async fn deploy_events(&self, site: Site, deploy: DeployId, from: u64) -> Reply<Lines<deploy::Event>> {
        let events = self.site(&site)?.events(deploy, from).await.map_err(refusal)?;
        let lines = stream::unfold(events, |mut events| async move { Some((events.next().await?, events)) });
        Ok(lines.boxed())
    }

    async fn cancel(&self, by: Operator, site: Site) -> Reply<deploy::Cancelled> {
        self.site(&site)?.cancel(self.caller(by)).await.map_err(refusal)
    }

    async fn approve(&self, by: Operator, site: Site, request: deploy::Approve) -> Reply<()> {
        self.site(&site)?.approve(request.deploy, self.caller(by)).await.map_err(refusal)
    }

    async fn resume(&self, by: Operator, site: Site) -> Reply<()> {
        self.site(&site)?.resume(self.caller(by)).await.map_err(refusal)
    }

    async fn freeze(&self, by: Operator, site: Site, freeze: Option<Freeze>) -> Reply<()> {
        self.site(&site)?.freeze(freeze, self.caller(by)).await.map_err(refusal)
    }

    async fn post(&self, by: Operator, site: Site, notice: Option<Notice>) -> Reply<()> {
        self.site(&site)?.post(notice, self.caller(by)).await.map_err(refusal)
    }

    async fn status(&self, site: Site) -> Reply<status::SiteStatus> {
        let mut status = self.site(&site)?.status().await.map_err(refusal)?;
        self.world.instances.tell_refused(&mut status).await;
        Ok(status)
    }

    async fn releases(&self, site: Site) -> Reply<Vec<status::Release>> {
        self.site(&site)?.releases().await.map_err(refusal)
    }

    async fn records(&self, site: Site, limit: usize) -> Reply<Vec<deploy::Record>> {
        self.site(&site)?.records(limit).await.map_err(refusal)
    }

    async fn config(&self, site: Site, release: Option<ReleaseNumber>) -> Reply<Manifest> {
        self.site(&site)?.config(release).await.map_err(refusal)
    }

    async fn logs(&self, site: Site, query: logs::Query) -> Reply<Lines<logs::Line>> {
        self.log_names(&site)
            .await?
            .check(&site, &query)
            .map_err(|error| Refusal::new(Why::Unknown, error))?;
        log_lines::lines(&self.world.ground, &site, query).await.map_err(failed)
    }

    async fn machine_checks(&self) -> Reply<Vec<checks::Finding>> {
        let machine = self.machine_now().await;
        // Files are read and programs run.
        let look = move || {
            let facts = check::Facts::read(Path::new("/"), machine.edge.as_ref().map(|edge| edge.pid));
            check::host(&check::Host { facts: &facts, machine: &machine })
        };
        let looked = tokio::task::spawn_blocking(look).await;
        looked.map_err(|error| failed(Explain::new("checks-ended", "the checks ended early").because(&error)))
    }

    async fn checks(&self, site: Site) -> Reply<Vec<checks::Finding>> {
        let handle = self.site(&site)?;
        let mut status = handle.status().await.map_err(refusal)?;
        self.world.instances.tell_refused(&mut status).await;
        let manifest = handle.config(None).await.map_err(refusal)?;
        let machine = self.machine_now().await;
        let releases = handle.releases().await.map_err(refusal)?;
        let way_back =
            releases.iter().filter(|release| release.state == "stable").map(|release| release.number).max();
        Ok(check::live(&check::Live { manifest: &manifest, status: &status, machine: &machine, way_back }))
    }

    async fn restart(&self, by: Asker, site: Site, request: jobs::Restart) -> Reply<deploy::Started> {
        self.ending.refuse_new_work()?;
        self.site(&site)?.restart(request, self.starter(by)).await.map_err(refusal)
    }

    async fn scale(&self, by: Asker, site: Site, request: jobs::Scale) -> Reply<deploy::Started> {
        self.ending.refuse_new_work()?;
        self.site(&site)?.scale(request, self.starter(by)).await.map_err(refusal)
    }

    async fn run(&self, by: Operator, site: Site, request: jobs::Run) -> Reply<Conversation> {
        self.ending.refuse_new_work()?;
        let runnable = self.site(&site)?.runnable(request.service.clone()).await.map_err(refusal)?;
        oneoff::run(&self.world, &site, &runnable, request, &by.name).await.map_err(failed)
    }

    async fn exec(&self, by: Operator, site: Site, request: jobs::Exec) -> Reply<Conversation> {
        self.ending.refuse_new_work()?;
        self.site(&site)?;
        let Some(slot) = self.world.instances.slot(&site, &request.instance) else {
            let explain =
                Explain::new("no-such-instance", format!("{site} has no instance {}", request.instance))
                    .help("`mainstay status` lists them");
            return Err(Refusal::new(Why::Unknown, explain));
        };
        oneoff::exec(&self.world, &site, &slot, request, &by.name).await.map_err(failed)
    }

    async fn migrate_status(&self, site: Site) -> Reply<migrate::MigrateStatus> {
        self.site(&site)?.migrate_status().await.map_err(refusal)
    }

    async fn migrate_retry(&self, by: Asker, site: Site) -> Reply<deploy::Started> {
        self.site(&site)?.migrate(MigrateVerb::Retry, self.starter(by)).await.map_err(refusal)
    }

    async fn migrate_contract(&self, by: Asker, site: Site) -> Reply<deploy::Started> {
        self.site(&site)?.migrate(MigrateVerb::Contract, self.starter(by)).await.map_err(refusal)
    }

    async fn migrate_down(&self, by: Asker, site: Site) -> Reply<deploy::Started> {
        self.site(&site)?.migrate(MigrateVerb::Down, self.starter(by)).await.map_err(refusal)
    }

    async fn secrets(&self, site: Site) -> Reply<wire_secrets::Secrets> {
        let serving = self.serving(&site).await;
        store::list(&self.world.ground, &site, serving.as_ref()).await.map_err(failed)
    }

    async fn change_secret(
        &self,
        by: Operator,
        site: Site,
        name: String,
        change: wire_secrets::Change,
    ) -> Reply<wire_secrets::Changed> {
        self.ending.refuse_new_work()?;
        let (ground, named, of) = (Arc::clone(&self.world.ground), name.clone(), site.clone());
        // Files, and scrambling them: not on the threads that serve everybody else.
        let changed =
            tokio::task::spawn_blocking(move || store::change(&ground, &of, &named, change, &by.name)).await;
        let changed = changed.map_err(|error| {
            failed(Explain::new("secret-unchanged", "the change ended early").because(&error))
        })?;
        let replaced = changed.map_err(|explain| Refusal::new(Why::Refused, explain))?;
        Ok(store::changed(self.serving(&site).await.as_ref(), &name, replaced))
    }

    async fn destroy(&self, by: Operator, site: Site, request: apps::Destroy) -> Reply<()> {
        if request.confirm != site.to_string() {
            let explain =
                Explain::new("not-confirmed", format!("destroying needs `{site}` typed as confirmation"));
            return Err(Refusal::new(Why::Malformed, explain));
        }
        tracing::info!(%site, operator = by.name, with_data = request.with_data, "Destroys a site.");
        self.world.oneoffs.stop(Some(&site)).await;
        self.sites.destroy(&site, request.with_data).await.map_err(refusal)
    }
}
