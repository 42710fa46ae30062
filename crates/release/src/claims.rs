//! Which site a route belongs to: a host is served for one app and environment only, or where the machine's file
//! shares it, a (host, path) is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use model::{Explain, Site, host::covers, manifest::Route};

/// Lower-case host (empty: any) and path prefix without a trailing slash.
type Key = (String, String);

/// Shared by all sites; each holds the claims of what it serves and of what its deploy in flight would serve.
#[derive(Default)]
pub(crate) struct Claims {
    /// Hosts on which several sites may have paths, lower-case; `*.example.com` is also each host below it.
    shared_hosts: Vec<String>,
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
    pub(crate) fn new(shared_hosts: Vec<String>) -> Self {
        Self { shared_hosts, by_key: Mutex::default() }
    }

    /// What another site holds of these routes, told.
    pub(crate) fn conflicts(&self, site: &Site, routes: &[Route]) -> Vec<Explain> {
        let by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        self.taken(&by_key, site, &keys(routes))
    }

    /// Takes these routes beside those that the site holds; all or nothing.
    /// # Errors
    /// The conflicts.
    pub(crate) fn add(&self, site: &Site, routes: &[Route]) -> Result<(), Vec<Explain>> {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = keys(routes);
        let conflicts = self.taken(&by_key, site, &wanted);
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        by_key.extend(wanted.into_iter().map(|key| (key, site.clone())));
        Ok(())
    }

    /// Takes the routes of what serves already, whose host nobody is asked for again: only what another site has to the
    /// letter is left to it, and told.
    pub(crate) fn found(&self, site: &Site, routes: &[Route]) -> Vec<Explain> {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let mut conflicts = Vec::new();
        for key in keys(routes) {
            match by_key.get(&key) {
                Some(holder) if holder != site => conflicts.push(told(&key, &key, holder)),
                _ => {
                    by_key.insert(key, site.clone());
                }
            }
        }
        conflicts
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

    /// One conflict for each route that is not the site's own already.
    fn taken(&self, by_key: &BTreeMap<Key, Site>, site: &Site, wanted: &BTreeSet<Key>) -> Vec<Explain> {
        let fresh = wanted.iter().filter(|key| by_key.get(*key) != Some(site));
        let taken = fresh.filter_map(|key| {
            let mut others = by_key.iter().filter(|(_, holder)| *holder != site);
            let (held, holder) = others.find(|(held, _)| self.is_in_the_way(key, held))?;
            Some(told(key, held, holder))
        });
        taken.collect()
    }

    fn is_in_the_way(&self, wanted: &Key, held: &Key) -> bool {
        if wanted == held {
            return true;
        }
        let meet = meet(&wanted.0, &held.0);
        meet.is_some_and(|host| !self.shared_hosts.iter().any(|shared| covers(shared, host)))
    }
}

/// The host that is in both; a route of any host takes from no other one, so that it meets none.
fn meet<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    match () {
        () if one.is_empty() || other.is_empty() => None,
        () if covers(one, other) => Some(other),
        () => covers(other, one).then_some(one),
    }
}

fn told((host, path): &Key, held: &Key, holder: &Site) -> Explain {
    let any = |host: &str| if host.is_empty() { "any host".to_owned() } else { host.to_owned() };
    let told = Explain::new("route-taken", format!("the route {}{path}/ belongs to {holder}", any(host)));
    if (host, path) == (&held.0, &held.1) {
        return told.help(format!("give the route another host or path, or take it out of {holder} first"));
    }
    told.caused_by(format!("{holder} serves {}{}/", held.0, held.1))
        .help("give the route a host of its own, or let whoever runs the machine name this one in `shared_hosts` of machine.toml")
}
