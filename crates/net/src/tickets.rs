//! Session tickets whose keys all generations of the edge share, so that an upgrade makes nobody handshake in full.
//!
//! One 32-byte seed is held by whoever starts the edge. Each epoch of six hours has a key of its own, derived by HKDF
//! (RFC 5869); tickets of this and of the last epoch are accepted. Who does not have the seed learns no key from
//! another.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
};
use rustls::server::ProducesTickets;

const EPOCH_S: u64 = 6 * 3600;
const KEY_BYTES: usize = 32;
/// Each ticket begins with the epoch that sealed it.
const EPOCH_BYTES: usize = 8;
/// Bound: a stranger's ticket that is longer is none of ours.
const TICKET_BYTES_MAX: usize = 16 << 10;

/// Makes and opens tickets.
pub struct SharedTickets {
    seed: Prk,
    /// The keys of the last two epochs that were asked for.
    keys: Mutex<Vec<(u64, Arc<RandomizedNonceKey>)>>,
    now_s: fn() -> u64,
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
    /// `None` unless the seed has 32 bytes.
    pub fn new(seed: &[u8]) -> Option<Self> {
        let seed: &[u8; 32] = seed.try_into().ok()?;
        let salt = Salt::new(HKDF_SHA256, b"mainstay tls tickets 1");
        Some(Self { seed: salt.extract(seed), keys: Mutex::default(), now_s: wall_s })
    }

    fn epoch(&self) -> u64 {
        (self.now_s)() / EPOCH_S
    }

    fn key(&self, epoch: u64) -> Option<Arc<RandomizedNonceKey>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = keys.iter().find(|(known, _)| *known == epoch) {
            return Some(Arc::clone(key));
        }
        let mut bytes = [0; KEY_BYTES];
        let info = epoch.to_be_bytes();
        self.seed.expand(&[&info], KeyLength).ok()?.fill(&mut bytes).ok()?;
        let key = Arc::new(RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()?);
        keys.retain(|(known, _)| known.abs_diff(epoch) <= 1);
        keys.push((epoch, Arc::clone(&key)));
        Some(key)
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
        let epoch = self.epoch();
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
        let (epoch, now) = (u64::from_be_bytes(*head), self.epoch());
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

fn wall_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now_s: fn() -> u64) -> SharedTickets {
        SharedTickets { now_s, ..SharedTickets::new(&[7; 32]).unwrap() }
    }

    #[test]
    fn another_generation_opens_a_ticket_for_two_epochs() {
        let first = at(|| 10 * EPOCH_S);
        let ticket = first.encrypt(b"session").unwrap();
        assert_eq!(at(|| 10 * EPOCH_S).decrypt(&ticket).unwrap(), b"session");
        assert_eq!(at(|| 11 * EPOCH_S).decrypt(&ticket).unwrap(), b"session");
        assert_eq!(at(|| 12 * EPOCH_S).decrypt(&ticket), None);
        assert_eq!(at(|| 9 * EPOCH_S).decrypt(&ticket), None);
    }

    #[test]
    fn what_we_did_not_seal_is_refused() {
        let tickets = at(|| EPOCH_S);
        let ticket = tickets.encrypt(b"session").unwrap();
        for at in 0..ticket.len() {
            let mut forged = ticket.clone();
            forged[at] ^= 1;
            assert_eq!(tickets.decrypt(&forged), None, "byte {at}");
            assert_eq!(tickets.decrypt(&ticket[..at]), None, "cut at {at}");
        }
        let other = SharedTickets { now_s: || EPOCH_S, ..SharedTickets::new(&[8; 32]).unwrap() };
        assert_eq!(other.decrypt(&ticket), None);
    }

    #[test]
    fn a_seed_has_32_bytes() {
        assert!(SharedTickets::new(&[0; 31]).is_none());
    }
}
