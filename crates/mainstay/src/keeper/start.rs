//! How a keeper comes to be: lock, listeners, what is found, edge, sites, API. In this order, so that whatever dies in
//! between leaves what served serving.

use std::{
    os::{fd::OwnedFd, unix::fs::PermissionsExt as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::SystemTime,
};

use model::Explain;
use release::{Layout, Sites};
use supervisor::{Found, Kind, Process, Supervisor, store::Store};

use super::{
    args::KeeperArgs,
    counted::Counted,
    data_plane::{self, Places},
    ending::Ending,
    ground::Ground,
    handover,
    instances::Instances,
    jobs::Jobs,
    life,
    listeners::{self, Listeners},
    log_sweep,
    oneoff::{self, OneOffs},
    operations::Keeper,
    orders,
    smoke::Smoker,
    standing::{self, Standing},
    tables::Tables,
    ticket_seeds,
    users::Users,
    workload,
    world::Outside,
};
use crate::config::{
    folders::{Folders, Kind as FoldersKind, Surroundings},
    machine::{self as machine_file, Machine},
};

/// The code of the refusal when a keeper holds the data folder.
pub(crate) const ALREADY_UP: &str = "already-up";

/// From nothing to serving, then until the end.
/// # Errors
/// What no restart would mend, in words.
pub(crate) async fn keeper(args: KeeperArgs) -> Result<ExitCode, Explain> {
    let started = SystemTime::now();
    let kept = Store::inherited();
    let store = Store::from_env().map(Arc::new);
    let _alive = life::say_alive(store.clone());
    let folders = Folders::to_start(args.data.as_deref(), &Surroundings::of_this_process());
    let machine = settings(&folders, &args)?;
    make_folders(&folders)?;
    let _lock = lock(&folders)?;
    let workload = match args.wait_for_start {
        true => Some(workload::granted(&folders.run, store.as_deref()).await?),
        false => None,
    };
    let ground = Arc::new(ground(folders, machine, workload)?);
    let places = Places::new(&ground);
    let found = ground.supervisor.observe().await.map_err(|error| {
        Explain::new("started-by-newer", "what runs here was started by a newer Mainstay")
            .because(&error)
            .now("it serves on, without a keeper")
            .help("start the newer version again; its `mainstay down` is what lets an older one begin")
    })?;
    let (edges, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|found| found.spec().kind == Kind::Edge);
    let living = only_living(&ground, edges).await;
    let (kept, adopted_edge) = with_listeners(kept, living, &places, store.as_deref()).await;
    let listeners = match &adopted_edge {
        Some(_) => listeners::of_the_edge(store.as_deref(), kept)?,
        None => open_listeners(&ground, &places, store.as_deref(), kept)?,
    };
    let token = places.token(adopted_edge.is_some())?;
    let settings = places.settings(&ground.machine, &listeners.doors, &token);
    let pending = match &adopted_edge {
        Some(_) => places.pending(&ground.machine, &listeners, &settings),
        None => Vec::new(),
    };
    for pending in &pending {
        tracing::warn!(
            pending,
            again = ground.starts_again(),
            "The edge takes up what machine.toml says of it now when everything is stopped and started again."
        );
    }
    let edge = data_plane::start(&ground, &places, &settings, &listeners, adopted_edge).await?;
    data_plane::watch(&edge, &listeners, Counted::hung_edges(&ground.folders.run))?;

    let control = edge::control::Client::new(&settings.control);
    standing::tell_unserved_certificates(&control).await;
    let world = Arc::new(Outside {
        tables: Tables::open(&settings, control.clone()),
        edge: control,
        smoker: Smoker { socket: settings.private.clone().unwrap_or_default(), token },
        doors: listeners.doors.clone(),
        instances: Instances::default(),
        jobs: Jobs::default(),
        oneoffs: OneOffs::default(),
        ground: Arc::clone(&ground),
    });
    adopt(&world, others).await;

    let sites = Sites::open(Arc::clone(&world), release_settings(&ground)).await?;
    let ending = Ending::new();
    let standing = Standing {
        started,
        edge: Arc::clone(&edge),
        listeners: told_listeners(&listeners.bound),
        pending,
        parent: store.as_ref().and(parent()),
        restarts: Counted::keepers(&ground.folders.run).count(),
        hung_edges: Counted::hung_edges(&ground.folders.run),
    };
    let keeper = Arc::new(Keeper { world, sites, standing, ending });
    let server = admin::Server::bind(&ground.folders.api_socket(), api_group(&ground))
        .map_err(|error| Explain::new("api-not-bound", "the keeper's API").because(&error))?;
    let api = tokio::spawn(server.serve(Arc::clone(&keeper)));
    let renewing = tokio::spawn(ticket_seeds::renew_daily(Arc::clone(&listeners.ticket_seeds)));
    let sweeping = tokio::spawn(log_sweep::run(Arc::clone(&keeper)));
    let handing = handover::offer(&ground.folders.run, listeners.fds.clone())?;
    life::announce(&args, &keeper, store.as_deref());
    let code = life::until_the_end(&keeper, &edge, store, handing).await;
    api.abort();
    renewing.abort();
    sweeping.abort();
    Ok(code)
}

fn settings(folders: &Folders, args: &KeeperArgs) -> Result<Machine, Explain> {
    let mut machine = machine_file::load(folders)?;
    if !args.listen.is_empty() || !args.listen_tls.is_empty() {
        machine.listen.http.clone_from(&args.listen);
        machine.listen.https.clone_from(&args.listen_tls);
    }
    if let Some(within) = args.within {
        machine.shutdown_timeout = within;
    }
    Ok(machine)
}

fn ground(folders: Folders, machine: Machine, workload: Option<PathBuf>) -> Result<Ground, Explain> {
    let users = Users::new(&machine);
    let edge_gid = users.edge()?.map(|user| user.ids.gid);
    let exe = machine::child::Executable::own().map_err(|error| {
        Explain::new("no-executable", "the keeper cannot open its own executable").because(&error)
    })?;
    let supervisor = Supervisor::open(supervisor::Settings {
        run_dir: folders.run.clone(),
        exe,
        cgroup_parent: workload.clone(),
        ports: machine.ports.clone(),
        tmp_dir: Some(folders.data.join("tmp")),
        edge_gid,
    })
    .map_err(|error| Explain::new("run-folder", "the run folder cannot be used").because(&error))?;
    if let Some(group) = workload.as_deref().filter(|_| !supervisor.has_groups()) {
        return Err(workload::unusable(group));
    }
    let salt = salt(&folders.data)?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(Ground { folders, machine, users, supervisor, salt, host, under_units: workload.is_some() })
}

/// Data for the keeper's user; run folders that others may pass through but not list.
pub(crate) fn make_folders(folders: &Folders) -> Result<(), Explain> {
    let made = |path: &Path, mode: u32| {
        let above = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        above.and_then(|()| machine::fs::make_dir(path, mode)).map_err(|error| {
            Explain::new("folder-not-made", format!("cannot make {}", path.display()))
                .because(&error)
                .help("start as a user that may write there, or choose another folder with `--data`")
        })
    };
    let root = rustix::process::geteuid().is_root();
    let passable = if root { 0o711 } else { 0o700 };
    made(&folders.data, passable)?;
    made(&folders.data.join("apps"), passable)?;
    made(&folders.data.join("artifacts"), 0o700)?;
    if let (FoldersKind::Own, Some(above)) = (folders.kind, folders.run.parent()) {
        made(above, passable)?;
        owned(above)?;
    }
    made(&folders.run, passable)?;
    owned(&folders.run)
}

/// A run folder in /tmp may have been made by somebody else, to read or to mislead.
fn owned(path: &Path) -> Result<(), Explain> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::symlink_metadata(path).map_err(|error| {
        Explain::new("run-folder", format!("cannot look at {}", path.display())).because(&error)
    })?;
    let mine = found.uid() == rustix::process::geteuid().as_raw();
    if mine && found.is_dir() && found.permissions().mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(Explain::new("run-folder-not-ours", format!("{} is not a folder of ours alone", path.display()))
        .help("remove it, or set XDG_RUNTIME_DIR to a folder that only you can write"))
}

/// One keeper a data folder: the kernel frees the lock when its holder dies, and children never inherit it.
pub(crate) fn lock(folders: &Folders) -> Result<machine::lock::ProcessLock, Explain> {
    let path = folders.data.join("keeper.lock");
    let taken = machine::lock::ProcessLock::try_acquire(&path).map_err(|error| {
        Explain::new("no-lock", format!("cannot lock {}", path.display())).because(&error)
    })?;
    taken.ok_or_else(|| {
        Explain::new(ALREADY_UP, format!("a keeper runs for {} already", folders.data.display()))
            .help("`mainstay status` shows it; another data folder (`--data`) is another Mainstay")
    })
}

/// Made once; digests of secrets are compared only on this machine.
fn salt(data: &Path) -> Result<Vec<u8>, Explain> {
    let path = data.join("salt");
    if let Ok(salt) = std::fs::read(&path)
        && salt.len() == 32
    {
        return Ok(salt);
    }
    let failed = |error: std::io::Error| {
        Explain::new("data-unwritable", format!("cannot write {}", path.display())).because(&error)
    };
    let mut salt = vec![0; 32];
    machine::entropy::fill(&mut salt).map_err(failed)?;
    machine::fs::write_atomic(&path, &salt, 0o600).map_err(failed)?;
    Ok(salt)
}

type Named = Vec<(String, OwnedFd)>;

/// Where the parent died with the keeper, an edge that lives has the only listeners: they are asked of it. One that
/// does not give them is ended, since no other edge could serve beside it.
async fn with_listeners(
    mut kept: Named,
    living: Option<Process>,
    places: &Places,
    store: Option<&Store>,
) -> (Named, Option<Process>) {
    let Some(process) = living else { return (kept, None) };
    if kept.iter().any(|(name, _)| name.starts_with("http")) {
        return (kept, Some(process));
    }
    let control = places.run.join("control.sock");
    let asked = tokio::task::spawn_blocking(move || handover::ask(&edge::handback::socket(&control))).await;
    match asked.map_err(std::io::Error::other).flatten() {
        Ok(Some(given)) => {
            tracing::info!(count = given.len(), "The edge gave the listeners back.");
            given.iter().for_each(|(name, fd)| listeners::keep(store, name, fd));
            kept.extend(given);
            (kept, Some(process))
        }
        Ok(None) | Err(_) => {
            tracing::warn!("The edge that lives does not give its listeners back; it is replaced.");
            if let Err(error) = process.stop().await {
                tracing::warn!(%error, "The edge could not be told to stop.");
            }
            process.wait().await;
            super::jobs::forget(&process).await;
            (kept, None)
        }
    }
}

fn open_listeners(
    ground: &Ground,
    places: &Places,
    store: Option<&Store>,
    kept: Named,
) -> Result<Listeners, Explain> {
    std::fs::create_dir_all(&places.state).map_err(|error| {
        Explain::new("folder-not-made", format!("cannot make {}", places.state.display())).because(&error)
    })?;
    listeners::open(&ground.machine.listen, &places.state, store, kept)
}

/// Of the edges found, the one that lives; what is left of dead ones is removed.
async fn only_living(ground: &Ground, edges: Vec<Found>) -> Option<Process> {
    let mut living = None;
    for found in edges {
        match found {
            Found::Adopted(process) if living.is_none() && process.exit().is_none() => living = Some(process),
            Found::Adopted(process) => {
                // Two edges on one set of listeners: the second is from a start that was cut. It goes.
                if let Err(error) = process.stop().await {
                    tracing::warn!(%error, "A surplus edge could not be stopped.");
                }
            }
            Found::Ended { spec, .. } => ground.supervisor.forget(&spec).await,
        }
    }
    living
}

/// Takes hold of every instance and job that a keeper before this one started.
async fn adopt(world: &Arc<Outside>, found: Vec<Found>) {
    for found in found {
        if world.jobs.remember(&world.ground.supervisor, &found) {
            continue;
        }
        if let Found::Adopted(process) = &found
            && process.spec().labels.contains_key(oneoff::ONE_OFF)
        {
            world.oneoffs.hold(process.clone());
            continue;
        }
        if let Err(error) = adopt_instance(world, &found).await {
            tracing::warn!(process = found.spec().name, %error, "A process has no place any more; it is stopped.");
            match found {
                Found::Adopted(process) => stop_and_forget(process),
                Found::Ended { spec, .. } => world.ground.supervisor.forget(&spec).await,
            }
        }
    }
}

/// An instance goes on under a slot of its own, made from its release's manifest as the first one was. Only what has no
/// release any more is refused: secrets and accounts are asked for when the next process needs them. One that ended by
/// itself while no keeper looked is started again by that slot.
async fn adopt_instance(world: &Arc<Outside>, found: &Found) -> Result<(), Explain> {
    let spec = found.spec();
    let unknown = |what: &str| Explain::new("not-an-instance", what.to_owned());
    if spec.kind != Kind::Instance {
        return Err(unknown("it is a job that nobody asks about"));
    }
    let site = spec.site.clone().ok_or_else(|| unknown("it names no site"))?;
    let name: model::InstanceName = spec.name.parse().map_err(|_| unknown("its name is no instance's"))?;
    if let Found::Ended { exit, .. } = found
        && exit.asked
    {
        world.ground.supervisor.forget(spec).await;
        return Ok(());
    }
    let layout = Layout::new(&world.ground.folders.data).site(&site);
    let text = std::fs::read(layout.manifest(name.release)).map_err(|_| unknown("its release is gone"))?;
    let manifest: model::manifest::Manifest =
        serde_json::from_slice(&text).map_err(|_| unknown("its release's manifest does not read"))?;
    let order = release::world::StartOrder {
        site: site.clone(),
        name: name.clone(),
        process: spec.id,
        manifest: Arc::new(manifest),
        release_dir: layout.files(name.release),
        shared_dir: layout.shared(),
    };
    let adopted = match found {
        Found::Adopted(process) => Some(process.clone()),
        Found::Ended { spec, .. } => {
            world.ground.supervisor.forget(spec).await;
            None
        }
    };
    let settings = orders::kept_slot(&world.ground, &order)?;
    let public = orders::public_bind(&order.manifest, &name);
    world.instances.hold(&world.ground.supervisor, &site, &name, settings, public, adopted);
    Ok(())
}

fn stop_and_forget(process: Process) {
    tokio::spawn(async move {
        if let Err(error) = process.stop().await {
            tracing::warn!(%error, "A process could not be told to stop.");
        }
        process.wait().await;
        super::jobs::forget(&process).await;
    });
}

fn release_settings(ground: &Ground) -> release::Settings {
    let mut settings = release::Settings::new(&ground.folders.data);
    settings.disk_reserve_bytes = ground.machine.disk_reserve.0;
    settings
}

fn told_listeners(bound: &[(&str, std::net::SocketAddr)]) -> Vec<api::machine::Listener> {
    let url = |scheme: &str, address: &std::net::SocketAddr| {
        let host = if address.ip().is_unspecified() { "localhost".to_owned() } else { host_of(address) };
        format!("{scheme}://{host}:{}/", address.port())
    };
    let told = bound.iter().map(|(scheme, address)| api::machine::Listener {
        kind: (*scheme).to_owned(),
        address: address.to_string(),
        url: url(scheme, address),
    });
    told.collect()
}

fn host_of(address: &std::net::SocketAddr) -> String {
    match address {
        std::net::SocketAddr::V4(address) => address.ip().to_string(),
        std::net::SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

fn parent() -> Option<u32> {
    rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
}

/// The service's API is its operators'; a plain user's is that user's.
fn api_group(ground: &Ground) -> Option<u32> {
    let service = ground.folders.kind == FoldersKind::Service && ground.users.is_root();
    service.then(|| machine::users::group(model::accounts::OPERATORS).ok().flatten()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_that_a_person_can_open() {
        let bound = [("http", "[::]:80"), ("https", "127.0.0.1:8443"), ("http", "[::1]:81")];
        let bound = bound.map(|(scheme, text)| (scheme, text.parse().expect("an address"))).to_vec();
        let urls: Vec<_> = told_listeners(&bound).into_iter().map(|told| told.url).collect();
        assert_eq!(urls, ["http://localhost:80/", "https://127.0.0.1:8443/", "http://[::1]:81/"]);
    }
}
