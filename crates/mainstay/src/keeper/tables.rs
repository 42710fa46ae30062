//! The edge's routing table: each site's part is put into the whole, written under a new epoch, and acknowledged.
//!
//! The file is the keeper's; what is served is the edge's word (`served.json`). Both are read at the start, so that a
//! new keeper goes on above every epoch that was ever served.

use std::path::PathBuf;

use edge::{
    control::CallError,
    table::{self, Table},
};
use model::{Explain, Site, manifest::Route};
use release::world::{Served, SiteTable};
use tokio::sync::Mutex;

use super::edge_words;

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
    pub(crate) async fn routes(&self) -> Vec<Route> {
        let table = self.table.lock().await;
        table.sites.iter().flat_map(|site| &site.routes).map(|entry| entry.route.clone()).collect()
    }

    /// What the edge serves for the site: asked, else as it was persisted.
    pub(crate) async fn served(&self, site: &Site) -> Option<Served> {
        let served = match self.edge.status().await {
            Ok(status) => Some(status.served),
            Err(_) => read_served(&self.state),
        }?;
        let mine = served.sites.iter().find(|known| known.site == *site)?;
        Some(Served { epoch: served.epoch, generation: mine.generation, release: mine.release })
    }
}

fn not_taken(error: CallError) -> Explain {
    let explain = Explain::new("edge-silent", "the edge did not take the new routing table").because(&error);
    let explain = match error {
        CallError::Refused { problem, .. } => problem.causes.into_iter().fold(explain, Explain::caused_by),
        CallError::Unreachable { .. } | CallError::Unknown { .. } => explain,
    };
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
