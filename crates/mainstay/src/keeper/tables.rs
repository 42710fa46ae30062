//! The edge's routing table: each site's part is put into the whole, written under a new epoch, and acknowledged.
//!
//! The file is the keeper's; what is served is the edge's word (`served.json`). Both are read at the start, so that a
//! new keeper goes on above every epoch that was ever served.

use std::{
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};

use edge::{
    control::CallError,
    table::{self, Table},
};
use model::{Explain, Site, manifest::Route};
use release::world::{InEffect, Served, SiteTable};
use tokio::sync::Mutex;

use super::{edge_words, instances::rfc3339};

/// Owns the table. One task at a time changes it.
pub(crate) struct Tables {
    file: PathBuf,
    /// Where the edge writes down what it serves.
    state: PathBuf,
    edge: edge::control::Client,
    table: Mutex<Table>,
}

impl Tables {
    /// Takes over what a keeper before this one published. A table that does not read is begun anew: every site
    /// publishes its own at its start.
    pub(crate) fn open(settings: &edge::Settings, edge: edge::control::Client) -> Self {
        let mut table = Table::read(&settings.table).unwrap_or_else(|error| {
            tracing::debug!(%error, "There is no routing table yet; the sites write theirs.");
            Table::empty()
        });
        if let Some(persisted) = read_served(&settings.state) {
            table.epoch = table.epoch.max(persisted.epoch);
        }
        Self { file: settings.table.clone(), state: settings.state.clone(), edge, table: Mutex::new(table) }
    }

    /// Serves this part for the site; the others stay. Returns once the edge has made it durable.
    pub(crate) async fn publish(&self, site: &Site, part: &SiteTable) -> Result<Served, Explain> {
        let mut table = self.table.lock().await;
        let mut next = table.clone();
        next.epoch += 1;
        next.sites.retain(|known| known.site != *site);
        if !part.pools.is_empty() || !part.routes.is_empty() {
            next.sites.push(edge_words::site_table(site, part));
        }
        next.check().map_err(|error| refused(site, &error))?;
        next.write(&self.file).map_err(|error| {
            Explain::new("table-not-written", "the routing table cannot be handed to the edge")
                .because(&error)
                .now("the edge serves what it served before")
                .help("it is written below the run folder: make room there, or mend who owns it")
        })?;
        // The file holds this epoch from here on, acknowledged or not: the next one must be above it.
        *table = next;
        // One after the other: the edge refuses an order for an epoch that another order has replaced meanwhile.
        let epoch = table.epoch;
        self.edge.load_table(epoch).await.map_err(not_taken)?;
        Ok(Served { epoch, generation: part.generation, release: part.release })
    }

    /// All routes of what is in the table.
    pub(crate) async fn routes_by_site(&self) -> Vec<(Site, Vec<Route>)> {
        let table = self.table.lock().await;
        let of_site = |site: &table::SiteTable| site.routes.iter().map(|entry| entry.route.clone()).collect();
        table.sites.iter().map(|site| (site.site.clone(), of_site(site))).collect()
    }

    /// What the edge serves for the site: asked, else as it was persisted.
    pub(crate) async fn served(&self, site: &Site) -> Option<Served> {
        let served = match self.edge.status().await {
            Ok(status) => Some(status.served),
            Err(_) => read_served(&self.state),
        }?;
        of_site(&served, site)
    }

    /// What clients of the site get, also where the edge cannot write it down, and why it cannot.
    pub(crate) async fn in_effect(&self, site: &Site) -> InEffect {
        let Ok(status) = self.edge.status().await else {
            let persisted = read_served(&self.state);
            return InEffect { served: persisted.and_then(|served| of_site(&served, site)), unwritten: None };
        };
        InEffect {
            served: of_site(status.in_effect(), site),
            unwritten: status.unwritten.as_ref().map(not_written),
        }
    }
}

fn of_site(served: &edge::control::Served, site: &Site) -> Option<Served> {
    let mine = served.sites.iter().find(|known| known.site == *site)?;
    Some(Served { epoch: served.epoch, generation: mine.generation, release: mine.release })
}

fn not_written(unwritten: &edge::control::Unwritten) -> api::status::Unwritten {
    let why = Explain::new("served-not-written", "the edge serves, and cannot write down what it serves")
        .caused_by(format!("{} cannot be written", unwritten.path.display()))
        .caused_by(unwritten.why.clone())
        .now("what is served is served on; no deploy can switch")
        .help("make room on that disk, or mend what is named: it is tried again every second, and then this is over");
    let since = UNIX_EPOCH + Duration::from_millis(unwritten.since_unix_ms);
    api::status::Unwritten { since: rfc3339(since), why }
}

fn not_taken(error: CallError) -> Explain {
    let explain = Explain::new("edge-silent", "the edge did not take the new routing table").because(&error);
    let is_served = matches!(&error, CallError::Refused { problem, .. } if problem.code == "not-durable");
    let explain = match error {
        CallError::Refused { problem, .. } => problem.causes.into_iter().fold(explain, Explain::caused_by),
        CallError::Unreachable { .. } | CallError::Unknown { .. } => explain,
    };
    if is_served {
        return explain
            .now("the edge serves that table all the same, and could not write that down")
            .help("make room on the disk, or mend what is named");
    }
    explain.now("the edge serves what it served before").help(
        "`mainstay status` says whether the edge runs; its log is logs/edge/edge.log in the data folder",
    )
}

fn refused(site: &Site, error: &table::TableError) -> Explain {
    Explain::new("route-refused", format!("the routes of {site} cannot be served"))
        .because(error)
        .now("the edge serves what it served before")
        .help("change the routes that are named in mainstay.toml, and deploy again")
}

/// One that a newer version wrote was refused before this keeper did anything.
fn read_served(state: &std::path::Path) -> Option<edge::control::Served> {
    edge::control::Served::read(state).ok().flatten()
}
