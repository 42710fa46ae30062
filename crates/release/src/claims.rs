//! Which site a route belongs to: a (host, path) is served for one app and environment only.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use model::{Explain, Site, manifest::Route};

/// Lower-case host (empty: any) and path prefix without a trailing slash.
type Key = (String, String);

/// Shared by all sites; each holds the claims of what it serves and of what its deploy in flight would serve.
#[derive(Default)]
pub(crate) struct Claims {
    by_key: Mutex<BTreeMap<Key, Site>>,
}

fn keys<'a>(routes: impl IntoIterator<Item = &'a Route>) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for route in routes {
        let path = route.path_prefix.trim_end_matches('/').to_owned();
        if route.hosts.is_empty() {
            keys.insert((String::new(), path.clone()));
        }
        keys.extend(route.hosts.iter().map(|host| (host.to_ascii_lowercase(), path.clone())));
    }
    keys
}

impl Claims {
    /// What another site holds of these routes, told.
    pub(crate) fn conflicts(&self, site: &Site, routes: &[Route]) -> Vec<Explain> {
        let by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = keys(routes).into_iter().filter_map(|key| {
            let holder = by_key.get(&key).filter(|holder| *holder != site)?;
            Some(told(&key, holder))
        });
        taken.collect()
    }

    /// Takes these routes beside those that the site holds; all or nothing.
    /// # Errors
    /// The conflicts.
    pub(crate) fn add(&self, site: &Site, routes: &[Route]) -> Result<(), Vec<Explain>> {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = keys(routes);
        let taken = |key: &Key| Some(told(key, by_key.get(key).filter(|holder| *holder != site)?));
        let conflicts: Vec<_> = wanted.iter().filter_map(taken).collect();
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        by_key.extend(wanted.into_iter().map(|key| (key, site.clone())));
        Ok(())
    }

    /// The site holds exactly these from now on. Only for routes that it held already.
    pub(crate) fn keep(&self, site: &Site, routes: &[Route]) {
        let wanted = keys(routes);
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        by_key.retain(|key, holder| holder != site || wanted.contains(key));
    }

    pub(crate) fn release(&self, site: &Site) {
        self.keep(site, &[]);
    }
}

fn told((host, path): &Key, holder: &Site) -> Explain {
    let host = if host.is_empty() { "any host" } else { host };
    Explain::new("route-taken", format!("the route {host}{path}/ belongs to {holder}"))
        .help(format!("give the route another host or path, or take it out of {holder} first"))
}
