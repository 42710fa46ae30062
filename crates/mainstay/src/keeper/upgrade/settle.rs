//! How an upgrade went, told by what is there: which binary this keeper is of, and which one lies in its place.

use std::{fs, io, time::SystemTime};

use api::upgrade::{Outcome, Record};
use model::Explain;

use super::{Upgrades, blocking, former, guard};
use crate::keeper::{ground::Ground, instances::rfc3339};

/// Bound: of the words that a parent or a keeper before left.
const WHY_BYTES_MAX: usize = 4096;

/// Ends the record of an upgrade that is open: by this keeper, which is about to be ready, or because it `failed`. The
/// binary before is back in its place then, where this keeper is of it. `pending`: what the edge does not do yet, in words.
pub(crate) async fn settle(
    upgrades: &Upgrades,
    ground: &Ground,
    pending: &[String],
    failed: Option<&io::Error>,
) {
    let newest = upgrades.records.read().map(|records| records.into_iter().next());
    match newest {
        Ok(Some(open)) if open.outcome.is_none() => {
            end(upgrades, ground, Record { pending: pending.to_vec(), ..open }, failed).await
        }
        Ok(_) => {}
        Err(explain) => tracing::warn!(%explain, "Nobody will be told what became of an upgrade."),
    }
    guard::end(&ground.folders);
    // Mostly there is none.
    let _ = fs::remove_file(supervisor::up::why_file(&ground.folders.run));
}

async fn end(upgrades: &Upgrades, ground: &Ground, open: Record, failed: Option<&io::Error>) {
    let own = upgrades.digest();
    let path = upgrades.path.clone();
    let placed = blocking(move || fs::File::open(path).and_then(release::sha256)).await;
    let is_placed = placed.is_ok_and(|digest| digest == open.to.digest);
    let outcome = match () {
        () if own == open.to.digest => Outcome::Done,
        () if own == open.from.digest => Outcome::Returned,
        () => Outcome::Overtaken,
    };
    let mut why = (outcome == Outcome::Returned).then(|| why(ground, &open, failed));
    let (path, told) = (upgrades.path.as_path(), upgrades.path.display());
    match outcome {
        Outcome::Returned if is_placed => {
            if let Err(error) = guard::put_back(path) {
                tracing::error!(%error, path = %told, "The binary before could not be put back; it serves, and the new one lies in its place.");
                why = why.map(|why| why.caused_by(format!("{told} could not be put back: {error}")));
            }
        }
        Outcome::Returned => {
            if let Err(error) = guard::put_back_former(path) {
                tracing::warn!(%error, path = %told, "What `mainstay upgrade --back` goes to is not what it was.");
            }
        }
        // Mostly there is none.
        Outcome::Done | Outcome::Overtaken => drop(fs::remove_file(former(path))),
    }
    tracing::info!(
        outcome = outcome.name(),
        from = open.from.digest,
        to = open.to.digest,
        why = why.as_ref().map(ToString::to_string),
        "An upgrade has ended."
    );
    let record = Record { ended: Some(rfc3339(SystemTime::now())), outcome: Some(outcome), why, ..open };
    if let Err(explain) = upgrades.records.put(record) {
        tracing::warn!(%explain, "Nobody will be told what became of an upgrade.");
    }
}

fn why(ground: &Ground, open: &Record, failed: Option<&io::Error>) -> Explain {
    let told = machine::fs::read_text(&supervisor::up::why_file(&ground.folders.run), WHY_BYTES_MAX);
    let cause = match (failed, told) {
        (Some(error), _) => error.to_string(),
        (None, Ok(told)) => told,
        (None, Err(_)) => "the keeper ended before the new one was tried".to_owned(),
    };
    Explain::new("upgrade-returned", format!("Mainstay {} was not taken up", open.to))
        .caused_by(cause)
        .now(format!("Mainstay {} goes on, and what was served is served on", open.from))
        .help("the keeper's log says more: that of `mainstay up`, or `journalctl -u mainstay-keeper`")
}
