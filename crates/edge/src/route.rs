//! A checked table in the form that requests are served by: immutable, swapped whole.

use std::{collections::HashMap, sync::Arc};

use model::manifest::Route;

use crate::{matcher::Matcher, pool::PoolState, table::PoolId};

/// One route and where it leads.
#[derive(Debug)]
pub(crate) struct RouteState {
    pub(crate) route: Route,
    /// `assistant/production`.
    pub(crate) site: Arc<str>,
    pub(crate) pool: Arc<PoolState>,
    /// What metrics count it under; 0 is "no route".
    pub(crate) metric: u32,
    pub(crate) maintenance: Option<Arc<str>>,
}

/// What is being served.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) epoch: u64,
    pub(crate) matcher: Matcher,
    /// In the matcher's numbering.
    pub(crate) routes: Vec<Arc<RouteState>>,
    pub(crate) pools: HashMap<PoolId, Arc<PoolState>>,
}

impl Snapshot {
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<&Arc<RouteState>> {
        self.routes.get(self.matcher.find(host, path)?)
    }
}
