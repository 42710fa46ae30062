//! The seeds of ticket keys: a memory file of a fixed size that is renewed in place, so that whoever holds it, now or
//! after a restart, has the next seed too, and the descriptor store has one descriptor for ever.
//!
//! A seed stands in a slot of its own with the epoch that it holds from and a digest. A new one holds from an epoch that
//! begins in six hours at the earliest: until then nobody needs it, so all readers change at the same moment. What is
//! no more accepted is wiped.

use std::{
    fmt,
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use aws_lc_rs::digest::{SHA256, digest};

use super::this_epoch;

/// A day.
const EPOCHS_A_SEED: u64 = 4;
/// From its making to its first use: at least one whole epoch.
const LEAD: u64 = 2;
const SEED_BYTES: usize = 32;
const EPOCH_BYTES: usize = 8;
const SLOT_BYTES: usize = EPOCH_BYTES + SEED_BYTES + 32;
/// Bound: the last seed, this one, the next, and room to write.
const SLOTS: usize = 4;
const FILE_BYTES: usize = SLOTS * SLOT_BYTES;

/// An open file of seeds.
pub struct Seeds(File);

impl fmt::Debug for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seeds([secret])")
    }
}

struct Seed {
    from: u64,
    bytes: [u8; SEED_BYTES],
}

impl Seeds {
    /// A new file with a seed for now, open for reading. Others than its maker's user cannot open it to write.
    ///
    /// # Errors
    /// The kernel's.
    pub fn create(name: &str) -> io::Result<OwnedFd> {
        Self::create_in(name, this_epoch())
    }

    pub(super) fn create_in(name: &str, now: u64) -> io::Result<OwnedFd> {
        let seeds = Self(machine::memfd::of_size(name, FILE_BYTES, 0o600)?.into());
        seeds.write(0, &Seed::new(now)?)?;
        machine::fds::reopen(&seeds.0, false)
    }

    /// # Errors
    /// The kernel's; `InvalidData` where it is no file of seeds, or one whose size may change under a reader.
    pub fn open(fd: impl AsFd) -> io::Result<Self> {
        let seeds = Self(fd.as_fd().try_clone_to_owned()?.into());
        machine::memfd::check_size(&seeds.0, FILE_BYTES)?;
        if seeds.slots()?.iter().all(Option::is_none) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds no seed"));
        }
        Ok(seeds)
    }

    /// Makes the next seed if it is due, and wipes those whose tickets are over. Gives whether it made one. Call it every
    /// hour or so, by one process at a time.
    ///
    /// # Errors
    /// The kernel's. What held before holds on.
    pub fn renew(&self) -> io::Result<bool> {
        self.renew_in(this_epoch())
    }

    pub(super) fn renew_in(&self, now: u64) -> io::Result<bool> {
        let writable = Self(machine::fds::reopen(&self.0, true)?.into());
        let slots = self.slots()?;
        let starts: Vec<u64> = slots.iter().flatten().map(|seed| seed.from).collect();
        let last_accepted = now.saturating_sub(1);
        let is_over = |from: u64| starts.iter().any(|later| *later > from && *later <= last_accepted);
        for (slot, seed) in slots.iter().enumerate() {
            if seed.as_ref().is_some_and(|seed| is_over(seed.from)) {
                writable.0.write_all_at(&[0; SLOT_BYTES], offset(slot))?;
            }
        }
        let due = starts.iter().max().map_or(now, |newest| newest + EPOCHS_A_SEED);
        if due > now + LEAD {
            return Ok(false);
        }
        let free = self.slots()?.iter().position(Option::is_none);
        let slot = free.ok_or_else(|| io::Error::other("no slot is free"))?;
        // Crash: half a slot fails its digest and is none; the next renewal writes it again.
        writable.write(slot, &Seed::new(due.max(now + LEAD))?)?;
        Ok(true)
    }

    /// The seed that holds in `epoch`.
    pub(super) fn of(&self, epoch: u64) -> Option<[u8; SEED_BYTES]> {
        let slots = self.slots().ok()?;
        let holding = slots.into_iter().flatten().filter(|seed| seed.from <= epoch);
        holding.max_by_key(|seed| seed.from).map(|seed| seed.bytes)
    }

    fn slots(&self) -> io::Result<[Option<Seed>; SLOTS]> {
        let mut bytes = [0; FILE_BYTES];
        self.0.read_exact_at(&mut bytes, 0)?;
        let mut slots = bytes.chunks_exact(SLOT_BYTES);
        Ok(std::array::from_fn(|_| slots.next().and_then(Seed::parse)))
    }

    fn write(&self, slot: usize, seed: &Seed) -> io::Result<()> {
        self.0.write_all_at(&seed.render(), offset(slot))
    }
}

fn offset(slot: usize) -> u64 {
    (slot * SLOT_BYTES) as u64
}

impl Seed {
    fn new(from: u64) -> io::Result<Self> {
        let mut bytes = [0; SEED_BYTES];
        machine::entropy::fill(&mut bytes)?;
        Ok(Self { from, bytes })
    }

    fn render(&self) -> Vec<u8> {
        let mut slot = [&self.from.to_be_bytes()[..], &self.bytes].concat();
        slot.extend_from_slice(digest(&SHA256, &slot).as_ref());
        slot
    }

    fn parse(slot: &[u8]) -> Option<Self> {
        let (head, rest) = slot.split_first_chunk::<EPOCH_BYTES>()?;
        let (bytes, _) = rest.split_first_chunk::<SEED_BYTES>()?;
        let seed = Self { from: u64::from_be_bytes(*head), bytes: *bytes };
        (seed.render() == slot).then_some(seed)
    }
}
