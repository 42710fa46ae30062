//! What the threads of a round share: the machine, its load, its faults so far, and whether it goes on.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use testkit::{FakeApp, Judge, Load, Mainstay, Target, judge::tally::Kind, receiver::Receiver, wait};

use super::blame::{self, Fault};
use crate::disk::Disk;

/// How soon everything is back after a fault, with deploys and other deaths going on.
pub(super) const BACK_LIMIT: Duration = Duration::from_secs(45);
/// What the keeper gets in this journey; 20 s otherwise.
const WATCHDOG: Duration = Duration::from_secs(5);
/// A hung edge is replaced after some seconds; where its keeper dies meanwhile the next one counts anew.
const PATIENCE: Duration = Duration::from_secs(25);
/// Most of the time a writer has one under way that stands in the ledger and is not answered: sent again, it is seen.
const WRITE_MS: &str = "500";
/// Of the disk that is filled: the releases that are kept, what is uploaded, and some room.
const DISK: &str = "size=320m,mode=755";

pub(super) struct World {
    // Written to for another `mainstay up` alone. Before the disk: its processes end first.
    mainstay: RwLock<Mainstay>,
    pub judge: Judge,
    /// Is told of every deploy.
    receiver: Receiver,
    pub load: Load,
    pub app: FakeApp,
    pub ledger: PathBuf,
    faults: Mutex<Vec<Fault>>,
    /// Odd while a fault is at work.
    strikes: AtomicU64,
    over: AtomicBool,
    began: Instant,
    round_max: Duration,
    _disk: Option<Disk>,
}

/// Only root can mount a disk of its own.
pub(super) fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

impl World {
    /// A machine with data on a disk of its own, the first release serving under mixed load.
    pub(super) fn new(round_max: Duration) -> Self {
        let folder = tempfile::Builder::new().prefix("ms-").tempdir().expect("a temporary folder");
        open_to(folder.path(), 0o755);
        let data = folder.path().join("data");
        let disk = is_root().then(|| Disk::mount(&data, DISK));
        let ledger = open_ledger(&folder.path().join("ledger"));
        let receiver = Receiver::start(b"the key of this journey");
        std::fs::create_dir_all(&data).expect("the data folder");
        crate::webhooks::keep_secret(&data, &receiver.secret());
        let told = format!("[[webhook]]\nurl = \"{}\"\nsecret = \"HOOK\"\nevents = [\"*\"]", receiver.url());
        let mut mainstay = Mainstay::start_in(folder, data, &told);
        mainstay.kill_up();
        mainstay.watch_every(WATCHDOG);
        mainstay.up();
        // A full disk below the data must not be one below the ledger: it lies beside it, opened by name.
        let beside = ledger.parent().unwrap_or(&ledger).display();
        let app = FakeApp::new(&mainstay, "fake")
            .env("FAKE_LEDGER", &ledger.display().to_string())
            .env("FAKE_WRITE_MS", WRITE_MS)
            .env("FAKE_SLOW", &format!("{beside}/slow-{{instance}}"))
            .tables(&format!("[sandbox]\nwrite = [\"{beside}\"]"));
        app.deploy_to(&mainstay, &[]).expect_code(0);
        let load = Load::mixed();
        let target = Target { patience: PATIENCE, ..mainstay.target(app.host_name()) };
        let judge = Judge::start(target, load.clone());
        judge.expect_release(mainstay.serving(&app.site()));
        judge.wait_answers(300);
        let (faults, over) = (Mutex::default(), AtomicBool::new(false));
        let mainstay = RwLock::new(mainstay);
        let (strikes, began) = (AtomicU64::new(0), Instant::now());
        Self {
            mainstay,
            judge,
            receiver,
            load,
            app,
            ledger,
            faults,
            strikes,
            over,
            began,
            round_max,
            _disk: disk,
        }
    }

    pub(super) fn mainstay(&self) -> RwLockReadGuard<'_, Mainstay> {
        self.mainstay.read().expect("no panic writes")
    }

    /// What needs the machine for itself: another `mainstay up`.
    pub(super) fn change(&self, change: impl FnOnce(&mut Mainstay)) {
        change(&mut self.mainstay.write().expect("no panic writes"));
    }

    /// What makes an instance slow while it is there.
    pub(super) fn slowness_of(&self, instance: &str) -> PathBuf {
        self.ledger.with_file_name(format!("slow-{instance}"))
    }

    pub(super) fn status(&self) -> Option<Value> {
        self.mainstay().api(&format!("/v1/apps/{}/status", self.app.site()))
    }

    pub(super) fn machine(&self) -> Option<Value> {
        self.mainstay().api("/v1/machine")
    }

    /// The release that serves, when the keeper can say it.
    pub(super) fn serving(&self) -> u64 {
        wait::value("the release that serves", BACK_LIMIT, || self.status()?["serving"].as_u64())
    }

    /// Nothing is left of what does not serve; what is left is the message otherwise.
    fn wait_until_settled(&self) {
        let (mut seen, began) = (Value::Null, Instant::now());
        while seen["services"].as_array().is_none_or(|services| services.len() != 1) {
            assert!(began.elapsed() < BACK_LIMIT * 2, "left over: {seen:#}");
            std::thread::sleep(Duration::from_millis(20));
            seen = self.status().unwrap_or_default();
        }
    }

    /// Everything that should run runs and is ready; what is broken is the message otherwise.
    pub(super) fn wait_until_whole(&self, after: &str) -> Duration {
        let (mut seen, began) = (Value::Null, Instant::now());
        while !self.is_whole(&mut seen) {
            assert!(began.elapsed() < BACK_LIMIT, "not whole {BACK_LIMIT:?} after {after}: {seen:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    }

    fn is_whole(&self, seen: &mut Value) -> bool {
        let (Some(status), Some(machine)) = (self.status(), self.machine()) else { return false };
        let is_up = |service: &Value| {
            let instances = service["instances"].as_array().cloned().unwrap_or_default();
            let ready = instances.iter().filter(|instance| instance["ready"] == true).count();
            service["state"] != "live" || service["wanted"].as_u64() == Some(ready as u64)
        };
        let services = status["services"].as_array().cloned().unwrap_or_default();
        let has_live = services.iter().any(|service| service["state"] == "live");
        let whole = has_live
            && services.iter().all(is_up)
            && machine["edge"]["pid"].is_u64()
            && machine["station"]["pid"].is_u64()
            && machine["has_parent"] == true;
        *seen = serde_json::json!({ "site": status, "machine": machine });
        whole
    }

    pub(super) fn blame(&self, fault: Fault) {
        println!("{fault}");
        self.faults.lock().expect("no panic holds it").push(fault);
    }

    /// A fault is at work, until the result is dropped.
    pub(super) fn striking(&self) -> impl Drop {
        struct Striking<'a>(&'a AtomicU64);
        impl Drop for Striking<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        self.strikes.fetch_add(1, Ordering::SeqCst);
        Striking(&self.strikes)
    }

    /// The same twice: no fault was at work between. `None`: one is now.
    pub(super) fn calm(&self) -> Option<u64> {
        Some(self.strikes.load(Ordering::SeqCst)).filter(|strikes| strikes.is_multiple_of(2))
    }

    /// Runs what ends the round when it ends, also by a panic.
    pub(super) fn last<T>(&self, work: impl FnOnce() -> T) -> T {
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let _end = End(&self.over);
        work()
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(super) fn is_late(&self) -> bool {
        self.began.elapsed() >= self.round_max
    }

    /// Lets time pass, as a fault that lasts; not past the end of the round.
    pub(super) fn let_pass(&self, time: Duration) {
        let until = Instant::now() + time;
        wait::until("time passes", time + BACK_LIMIT, || self.is_over() || Instant::now() >= until);
    }

    /// The faults so far.
    pub(super) fn account(&self) -> String {
        let faults = self.faults.lock().map(|faults| faults.clone()).unwrap_or_default();
        faults.iter().map(|fault| format!("{fault}\n")).collect()
    }

    /// The receiver had the beginning and the end of everything that has a record, and every signature was right.
    fn everything_was_told(&self) {
        let path = format!("/v1/apps/{}/events?limit=200", self.app.site());
        let records = wait::value("the records", BACK_LIMIT, || self.mainstay().api(&path));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let stages = records.as_array().into_iter().flatten().flat_map(|record| {
            let outcome = text(&record["outcome"]);
            assert!(!outcome.is_empty(), "it has not ended: {record}");
            ["started".to_owned(), outcome]
                .map(|end| (text(&record["deploy"]), format!("{}.{end}", text(&record["verb"]))))
        });
        let due: Vec<(String, String)> = stages.collect();
        wait::until("the webhook is told of everything", BACK_LIMIT, || {
            let taken = self.receiver.taken();
            let is_told = |(deploy, event): &(String, String)| {
                taken.iter().any(|one| one.event == *event && one.body["data"]["deploy"] == **deploy)
            };
            due.iter().all(is_told)
        });
        assert_eq!(self.receiver.wrong(), Vec::<String>::new());
        let (told, ids) = (self.receiver.taken().len(), self.receiver.events().len());
        println!("    webhooks: {} were due, {told} came, of {ids} events", due.len());
    }

    /// Back in full, then the judge's word: nothing failed but what a dead process held.
    pub(super) fn verdict(self, seed: u64) {
        self.wait_until_whole("the end");
        self.wait_until_settled();
        self.judge.wait_answers(200);
        self.everything_was_told();
        let account = self.account();
        let report = self.judge.finish(Some(&self.ledger));
        println!("{report}");
        let faults = self.faults.into_inner().expect("no panic holds it");
        let unexplained = blame::unexplained(&report.failures, &faults);
        assert!(
            unexplained.is_empty(),
            "no fault explains {} of {} failures; MAINSTAY_TEST_SEED={seed}\n{unexplained:#?}\n{account}",
            unexplained.len(),
            report.failures.len()
        );
        for kind in [Kind::Short, Kind::Slow, Kind::Pausing, Kind::Write, Kind::Stream, Kind::Socket] {
            assert!(report.right_of(kind) > 0, "no {kind:?} was answered\n{report}");
        }
        drop(self.mainstay);
    }
}

/// On a disk that is never full: whose writes are acknowledged is the app's to say, not this journey's.
fn open_ledger(folder: &Path) -> PathBuf {
    std::fs::create_dir(folder).expect("a folder");
    open_to(folder, 0o777);
    folder.join("ledger")
}

fn open_to(folder: &Path, mode: u32) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).expect("own folder");
}
