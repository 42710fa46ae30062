//! An edge on free ports, apps that do what a test says, and a client that sees bytes.

use std::{
    convert::Infallible,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use edge::{
    RunError, Settings,
    control::{Client, Status},
    settings::{AccessLog, Token},
    table::{FORMAT, Pool, PoolId, PoolState, RouteEntry, SiteTable, Table, Upstream},
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use model::{
    Address, ByteSize, ProcessId, ReleaseNumber, Site, Span,
    manifest::{Balance, Drain, ProbeRequest, ReadinessProbe, Route},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};

/// Nothing in these tests takes longer; what does has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

pub fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A listening app. Dropping it closes its listener and its connections.
pub struct App {
    pub address: SocketAddr,
    pub process: ProcessId,
    task: tokio::task::JoinHandle<()>,
}

impl App {
    /// Answers each request by `answer`, readiness too.
    pub async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        Self::raw(move |stream| {
            let answer = Arc::clone(&answer);
            async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
                    .await;
            }
        })
        .await
    }

    /// Gets the bytes of each connection.
    pub async fn raw<F, A>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                open.spawn(serve(stream));
            }
        });
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let n = NEXT.fetch_add(1, Ordering::SeqCst) as u128;
        Self { address, process: ProcessId(ulid::Ulid::from_parts(1, n)), task }
    }

    /// Says its name to everything.
    pub async fn named(name: &'static str) -> Self {
        Self::start(move |_| async move { Response::new(full(name)) }).await
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A running edge.
pub struct Edge {
    pub http: SocketAddr,
    pub https: SocketAddr,
    pub client: Client,
    pub settings: Settings,
    _folder: tempfile::TempDir,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl Edge {
    pub async fn start(table: &Table) -> Self {
        Self::start_with(table, |_| {}).await
    }

    /// With the seeds of tickets, as the keeper hands them down.
    pub async fn start_sharing(table: &Table, seeds: &OwnedFd) -> Self {
        let seeds = seeds.try_clone().unwrap();
        Self::launch(table, |_| {}, vec![("ticket-seed".to_owned(), seeds)]).await
    }

    /// With the page that it stamps.
    pub async fn start_watched(table: &Table, pulse: OwnedFd) -> Self {
        Self::launch(table, |_| {}, vec![("pulse".to_owned(), pulse)]).await
    }

    pub async fn start_with(table: &Table, change: impl FnOnce(&mut Settings)) -> Self {
        Self::launch(table, change, Vec::new()).await
    }

    async fn launch(table: &Table, change: impl FnOnce(&mut Settings), more: Vec<(String, OwnedFd)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(folder.path(), &folder.path().join("state"));
        settings.workers = Some(2.try_into().unwrap());
        settings.token = Some(Token("a token".to_owned()));
        let log = |name: &str| AccessLog {
            path: folder.path().join(name),
            max_bytes: ByteSize::mib(50),
            keep: 1,
            query: false,
        };
        settings.access_log = Some(log("access.log"));
        settings.csp_log = Some(log("csp.log"));
        settings.shutdown_within = Span::secs(5);
        change(&mut settings);
        write_table(&settings, table);
        let set = |name: &str| {
            let set = net::listen::bind_set("127.0.0.1:0".parse().unwrap(), 2).unwrap();
            let address = set[0].local_addr().unwrap();
            let named = set.into_iter().enumerate().map(|(n, fd)| (format!("{name}.{n}"), OwnedFd::from(fd)));
            (address, named.collect::<Vec<_>>())
        };
        let ((http, mut fds), (https, encrypted)) = (set("http"), set("https"));
        fds.extend(encrypted);
        fds.extend(more);
        let client = Client::new(&settings.control);
        let given = settings.clone();
        let thread = std::thread::spawn(move || edge::serve(given, fds));
        let edge = Self { http, https, client, settings, _folder: folder, thread: Some(thread) };
        edge.until(|_| true).await;
        edge
    }

    /// Waits until `holds` of its status.
    pub async fn until(&self, holds: impl Fn(&Status) -> bool) -> Status {
        let start = Instant::now();
        loop {
            match self.client.status().await {
                Ok(status) if holds(&status) => return status,
                last => assert!(start.elapsed() < PATIENCE, "it never came to be: {last:#?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the metrics have all of these lines: an end is seen by its client before it is counted.
    pub async fn counts(&self, lines: &[&str]) {
        let start = Instant::now();
        loop {
            let metrics = self.client.metrics().await.unwrap();
            if lines.iter().all(|line| metrics.contains(&format!("{line}\n"))) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{lines:?} in {metrics}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until every pool's upstreams are ready.
    pub async fn ready(&self) -> Status {
        self.until(|status| status.pools.iter().all(edge::control::PoolStatus::is_ready)).await
    }

    pub async fn serve(&self, table: &Table) -> edge::control::Served {
        write_table(&self.settings, table);
        self.client.load_table(table.epoch).await.unwrap()
    }

    /// Sends bytes and reads until the edge closes.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        raw(self.http, bytes).await
    }

    /// A GET on a connection of its own: status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let text =
            self.raw(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        (status(&text), body(&text))
    }

    /// Ends it and gives its result.
    pub async fn stop(&mut self, within: Duration) -> Result<(), RunError> {
        self.client.shutdown(within).await.unwrap();
        self.ended().await
    }

    pub async fn ended(&mut self) -> Result<(), RunError> {
        let thread = self.thread.take().unwrap();
        let joined = tokio::task::spawn_blocking(move || thread.join().unwrap());
        tokio::time::timeout(PATIENCE, joined).await.unwrap().unwrap()
    }

    /// The access log's lines, once there is one that `holds`.
    pub async fn log_with(&self, holds: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        line_with(&self.settings.access_log, holds).await
    }

    /// The same of what browsers reported.
    pub async fn report_with(&self, holds: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        line_with(&self.settings.csp_log, holds).await
    }
}

async fn line_with(log: &Option<AccessLog>, holds: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let path = &log.as_ref().unwrap().path;
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let found = lines.into_iter().find(|line| holds(line));
        if let Some(found) = found {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "no such line in {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let client = Client::new(&self.settings.control);
        let stop = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _ = runtime.block_on(client.shutdown(Duration::from_millis(100)));
        });
        let _ = stop.join();
        let _ = thread.join();
    }
}

pub fn write_table(settings: &Settings, table: &Table) {
    let temp = settings.table.with_extension("temp");
    std::fs::write(&temp, serde_json::to_vec(table).unwrap()).unwrap();
    std::fs::rename(temp, &settings.table).unwrap();
}

pub async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    read_all(&mut stream).await
}

/// As [`raw`], from an address of this machine's own.
pub async fn raw_from(client: [u8; 4], address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect_from(client, address).await;
    stream.write_all(bytes.as_ref()).await.unwrap();
    read_all(&mut stream).await
}

/// A connection from an address of this machine's own: `127.0.0.9`.
pub async fn connect_from(client: [u8; 4], address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((client, 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

/// The value of a header, if the answer has it.
pub fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Until the other side closes, or resets.
pub async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let read = async {
        while let Ok(got @ 1..) = stream.read(&mut buffer).await {
            text.extend_from_slice(&buffer[..got]);
        }
    };
    let ended = tokio::time::timeout(PATIENCE, read).await;
    assert!(ended.is_ok(), "the edge does not close after {:?}", String::from_utf8_lossy(&text));
    String::from_utf8_lossy(&text).into_owned()
}

/// Until `end` has come.
pub async fn read_until(stream: &mut (impl AsyncReadExt + Unpin), end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    let read = async {
        while !text.contains(end) {
            let got = stream.read(&mut buffer).await.unwrap();
            assert!(got > 0, "closed before {end:?}: {text:?}");
            text.push_str(&String::from_utf8_lossy(&buffer[..got]));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("no {end:?}"));
    text
}

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

pub fn body(answer: &str) -> String {
    answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())
}

pub fn site() -> Site {
    "assistant/production".parse().unwrap()
}

pub fn route(prefix: &str) -> Route {
    Route {
        path_prefix: prefix.to_owned(),
        response_header_timeout: Span::secs(10),
        idle_timeout: Span::secs(10),
        max_request_body: ByteSize::mib(1),
        ..Route::to("web".parse().unwrap())
    }
}

/// A pool of release `number` with these apps, probed every 50 ms.
pub fn pool(number: u64, state: PoolState, apps: &[&App]) -> Pool {
    let release = ReleaseNumber(number);
    let upstreams = apps.iter().enumerate().map(|(n, app)| Upstream {
        name: format!("web.{number}.{}", n + 1).parse().unwrap(),
        process: app.process,
        address: Address::Tcp(app.address),
    });
    Pool {
        id: PoolId::new(&site(), &"web".parse().unwrap(), number),
        service: "web".parse().unwrap(),
        release,
        state,
        upstreams: upstreams.collect(),
        readiness: Some(ReadinessProbe {
            request: ProbeRequest {
                http: "/ready".to_owned(),
                host: None,
                period: Span::millis(50),
                timeout: Span::secs(2),
            },
            success_threshold: 1,
            failure_threshold: 2,
        }),
        probe_host: None,
        drain: Drain {
            http_timeout: Span::secs(2),
            stream_timeout: Span::secs(2),
            websocket_timeout: Span::secs(1),
            close_jitter: Span::millis(1),
            ..Drain::default()
        },
        balance: Balance::LeastConnections,
    }
}

/// A table of one site whose route `/` leads to the first pool.
pub fn table(epoch: u64, pools: Vec<Pool>) -> Table {
    let to = pools[0].id.clone();
    let routes = vec![RouteEntry { route: route("/"), pool: to, canary: None }];
    Table {
        format: FORMAT,
        epoch,
        sites: vec![SiteTable {
            site: site(),
            generation: epoch,
            release: Some(pools[0].release),
            pools,
            routes,
            maintenance: None,
            notice: None,
        }],
    }
}

/// The usual: one live pool of these apps.
pub fn live(apps: &[&App]) -> Table {
    table(1, vec![pool(1, PoolState::Live, apps)])
}
