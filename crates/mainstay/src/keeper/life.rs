//! What a keeper does between its start and its end: says that it is alive, hears signals, and ends as it is told.
//!
//! SIGTERM ends the keeper and nothing else: the site lives, the next keeper adopts it. SIGINT drains and stops the
//! whole site, a second one at once; `mainstay down` asks the same by the API.

use std::{io::IsTerminal as _, path::Path, process::ExitCode, sync::Arc, time::Duration};

use release::{Refused, SiteHandle};
use supervisor::{Slot, StopPlan, store::Store};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{args::KeeperArgs, handover::Handing, last_good, operations::Keeper, place};

/// A deploy that ends by itself takes less, whatever the time of the drain.
const SETTLE_AT_LEAST: Duration = Duration::from_secs(10);
/// Enough for the last NDJSON line to reach its client before the socket closes.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Bound: how long a shim may take to end after what it held has.
const LAST_LOOKS: Duration = Duration::from_secs(2);

/// The signals that a keeper hears.
pub(crate) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// To be called before anybody is told that the keeper is ready: who was asked to end meanwhile passes that on at
    /// once, and a keeper that cannot hear it yet would die of it.
    ///
    /// # Errors
    /// The system refuses it.
    pub(crate) fn hear() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }
}

/// Tells whoever waits: the store above, the ready file, and a person.
pub(crate) fn announce(args: &KeeperArgs, keeper: &Keeper, store: Option<&Store>) {
    let listeners = &keeper.standing.listeners;
    if let Some(file) = &args.ready_file {
        let told = serde_json::json!({ "pid": std::process::id(), "listeners": listeners });
        if let Err(error) = machine::fs::write_atomic(file, told.to_string().as_bytes(), 0o644) {
            tracing::warn!(%error, file = %file.display(), "The ready file could not be written.");
        }
    }
    let urls: Vec<_> = listeners.iter().map(|listener| listener.url.as_str()).collect();
    let data = keeper.world.ground.folders.data.display();
    if std::io::stdout().is_terminal() {
        println!("Mainstay is up, with its data in {data}.");
        urls.iter().for_each(|url| println!("  {url}"));
        println!(
            "`mainstay deploy` in the folder of an app puts it here; Ctrl-C drains and stops everything."
        );
    } else {
        tracing::info!(urls = urls.join(" "), %data, "Mainstay is up.");
    }
    let told = store.map(|store| store.status("serves").and_then(|()| store.ready()));
    if let Some(Err(error)) = told {
        tracing::warn!(%error, "The parent could not be told that the keeper is ready.");
    }
}

enum Event {
    Term,
    Mended,
    Int,
    DownAsked,
    HandedOver,
    GivesWay,
}

/// Runs until a signal, `down`, or a new parent ends it.
pub(crate) async fn until_the_end(
    keeper: &Arc<Keeper>,
    edge: &Arc<Slot>,
    store: Option<Arc<Store>>,
    mut handing: Handing,
    api: JoinHandle<()>,
    Signals { mut term, mut int }: Signals,
) -> ExitCode {
    let mut down = keeper.ending.wanted();
    let folders = &keeper.world.ground.folders;
    // Nobody would start the next one that goes by the mended file.
    let waits = keeper.standing.unread.is_some() && keeper.standing.has_parent();
    let event = tokio::select! {
        () = last_good::mended(folders, waits) => Event::Mended,
        _ = term.recv() => Event::Term,
        _ = int.recv() => Event::Int,
        asked = down.wait_for(Option::is_some) => match asked { Ok(_) => Event::DownAsked, Err(_) => Event::Term },
        () = handing.done() => Event::HandedOver,
        () = keeper.upgrades.wanted() => Event::GivesWay,
    };
    match event {
        Event::Term => tracing::info!("The keeper ends; the apps go on serving."),
        Event::Mended => tracing::info!("machine.toml is good again; the next keeper goes by it."),
        Event::HandedOver => {
            tracing::info!("A new parent has the listeners; this keeper makes room for its own.");
        }
        Event::GivesWay => {
            tracing::info!("The keeper ends; one of the new binary follows.");
            tokio::time::sleep(LAST_WORDS).await;
        }
        Event::Int => {
            drop(keeper.ending.begin(keeper.world.ground.machine.shutdown_timeout.0));
            return Box::pin(everything_ends(keeper, edge, store.as_deref(), &mut int, api)).await;
        }
        Event::DownAsked => {
            return Box::pin(everything_ends(keeper, edge, store.as_deref(), &mut int, api)).await;
        }
    }
    keeper.sites.shutdown().await;
    api.abort();
    match event {
        Event::GivesWay => ExitCode::from(supervisor::up::EXIT_UPGRADE),
        _ => ExitCode::SUCCESS,
    }
}

/// Tells the parent that this process still turns, until it is dropped. From the first moment on and until the very
/// end: what is found at the start, and what is drained at the end, may take longer than a silent keeper is given.
pub(crate) fn say_alive(store: Option<Arc<Store>>) -> impl Drop {
    AbortOnDrop(tokio::spawn(async move {
        if let (Some(store), Some(every)) = (store, Store::alive_every()) {
            alive(&store, every).await;
        }
    }))
}

async fn alive(store: &Store, every: Duration) {
    let mut alive = tokio::time::interval(every);
    loop {
        alive.tick().await;
        if let Err(error) = store.alive() {
            tracing::debug!(%error, "The parent does not hear that the keeper lives.");
        }
    }
}

/// A task that ends with its holder.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Drains by class, stops instances, then the edge. A second SIGINT, or a shorter `down`, cuts the draining.
async fn everything_ends(
    keeper: &Arc<Keeper>,
    edge: &Arc<Slot>,
    store: Option<&Store>,
    int: &mut Signal,
    api: JoinHandle<()>,
) -> ExitCode {
    if let Some(Err(error)) = store.map(Store::stopping) {
        tracing::debug!(%error, "The parent does not hear that the keeper stops.");
    }
    let mut limit = keeper.ending.wanted();
    let within = limit.borrow_and_update().unwrap_or_default();
    let draining = drain(keeper, edge, within);
    tokio::pin!(draining);
    let cut = tokio::select! {
        () = &mut draining => false,
        _ = int.recv() => true,
        _ = limit.changed() => true,
    };
    if cut {
        keeper.ending.step("stopping at once");
        drain(keeper, edge, Duration::ZERO).await;
    }
    keeper.sites.shutdown().await;
    keeper.standing.station.stop().await;
    close(keeper, api).await;
    let again = keeper.world.ground.starts_again();
    let living = still_living(&keeper.world.ground.folders.run).await;
    keeper.ending.last_step(closing_words(&living, again), living);
    tokio::time::sleep(LAST_WORDS).await;
    ExitCode::from(supervisor::up::EXIT_DOWN)
}

/// What has outlived its stop. A shim that has just been told of its end is given the time to end.
async fn still_living(run: &Path) -> Vec<String> {
    let until = Instant::now() + LAST_LOOKS;
    loop {
        let run = run.to_owned();
        let living = tokio::task::spawn_blocking(move || supervisor::living_names(&run)).await;
        let living = living.unwrap_or_default();
        if living.is_empty() || Instant::now() >= until {
            return living;
        }
        tokio::time::sleep(LAST_WORDS).await;
    }
}

fn closing_words(living: &[String], again: &str) -> String {
    if living.is_empty() {
        return format!("everything has stopped; `{again}` starts it again");
    }
    tracing::error!(?living, "What Mainstay has started has outlived its stop.");
    let (names, lives) = (living.join(", "), if living.len() == 1 { "lives" } else { "live" });
    format!(
        "not everything has stopped: {names} still {lives}; `{again}` takes over what lives, then `mainstay down` once more"
    )
}

/// Who asks from now on is not waited for by anybody, and the next `mainstay up` sees that this one is at its end. What
/// is asked already is answered.
async fn close(keeper: &Arc<Keeper>, api: JoinHandle<()>) {
    api.abort();
    // Its end is the end of the listener.
    let _ = api.await;
    let folders = &keeper.world.ground.folders;
    if keeper.standing.has_parent() {
        // The parent removes the rest when this process has ended.
        let _ = std::fs::remove_file(folders.api_socket());
    } else {
        place::leave_alone(folders);
    }
}

/// First every deploy ends, then what is scheduled or was run by hand, for half of the time at most and while everything is
/// served; then the edge drains while the apps still answer, then the apps are stopped. Who connects from the drain on
/// waits in the listen queue: for the next edge where the listeners are kept, as on `systemctl restart`.
async fn drain(keeper: &Arc<Keeper>, edge: &Arc<Slot>, within: Duration) {
    let sites = keeper.sites.list();
    let count = sites.len();
    let sites_word = if count == 1 { "site" } else { "sites" };
    keeper.ending.step(format!("draining {count} {sites_word} for at most {} s", within.as_secs()));
    let until = Instant::now() + within;
    // A migration takes the time that it takes: it must not keep the others. Each site settles again before it is stopped.
    let settled = each(&sites, "settle", async |site| site.settle().await);
    if timeout(within.max(SETTLE_AT_LEAST) / 2, settled).await.is_err() {
        keeper.ending.step("a deploy has not come to its end; the rest goes on");
    }
    let half = until.saturating_duration_since(Instant::now()) / 2;
    tokio::join!(
        each(&sites, "end its scheduled runs", async |site| site.end_scheduled(half).await),
        keeper.world.oneoffs.stop(None),
    );
    edge_ends(keeper, edge, until.saturating_duration_since(Instant::now())).await;
    each(&sites, "stop", async |site| {
        let stopped = site.down().await;
        keeper.ending.step(format!("{} has stopped", site.site()));
        stopped
    })
    .await;
    stop_unopened(keeper).await;
}

/// Of a site whose state does not read no task knows what runs.
async fn stop_unopened(keeper: &Keeper) {
    for (site, _) in keeper.sites.unopened() {
        keeper.world.jobs.stop_all(&site).await;
        keeper.world.instances.stop_all(&site).await;
        keeper.ending.step(format!("{site} has stopped"));
    }
}

/// All sites at once: together they take no longer than the slowest.
async fn each(sites: &[SiteHandle], what: &str, ask: impl AsyncFn(&SiteHandle) -> Result<(), Refused>) {
    let all = sites.iter().map(async |site| {
        if let Err(refused) = ask(site).await {
            tracing::warn!(site = %site.site(), error = %refused, "A site did not {what} in order.");
        }
    });
    futures_util::future::join_all(all).await;
}

/// It drains by class for as long as this end may take, which need not be what its settings say.
async fn edge_ends(keeper: &Arc<Keeper>, edge: &Arc<Slot>, within: Duration) {
    if let Err(error) = keeper.world.edge.shutdown(within).await {
        // One that hangs or has ended already is stopped all the same.
        tracing::debug!(%error, "The edge does not hear how long it may drain.");
    }
    let grace = within + Duration::from_secs(2);
    tokio::join!(edge.stop(Some(StopPlan { signal: 15, grace })), keeper.world.leaving.end(within));
    keeper.ending.step("the edge has stopped");
}
