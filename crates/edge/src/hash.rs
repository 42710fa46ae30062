//! A quick hash for keys that no stranger chooses: identities and small numbers of our own.

use std::hash::{BuildHasherDefault, Hasher};

/// For `HashMap`s whose keys are ULIDs or counted by us. Never for what comes over the wire: it is easily flooded.
pub(crate) type OwnKeys = BuildHasherDefault<Mix>;

/// Multiplies and folds each word (the constant is 2^64 divided by the golden ratio).
#[derive(Debug, Default)]
pub(crate) struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.add(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.add(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.add(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.add(value);
    }

    fn write_u128(&mut self, value: u128) {
        self.write(&value.to_le_bytes());
    }
}
