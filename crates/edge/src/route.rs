//! A checked table in the form that requests are served by: immutable, swapped whole.

use std::{collections::HashMap, hash::BuildHasher, net::IpAddr, sync::Arc};

use model::{Notice, manifest::Route};

use crate::{
    hash::OwnKeys, limit::Limit, matcher::Matcher, pool::PoolState, rules::Rules, shared::client_key,
    table::PoolId,
};

/// One route and where it leads.
#[derive(Debug)]
pub(crate) struct RouteState {
    pub(crate) route: Route,
    /// `assistant/production`.
    pub(crate) site: Arc<str>,
    pub(crate) pool: Arc<PoolState>,
    pub(crate) canary: Option<Canary>,
    /// What metrics count it under; 0 is "no route".
    pub(crate) metric: u32,
    pub(crate) maintenance: Option<Arc<str>>,
    /// What an operator has put up in place of the site.
    pub(crate) notice: Option<Arc<Notice>>,
    /// In the manifest's order.
    pub(crate) limits: Vec<Limit>,
    pub(crate) rules: Option<Arc<Rules>>,
}

/// A pool that takes some of a route's clients.
#[derive(Debug)]
pub(crate) struct Canary {
    pub(crate) pool: Arc<PoolState>,
    pub(crate) share: Share,
}

/// So many clients of a hundred; other ones for each pool.
#[derive(Debug)]
pub(crate) struct Share {
    weight: u8,
    salt: u64,
}

impl Share {
    pub(crate) fn new(of: &PoolId, weight: u8) -> Self {
        Self { weight, salt: OwnKeys::default().hash_one(&of.0) }
    }

    /// Always the same for one client.
    fn takes(&self, client: IpAddr) -> bool {
        OwnKeys::default().hash_one((self.salt, client_key(client))) % 100 < u64::from(self.weight)
    }
}

impl RouteState {
    /// The pool that answers this client.
    pub(crate) fn pool_of(&self, client: IpAddr) -> &Arc<PoolState> {
        let canary = self.canary.as_ref().filter(|canary| canary.share.takes(client));
        canary.map_or(&self.pool, |canary| &canary.pool)
    }
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn share(pool: &str, weight: u8) -> Share {
        Share::new(&PoolId(pool.to_owned()), weight)
    }

    #[test]
    fn a_canary_takes_its_share_of_neighbouring_clients_and_each_of_them_always() {
        let clients: Vec<IpAddr> =
            (0..20_000_u32).map(|n| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n))).collect();
        for weight in [1, 10, 50, 99] {
            let share = share("a/production/web@7", weight);
            let taken = clients.iter().filter(|client| share.takes(**client)).count();
            let percent = taken as f64 / clients.len() as f64 * 100.0;
            assert!((percent - f64::from(weight)).abs() < 1.0, "{percent} instead of {weight}");
        }
    }

    #[test]
    fn the_next_canary_is_met_by_others() {
        let (one, two) = (share("a/production/web@7", 10), share("a/production/web@8", 10));
        let clients = (0..10_000_u32).map(|n| IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 + n)));
        let both = clients.filter(|client| one.takes(*client) && two.takes(*client)).count();
        assert!((50..200).contains(&both), "{both} of 10,000 in both, where chance would have 100");
    }
}
