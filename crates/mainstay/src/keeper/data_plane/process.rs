//! One edge's process: what it is started with, its slot, and what it said at last.

use std::{path::Path, sync::Arc, time::Duration};

use edge::Settings;
use model::{
    ByteSize, Explain, Span,
    manifest::{Limits, Logs, Restart},
};
use supervisor::{
    Kind, LogTo, Order, Process, Program, Slot, StopPlan, logs,
    slot::{SlotEvent, SlotSettings},
};

use super::{Places, places};
use crate::keeper::{
    ground::Ground,
    listeners::Lent,
    past::{self, Kept},
};

/// How long an edge may take to say that it serves every listener.
const READY_LIMIT: Duration = Duration::from_secs(30);
const LOG_BYTES_MAX: ByteSize = ByteSize::mib(20);
/// Lines of its log that are told of an edge that does not come up.
const LAST_WORDS_MAX: usize = 8;

/// Takes care of an adopted edge as it is, else of a new one; its settings are in their file. It need not be ready.
/// # Errors
/// The edge's account cannot be used.
pub(super) fn begin(
    ground: &Ground,
    places: &Places,
    settings: &Settings,
    lent: &Lent,
    adopted: Option<Process>,
) -> Result<Arc<Slot>, Explain> {
    let order = Order {
        site: None,
        name: "edge".to_owned(),
        kind: Kind::Edge,
        release: None,
        labels: std::collections::BTreeMap::new(),
        program: Program::Own(vec![
            "edge".into(),
            "--settings".into(),
            places.settings_file().display().to_string(),
        ]),
        cwd: places.run.clone(),
        shared_dir: None,
        user: ground.users.edge()?,
        env: machine::planted::handed_on().into_iter().chain([allocator()]).collect(),
        secrets: std::collections::BTreeMap::new(),
        told: machine::formats::handed_on().into_iter().collect(),
        redact: vec![model::Secret::new(settings.token.as_ref().map_or("", |token| &token.0))],
        listen: None,
        notify: true,
        fds: lent.fds.clone(),
        limits: Limits { nofile: 1 << 20, ..Limits::default() },
        sandbox: Some(places.enclosure(ground, settings)),
        stop: StopPlan { signal: 15, grace: ground.machine.shutdown_timeout.0 + Duration::from_secs(5) },
        log: LogTo { path: places.log.clone(), limits: Logs { max_bytes: LOG_BYTES_MAX, ..Logs::default() } },
    };
    let counted = past::witness(Kept::of_the_edge(&ground.folders.run));
    let (run, own) = (ground.folders.run.clone(), places.run.clone());
    // The ends of one that does not serve yet, or no more, are not the edge's.
    let witness = move |event: &SlotEvent| {
        if places::now(&run) == own {
            counted(event);
        }
    };
    let supervisor = ground.supervisor.clone();
    Ok(Arc::new(Slot::start(supervisor, slot_settings(order), adopted, Box::new(witness))))
}

/// Until it says that it serves every listener.
/// # Errors
/// It does not say so in time; with the end of its log.
pub(super) async fn ready(ground: &Ground, places: &Places, slot: &Arc<Slot>) -> Result<(), Explain> {
    match tokio::time::timeout(READY_LIMIT, slot.up()).await.unwrap_or(false) {
        true => Ok(()),
        false => Err(not_ready(ground, places).await),
    }
}

pub(super) async fn not_ready(ground: &Ground, places: &Places) -> Explain {
    Explain::new("edge-not-ready", "the edge did not say that it is ready")
        .help(format!("its log is {}", places.log.display()))
        .detail("the end of the edge's log", last_words(&ground.folders.data, "edge").await)
}

/// How the edge's allocator works: of glibc's, elsewhere it says nothing (GNU C Library manual, "Memory Allocation Tunables").
///
/// A large answer's buffers are 128 KiB, which it would map and unmap each time: a tenth of that answer's CPU. And a thread keeps
/// more freed blocks of a size at hand than the usual seven, since that many requests are open at once: a twentieth of the edge's instructions.
fn allocator() -> (String, String) {
    let tunables = ["mmap_threshold=4194304", "trim_threshold=16777216", "tcache_count=64"]
        .map(|set| format!("glibc.malloc.{set}"));
    ("GLIBC_TUNABLES".to_owned(), tunables.join(":"))
}

/// The end of the log of one of Mainstay's own: its last error with causes and remedy, or whatever it said.
pub(crate) async fn last_words(data: &Path, who: &str) -> Vec<String> {
    let folder = data.join("logs");
    let query = logs::Query { service: who.parse().ok(), tail: LAST_WORDS_MAX, ..logs::Query::default() };
    let read = tokio::task::spawn_blocking(move || logs::read(&folder, &query)).await;
    let lines = read.ok().and_then(Result::ok).unwrap_or_default();
    let mut words: Vec<String> = lines.into_iter().map(|line| line.text).collect();
    let error = words.iter().rposition(|line| line.starts_with("error: ")).unwrap_or(0);
    words.split_off(error)
}

/// New connections wait in the listen queues while there is no edge: so it is started again at once, and slower only
/// where it cannot live.
fn slot_settings(order: Order) -> SlotSettings {
    SlotSettings {
        order: order.into(),
        restart: Restart {
            backoff_initial: Span::millis(10),
            backoff_max: Span::secs(2),
            reset_after: Span::secs(10),
            max_restarts: 1_000,
            ..Restart::default()
        },
        startup: None,
        liveness: None,
        host: "localhost".to_owned(),
        min_healthy_time: READY_LIMIT,
    }
}
