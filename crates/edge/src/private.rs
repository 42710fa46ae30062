//! Requests of the gate: they name their pool and show the token, and go the public way from there, but that no limit
//! counts them.

use std::sync::Arc;

use http::HeaderMap;
use model::manifest::Route;

use crate::{page, pool::Lease, proxy::Refused, route::RouteState, shared::Shared, table::PoolId};

/// The named pool, by the settings of the route that leads to its service, or by the manifest's defaults where the
/// table has none yet (the first deploy of a route).
pub(crate) fn find(
    shared: &Shared,
    headers: &HeaderMap,
    host: &str,
    path: &str,
) -> Result<(Arc<RouteState>, Lease), Refused> {
    let token = headers.get("x-mainstay-token").map_or(&b""[..], |token| token.as_bytes());
    let known = shared.settings.token.as_ref().map(|token| token.0.as_bytes());
    if !known.is_some_and(|known| is_same(known, token)) {
        return Err(page::FORBIDDEN.into());
    }
    let named =
        headers.get("x-mainstay-pool").and_then(|id| id.to_str().ok()).map(|id| PoolId(id.to_owned()));
    let snapshot = shared.snapshot.load();
    let pool = named.and_then(|id| snapshot.pools.get(&id)).ok_or(page::NO_ROUTE)?;
    let usual = snapshot.find(host, path).filter(|route| route.pool.site == pool.site);
    let route = RouteState {
        route: usual.map_or_else(|| Route::to(pool.service.clone()), |usual| usual.route.clone()),
        site: pool.site.to_string().into(),
        pool: Arc::clone(pool),
        canary: None,
        metric: 0,
        maintenance: None,
        notice: None,
        limits: Vec::new(),
        rules: usual.and_then(|usual| usual.rules.clone()),
    };
    let lease = Lease::open(pool, true).ok_or(page::UNAVAILABLE)?;
    Ok((Arc::new(route), lease))
}

/// Takes as long for a wrong token as for a right one.
fn is_same(known: &[u8], given: &[u8]) -> bool {
    known.len() == given.len() && known.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
