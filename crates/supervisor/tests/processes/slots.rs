//! A slot keeps its instance alive, and tells what it saw.

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use libtest_mimic::Trial;
use model::{
    Address, Span,
    manifest::{Listen, LivenessProbe, ProbeRequest, Restart, StartupProbe},
};
use supervisor::{
    Cause, Order, Slot, SlotEvent, SlotSettings, SlotState,
    slot::{Asking, Ended, ListenFinding, Orders, ProbeAnswer},
};
use tokio::sync::broadcast::Receiver;

use crate::{
    house::{House, adopted, is_alive, until},
    root_trial, trial,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("an_instance_is_up_when_its_startup_probe_passes", up),
        trial("who_asks_for_events_first_gets_them_from_the_first", first_events),
        trial("an_instance_on_a_unix_socket_is_probed_there", up_on_unix),
        trial("a_crash_is_told_with_its_last_lines_and_mended", crash),
        trial("an_end_is_witnessed_before_anything_of_it_is_forgotten", witness),
        trial("a_failed_startup_tells_the_answer_and_what_it_listens_on", failed_startup),
        trial("an_instance_that_answers_no_more_is_restarted", hangs),
        trial("what_dies_again_and_again_is_degraded_and_still_tried", degraded),
        trial("a_program_that_cannot_run_is_tried_again", not_spawned),
        trial("an_adopted_instance_stays_the_same_process", adopts),
        trial("an_adopted_instance_has_its_startup_deadline_anew", adopts_the_old),
        trial("an_order_that_cannot_be_had_yet_is_asked_for_again_and_then_kept", asked_again),
        trial("an_adopted_instance_asks_for_no_order_until_it_ends", adopted_asks_late),
        trial("a_slot_can_be_stopped_while_it_asks_for_its_order", stop_while_asking),
        trial("a_worker_is_up_when_it_says_so", worker),
        trial("a_worker_that_says_nothing_is_up_when_it_has_lived", silent_worker),
        trial("a_restart_gives_another_process", restart),
        trial("a_slot_can_be_stopped_while_it_backs_off", stop_in_backoff),
        trial("a_second_stop_hastens_the_first", hasten),
        trial("a_slot_can_be_stopped_while_a_restart_ends_its_process", stop_while_restarting),
        root_trial("the_edges_group_may_use_an_apps_socket", edge_group),
    ]
}

fn request(path: &str) -> ProbeRequest {
    ProbeRequest { http: path.to_owned(), host: None, period: Span::millis(50), timeout: Span::secs(2) }
}

/// Probed for its startup every 50 ms, restarted after 50 ms.
fn settings(order: Order) -> SlotSettings {
    SlotSettings {
        order: order.into(),
        restart: Restart { backoff_initial: Span::millis(50), jitter: 0.0, ..Restart::default() },
        startup: Some(StartupProbe { request: request("/up"), deadline: Span::secs(20) }),
        liveness: None,
        host: "shop.example".to_owned(),
        min_healthy_time: Duration::from_millis(200),
    }
}

fn web(house: &House, status: &str) -> Order {
    let mut order = house.app(&["http", "{host}:{port}", status]);
    order.listen = Some(Listen::Tcp);
    order
}

fn start(house: &House, settings: SlotSettings) -> (Slot, Receiver<SlotEvent>) {
    let slot = Slot::start(house.supervisor.clone(), settings, None, Box::new(|_| {}));
    let events = slot.events();
    (slot, events)
}

/// The first event that `pick` takes.
async fn event<T>(events: &mut Receiver<SlotEvent>, pick: impl Fn(SlotEvent) -> Option<T>) -> T {
    loop {
        let event = events.recv().await.expect("the slot lives");
        if let Some(picked) = pick(event) {
            return picked;
        }
    }
}

async fn up() {
    let house = House::new();
    let (slot, mut events) = start(&house, settings(web(&house, "200")));
    assert!(slot.up().await);
    assert!(matches!(events.recv().await, Ok(SlotEvent::Started { .. })));
    assert!(matches!(events.recv().await, Ok(SlotEvent::StartupPassed { .. })));
    let process = slot.process().expect("alive");
    let exit = slot.stop(None).await.expect("it ran");
    assert!(exit.is_clean() && !is_alive(process.pid()));
    // Nothing was found to complain of.
    assert!(matches!(events.recv().await, Ok(SlotEvent::Stopped { .. })));
    assert_eq!(house.folders(), 0);
}

/// A keeper that dies at that moment leaves the count of the end, or the folder that the next one finds.
async fn witness() {
    let house = House::new();
    let folder = Arc::new(Mutex::new(None::<PathBuf>));
    let (witnessed, of_witness) = (Arc::new(AtomicU32::new(0)), folder.clone());
    let count = witnessed.clone();
    let witness = move |event: &SlotEvent| {
        if let (SlotEvent::Crashed { .. }, Some(folder)) = (event, &*of_witness.lock().expect("whole")) {
            count.fetch_add(u32::from(folder.exists()), Ordering::SeqCst);
        }
    };
    let settings = settings(web(&house, "200"));
    let slot = Slot::start(house.supervisor.clone(), settings, None, Box::new(witness));
    assert!(slot.up().await);
    let first = slot.process().expect("alive");
    *folder.lock().expect("whole") = Some(first.dir().to_owned());
    first.signal(9).await.expect("killed");
    until("nothing is left of the first one", || !first.dir().exists()).await;
    assert_eq!(witnessed.load(Ordering::SeqCst), 1);
    slot.stop(None).await;
}

async fn first_events() {
    let house = House::new();
    let slot = Slot::start(house.supervisor.clone(), settings(web(&house, "200")), None, Box::new(|_| {}));
    assert!(slot.up().await);
    let mut events = slot.events();
    assert!(matches!(events.recv().await, Ok(SlotEvent::Started { .. })));
    let mut later = slot.events();
    slot.stop(None).await;
    assert!(matches!(later.recv().await, Ok(SlotEvent::Stopped { .. })));
}

async fn up_on_unix() {
    let house = House::new();
    let mut order = house.app(&["http", "unix:{socket}", "200"]);
    order.listen = Some(Listen::Unix);
    let (slot, _events) = start(&house, settings(order));
    assert!(slot.up().await);
    slot.stop(None).await;
}

async fn crash() {
    let house = House::new();
    let (slot, mut events) = start(&house, settings(web(&house, "200")));
    assert!(slot.up().await);
    let first = slot.process().expect("alive");
    first.signal(9).await.expect("killed");
    let (exit, log) = event(&mut events, |event| match event {
        SlotEvent::Crashed { exit, log, .. } => Some((exit, log)),
        _ => None,
    })
    .await;
    assert_eq!(exit.cause, Cause::Signal(9));
    assert!(log.concat().contains("listening on"), "{log:?}");
    event(&mut events, |event| matches!(event, SlotEvent::StartupPassed { .. }).then_some(())).await;
    assert!(slot.up().await);
    assert_ne!(slot.process().expect("alive").id(), first.id());
    assert!(matches!(&*slot.state().borrow(), SlotState::Up { restarts: 1, .. }));
    slot.stop(None).await;
    assert_eq!(house.folders(), 0);
}

async fn failed_startup() {
    let house = House::new();
    let mut settings = settings(web(&house, "500"));
    settings.startup = Some(StartupProbe { request: request("/up"), deadline: Span::millis(500) });
    let (slot, mut events) = start(&house, settings.clone());
    let answer = event(&mut events, |event| match event {
        SlotEvent::StartupFailed { answer, .. } => answer,
        _ => None,
    })
    .await;
    let ProbeAnswer::Answered { passed, status, headers, body, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((passed, status), (false, 500));
    assert!(headers.contains(&("x-app".to_owned(), "fake".to_owned())));
    assert!(body.contains("shop.example"), "{body}");
    slot.stop(None).await;

    // Now one that listens on a port of its own.
    let mut order = house.app(&["http", "127.0.0.1:0", "200"]);
    order.listen = Some(Listen::Tcp);
    let (slot, mut events) = start(&house, SlotSettings { order: order.into(), ..settings });
    let findings = event(&mut events, |event| match event {
        SlotEvent::Listens { findings, .. } => Some(findings),
        _ => None,
    })
    .await;
    let [ListenFinding::Elsewhere { wanted: Address::Tcp(_), found }] = &findings[..] else {
        panic!("{findings:?}")
    };
    assert!(found[0].starts_with("127.0.0.1:"));
    let answer = event(&mut events, |event| match event {
        SlotEvent::StartupFailed { answer, .. } => answer,
        _ => None,
    })
    .await;
    assert!(
        matches!(&answer, ProbeAnswer::Failed { error, .. } if error == "connection refused"),
        "{answer:?}"
    );
    slot.stop(None).await;
}

async fn hangs() {
    let house = House::new();
    let mut settings = settings(web(&house, "once"));
    settings.liveness = Some(LivenessProbe { request: request("/up"), failure_threshold: 2 });
    let (slot, mut events) = start(&house, settings);
    assert!(slot.up().await);
    let first = slot.process().expect("alive").id();
    std::fs::write(house.path().join("sick"), "").expect("written");
    let answer = event(&mut events, |event| match event {
        SlotEvent::LivenessFailed { answer, .. } => Some(answer),
        _ => None,
    })
    .await;
    assert!(matches!(answer, ProbeAnswer::Answered { passed: false, status: 500, .. }));
    std::fs::remove_file(house.path().join("sick")).expect("removed");
    event(&mut events, |event| matches!(event, SlotEvent::StartupPassed { .. }).then_some(())).await;
    assert!(slot.up().await);
    assert_ne!(slot.process().expect("alive").id(), first);
    slot.stop(None).await;
}

async fn degraded() {
    let house = House::new();
    let mut settings = settings(house.shell("exit 1"));
    let quick = Restart { max_restarts: 2, degraded_every: Span::millis(80), ..settings.restart };
    settings.restart = Restart { backoff_initial: Span::millis(10), ..quick };
    let (slot, mut events) = start(&house, settings);
    event(&mut events, |event| matches!(event, SlotEvent::Degraded { .. }).then_some(())).await;
    for _ in 0..3 {
        event(&mut events, |event| {
            assert!(!matches!(event, SlotEvent::Degraded { .. }), "it is told once");
            matches!(event, SlotEvent::Started { .. }).then_some(())
        })
        .await;
        let degraded =
            slot.state().wait_for(|state| matches!(state, SlotState::BackingOff { .. })).await.is_ok();
        assert!(degraded);
    }
    slot.stop(None).await;
}

async fn not_spawned() {
    let house = House::new();
    let (slot, mut events) = start(&house, settings(house.order(&["./not-yet"])));
    let error = event(&mut events, |event| match event {
        SlotEvent::NotSpawned { error } => Some(error),
        _ => None,
    })
    .await;
    assert!(error.contains("not-yet"), "{error}");
    let backing_off =
        |state: &SlotState| matches!(state, SlotState::BackingOff { last: Ended::NotSpawned(_), .. });
    slot.state().wait_for(backing_off).await.expect("the slot lives");
    let script = house.path().join("not-yet");
    std::fs::write(&script, "#!/bin/sh\nexec sleep 1000\n").expect("written");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("executable");
    event(&mut events, |event| matches!(event, SlotEvent::Started { .. }).then_some(())).await;
    slot.stop(None).await;
}

async fn adopts() {
    let house = House::new();
    let (slot, _events) = start(&house, settings(web(&house, "200")));
    assert!(slot.up().await);
    let first = slot.process().expect("alive");
    drop(slot);
    let next = house.next_keeper();
    let found = next.observe().await.expect("readable");
    let [process] = adopted(&found)[..] else { panic!("{found:?}") };
    let slot = Slot::start(next, settings(web(&house, "200")), Some(process.clone()), Box::new(|_| {}));
    assert!(slot.up().await);
    assert_eq!(slot.process().expect("alive").pid(), first.pid());
    assert!(is_alive(first.pid()));
    assert!(slot.stop(None).await.expect("it ran").is_clean());
}

/// What has served for longer than its startup deadline must not be taken for one that missed it.
async fn adopts_the_old() {
    let house = House::new();
    let (slot, _events) = start(&house, settings(web(&house, "200")));
    assert!(slot.up().await);
    let first = slot.process().expect("alive");
    drop(slot);
    let deadline = Span::millis(500);
    tokio::time::sleep(deadline.0 + Duration::from_millis(100)).await;
    let next = house.next_keeper();
    let found = next.observe().await.expect("readable");
    let [process] = adopted(&found)[..] else { panic!("{found:?}") };
    let mut hasty = settings(web(&house, "200"));
    hasty.startup = Some(StartupProbe { request: request("/up"), deadline });
    let slot = Slot::start(next, hasty, Some(process.clone()), Box::new(|_| {}));
    assert!(slot.up().await);
    assert_eq!(slot.process().expect("alive").pid(), first.pid(), "it was restarted");
    slot.stop(None).await;
}

/// Gives the order from the third question on, and counts the questions.
fn third_time(order: Order) -> (Orders, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let ask = move || -> Asking {
        let given = if count.fetch_add(1, Ordering::SeqCst) < 2 {
            Err("the vault is shut".to_owned())
        } else {
            Ok(order.clone())
        };
        Box::pin(async { given })
    };
    (Orders::Asked(Arc::new(ask)), asked)
}

async fn asked_again() {
    let house = House::new();
    let order = web(&house, "200");
    let (orders, asked) = third_time(order.clone());
    let (slot, mut events) = start(&house, SlotSettings { order: orders, ..settings(order) });
    let why = event(&mut events, |event| match event {
        SlotEvent::NotSpawned { error } => Some(error),
        _ => None,
    })
    .await;
    assert_eq!(why, "the vault is shut");
    assert!(slot.up().await);
    event(&mut events, |event| matches!(event, SlotEvent::StartupPassed { .. }).then_some(())).await;
    slot.restart().await;
    event(&mut events, |event| matches!(event, SlotEvent::StartupPassed { .. }).then_some(())).await;
    assert_eq!(asked.load(Ordering::SeqCst), 3, "what is known is not asked for again");
    slot.stop(None).await;
}

async fn adopted_asks_late() {
    let house = House::new();
    let process = house.supervisor.spawn(&web(&house, "200")).await.expect("spawned");
    let (orders, asked) = third_time(web(&house, "200"));
    let next = house.next_keeper();
    let found = next.observe().await.expect("readable");
    let [adopted] = adopted(&found)[..] else { panic!("{found:?}") };
    let settings = SlotSettings { order: orders, ..settings(web(&house, "200")) };
    let slot = Slot::start(next, settings, Some(adopted.clone()), Box::new(|_| {}));
    let mut events = slot.events();
    assert!(slot.up().await);
    assert_eq!(asked.load(Ordering::SeqCst), 0, "it lives without");
    process.signal(9).await.expect("killed");
    event(&mut events, |event| matches!(event, SlotEvent::Started { .. }).then_some(())).await;
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    slot.stop(None).await;
}

async fn stop_while_asking() {
    let house = House::new();
    let order = house.shell("sleep 1000");
    let (asks, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let never = move || -> Asking {
        asks.send(()).expect("the test hears it");
        Box::pin(std::future::pending())
    };
    let settings = SlotSettings { order: Orders::Asked(Arc::new(never)), ..settings(order) };
    let (slot, _events) = start(&house, settings);
    asked.recv().await.expect("it asks");
    assert_eq!(slot.stop(None).await, None);
}

async fn worker() {
    let house = House::new();
    let mut order = house.app(&["notify"]);
    order.notify = true;
    let min_healthy_time = Duration::from_secs(1000);
    let (slot, _events) = start(&house, SlotSettings { startup: None, min_healthy_time, ..settings(order) });
    assert!(slot.up().await);
    slot.stop(None).await;
}

async fn silent_worker() {
    let house = House::new();
    let settings = SlotSettings { startup: None, ..settings(house.shell("sleep 1000")) };
    let (slot, mut events) = start(&house, settings);
    let took = event(&mut events, |event| match event {
        SlotEvent::StartupPassed { took, .. } => Some(took),
        _ => None,
    })
    .await;
    assert!(took >= Duration::from_millis(200), "{took:?}");
    slot.stop(None).await;
}

async fn restart() {
    let house = House::new();
    let (slot, mut events) = start(&house, settings(web(&house, "200")));
    assert!(slot.up().await);
    let first = slot.process().expect("alive");
    event(&mut events, |event| matches!(event, SlotEvent::StartupPassed { .. }).then_some(())).await;
    slot.restart().await;
    event(&mut events, |event| matches!(event, SlotEvent::StartupPassed { .. }).then_some(())).await;
    assert!(slot.up().await);
    assert_ne!(slot.process().expect("alive").id(), first.id());
    assert!(!is_alive(first.pid()));
    slot.stop(None).await;
}

async fn stop_in_backoff() {
    let house = House::new();
    let mut settings = settings(house.shell("exit 6"));
    settings.restart.backoff_initial = Span::secs(1000);
    settings.restart.backoff_max = Span::secs(1000);
    let (slot, _events) = start(&house, settings);
    slot.state()
        .wait_for(|state| matches!(state, SlotState::BackingOff { .. }))
        .await
        .expect("the slot lives");
    assert_eq!(slot.stop(None).await.expect("it ran").cause, Cause::Code(6));
}

async fn stop_while_restarting() {
    let house = House::new();
    let order = house.shell("trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done");
    let (slot, _events) = start(&house, SlotSettings { startup: None, ..settings(order) });
    assert!(slot.up().await);
    slot.restart().await;
    slot.state().wait_for(|state| matches!(state, SlotState::Stopping { .. })).await.expect("the slot lives");
    let stopped = tokio::time::timeout(Duration::from_secs(20), slot.stop(None)).await;
    assert_eq!(stopped.expect("the stop is heard").expect("it ran").cause, Cause::Code(0));
    assert_eq!(house.folders(), 0, "and nothing was started after it");
}

async fn hasten() {
    let house = House::new();
    let mut order = house.shell("trap '' TERM; echo deaf; while :; do sleep 1; done");
    order.stop.grace = Duration::from_secs(1000);
    let settings = SlotSettings { startup: None, ..settings(order) };
    let (slot, _events) = start(&house, settings);
    assert!(slot.up().await);
    let at_once = supervisor::StopPlan { signal: 15, grace: Duration::ZERO };
    let (patient, hasty) = tokio::join!(slot.stop(None), slot.stop(Some(at_once)));
    assert_eq!(patient, hasty);
    assert_eq!(hasty.expect("it ran").cause, Cause::Signal(9));
}

async fn edge_group() {
    let house = House::new();
    let account = machine::users::by_name("nobody").expect("NSS").expect("there");
    let ids = supervisor::spec::Ids { uid: account.uid, gid: account.gid, groups: vec![account.gid] };
    let own = std::env::current_exe().expect("a path");
    // The build folder may be closed to others: the app's user gets a copy.
    let copy = house.path().join("app");
    std::fs::copy(own, &copy).expect("copied");
    let mut order = house.order(&[copy.to_str().expect("text"), "app", "http", "unix:{socket}", "200"]);
    order.listen = Some(Listen::Unix);
    order.user = Some(supervisor::User { name: account.name, ids, home: "/".into() });
    let (slot, _events) = start(&house, settings(order));
    assert!(slot.up().await);
    let process = slot.process().expect("alive");
    let Some(Address::Unix(path)) = process.address() else { panic!("no socket") };
    let mode = std::fs::metadata(path).expect("there").permissions().mode();
    assert_eq!(mode & 0o060, 0o060, "{mode:o}");
    slot.stop(None).await;
}
