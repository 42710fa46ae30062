//! STAGE: the artifact's files, unpacked by a job as the app's user, then taken over and sealed by the keeper.

use std::{fs, path::PathBuf};

use api::artifact::Artifact;
use model::{Explain, ProcessId};
use ulid::Ulid;

use crate::{
    journal::{Course, Kind},
    layout::{told, write_atomically},
    run::{Halt, Run},
    seal,
    state::Fate,
    unpack,
    world::{JobKind, JobOrder, World},
};

pub(crate) async fn stage<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let Course::New { digest, bytes } = &run.task.course else { return Ok(()) };
    let artifact = Artifact { digest: digest.clone(), bytes: *bytes };
    let archive = run.at.artifacts.find(&artifact).map_err(|refused| refused.explain)?;
    prepare(run)?;
    unpack(run, archive).await?;
    run.check_going()?;
    let sealed = seal_files(run).await?;
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
    let process = ProcessId(Ulid::generate());
    run.log.append(Kind::JobIntent { job: JobKind::Unpack, process })?;
    let shared = run.at.layout.shared();
    let files = run.release_dir();
    let argv = unpack::arguments(&files, &shared, &run.manifest.release.shared_paths, run.at.settings.unpack);
    let order = JobOrder {
        is_own: true,
        stdin: Some(archive),
        writable: vec![files, shared],
        // No loosening of the app's is for those who unpack it.
        sandbox: model::Sandbox::default(),
        ..run.job_order(JobKind::Unpack, process, argv, run.at.settings.stage_limit)
    };
    let job = run.at.world.run_job(order);
    let end = tokio::select! {
        end = job => end?,
        () = run.cancel.cancelled() => {
            run.at.world.stop_job(&run.at.site, process).await?;
            run.check_cancelled()?;
            return Ok(());
        }
    };
    run.log.append(Kind::JobDone { job: JobKind::Unpack, process, end: end.word() })?;
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

async fn seal_files<W: World>(run: &Run<W>) -> Result<seal::Seal, Explain> {
    let files = run.release_dir();
    let sealed = tokio::task::spawn_blocking(move || {
        seal::seal(&files).map_err(|error| told("seal-failed", "seal", &files, &error))
    });
    sealed.await.unwrap_or_else(|_| Err(Explain::new("seal-failed", "sealing ended early")))
}

/// Manifest and digests, then the end of the marker: from here on the release exists.
fn write_down<W: World>(run: &Run<W>, sealed: &seal::Seal) -> Result<(), Explain> {
    let dir = run.at.layout.release(run.task.to);
    let encode =
        |error: serde_json::Error| Explain::new("stage-failed", "cannot encode a record").because(&error);
    let manifest = serde_json::to_vec_pretty(&*run.manifest).map_err(encode)?;
    let digests = serde_json::to_vec(sealed).map_err(encode)?;
    let written = write_atomically(&run.at.layout.manifest(run.task.to), &manifest)
        .and_then(|()| write_atomically(&dir.join("seal.json"), &digests))
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
