//! What is removed once it is not needed any more: old releases by count and bytes, old journals, artifacts.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use model::ReleaseNumber;

use crate::{
    environment, history,
    layout::Layout,
    scene::Scene,
    state::{Fate, ReleaseRecord, State},
    world::World,
};

/// The releases to remove, oldest first: beyond `keep` or beyond `bytes_max` of those that nothing needs. Good ones are kept
/// before those that failed: nobody returns to one of these. Pure.
pub(crate) fn surplus(
    releases: &BTreeMap<ReleaseNumber, ReleaseRecord>,
    needed: &BTreeSet<ReleaseNumber>,
    keep: u32,
    bytes_max: u64,
) -> Vec<ReleaseNumber> {
    let mut bytes: u64 = releases.iter().filter(|(n, _)| needed.contains(n)).map(|(_, r)| r.bytes).sum();
    let mut kept = 0;
    let mut surplus = Vec::new();
    let mut unneeded: Vec<_> = releases.iter().rev().filter(|(n, _)| !needed.contains(n)).collect();
    unneeded.sort_by_key(|(_, record)| record.fate == Fate::Failed);
    for (number, record) in unneeded {
        // One that is being staged belongs to the run that stages it.
        if record.fate == Fate::Staging {
            continue;
        }
        if kept < keep && bytes.saturating_add(record.bytes) <= bytes_max {
            kept += 1;
            bytes += record.bytes;
        } else {
            surplus.push(*number);
        }
    }
    surplus.sort();
    surplus
}

/// Removes what the serving release's manifest does not keep. Failures are logged and tried again next time.
pub(crate) async fn prune<W: World>(at: &Scene<W>) {
    let state = at.books.read();
    let Some(manifest) = state.serving.and_then(|release| at.manifest(release).ok()) else { return };
    let (keep, bytes) = (manifest.release.keep_releases, manifest.release.keep_bytes.0);
    let mut needed = state.needed();
    // A scheduled run goes on in the files that it was begun in.
    needed.extend(at.logbook.read().jobs.values().filter_map(|entry| entry.running.as_ref()?.release));
    let mut gone = BTreeSet::new();
    for release in surplus(&state.releases, &needed, keep, bytes) {
        // Crash: first out of the books, so that a half removed release is never started.
        let taken = at.books.change(|state| take(state, release));
        match taken {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                tracing::warn!(site = %at.site, %error, "A release cannot be pruned.");
                return;
            }
        }
        if let Err(error) = at.remove_release(release).await {
            tracing::warn!(site = %at.site, %release, %error, "A pruned release's files stay.");
        }
        gone.extend(state.releases.get(&release).map(|record| record.digest.clone()));
    }
    remove_orphans(at).await;
    environment::forget(at);
    for (deploy, path) in history::surplus(&at.layout) {
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(site = %at.site, %deploy, %error, "An old journal stays.");
        }
    }
    match artifacts_in_use(at) {
        Ok((served, kept)) => {
            gone.retain(|digest| !kept.contains(digest));
            at.artifacts.prune(&served, &gone, SystemTime::now());
        }
        Err(error) => {
            tracing::warn!(site = %at.site, %error, "Artifacts are not pruned: what other sites have cannot be read.")
        }
    }
}

/// Digests of what serves, and of every release that is kept, on all sites: the store is theirs together, and what serves can
/// be promoted.
fn artifacts_in_use<W: World>(at: &Scene<W>) -> std::io::Result<(BTreeSet<String>, BTreeSet<String>)> {
    let layout = Layout::new(&at.settings.data);
    let (mut served, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for site in layout.sites()? {
        let path = layout.site(&site).state();
        let state: State = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let serving = state.serving.and_then(|release| state.releases.get(&release));
        served.extend(serving.map(|record| record.digest.clone()));
        kept.extend(state.releases.into_values().map(|record| record.digest));
    }
    Ok((served, kept))
}

/// Forgets a release if nothing has come to need it meanwhile.
fn take(state: &mut State, release: ReleaseNumber) -> bool {
    !state.needed().contains(&release) && state.releases.remove(&release).is_some()
}

/// Folders of releases that the books do not know: left by a crash between the books and the disk.
async fn remove_orphans<W: World>(at: &Scene<W>) {
    let Ok(entries) = std::fs::read_dir(at.layout.releases()) else { return };
    for entry in entries.flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse::<ReleaseNumber>().ok());
        let Some(number) = number else { continue };
        let state = at.books.read();
        if state.releases.contains_key(&number) || number.0 >= state.next_release {
            continue;
        }
        if let Err(error) = at.remove_release(number).await {
            tracing::warn!(site = %at.site, release = %number, %error, "A forgotten release's files stay.");
        }
    }
}
