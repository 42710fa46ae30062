//! Which upstream of a pool takes a request.

use std::sync::Arc;

use model::{ProcessId, manifest::Balance};

use crate::{
    affinity::Wish,
    clock::now_ms,
    pool::{Config, UpstreamState},
};

/// The best upstream that `tried` does not name, and of equals the one that is wished for.
///
/// First those that are ready and not ejected; then ready ones, since a lone ejected one is better than none; then,
/// when nothing is ready, those that once were; then any. `turn` spreads ties and is the order of round robin.
pub(crate) fn choose<'a>(
    config: &'a Config,
    turn: usize,
    tried: &[ProcessId],
    wish: Option<Wish>,
) -> Option<&'a Arc<UpstreamState>> {
    let all = &config.upstreams;
    if let ([only], []) = (&all[..], tried) {
        return Some(only);
    }
    let now = now_ms();
    let rank = |upstream: &UpstreamState| match (upstream.is_ready(), upstream.ejected_for_ms(now)) {
        (true, None) => 0,
        (true, Some(_)) => 1,
        (false, _) if upstream.was_ready() => 2,
        (false, _) => 3,
    };
    let key = |upstream: &&Arc<UpstreamState>| {
        let load = match config.balance {
            Balance::LeastConnections => upstream.active.total(),
            Balance::RoundRobin => 0,
        };
        let distance = wish.map_or(0, |wish| wish.distance(&upstream.name));
        (rank(upstream), distance, load)
    };
    let in_turn = (0..all.len()).map(|step| &all[(turn + step) % all.len()]);
    // Of equals the first is taken.
    in_turn.filter(|upstream| !tried.contains(&upstream.process)).min_by_key(key)
}

#[cfg(test)]
mod tests;
