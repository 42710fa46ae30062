//! The judge: the one client of every journey under load.
//!
//! Each request carries a nonce that a right answer must give back, so one client's answer at another is seen.
//! Methods and bodies are mixed, one request in a hundred is aborted, some clients sleep on their connection. Owns what
//! counts as a failure ([`tally::Failure`]); never retries and never forgives. Begin with [`Judge::start`].

mod client;
mod ledger;
mod requests;
mod sockets;
mod streams;
pub mod tally;
mod tls;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tally::{Failed, Kind, Tally};
pub use tally::{Failure, Report};

/// No answer in this time is a failure.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long `finish` waits for what is open; longer than any stream that a journey asks for.
const FINISH_LIMIT: Duration = Duration::from_secs(90);

/// Where the requests go.
#[derive(Clone, Debug)]
pub struct Target {
    /// Plain HTTP.
    pub address: SocketAddr,
    /// TLS, for every second client; `None`: all speak plain HTTP.
    pub tls: Option<SocketAddr>,
    /// Sent as `Host` and as the name in TLS.
    pub host: String,
    /// A connection, an answer's head or its body that takes longer is a failure: [`ANSWER_TIMEOUT`], where a journey
    /// does not say why its clients wait longer.
    pub patience: Duration,
}

/// How many clients of each kind, and their pace.
#[derive(Clone, Debug)]
pub struct Load {
    /// Clients of short requests of all methods, on keep-alive connections unless `fresh`.
    pub short: usize,
    /// Short clients connect anew for each request.
    pub fresh: bool,
    /// Largest answer that a short client asks for.
    pub answer_bytes_max: usize,
    /// Pause of a short client between two requests.
    pub pace: Duration,
    /// Clients whose requests take 500 ms.
    pub slow: usize,
    /// Clients that sleep up to `pause_max` on their open connection between two requests.
    pub pausing: usize,
    pub pause_max: Duration,
    /// Clients that POST to the ledger.
    pub writers: usize,
    /// Event streams, opened anew when one has reached its end.
    pub streams: usize,
    /// Events of one stream and the time between two.
    pub events: u32,
    pub event_every: Duration,
    pub websockets: usize,
    /// Longest `close_jitter` and such: how long a WebSocket client waits before it comes back.
    pub websocket_back: Duration,
}

impl Load {
    /// The mix of journey 1: everything at once, as much as two shared cores serve without being the bottleneck.
    pub fn mixed() -> Self {
        Self {
            short: 8,
            fresh: false,
            answer_bytes_max: usize::MAX,
            pace: Duration::from_millis(25),
            slow: 8,
            pausing: 4,
            pause_max: Duration::from_secs(20),
            writers: 2,
            streams: 20,
            events: 20,
            event_every: Duration::from_millis(250),
            websockets: 5,
            websocket_back: Duration::from_millis(200),
        }
    }

    /// Short and slow requests and writes, for journeys whose subject is not streams.
    pub fn requests() -> Self {
        Self { streams: 0, websockets: 0, pausing: 2, pause_max: Duration::from_secs(3), ..Self::mixed() }
    }
}

/// What all clients share.
struct Shared {
    target: Target,
    load: Load,
    began: Instant,
    stopping: AtomicBool,
    next_nonce: AtomicU64,
    expected: Expected,
    tally: Tally,
}

/// The release that must answer, with a count of the changes: a request that saw a change while it was under way
/// may be answered by either side.
#[derive(Default)]
struct Expected {
    release: AtomicU64,
    changes: AtomicU64,
}

/// A load that runs until [`Judge::finish`].
pub struct Judge {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Judge {
    /// Starts all clients on a thread of their own.
    pub fn start(target: Target, load: Load) -> Self {
        let shared = Arc::new(Shared {
            target,
            load,
            began: Instant::now(),
            stopping: AtomicBool::new(false),
            next_nonce: AtomicU64::new(1),
            expected: Expected::default(),
            tally: Tally::default(),
        });
        let of_thread = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("judge".into()).spawn(move || run(of_thread)).expect("a thread");
        Self { shared, thread: Some(thread) }
    }

    /// From now on every answer to a new request must come from this release: call it after a switch was acknowledged.
    pub fn expect_release(&self, release: u64) {
        self.shared.expected.release.store(release, Ordering::SeqCst);
        self.shared.expected.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Either side may answer: call it before a deploy.
    pub fn expect_any(&self) {
        self.expect_release(0);
    }

    /// Requests, streams and WebSockets that are open now.
    pub fn open_now(&self) -> usize {
        self.shared.tally.open_now()
    }

    /// The clock of [`tally::Failed`]: time since the start of the run.
    pub fn now(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// Answers counted right so far, of all kinds.
    pub fn answered(&self) -> u64 {
        self.shared.tally.answered()
    }

    /// Failures so far.
    pub fn failures(&self) -> usize {
        self.shared.tally.failures().len()
    }

    /// Waits until `more` further right answers have come.
    ///
    /// # Panics
    /// After a minute without them: the site does not serve.
    pub fn wait_answers(&self, more: u64) {
        let enough = self.answered() + more;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.answered() < enough {
            assert!(Instant::now() < deadline, "the site does not answer\n{}", self.report_so_far());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn report_so_far(&self) -> Report {
        self.shared.tally.report(self.shared.began.elapsed())
    }

    /// Lets everything that is open reach its end, then reports. With a `ledger`, every write is looked up in it.
    pub fn finish(mut self, ledger: Option<&Path>) -> Report {
        self.stop();
        if let Some(path) = ledger {
            ledger::check(path, &self.shared.tally);
        }
        self.report_so_far()
    }

    fn stop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of a client is the judge's own fault and must not pass as a good run.
            thread.join().expect("the judge's thread ends without a panic");
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
    }
}

fn run(shared: Arc<Shared>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        let load = &shared.load;
        (0..load.short).for_each(|n| drop(clients.spawn(requests::short(Arc::clone(&shared), n))));
        (0..load.slow).for_each(|n| drop(clients.spawn(requests::slow(Arc::clone(&shared), n))));
        (0..load.pausing).for_each(|n| drop(clients.spawn(requests::pausing(Arc::clone(&shared), n))));
        (0..load.writers).for_each(|n| drop(clients.spawn(requests::writing(Arc::clone(&shared), n))));
        (0..load.streams).for_each(|n| drop(clients.spawn(streams::run(Arc::clone(&shared), n))));
        (0..load.websockets).for_each(|n| drop(clients.spawn(sockets::run(Arc::clone(&shared), n))));
        shared.until_stopping().await;
        // Bound: what does not end by itself is dropped and counted as open by the report.
        let all = async {
            while let Some(ended) = clients.join_next().await {
                ended.expect("no client panics")
            }
        };
        if tokio::time::timeout(FINISH_LIMIT, all).await.is_err() {
            shared.fail(Failure::Timeout, Kind::Short, shared.began, None, "a client did not end".into());
        }
    });
}

impl Shared {
    fn nonce(&self) -> String {
        format!("n{}", self.next_nonce.fetch_add(1, Ordering::Relaxed))
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    async fn until_stopping(&self) {
        while !self.is_stopping() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sleeps, but not past the end of the run.
    async fn pause(&self, time: Duration) {
        let _ = tokio::time::timeout(time, self.until_stopping()).await;
    }

    /// Counts a failure, now, of a request that began at `began`.
    fn fail(&self, failure: Failure, kind: Kind, began: Instant, instance: Option<String>, detail: String) {
        let began = began.duration_since(self.began);
        self.tally.fail(Failed { failure, kind, began, at: self.began.elapsed(), instance, detail });
    }

    /// What must hold of an answer to a request that begins now.
    fn expectation(&self) -> (u64, u64) {
        let changes = self.expected.changes.load(Ordering::SeqCst);
        (changes, self.expected.release.load(Ordering::SeqCst))
    }

    /// Whether `release` may have answered a request that began under `expectation`.
    fn may_answer(&self, expectation: (u64, u64), release: &str) -> bool {
        let (changes, wanted) = expectation;
        let changed = self.expected.changes.load(Ordering::SeqCst) != changes;
        wanted == 0 || changed || release == wanted.to_string()
    }
}
