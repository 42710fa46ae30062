//! PREFLIGHT: what must hold before anything is touched.

use std::collections::BTreeSet;

use model::{
    Explain, ReleaseNumber,
    manifest::Manifest,
    room::{Room, round},
    schema::DataSchema,
};
use tokio::time::timeout;

use crate::{
    environment,
    journal::Course,
    relieve::{self, is_never_two},
    run::{Halt, Run},
    scene::Scene,
    state::LeavingStage,
    table::has_pool,
    world::{Disk, Observed, World},
};

/// Inodes that a release and its logs may need beside what is free.
const INODES_MIN: u64 = 10_000;

pub(crate) async fn preflight<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let limit = run.at.settings.preflight_limit;
    match timeout(limit, checks(run)).await {
        Ok(checked) => checked?,
        Err(_) => {
            let explain =
                Explain::new("preflight-slow", format!("the checks took longer than {}", model::Span(limit))).help("mostly the source of the secrets or a full disk is slow: `mainstay check` looks at each alone");
            return Err(Halt::Abort(explain.now(run.now_serving())));
        }
    }
    make_room(run).await
}

async fn checks<W: World>(run: &Run<W>) -> Result<(), Halt> {
    let now = |explain: Explain| explain.now(run.now_serving());
    if let Course::New { bytes, .. } = &run.task.course {
        room(&run.at, *bytes).map_err(now)?;
    }
    environment::take(run).await.map_err(now)?;
    let migrates = run.task.verb == "deploy";
    schema_contract(&run.at, &run.manifest, run.task.to, migrates).map_err(now)?;
    relieve::keeps_its_kind(&run.at, &run.manifest).map_err(now)?;
    memory(run).await?;
    if let Some(warning) = old_side(run).await {
        run.log.warn(warning);
    }
    Ok(())
}

/// Everything that the manifest wants from the secrets' source.
pub(crate) fn secret_names(manifest: &Manifest) -> BTreeSet<String> {
    manifest.secrets_by_user().flat_map(|(_, names)| names).cloned().collect()
}

/// Room for another release must be free, and inodes.
pub(crate) fn enough_disk(disk: Disk, room: Room) -> Result<(), Explain> {
    if disk.free_bytes < room.wanted() {
        return Err(Explain::new("disk-space", "there is too little disk space for another release")
            .caused_by(format!("{} free, {} needed: {room}", round(disk.free_bytes), round(room.wanted())))
            .help("free space, or keep fewer releases (`release.keep_releases`, `release.keep_bytes`)"));
    }
    // File systems that make inodes as they go report none.
    if disk.free_inodes != 0 && disk.free_inodes < INODES_MIN {
        return Err(Explain::new("disk-inodes", "there are too few free inodes for another release")
            .caused_by(format!("{} free, {INODES_MIN} needed", disk.free_inodes))
            .help("remove small files from this file system; `df -i` counts them"));
    }
    Ok(())
}

/// The new instances run beside the old ones: there must be memory for them, as much as those of the same service
/// have used at most: a process that was just started, or has done its work for the day, needs little and will need more.
/// Where none runs yet `memory_high` is all that is known; it is a limit, not a need, so it only warns.
async fn memory<W: World>(run: &Run<W>) -> Result<(), Halt> {
    if !matches!(run.task.course, Course::New { .. } | Course::Existing) || run.recreates() {
        return Ok(());
    }
    let observed = run.at.observed().await?;
    let available = run.at.world.memory_available()?;
    let needed = needed_memory(&run.manifest, &observed);
    if needed.seen.saturating_add(needed.limits) <= available {
        return Ok(());
    }
    let explain = Explain::new("memory", "there is too little memory for the new instances beside the old ones")
        .caused_by(format!(
            "{} available; needed are {}, as the old instances have used at most, and up to {} (`memory_high`) for what does not run yet",
            round(available),
            round(needed.seen),
            round(needed.limits)
        ))
        .help("lower `instances`, run the app on a machine with more memory, or bear a downtime with `deploy.strategy = \"recreate\"`");
    if needed.seen > available {
        return Err(Halt::Abort(explain.now(run.now_serving())));
    }
    run.log.warn(explain);
    Ok(())
}

/// Bytes for all new instances.
struct Needed {
    seen: u64,
    limits: u64,
}

fn needed_memory(manifest: &Manifest, observed: &[Observed]) -> Needed {
    let mut needed = Needed { seen: 0, limits: 0 };
    // What must never run twice needs what its predecessor gives back.
    let beside = manifest.services.iter().filter(|(name, _)| !is_never_two(manifest, name));
    for (name, service) in beside {
        let count = u64::from(service.instances.get());
        let of_service = observed.iter().filter(|o| o.name.service == *name);
        match of_service.filter_map(|o| o.memory_peak_bytes.max(o.memory_bytes)).max() {
            Some(bytes) => needed.seen += bytes.saturating_mul(count),
            None => {
                needed.limits += service.limits.memory_high.map_or(0, |high| high.0.saturating_mul(count))
            }
        }
    }
    needed
}

/// The state of the database that this run will leave, if it migrates.
pub(crate) fn schema_after(manifest: &Manifest, data: DataSchema) -> DataSchema {
    manifest.migrate.as_ref().map_or(data, |m| data.after(m.code.schema, m.compatible_with))
}

/// What PREFLIGHT would refuse, for a plan that is only shown.
pub(crate) fn foresee<W: World>(
    at: &Scene<W>,
    manifest: &Manifest,
    course: &Course,
    to: ReleaseNumber,
) -> Vec<Explain> {
    let disk = match course {
        Course::New { bytes, .. } => room(at, *bytes).err(),
        _ => None,
    };
    let schema = schema_contract(at, manifest, to, true).err().or_else(|| no_way_back(at, manifest, to));
    disk.into_iter().chain(schema).chain(relieve::keeps_its_kind(at, manifest).err()).collect()
}

/// Where nothing older must bear the migration, nothing older can serve after it either.
fn no_way_back<W: World>(at: &Scene<W>, manifest: &Manifest, to: ReleaseNumber) -> Option<Explain> {
    let state = at.books.read();
    let (old, data) = state.serving.zip(state.schema).filter(|_| manifest.recreates())?;
    let after = schema_after(manifest, data);
    let code = at.manifest(old).ok()?.migrate.as_ref().map(|m| m.code)?;
    if code.may_run_on(after) {
        return None;
    }
    Some(
        Explain::new("no-way-back", format!("release {old} cannot run once the database is migrated"))
            .caused_by(format!("its code is for schema {}, the migration goes to {}", code.schema, after.version))
            .help(format!(
                "if release {to} fails then, nobody is served until `mainstay migrate down`, or until a mended release \
                 is deployed: copy the database first"
            )),
    )
}

fn room<W: World>(at: &Scene<W>, artifact: u64) -> Result<(), Explain> {
    // The site's own folder may not be there yet.
    let disk = at.world.disk(&at.settings.data)?;
    let largest = at.books.read().releases.values().map(|record| record.bytes).max().unwrap_or(0);
    enough_disk(disk, Room { artifact, largest, reserve: at.settings.disk_reserve_bytes })
}

/// Every release that may still serve must stay admissible, and so must the new one.
fn schema_contract<W: World>(
    at: &Scene<W>,
    manifest: &Manifest,
    to: ReleaseNumber,
    migrates: bool,
) -> Result<(), Explain> {
    let state = at.books.read();
    let Some(data) = state.schema else { return Ok(()) };
    let after = if migrates { schema_after(manifest, data) } else { data };
    if let Some(code) = manifest.migrate.as_ref().map(|m| m.code)
        && !code.may_run_on(after)
    {
        return Err(inadmissible(to, code.schema, code.schema_min, after)
            .help("deploy a release that fits it; or move the database with `mainstay migrate down`, unless that way was given up by `migrate contract`"));
    }
    // Where nothing older runs beside it, nothing older must bear its migration.
    if after == data || manifest.recreates() {
        return Ok(());
    }
    let leaving = state.leaving.iter().filter(|l| l.stage != LeavingStage::Stopping);
    let groups = state.live.iter().chain(leaving.map(|l| &l.group));
    let mut may_serve: BTreeSet<ReleaseNumber> = groups.map(|group| group.release).collect();
    may_serve.extend(state.stable.last());
    for release in may_serve {
        let Ok(manifest) = at.manifest(release) else { continue };
        let Some(code) = manifest.migrate.as_ref().map(|m| m.code) else { continue };
        if !code.may_run_on(after) {
            return Err(inadmissible(release, code.schema, code.schema_min, after).help(
                "split the change: first a migration that the old code survives (state its `compatible_with`), \
                 later one that removes what is old; or bear a downtime with `deploy.strategy = \"recreate\"`",
            ));
        }
    }
    Ok(())
}

fn inadmissible(release: ReleaseNumber, schema: u64, schema_min: u64, data: DataSchema) -> Explain {
    Explain::new("schema-contract", format!("release {release} could not run on the database")).caused_by(format!(
        "its code is for schema {schema} and runs from {schema_min} on; the database would be at {}, and code below \
         {} breaks on it",
        data.version, data.floor
    ))
}

/// A sick old side is said, not refused: the new release may be its cure.
async fn old_side<W: World>(run: &Run<W>) -> Option<Explain> {
    let pools = run.at.pools().await.ok()?;
    let state = run.at.books.read();
    let sick = state.live.iter().find(|group| {
        let routed = run.at.manifest(group.release).is_ok_and(|m| has_pool(&m, &group.service));
        let ready = pools.iter().filter(|p| p.id == group.pool()).flat_map(|p| &p.upstreams).any(|u| u.ready);
        routed && !ready
    })?;
    let message = format!("no instance of {} {} is ready", sick.service, sick.release);
    Some(
        Explain::new("old-release-unready", message)
            .now("a failure of the new release could not be returned from")
            .help("`mainstay check --live` says what is wrong with the one that serves"),
    )
}

/// Waits until one more generation is allowed, or closes the oldest that drains.
async fn make_room<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let adds_none = matches!(
        run.task.course,
        Course::Warm | Course::Grow { .. } | Course::Recycle { .. } | Course::Migrate { .. }
    );
    if adds_none {
        return Ok(());
    }
    let max = usize::try_from(run.manifest.deploy.max_generations.max(2)).unwrap_or(usize::MAX);
    let mut told = false;
    loop {
        let state = run.at.books.read();
        let full = run.manifest.services.keys().find(|service| state.generations_of(service) + 1 > max);
        let Some(service) = full else { return Ok(()) };
        run.check_going().map_err(|error| error.now(run.now_serving()))?;
        let oldest = state.leaving.iter().filter(|l| l.group.service == *service && l.left.is_none());
        let oldest = oldest.min_by_key(|l| l.group.generation);
        if let Some(oldest) = oldest
            && !told
        {
            told = true;
            let release = oldest.group.release;
            if run.task.drain_now {
                run.log.note(format!("closing what release {release} still holds of {service}"));
                if let Err(error) = run.at.world.drain_now(&run.at.site, &oldest.group.pool()).await {
                    run.log.warn(error);
                }
            } else {
                run.log.note(format!(
                    "{service} has {} generations alive (`deploy.max_generations`): waiting for release {release} to \
                     drain; `--drain-now` closes it",
                    state.generations_of(service)
                ));
            }
        }
        run.pause().await;
    }
}
