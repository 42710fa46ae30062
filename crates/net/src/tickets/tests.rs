//! Generations that share seeds, through renewals and through what may go wrong in one.

use std::{
    cell::Cell,
    fs::File,
    os::{
        fd::OwnedFd,
        unix::fs::{FileExt, PermissionsExt},
    },
};

use super::*;

/// The epoch in which the seeds are made.
const FIRST: u64 = 100;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(FIRST) };
}

fn made() -> OwnedFd {
    NOW.set(FIRST);
    Seeds::create_in("seeds", FIRST).unwrap()
}

/// One with a descriptor of its own and no key known yet, in the epoch of [`NOW`].
fn generation(fd: &OwnedFd) -> SharedTickets {
    SharedTickets { epoch: || NOW.get(), ..SharedTickets::new(Seeds::open(fd).unwrap()) }
}

fn renew(fd: &OwnedFd) -> bool {
    Seeds::open(fd).unwrap().renew_in(NOW.get()).unwrap()
}

fn bytes(fd: &OwnedFd) -> Vec<u8> {
    let mut bytes = vec![0; 4 * 72];
    File::from(fd.try_clone().unwrap()).read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn overwrite(fd: &OwnedFd, bytes: &[u8]) {
    let writable = File::from(machine::fds::reopen(fd, true).unwrap());
    writable.write_all_at(bytes, 0).unwrap();
}

#[test]
fn another_generation_opens_a_ticket_for_two_epochs() {
    let fd = made();
    let ticket = generation(&fd).encrypt(b"session").unwrap();
    let opened = |epoch| {
        NOW.set(epoch);
        generation(&fd).decrypt(&ticket)
    };
    assert_eq!(opened(FIRST).unwrap(), b"session");
    assert_eq!(opened(FIRST + 1).unwrap(), b"session");
    assert_eq!(opened(FIRST + 2), None);
    assert_eq!(opened(FIRST - 1), None);
}

#[test]
fn what_we_did_not_seal_is_refused() {
    let tickets = generation(&made());
    let ticket = tickets.encrypt(b"session").unwrap();
    for at in 0..ticket.len() {
        let mut forged = ticket.clone();
        forged[at] ^= 1;
        assert_eq!(tickets.decrypt(&forged), None, "byte {at}");
        assert_eq!(tickets.decrypt(&ticket[..at]), None, "cut at {at}");
    }
    assert_eq!(generation(&made()).decrypt(&ticket), None, "another seed");
}

/// Ten days, hour by hour as it were: an old and a new generation always open each other's tickets, also those of the
/// epoch before, and each day has a seed of its own.
#[test]
fn a_renewal_loses_no_ticket_and_each_day_has_its_seed() {
    let fd = made();
    let old = generation(&fd);
    let (mut last, mut renewals) = (None::<Vec<u8>>, 0);
    let mut seeds = std::collections::BTreeSet::new();
    for epoch in FIRST..FIRST + 40 {
        NOW.set(epoch);
        let new = generation(&fd);
        if let Some(ticket) = &last {
            assert_eq!(new.decrypt(ticket).unwrap(), b"session", "of the epoch before, in {epoch}");
        }
        let before = old.encrypt(b"session").unwrap();
        renewals += u32::from(renew(&fd));
        assert!(!renew(&fd), "once is enough");
        for ticket in [&before, &old.encrypt(b"session").unwrap()] {
            assert_eq!(new.decrypt(ticket).unwrap(), b"session", "by the new one, in {epoch}");
            assert_eq!(generation(&fd).decrypt(ticket).unwrap(), b"session", "by a newer one, in {epoch}");
        }
        assert_eq!(old.decrypt(&new.encrypt(b"session").unwrap()).unwrap(), b"session");
        seeds.insert(Seeds::open(&fd).unwrap().of(epoch).unwrap());
        last = Some(before);
    }
    assert_eq!((renewals, seeds.len()), (10, 10));
}

#[test]
fn a_seed_is_wiped_when_its_tickets_are_over() {
    let fd = made();
    let first = Seeds::open(&fd).unwrap().of(FIRST).unwrap();
    let is_there = || bytes(&fd).windows(first.len()).any(|window| window == first);
    for epoch in FIRST..=FIRST + 4 {
        NOW.set(epoch);
        renew(&fd);
        assert!(is_there(), "the last ticket of it was sealed in epoch {}", FIRST + 3);
    }
    NOW.set(FIRST + 5);
    renew(&fd);
    assert!(!is_there());
}

/// Nobody renewed for a month: what holds goes on until the next seed's time, and readers do not part.
#[test]
fn a_late_renewal_changes_nothing_that_has_begun() {
    let fd = made();
    NOW.set(FIRST + 120);
    let (early, ticket) = (generation(&fd), generation(&fd).encrypt(b"session").unwrap());
    assert!(renew(&fd));
    for epoch in FIRST + 120..FIRST + 123 {
        NOW.set(epoch);
        let ticket = early.encrypt(b"session").unwrap();
        assert_eq!(generation(&fd).decrypt(&ticket).unwrap(), b"session", "in {epoch}");
    }
    assert_eq!(early.decrypt(&ticket), None);
}

/// A keeper that is killed in the middle of its write leaves some first bytes of it: nobody reads them, the seed that
/// holds does, and the next keeper writes the slot whole.
#[test]
fn a_renewal_that_is_cut_anywhere_is_done_again() {
    let fd = made();
    let before = bytes(&fd);
    NOW.set(FIRST + 2);
    assert!(renew(&fd));
    let after = bytes(&fd);
    let ticket = generation(&fd).encrypt(b"session").unwrap();
    for cut in 72..143 {
        overwrite(&fd, &[&after[..cut], &before[cut..]].concat());
        assert_eq!(generation(&fd).decrypt(&ticket).unwrap(), b"session", "cut at {cut}");
        assert!(renew(&fd), "cut at {cut}");
        NOW.set(FIRST + 4);
        let next = generation(&fd).encrypt(b"session").unwrap();
        assert_eq!(generation(&fd).decrypt(&next).unwrap(), b"session", "cut at {cut}");
        NOW.set(FIRST + 2);
    }
}

#[test]
fn what_is_no_file_of_seeds_is_refused() {
    let refused = |fd: OwnedFd| Seeds::open(fd).unwrap_err().to_string();
    assert_eq!(refused(machine::memfd::sealed("seed", &[7; 32]).unwrap()), "it has another size");
    assert_eq!(refused(tempfile::tempfile().unwrap().into()), "it is no memory file");
    assert_eq!(refused(machine::memfd::of_size("seed", 4 * 72, 0o600).unwrap()), "it holds no seed");
}

/// The edge, which strangers' bytes reach, cannot write what the keeper lends it, and cannot open it to write as the
/// other user that it is.
#[test]
fn the_seeds_are_lent_to_be_read() {
    let fd = made();
    assert!(File::from(fd.try_clone().unwrap()).write_all_at(&[0], 0).is_err());
    assert_eq!(File::from(fd).metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
