//! What limits remember: of each client and limit when its quota is whole again. One table for all workers and limits, so
//! that a client who comes to several workers is one.
//!
//! Bound: 131,072 keys of 16 bytes, 2 MiB, from the first limit on. A key is looked for in the eight places of its set,
//! so that it costs the same however many there are. Where a set is full the quota goes that would be whole first, so
//! that nobody is refused because of others; who is behind the most is forgotten last.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::quota::{Quota, Verdict};

const SHARDS: usize = 64;
const SETS: usize = 256;
const WAYS: usize = 8;

/// The key's hash, 0 where there is none, and when its quota is whole. An array, so that its zeroes come from the kernel
/// and take no memory before they are used.
type Slot = [u64; 2];

/// A limit's or a client's name here: hashed under keys of this process, so that no stranger finds two that are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(u64);

#[derive(Debug)]
pub(crate) struct Keys {
    shards: Box<[Mutex<Vec<Slot>>]>,
    hasher: RandomState,
    /// Quotas that were not whole and had to go.
    forgotten: AtomicU64,
}

impl Default for Keys {
    fn default() -> Self {
        let shard = || Mutex::new(vec![[0; 2]; SETS * WAYS]);
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            forgotten: AtomicU64::new(0),
        }
    }
}

impl Keys {
    pub(super) fn key(&self, of: impl Hash) -> Key {
        Key(self.hasher.hash_one(of).max(1))
    }

    /// Spends one request of `key`'s quota.
    pub(super) fn spend(&self, key: Key, quota: &Quota, now: u64) -> Verdict {
        let (shard, set) = place(key);
        let mut slots = lock(&self.shards[shard]);
        let ways = &mut slots[set * WAYS..][..WAYS];
        let known = ways.iter().position(|[hash, _]| *hash == key.0);
        let at = known.unwrap_or_else(|| first_whole(ways));
        let [hash, whole_at] = &mut ways[at];
        if known.is_none() {
            self.forgotten.fetch_add(u64::from(*whole_at > now), Relaxed);
            (*hash, *whole_at) = (key.0, 0);
        }
        quota.spend(whole_at, now)
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.load(Relaxed)
    }

    /// Keys whose quota is not whole. Looks at all places: for who asks, not for requests.
    pub(crate) fn live(&self, now: u64) -> u64 {
        let live = |shard| lock(shard).iter().filter(|[_, whole_at]| *whole_at > now).count() as u64;
        self.shards.iter().map(live).sum()
    }
}

/// The shard and the set in it, by bits that have nothing to do with each other.
fn place(Key(hash): Key) -> (usize, usize) {
    let bits = |shift: u32, count: usize| usize::try_from(hash >> shift).unwrap_or(0) % count;
    (bits(0, SHARDS), bits(6, SETS))
}

fn first_whole(ways: &[Slot]) -> usize {
    let first = ways.iter().enumerate().min_by_key(|(_, [_, whole_at])| *whole_at);
    first.map_or(0, |(at, _)| at)
}

fn lock(shard: &Mutex<Vec<Slot>>) -> MutexGuard<'_, Vec<Slot>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const KEYS_MAX: usize = SHARDS * SETS * WAYS;

    fn passes(keys: &Keys, key: Key, quota: &Quota, now: u64) -> bool {
        keys.spend(key, quota, now).is_passed()
    }

    #[test]
    fn a_place_is_in_the_table_and_all_places_are_used() {
        let keys = Keys::default();
        let mut used = std::collections::HashSet::new();
        used.extend((0..500_000_u32).map(|n| place(keys.key(n))));
        assert_eq!(used.len(), SHARDS * SETS);
        assert!(used.iter().all(|(shard, set)| *shard < SHARDS && *set < SETS));
        assert_eq!((KEYS_MAX, KEYS_MAX * size_of::<Slot>()), (131_072, 2 << 20));
    }

    #[test]
    fn each_key_has_a_quota_of_its_own() {
        let (keys, quota) = (Keys::default(), Quota::of(Duration::from_secs(1), 2));
        for n in 0..10_000 {
            let key = keys.key(n);
            let passed = (0..3).map(|_| passes(&keys, key, &quota, SECOND)).collect::<Vec<_>>();
            assert_eq!(passed, [true, true, false], "{n}");
        }
        assert_eq!((keys.live(SECOND), keys.live(3 * SECOND)), (10_000, 0));
        assert_eq!(keys.forgotten(), 0, "10,000 have room");
    }

    #[test]
    fn beyond_the_cap_nobody_new_is_refused_and_who_is_behind_the_most_is_not_forgotten() {
        let (keys, quota) = (Keys::default(), Quota::of(Duration::from_secs(1), 5));
        let greedy = keys.key("greedy");
        (0..9).for_each(|_| _ = keys.spend(greedy, &quota, SECOND));
        for n in 0..4 * KEYS_MAX {
            assert!(passes(&keys, keys.key(n), &quota, SECOND), "{n}");
        }
        assert!(!passes(&keys, greedy, &quota, SECOND), "it is forgotten");
        assert!(keys.live(SECOND) <= KEYS_MAX as u64);
        assert!(keys.forgotten() >= 3 * KEYS_MAX as u64);
    }

    #[test]
    fn many_keys_cost_what_few_cost() {
        let (keys, quota) = (Keys::default(), Quota::of(Duration::from_secs(1), 5));
        let took = |count: u64| {
            let begun = Instant::now();
            (0..200_000).for_each(|n| _ = keys.spend(keys.key(n % count), &quota, SECOND));
            begun.elapsed()
        };
        // The best of several, since other programs run beside.
        let best = |count| (0..5).map(|_| took(count)).min().unwrap();
        best(10_000);
        let (few, many) = (best(10), best(10_000));
        assert!(many < 5 * few, "{many:?} with 10,000 keys, {few:?} with 10");
    }
}
