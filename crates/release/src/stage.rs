//! STAGE: the artifact's files, unpacked and built by jobs as the app's user, then taken over and sealed by the keeper.

mod build;

use std::{fs, path::PathBuf};

use api::artifact::Artifact;
use model::{Explain, ProcessId};
use ulid::Ulid;

use crate::{
    carry,
    journal::{Course, Kind},
    layout::{told, write_atomically},
    run::{Halt, Run},
    seal,
    state::Fate,
    unpack,
    world::{JobEnd, JobKind, JobOrder, World},
};

pub(crate) async fn stage<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let Course::New { digest, bytes } = &run.task.course else { return Ok(()) };
    let artifact = Artifact { digest: digest.clone(), bytes: *bytes };
    let archive = run.at.artifacts.find(&artifact).map_err(|refused| refused.explain)?;
    prepare(run)?;
    unpack(run, archive).await?;
    run.check_going()?;
    build::build(run).await?;
    let mut sealed = seal_files(run).await?;
    carry_assets(run, &mut sealed).await;
    write_down(run, &sealed)?;
    run.log.note(format!("{} entries, {} bytes, sealed", sealed.entries, sealed.bytes));
    Ok(())
}

/// The release's folder under its marker: until the marker is gone nobody trusts what is in it.
fn prepare<W: World>(run: &Run<W>) -> Result<(), Explain> {
    let (dir, files) = (run.at.layout.release(run.task.to), run.release_dir());
    let made = machine::fs::make_dirs_durably(&dir)
        .and_then(|()| write_atomically(&run.at.layout.staging(run.task.to), b""))
        .and_then(|()| fs::create_dir_all(&files))
        .and_then(|()| machine::fs::make_dirs_durably(&run.at.layout.shared()));
    made.map_err(|error| told("stage-failed", "make", &dir, &error).now(run.now_serving()))
}

async fn unpack<W: World>(run: &mut Run<W>, archive: PathBuf) -> Result<(), Halt> {
    let shared = run.at.layout.shared();
    let files = run.release_dir();
    let settings = &run.at.settings;
    let caps = unpack::Caps { reserve_bytes: settings.disk_reserve_bytes, ..settings.unpack };
    let argv = unpack::arguments(&files, &shared, &run.manifest.release.shared_paths, caps);
    let order = JobOrder {
        is_own: true,
        stdin: Some(archive),
        writable: vec![files, shared],
        // No loosening of the app's is for those who unpack it.
        sandbox: model::Sandbox::default(),
        ..run.job_order(JobKind::Unpack, ProcessId(Ulid::generate()), argv, run.at.settings.stage_limit)
    };
    let end = to_its_end(run, order).await?;
    if end.succeeded() {
        return Ok(());
    }
    let explain = unpack::failure_of(&end.stdout).unwrap_or_else(|| {
        let explain = Explain::new("unpack-failed", "the artifact cannot be unpacked")
            .caused_by(end.word())
            .help("`tar -tf` shows whether the archive is whole; `mainstay check` whether the disk has room");
        if end.stderr.is_empty() { explain } else { explain.detail("what it said", end.stderr.clone()) }
    });
    Err(Halt::Abort(explain.now(run.now_serving())))
}

/// Runs a job of this phase, which a cancel ends.
async fn to_its_end<W: World>(run: &Run<W>, order: JobOrder) -> Result<JobEnd, Halt> {
    let (job, process) = (order.kind, order.process);
    run.log.append(Kind::JobIntent { job, process })?;
    let end = tokio::select! {
        end = run.at.world.run_job(order) => end?,
        () = run.cancel.cancelled() => {
            run.at.world.stop_job(&run.at.site, process).await?;
            run.check_cancelled()?;
            JobEnd::default()
        }
    };
    run.log.append(Kind::JobDone { job, process, end: end.word() })?;
    Ok(end)
}

async fn seal_files<W: World>(run: &Run<W>) -> Result<seal::Seal, Explain> {
    let files = run.release_dir();
    let sealed = tokio::task::spawn_blocking(move || {
        seal::seal(&files).map_err(|error| told("seal-failed", "seal", &files, &error))
    });
    sealed.await.unwrap_or_else(|_| Err(Explain::new("seal-failed", "sealing ended early")))
}

/// Gives the new release the files that pages of earlier ones ask for. A release without them is better than none.
async fn carry_assets<W: World>(run: &Run<W>, sealed: &mut seal::Seal) {
    let own = run.manifest.release.clone();
    if own.asset_paths.is_empty() {
        return;
    }
    let now = u64::try_from(run.at.world.now().as_second()).unwrap_or_default();
    for old in followed(run) {
        let (from, to) = (run.at.layout.files(old), run.release_dir());
        let (seal_of_old, mut seal, own) = (run.at.layout.seal(old), std::mem::take(sealed), own.clone());
        let carried = tokio::task::spawn_blocking(move || {
            let kept = carry::Kept { paths: &own.asset_paths, retention: own.asset_retention.0.as_secs() };
            let came = seal::read(&seal_of_old)
                .and_then(|of_old| carry::carry((&from, &of_old), (&to, &mut seal), kept, now));
            (seal, came)
        });
        let Ok((seal, came)) = carried.await else { return };
        *sealed = seal;
        match came {
            Ok(0) => {}
            Ok(came) => run.log.note(format!("{came} files of release {old} are kept for old pages")),
            Err(error) => run.log.warn(
                Explain::new("assets-not-kept", format!("files of release {old} are not kept for old pages"))
                    .because(&error)
                    .help("pages that are open now may miss some of theirs until they are loaded anew"),
            ),
        }
    }
}

/// The releases that pages which are open now may be of: the one that serves, and those after it that were returned from.
fn followed<W: World>(run: &Run<W>) -> Vec<model::ReleaseNumber> {
    let state = run.at.books.read();
    let Some(serving) = state.serving else { return Vec::new() };
    let is_whole = |number: &model::ReleaseNumber| {
        *number != run.task.to
            && state.releases.get(number).is_some_and(|record| record.fate != Fate::Staging)
    };
    let later = state.releases.keys().rev().copied().filter(|number| *number > serving);
    later.chain([serving]).filter(is_whole).collect()
}

/// Manifest and digests, then the end of the marker: from here on the release exists.
fn write_down<W: World>(run: &Run<W>, sealed: &seal::Seal) -> Result<(), Explain> {
    let dir = run.at.layout.release(run.task.to);
    let encode =
        |error: serde_json::Error| Explain::new("stage-failed", "cannot encode a record").because(&error);
    let manifest = serde_json::to_vec_pretty(&*run.manifest).map_err(encode)?;
    let digests = serde_json::to_vec(sealed).map_err(encode)?;
    let written = write_atomically(&run.at.layout.manifest(run.task.to), &manifest)
        .and_then(|()| write_atomically(&run.at.layout.seal(run.task.to), &digests))
        .and_then(|()| fs::remove_file(run.at.layout.staging(run.task.to)))
        .and_then(|()| machine::fs::fsync_dir(&dir));
    written.map_err(|error| told("stage-failed", "write", &dir, &error))?;
    run.at.books.change(|state| {
        if let Some(record) = state.releases.get_mut(&run.task.to) {
            record.fate = Fate::Staged;
            record.bytes = sealed.bytes;
        }
    })
}
