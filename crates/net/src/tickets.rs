//! Session tickets whose keys all generations of the edge share, so that an upgrade makes nobody handshake in full.
//!
//! Each epoch of six hours since boot has a key of its own, derived by HKDF (RFC 5869) from the seed that holds in that
//! epoch; tickets of this and of the last epoch are accepted. Seeds live in one memory file ([`Seeds`]) that the keeper
//! renews and every edge reads when an epoch begins. Who does not have it learns no key from another.

mod seeds;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use rustls::server::ProducesTickets;

pub use self::seeds::Seeds;

/// Time since boot, not of the day: what shares the seeds shares the boot, and no clock that is set moves an epoch.
const EPOCH_S: u64 = 6 * 3600;
const KEY_BYTES: usize = 32;
/// Each ticket begins with the epoch that sealed it.
const EPOCH_BYTES: usize = 8;
/// Bound: a stranger's ticket that is longer is none of ours.
const TICKET_BYTES_MAX: usize = 16 << 10;

/// Makes and opens tickets.
pub struct SharedTickets {
    seeds: Seeds,
    /// The keys of the last two epochs that were asked for.
    keys: Mutex<Vec<(u64, Arc<RandomizedNonceKey>)>>,
    epoch: fn() -> u64,
}

impl fmt::Debug for SharedTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedTickets([secret])")
    }
}

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

impl SharedTickets {
    pub fn new(seeds: Seeds) -> Self {
        Self { seeds, keys: Mutex::default(), epoch: this_epoch }
    }

    fn key(&self, epoch: u64) -> Option<Arc<RandomizedNonceKey>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = keys.iter().find(|(known, _)| *known == epoch) {
            return Some(Arc::clone(key));
        }
        // Once an epoch. What is kept cannot go stale: a renewed seed holds from a later epoch on than any that has begun.
        let key = Arc::new(self.derive(epoch)?);
        keys.retain(|(known, _)| known.abs_diff(epoch) <= 1);
        keys.push((epoch, Arc::clone(&key)));
        Some(key)
    }

    fn derive(&self, epoch: u64) -> Option<RandomizedNonceKey> {
        let seed = self.seeds.of(epoch)?;
        let mut bytes = [0; KEY_BYTES];
        let salt = Salt::new(HKDF_SHA256, b"mainstay tls tickets 2");
        salt.extract(&seed).expand(&[&epoch.to_be_bytes()], KeyLength).ok()?.fill(&mut bytes).ok()?;
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()
    }
}

impl ProducesTickets for SharedTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(EPOCH_S).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let epoch = (self.epoch)();
        let head = epoch.to_be_bytes();
        let mut sealed = plain.to_vec();
        let nonce = self.key(epoch)?.seal_in_place_append_tag(Aad::from(&head), &mut sealed).ok()?;
        let mut ticket = Vec::with_capacity(EPOCH_BYTES + NONCE_LEN + sealed.len());
        ticket.extend_from_slice(&head);
        ticket.extend_from_slice(nonce.as_ref());
        ticket.extend_from_slice(&sealed);
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > TICKET_BYTES_MAX {
            return None;
        }
        let (head, rest) = ticket.split_first_chunk::<EPOCH_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let (epoch, now) = (u64::from_be_bytes(*head), (self.epoch)());
        if epoch != now && epoch.checked_add(1) != Some(now) {
            return None;
        }
        let mut plain = sealed.to_vec();
        let key = self.key(epoch)?;
        let length = key.open_in_place(nonce.into(), Aad::from(head), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

/// The epoch that runs, counted from boot.
fn this_epoch() -> u64 {
    machine::clock::since_boot().as_secs() / EPOCH_S
}

#[cfg(test)]
mod tests;
