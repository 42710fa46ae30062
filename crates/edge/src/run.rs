//! Builds the process: descriptors, settings, threads; then waits for its end. Decides nothing.

mod explain;

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use model::Explain;
use net::tickets::{Seeds, SharedTickets};
use tokio::{
    net::UnixListener,
    runtime::{Builder, LocalRuntime},
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    access_log::Log,
    certificates::Follower,
    control::{
        ListenerStatus,
        serve::{self, Control},
    },
    director::{Director, OrderError},
    handback,
    listeners::{self, Inherited, ListenError, Listener},
    settings::{Settings, SettingsError},
    shared::{Logs, Shared},
    worker,
};

/// How often what could not be written down is tried again.
const KEEP_AGAIN_EVERY: Duration = Duration::from_secs(1);

/// Why the edge cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("cannot open the access log {path}")]
    AccessLog { path: PathBuf, source: std::io::Error },
    #[error("cannot use the edge's folder {path}")]
    State { path: PathBuf, source: std::io::Error },
    #[error("cannot start: {what}")]
    Start { what: &'static str, source: std::io::Error },
    #[error(transparent)]
    Certificate(#[from] net::tls::CertificateError),
    #[error(transparent)]
    DevelopmentCertificate(#[from] net::devcert::DevCertError),
    #[error("there is an https listener but no certificate that can be used, and `tls.development` is off")]
    NoCertificate,
    #[error("the worker {0} ended, though nobody asked it to")]
    WorkerEnded(usize),
}

/// The whole life of an edge process: `mainstay edge --settings FILE`. Call it before anything opens a file or starts a
/// thread; a `tracing` subscriber may be set. `Ok`: it was asked to end and has drained.
/// # Errors
/// Why it cannot run, for its operator.
pub fn main(settings: &Path) -> Result<(), Explain> {
    run(settings).map_err(Explain::from)
}

/// As [`main`], with descriptors in hand instead of inherited ones, named in the same way. Blocks until the end.
pub fn serve(settings: Settings, descriptors: Vec<(String, OwnedFd)>) -> Result<(), RunError> {
    start_and_serve(settings, Inherited::new(descriptors)?)
}

fn run(settings: &Path) -> Result<(), RunError> {
    let inherited = listeners::inherit()?;
    let settings = Settings::read(settings)?;
    start_and_serve(settings, inherited)
}

fn start_and_serve(settings: Settings, mut inherited: Inherited) -> Result<(), RunError> {
    let failed = |what| move |source| RunError::Start { what, source };
    machine::fs::make_dir(&settings.state, 0o750)
        .map_err(|source| RunError::State { path: settings.state.clone(), source })?;
    let tls = tls(&settings, &mut inherited)?;
    let https = inherited.listeners.iter().find(|listener| listener.is_https());
    let https_port = https.map(|listener| settings.https_port.unwrap_or(listener.port));
    let (access, access_thread) = Log::start(settings.access_log.as_ref())?;
    let (csp, csp_thread) = Log::start(settings.csp_log.as_ref())?;
    let certificates = tls.as_ref().map(|(_, follower)| follower.resolver());
    let shared = Shared::new(settings, https_port, inherited.pulse.take(), Logs { access, csp });
    let shared = Arc::new(shared.with_certificates(certificates));
    let runtime: LocalRuntime = Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())
        .map_err(failed("its runtime"))?;
    let result = runtime.block_on(live(Arc::clone(&shared), inherited, tls));
    // A log's writer ends when the last end of its queue is gone.
    drop(runtime);
    drop(shared);
    for thread in [access_thread, csp_thread].into_iter().flatten() {
        let _ = thread.join();
    }
    result
}

/// How TLS is spoken, and who follows its certificates.
type Encryption = (TlsAcceptor, Follower);

fn tls(settings: &Settings, inherited: &mut Inherited) -> Result<Option<Encryption>, RunError> {
    if !inherited.listeners.iter().any(Listener::is_https) {
        return Ok(None);
    }
    let made = settings.tls.development.then(|| net::devcert::development_certificate(&settings.state));
    let follower = Follower::begin(&settings.tls, made.transpose()?);
    if !follower.has_any() {
        return Err(RunError::NoCertificate);
    }
    let tickets = tickets(settings, inherited.ticket_seeds.take())?;
    let config = net::tls::server_config(follower.resolver(), tickets, settings.tls.profile.versions())?;
    Ok(Some((TlsAcceptor::from(Arc::new(config)), follower)))
}

/// From the shared seeds; without them tickets live as long as this process.
fn tickets(settings: &Settings, shared: Option<Seeds>) -> Result<Option<Arc<SharedTickets>>, RunError> {
    if !settings.tls.session_tickets {
        return Ok(None);
    }
    let own = || Seeds::create("ticket-seed").and_then(Seeds::open);
    let seeds = shared.map_or_else(own, Ok);
    let seeds = seeds.map_err(|source| RunError::Start { what: "its session tickets", source })?;
    Ok(Some(Arc::new(SharedTickets::new(seeds))))
}

async fn live(
    shared: Arc<Shared>,
    inherited: Inherited,
    encryption: Option<Encryption>,
) -> Result<(), RunError> {
    let (tls, follower) = encryption.unzip();
    let (mut all, spare) = (inherited.listeners, inherited.spare);
    let failed = |what| move |source| RunError::Start { what, source };
    // From here on an order to end is kept until it can be carried out.
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate()).map_err(failed("listening to signals"))?,
        interrupt: signal(SignalKind::interrupt()).map_err(failed("listening to signals"))?,
    };
    let director = Director::new(Arc::clone(&shared));
    first_table(&director).await;
    if let Some(path) = &shared.settings.private {
        all.push(Listener::private(path)?);
    }
    let (stop, stopped) = watch::channel(false);
    let (listeners, mut threads) = start_workers(&shared, all, tls, &stopped).await?;
    let certificates = follower.as_ref().map(Follower::told).unwrap_or_default();
    let control = Rc::new(Control { director, listeners, certificates, stop });
    let socket = listeners::bind_unix(&shared.settings.control)?;
    let socket = UnixListener::from_std(socket).map_err(failed("its control socket"))?;
    let serving = tokio::task::spawn_local(serve::serve(socket, Rc::clone(&control)));
    let every = shared.settings.tls.look_every.0;
    let following = follower.map(|follower| tokio::task::spawn_local(follower.follow(every)));
    let director = Rc::clone(&control.director);
    let keeping = tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(KEEP_AGAIN_EVERY).await;
            director.keep_again().await;
        }
    });
    let giving = tokio::task::spawn_local(handback::serve(shared.settings.control.clone(), spare));
    if !machine::planted::is_planted("never-ready-edge") {
        machine::notify::ready().map_err(failed("its word to whoever started it"))?;
    }
    tracing::info!(listeners = control.listeners.len(), "the edge serves");
    let result = wait_for_end(&control, &mut threads, &mut signals).await;
    serving.abort();
    giving.abort();
    keeping.abort();
    following.inspect(tokio::task::JoinHandle::abort);
    result
}

/// At start the table is what there is; none, or a bad one, is no reason not to answer.
async fn first_table(director: &Director) {
    match director.load(None).await {
        Ok(served) => tracing::info!(epoch = served.epoch, "the routing table is served"),
        Err(OrderError::BadTable(crate::table::TableError::Read { source, .. }))
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            tracing::info!("there is no routing table yet");
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the routing table is not served")
        }
    }
}

/// Orders to end: the same for both.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// A serving thread and its index.
type Thread = (usize, JoinHandle<std::io::Result<()>>);

async fn start_workers(
    shared: &Arc<Shared>,
    all: Vec<Listener>,
    tls: Option<TlsAcceptor>,
    stopped: &watch::Receiver<bool>,
) -> Result<(Vec<ListenerStatus>, Vec<Thread>), RunError> {
    let count = shared.workers.len();
    let mut shares: Vec<Vec<Listener>> = (0..count).map(|_| Vec::new()).collect();
    let mut told = Vec::new();
    // Round robin over all sets: each set of `count` listeners gives every worker one.
    for (n, listener) in all.into_iter().enumerate() {
        if n == 0 && machine::planted::is_planted("unserved-listener") {
            continue;
        }
        let worker = n % count;
        told.push(ListenerStatus { name: listener.name.clone(), address: listener.address.clone(), worker });
        shares[worker].push(listener);
    }
    let (accepting, mut accepted) = mpsc::unbounded_channel();
    let mut threads = Vec::new();
    for (index, share) in shares.into_iter().enumerate() {
        let (shared, tls, stop) = (Arc::clone(shared), tls.clone(), stopped.clone());
        let accepting = accepting.clone();
        let thread = std::thread::Builder::new().name(format!("edge-{index}")).spawn(move || {
            let say = move || {
                let _ = accepting.send(index);
            };
            worker::run(index, shared, share, tls, say, stop)
        });
        threads.push((index, thread.map_err(|source| RunError::Start { what: "a worker", source })?));
    }
    drop(accepting);
    for n in 0..count {
        accepted.recv().await.ok_or(RunError::WorkerEnded(n))?;
    }
    Ok((told, threads))
}

/// Ends when every worker has; sooner and with an error if one ends by itself.
async fn wait_for_end(
    control: &Control,
    threads: &mut Vec<Thread>,
    signals: &mut Signals,
) -> Result<(), RunError> {
    let shared = &control.director.shared;
    let within = shared.settings.shutdown_within.0;
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    while !threads.is_empty() {
        tokio::select! {
            _ = signals.terminate.recv() => end_by_signal(control, within),
            _ = signals.interrupt.recv() => end_by_signal(control, within),
            _ = looks.tick() => control.director.turn(),
        }
        let (ended, running) = threads.drain(..).partition(|(_, thread)| thread.is_finished());
        *threads = running;
        let ended: Vec<Thread> = ended;
        ended.into_iter().try_for_each(|thread| collect(shared, thread))?;
    }
    Ok(())
}

/// An order by the control socket said how long it may take; the signal that comes after it says only that it should.
fn end_by_signal(control: &Control, within: Duration) {
    if !control.director.shared.is_stopping() {
        control.shut_down(within);
    }
}

/// A worker that has ended. Whether it was asked to is a fact of the moment: an order that came since the last look
/// counts, and a worker without connections carries it out at once.
fn collect(shared: &Shared, (index, thread): Thread) -> Result<(), RunError> {
    let result = thread.join().unwrap_or_else(|_| Err(std::io::Error::other("it panicked")));
    result.map_err(|source| RunError::Start { what: "a worker", source })?;
    if shared.is_stopping() { Ok(()) } else { Err(RunError::WorkerEnded(index)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_ends_is_a_fault_unless_the_edge_was_asked_to_stop() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = || Log::start(None).expect("no log").0;
        let logs = Logs { access: log(), csp: log() };
        let shared = Shared::new(Settings::new(folder.path(), folder.path()), None, None, logs);
        let ended = || (3, std::thread::spawn(|| Ok(())));
        assert!(matches!(collect(&shared, ended()), Err(RunError::WorkerEnded(3))));
        shared.stop(1_000);
        assert!(collect(&shared, ended()).is_ok());
        let broken = (3, std::thread::spawn(|| Err(std::io::Error::other("no room"))));
        assert!(matches!(collect(&shared, broken), Err(RunError::Start { .. })), "a fault is one always");
    }
}
