//! The seeds of TLS tickets: made once a boot, kept in the store above, renewed every day in place. Whoever holds the
//! descriptor, every edge and the next keeper, has the new seed with it.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use model::Explain;
use net::tickets::Seeds;
use supervisor::store::Store;

use super::listeners::keep;

/// The name that the seeds have in the store and at the edge.
pub(crate) const TICKET_SEED: &str = "ticket-seed";
/// A seed is made more than six hours ahead of its time, so an hour more or less does not matter.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// The seeds of before; others only where there are none or they cannot be read.
/// # Errors
/// The kernel gives no memory file or no randomness.
pub(crate) fn kept_or_made(kept: Option<OwnedFd>, store: Option<&Store>) -> Result<OwnedFd, Explain> {
    if let Some(fd) = kept {
        match Seeds::open(&fd) {
            Ok(_) => return Ok(fd),
            Err(error) => {
                tracing::warn!(%error, "The kept seeds of TLS tickets cannot be used; clients handshake in full once.");
                store.map(|store| store.remove(TICKET_SEED));
            }
        }
    }
    let made = Seeds::create(TICKET_SEED).map_err(|error| {
        Explain::new("no-ticket-seed", "cannot make the seed of TLS tickets").because(&error)
    })?;
    keep(store, TICKET_SEED, &made);
    Ok(made)
}

/// Renews for ever; ends by being aborted. The first look is at once: nobody may have looked for long.
pub(crate) async fn renew_daily(fd: impl AsFd) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        match Seeds::open(&fd).and_then(|seeds| seeds.renew()) {
            Ok(true) => tracing::info!("The next seed of TLS tickets is made."),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "The seed of TLS tickets cannot be renewed; the one of before holds on.");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn inode(fd: &OwnedFd) -> u64 {
        let file = std::fs::File::from(fd.try_clone().expect("a copy"));
        file.metadata().expect("metadata").ino()
    }

    #[test]
    fn the_next_keeper_goes_on_with_the_seeds_of_the_last() {
        let first = kept_or_made(None, None).expect("made");
        let kept = first.try_clone().expect("a copy");
        assert_eq!(inode(&kept_or_made(Some(kept), None).expect("kept")), inode(&first));
    }

    #[test]
    fn what_cannot_be_read_is_replaced() {
        let broken = machine::memfd::sealed(TICKET_SEED, &[7; 32]).expect("a memory file");
        let before = inode(&broken);
        let made = kept_or_made(Some(broken), None).expect("made");
        assert_ne!(inode(&made), before);
        assert!(Seeds::open(&made).is_ok());
    }
}
