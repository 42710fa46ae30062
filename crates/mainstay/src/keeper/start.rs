//! How a keeper comes to be: lock, listeners, what is found, edge, sites, API. In this order, so that whatever dies in
//! between leaves what served serving.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::SystemTime};

use admin::Peers;
use model::Explain;
use release::Sites;
use supervisor::{Kind, Supervisor, store::Store};

use super::{
    args::KeeperArgs,
    certificates::Certificates,
    counted::Counted,
    data_plane,
    ending::Ending,
    found,
    ground::Ground,
    handover,
    instances::Instances,
    jobs::Jobs,
    last_good::Settings,
    life,
    listeners::{self, Listeners},
    log_sweep, not_starting,
    oneoff::OneOffs,
    operations::Keeper,
    past::Kept,
    place,
    smoke::Smoker,
    standing::{self, Standing},
    station::{self, Desk},
    tables::Tables,
    ticket_seeds,
    upgrade::{self, Upgrades},
    users::Users,
    webhooks::{Webhooks, usable},
    workload,
    world::Outside,
};
use crate::{
    config::{
        folders::{Folders, Surroundings},
        machine::Machine,
    },
    formats,
};

const RUN_FOLDER: &str =
    "it lies below /run, $XDG_RUNTIME_DIR or /tmp: the keeper's user must own it, and there must be room";

/// From nothing to serving, then until the end.
/// # Errors
/// What no restart would mend, in words.
pub(crate) async fn keeper(args: KeeperArgs) -> Result<ExitCode, Explain> {
    let started = SystemTime::now();
    let kept = Store::inherited();
    let store = Store::from_env().map(Arc::new);
    let _alive = life::say_alive(store.clone());
    let folders = Folders::to_start(args.data.as_deref(), &Surroundings::of_this_process());
    // Nobody hands listeners to the first keeper of all.
    let said = Settings::read(&folders, &args, !kept.is_empty())?;
    formats::refuse_newer(&folders.data)?;
    place::make_data(&folders)?;
    let _lock = place::keeper_lock(&folders)?;
    place::make_run(&folders)?;
    let workload = match args.wait_for_start {
        true => Some(workload::granted(&folders.run, store.as_deref()).await?),
        false => None,
    };
    let ground = Arc::new(ground(folders, said.machine.clone(), workload)?);
    let running = ground.supervisor.observe().await.map_err(|error| {
        Explain::new("started-by-newer", "what runs here was started by a newer Mainstay")
            .because(&error)
            .now("it serves on, without a keeper")
            .help("start the newer version again; its `mainstay down` is what lets an older one begin")
    })?;
    let (edges, others): (Vec<_>, Vec<_>) =
        running.into_iter().partition(|found| found.spec().kind == Kind::Edge);
    let (stations, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|found| found.spec().kind == Kind::Station);
    let living_stations = found::living_stations(&ground, stations).await;
    let living = found::living_edges(&ground, edges).await;
    let (kept, living) = found::with_listeners(kept, living, store.as_deref()).await;
    let listeners = match &living.serving {
        Some(_) => listeners::of_the_edge(store.as_deref(), kept)?,
        None => open_listeners(&ground, store.as_deref(), kept)?,
    };
    let (doors, bound) = (listeners.doors.clone(), listeners.bound.clone());
    let ticket_seeds = Arc::clone(&listeners.ticket_seeds);
    let data_plane::DataPlane { edge, settings, lent, leaving, pending } =
        data_plane::start(&ground, store.as_deref(), listeners, living).await?;
    pending
        .iter()
        .for_each(|pending| tracing::warn!(pending, "The edge does not do all that is asked of it."));

    let control = edge::control::Client::new(&settings.control);
    standing::tell_unserved_certificates(&control).await;
    let token = settings.token.as_ref().map_or_else(String::new, |token| token.0.clone());
    let world = Arc::new(Outside {
        tables: Tables::open(&settings, control.clone()),
        edge: control,
        leaving,
        smoker: Smoker { socket: settings.private.clone().unwrap_or_default(), token },
        doors,
        instances: Instances::default(),
        jobs: Jobs::default(),
        oneoffs: OneOffs::default(),
        ground: Arc::clone(&ground),
    });
    found::adopt(&world, others).await;

    // Before a site can begin anything: what happens from here on is told.
    let hooks = usable::read(&ground.folders, &ground.machine.webhooks);
    let webhooks = Arc::new(Webhooks::open(&ground.folders.data, hooks));
    let certificates = Arc::new(Certificates::new(&world));
    let desk = Desk { webhooks: Arc::clone(&webhooks), certificates: Arc::clone(&certificates) };
    let station = station::begin(&ground, &desk, living_stations);
    let sites = Sites::open(Arc::clone(&world), release_settings(&ground)).await?;
    let ending = Ending::new();
    let standing = Standing {
        started,
        edge: Arc::clone(&edge),
        listeners: told_listeners(&bound),
        pending,
        unread: said.unread.clone(),
        given: args.given(),
        store: store.clone(),
        restarts: Counted::keepers(&ground.folders.run).count(),
        hung_edges: Counted::hung_edges(&ground.folders.run),
        edge_past: Kept::of_the_edge(&ground.folders.run),
        station,
    };
    let upgrades = Upgrades::open(&ground)?;
    let keeper = Arc::new(Keeper { world, sites, standing, ending, upgrades, webhooks, certificates });
    let server =
        admin::Server::bind(&ground.folders.api_socket(), Peers::Group(not_starting::group(&ground.folders)))
            .map_err(|error| {
                Explain::new("api-not-bound", "the keeper's API cannot be offered")
                    .because(&error)
                    .help("its socket lies in the run folder: the keeper's user must own that, and the path be short enough")
            })?;
    let api = tokio::spawn(server.serve(Arc::clone(&keeper)));
    let renewing = tokio::spawn(ticket_seeds::renew_daily(ticket_seeds));
    let sweeping = tokio::spawn(log_sweep::run(Arc::clone(&keeper)));
    let handing = handover::offer(&ground.folders.run, lent.fds)?;
    let signals = life::Signals::hear();
    let signals = signals
        .map_err(|error| Explain::new("signals-unheard", "the keeper cannot hear signals").because(&error))?;
    upgrade::settle(&keeper.upgrades, &ground, &keeper.standing.pending, None).await;
    life::announce(&args, &keeper, store.as_deref());
    not_starting::clear(&keeper.world.ground.folders);
    said.keep(&keeper.world.ground.folders);
    let code = life::until_the_end(&keeper, &edge, store, handing, api, signals).await;
    renewing.abort();
    sweeping.abort();
    Ok(code)
}

fn ground(folders: Folders, machine: Machine, workload: Option<PathBuf>) -> Result<Ground, Explain> {
    let users = Users::new(&machine);
    let edge_gid = users.edge()?.map(|user| user.ids.gid);
    let exe = machine::child::Executable::own().map_err(|error| {
        Explain::new("no-executable", "the keeper cannot open its own executable")
            .because(&error)
            .help("was the file removed, or its folder unmounted? Put it back, and start Mainstay again")
    })?;
    let supervisor = Supervisor::open(supervisor::Settings {
        run_dir: folders.run.clone(),
        exe,
        cgroup_parent: workload.clone(),
        ports: machine.ports.clone(),
        tmp_dir: Some(folders.data.join("tmp")),
        edge_gid,
    })
    .map_err(|error| {
        Explain::new("run-folder", "the run folder cannot be used").because(&error).help(RUN_FOLDER)
    })?;
    if let Some(group) = workload.as_deref().filter(|_| !supervisor.has_groups()) {
        return Err(workload::unusable(group));
    }
    let salt = place::salt(&folders.data)?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(Ground {
        folders,
        machine,
        users,
        supervisor,
        salt,
        secrets_change: Default::default(),
        host,
        under_units: workload.is_some(),
    })
}

fn open_listeners(ground: &Ground, store: Option<&Store>, kept: found::Named) -> Result<Listeners, Explain> {
    let state = ground.folders.data.join("edge");
    std::fs::create_dir_all(&state).map_err(|error| {
        Explain::new("folder-not-made", format!("cannot make {}", state.display()))
            .because(&error)
            .help("the data folder is the keeper's to write: see its owner, its mount and its free space")
    })?;
    listeners::open(&ground.machine.listen, &state, store, kept)
}

fn release_settings(ground: &Ground) -> release::Settings {
    let mut settings = release::Settings::new(&ground.folders.data);
    settings.disk_reserve_bytes = ground.machine.disk_reserve.0;
    settings.shared_hosts = ground.machine.shared_hosts.clone();
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
