//! Cron services: what serves runs them, once each time, whatever dies.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use model::{
    Site, Span,
    manifest::{CatchUp, Cron, Limits, Manifest, StopSignal, WhileRunning},
};
use testkit::worlds::Dice;
use tokio::time::{sleep, timeout};

use super::{
    machine::Job,
    rig::{Rig, manifest, site},
};
use crate::world::JobEnd;

const MINUTE: Duration = Duration::from_secs(60);

fn cron(schedule: &str, behaviour: &str) -> Cron {
    Cron {
        command: vec![behaviour.into()],
        schedule: schedule.into(),
        timezone: "UTC".into(),
        timeout: Span::secs(3600),
        catch_up: CatchUp::Latest,
        while_running: WhileRunning::Skip,
        env: Default::default(),
        env_secrets: Vec::new(),
        stop_signal: StopSignal::Term,
        stop_timeout: Span::secs(30),
        limits: Limits::default(),
        sandbox: model::Sandbox::default(),
    }
}

fn with(site: &Site, job: Cron) -> Manifest {
    let mut manifest = manifest(site, "good");
    manifest.cron.insert("job".parse().unwrap(), job);
    manifest
}

/// Minute and second at which each run began, and its release.
fn ran(rig: &Rig) -> Vec<(i8, i8, u64)> {
    let told = |ran: &super::machine::Ran| {
        let at = ran.at.to_zoned(jiff::tz::TimeZone::UTC);
        (at.minute(), at.second(), ran.release)
    };
    rig.machine.lock().ran.iter().map(told).collect()
}

async fn job(rig: &Rig, site: &Site) -> api::schedule::Scheduled {
    rig.handle(site).status().await.unwrap().schedules.remove(0)
}

/// Until the machine's clock shows this second of any minute, and so many milliseconds.
async fn until_second(rig: &Rig, second: i32, ms: i32) {
    let shown = rig.machine.lock().now().as_millisecond().rem_euclid(60_000);
    let wanted = i64::from(second * 1000 + ms);
    sleep(Duration::from_millis((wanted - shown).rem_euclid(60_000) as u64)).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_at_its_times_and_status_tells_when_and_how() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with(&shop, cron("*/5 * * * *", "takes:10")), "one").await;
    let told = job(&rig, &shop).await;
    assert_eq!(told.next.as_deref(), Some("2026-11-29T10:05:00+00:00"));
    sleep(15 * MINUTE).await;
    assert_eq!(ran(&rig), [(5, 0, 1), (10, 0, 1), (15, 0, 1)]);
    let told = job(&rig, &shop).await;
    assert_eq!(told.next.as_deref(), Some("2026-11-29T10:20:00+00:00"));
    assert!(told.running.is_none() && told.past.len() == 3);
    assert_eq!(
        (told.past[0].outcome.as_str(), told.past[0].due.as_str()),
        ("succeeded", "2026-11-29T10:15:00.000Z")
    );
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_or_cannot_start_is_told_with_its_reason_and_the_next_run_comes() {
    for (behaviour, code) in [("fails", "run-failed"), ("cannot", "job-not-started")] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&with(&shop, cron("*/5 * * * *", behaviour)), "one").await;
        sleep(12 * MINUTE).await;
        let told = job(&rig, &shop).await;
        assert_eq!(told.past.len(), 2);
        assert!(told.running.is_none() && told.past.iter().all(|run| run.outcome == "failed"));
        assert_eq!(told.past[0].why.as_ref().unwrap().code, code);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_keeps_the_next_one_away_or_waiting() {
    for (while_running, begun) in [
        (WhileRunning::Skip, vec![(1, 0, 1), (3, 0, 1), (5, 0, 1)]),
        (WhileRunning::Wait, vec![(1, 0, 1), (2, 30, 1), (4, 0, 1)]),
    ] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        let job_of_90_s = Cron { while_running, ..cron("* * * * *", "takes:90") };
        rig.deploy(&with(&shop, job_of_90_s), "one").await;
        until_second(&rig, 20, 0).await;
        sleep(5 * MINUTE).await;
        let mut all = ran(&rig);
        all.truncate(3);
        assert_eq!(all, begun.iter().map(|(m, s, r)| (*m, *s, *r)).collect::<Vec<_>>(), "{while_running:?}");
        let skipped = job(&rig, &shop).await.past.iter().filter(|run| run.outcome == "skipped").count();
        assert_eq!(
            skipped,
            if while_running == WhileRunning::Skip { 3 } else { 1 },
            "{while_running:?}: {:?}",
            ran(&rig)
        );
        rig.check(&shop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_release_takes_over_and_no_minute_is_lost_or_run_twice() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let every_minute = with(&shop, cron("* * * * *", "takes:1"));
    rig.deploy(&every_minute, "one").await;
    sleep(MINUTE).await;
    until_second(&rig, 50, 0).await;
    rig.deploy(&every_minute, "two").await;
    // Another schedule that has the same minutes goes on where the first was left.
    let other = with(&shop, cron("0-59 * * * *", "takes:1"));
    rig.deploy(&other, "three").await;
    sleep(5 * MINUTE).await;
    let all = ran(&rig);
    let minutes: Vec<i8> = all.iter().map(|(minute, ..)| *minute).collect();
    assert_eq!(minutes, (minutes[0]..minutes[0] + minutes.len() as i8).collect::<Vec<_>>());
    let releases: Vec<u64> = all.iter().map(|(.., release)| *release).collect();
    assert!(
        releases.is_sorted() && releases.first() == Some(&1) && releases.last() == Some(&3),
        "{releases:?}"
    );
    assert!(all.iter().all(|(_, second, _)| *second == 0), "{all:?}");
    // A release without the job ends it, and a rollback brings it back from then on.
    rig.deploy(&manifest(&shop, "good"), "four").await;
    let before = ran(&rig).len();
    sleep(10 * MINUTE).await;
    assert_eq!(ran(&rig).len(), before);
    rig.rollback(&shop, None).await;
    sleep(2 * MINUTE).await;
    let after = ran(&rig).len() - before;
    assert!((2..=4).contains(&after), "nothing of the ten minutes is caught up: {after}");
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_dies_at_the_moment_of_a_run_neither_loses_nor_doubles_it() {
    for ms in (-2..12).chain([40, 500, 3000]) {
        let (mut rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&with(&shop, cron("* * * * *", "takes:2")), "one").await;
        until_second(&rig, 30, 0).await;
        let before = ran(&rig).len();
        for _ in 0..3 {
            until_second(&rig, 0, ms).await;
            rig = rig.next_keeper().await;
            until_second(&rig, 30, 0).await;
        }
        let all = ran(&rig);
        let minutes: Vec<i8> = all[before..].iter().map(|(minute, ..)| *minute).collect();
        let first = minutes[0];
        assert_eq!(minutes, [first, first + 1, first + 2], "killed {ms} ms after the minute: {all:?}");
        let told = job(&rig, &shop).await;
        assert!(told.past.iter().all(|run| run.outcome == "succeeded"), "{ms}: {:?}", told.past);
        rig.check(&shop).await;
    }
}

/// The disk takes nothing of the logbook any more.
fn fill_disk(logbook: &Path) {
    std::fs::rename(logbook, logbook.with_extension("kept")).unwrap();
    std::fs::create_dir(logbook).unwrap();
}

fn clear_disk(logbook: &Path) {
    std::fs::remove_dir(logbook).unwrap();
    std::fs::rename(logbook.with_extension("kept"), logbook).unwrap();
}

fn logbook(rig: &Rig) -> PathBuf {
    rig.data.path().join("apps/shop/production/schedule.json")
}

/// Runs that began and of which the machine still knows.
fn kept(rig: &Rig) -> usize {
    let inner = rig.machine.lock();
    inner.ran.iter().filter(|ran| inner.jobs.contains_key(&ran.process)).count()
}

fn running(rig: &Rig) -> usize {
    rig.machine.lock().jobs.values().filter(|job| matches!(job, Job::Running)).count()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ended_before_anything_of_it_was_written_is_told_by_the_next_keeper_and_not_begun_again() {
    for (behaviour, full_ms) in [("takes:0", 50), ("takes:5", 1000)] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&with(&shop, cron("*/10 * * * *", behaviour)), "one").await;
        rig.machine.lock().job_told_after = Duration::from_millis(100);
        sleep(9 * MINUTE).await;
        until_second(&rig, 0, full_ms).await;
        fill_disk(&logbook(&rig));
        sleep(MINUTE).await;
        assert_eq!(
            (ran(&rig).len(), kept(&rig)),
            (1, 1),
            "{behaviour}: not forgotten while it is not written"
        );
        rig.kill();
        clear_disk(&logbook(&rig));
        let rig = rig.next_keeper().await;
        sleep(MINUTE).await;
        let told = job(&rig, &shop).await;
        assert_eq!(told.past.iter().map(|run| run.outcome.as_str()).collect::<Vec<_>>(), ["succeeded"]);
        assert_eq!((ran(&rig).len(), kept(&rig)), (1, 0), "{behaviour}: once, and forgotten");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_end_is_written_is_forgotten_even_if_the_keeper_died_before_that() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with(&shop, cron("*/10 * * * *", "takes:1")), "one").await;
    sleep(10 * MINUTE).await;
    rig.kill();
    let process = rig.machine.lock().ran[0].process;
    let ended = JobEnd { code: Some(0), ..JobEnd::default() };
    rig.machine.lock().jobs.insert(process, Job::Ended(ended));
    let rig = rig.next_keeper().await;
    sleep(MINUTE).await;
    assert_eq!(job(&rig, &shop).await.past[0].outcome, "succeeded");
    assert_eq!((ran(&rig).len(), kept(&rig)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_power_cut_ended_is_lost_and_what_came_meanwhile_is_caught_up_once() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with(&shop, cron("*/10 * * * *", "takes:120")), "one").await;
    until_second(&rig, 30, 0).await;
    sleep(10 * MINUTE).await;
    assert_eq!(ran(&rig).len(), 1);
    rig.kill();
    rig.machine.lock().clock_ahead = SignedDuration::from_mins(35);
    let rig = rig.reboot().await;
    sleep(MINUTE).await;
    let told = job(&rig, &shop).await;
    let outcomes: Vec<(&str, u64)> = told.past.iter().map(|run| (run.outcome.as_str(), run.missed)).collect();
    assert!(outcomes.contains(&("lost", 0)) && outcomes.contains(&("missed", 2)), "{outcomes:?}");
    assert_eq!(ran(&rig).len(), 2, "the last of those that were due runs late: {told:?}");
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn without_catching_up_a_missed_run_is_recorded_and_not_made_up_for() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let job_of_the_hour = Cron { catch_up: CatchUp::None, ..cron("30 * * * *", "takes:1") };
    rig.deploy(&with(&shop, job_of_the_hour), "one").await;
    rig.machine.lock().clock_ahead = SignedDuration::from_mins(45);
    sleep(MINUTE).await;
    assert_eq!(ran(&rig), []);
    let told = job(&rig, &shop).await;
    assert_eq!((told.past[0].outcome.as_str(), told.past[0].missed), ("missed", 1));
}

#[tokio::test(start_paused = true)]
async fn down_gives_a_run_its_time_then_ends_it_and_begins_none() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with(&shop, cron("* * * * *", "takes:50")), "one").await;
    sleep(MINUTE).await;
    until_second(&rig, 30, 0).await;
    let running = job(&rig, &shop).await.running.unwrap();
    rig.handle(&shop).end_scheduled(Duration::from_secs(5)).await.unwrap();
    rig.handle(&shop).down().await.unwrap();
    let told = job(&rig, &shop).await;
    assert!(told.running.is_none(), "it was ended");
    assert_eq!((&told.past[0].due, told.past[0].outcome.as_str()), (&running.due, "failed"));
    let count = ran(&rig).len();
    sleep(5 * MINUTE).await;
    assert_eq!(ran(&rig).len(), count);
    let rig = rig.next_keeper().await;
    sleep(MINUTE).await;
    assert!(ran(&rig).len() > count, "it runs again when the site is up");
}

#[tokio::test(start_paused = true)]
async fn a_site_is_stopped_while_the_disk_is_full_and_the_next_keeper_tells_how_its_run_ended() {
    for behaviour in ["takes:1", "takes:5000"] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        rig.deploy(&with(&shop, cron("*/10 * * * *", behaviour)), "one").await;
        sleep(9 * MINUTE).await;
        until_second(&rig, 0, 500).await;
        fill_disk(&logbook(&rig));
        sleep(Duration::from_secs(10)).await;
        let down = rig.handle(&shop);
        timeout(MINUTE, down.down()).await.expect("down does not wait for the disk").unwrap();
        rig.kill();
        clear_disk(&logbook(&rig));
        let rig = rig.next_keeper().await;
        sleep(Duration::from_secs(5)).await;
        let told = job(&rig, &shop).await;
        let outcome = if behaviour == "takes:1" { "succeeded" } else { "failed" };
        assert_eq!(told.past.iter().map(|run| run.outcome.as_str()).collect::<Vec<_>>(), [outcome]);
        assert_eq!((ran(&rig).len(), kept(&rig)), (1, 0), "{behaviour}: once, and forgotten");
    }
}

#[tokio::test(start_paused = true)]
async fn a_site_is_destroyed_while_the_disk_is_full_and_nothing_of_its_run_is_left() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with(&shop, cron("*/10 * * * *", "takes:5000")), "one").await;
    sleep(9 * MINUTE).await;
    until_second(&rig, 0, 500).await;
    fill_disk(&logbook(&rig));
    let destroyed = rig.sites.destroy(&shop, true);
    timeout(MINUTE, destroyed).await.expect("destroy does not wait for the disk").unwrap();
    assert_eq!((ran(&rig).len(), kept(&rig)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_destroy_that_the_edge_does_not_take_leaves_the_site_with_its_schedules_routes_and_deploys() {
    for answer_lost in [false, true] {
        let (rig, shop) = (Rig::new().await, site("shop/production"));
        let every_minute = with(&shop, cron("* * * * *", "takes:1"));
        rig.deploy(&every_minute, "one").await;
        {
            let mut inner = rig.machine.lock();
            (inner.refuse_tables, inner.lose_answers) = (u32::from(!answer_lost), u32::from(answer_lost));
        }
        let refused = rig.sites.destroy(&shop, true).await.unwrap_err();
        assert_eq!(refused.explain.code, "edge-away");
        let before = ran(&rig).len();
        sleep(3 * MINUTE).await;
        assert_eq!(ran(&rig).len(), before + 3, "its jobs go on");
        assert!(!rig.machine.lock().tables[&shop].1.routes.is_empty(), "it is reached");
        rig.machine.lock().broken_promises.clear();
        assert_eq!(rig.deploy(&every_minute, "two").await.serving, Some(2));
        rig.settled(&shop).await;
        rig.check(&shop).await;
        rig.sites.destroy(&shop, true).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_destroy_that_fails_on_a_site_that_was_stopped_begins_nothing() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let every_minute = with(&shop, cron("* * * * *", "takes:1"));
    rig.deploy(&every_minute, "one").await;
    rig.handle(&shop).down().await.unwrap();
    rig.machine.lock().refuse_tables = 1;
    rig.sites.destroy(&shop, true).await.unwrap_err();
    let before = ran(&rig).len();
    sleep(3 * MINUTE).await;
    assert_eq!(ran(&rig).len(), before);
    assert_eq!(rig.begin(&every_minute, "two").await.unwrap_err().explain.code, "site-down");
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_stopped_while_it_opens_ends_what_ran_and_begins_nothing() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with(&shop, cron("* * * * *", "takes:5000")), "one").await;
    sleep(2 * MINUTE).await;
    assert_eq!((ran(&rig).len(), running(&rig)), (1, 1));
    let rig = rig.next_keeper().await;
    timeout(MINUTE, rig.handle(&shop).down()).await.expect("down ends the run").unwrap();
    assert_eq!(running(&rig), 0);
    sleep(3 * MINUTE).await;
    assert_eq!(ran(&rig).len(), 1);
    // Nothing ran, and every minute one is due.
    let rig = rig.next_keeper().await;
    rig.handle(&shop).settle().await.unwrap();
    let before = ran(&rig).len();
    sleep(3 * MINUTE).await;
    assert_eq!(ran(&rig).len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_planned_waits_for_the_next_keeper_where_the_site_is_stopped_while_it_opens() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    rig.deploy(&with(&shop, cron("*/10 * * * *", "takes:1")), "one").await;
    sleep(9 * MINUTE).await;
    until_second(&rig, 30, 0).await;
    rig.machine.lock().job_begins_after = Duration::from_secs(60);
    sleep(MINUTE).await;
    let rig = rig.next_keeper().await;
    rig.machine.lock().job_begins_after = Duration::ZERO;
    rig.handle(&shop).settle().await.unwrap();
    sleep(MINUTE).await;
    assert_eq!(ran(&rig).len(), 0);
    let rig = rig.next_keeper().await;
    sleep(MINUTE).await;
    assert_eq!(ran(&rig).len(), 1);
}

/// What became of each time, by all that was ever told of it. What went well long ago is forgotten, so it is asked often.
#[derive(Default)]
struct Account(BTreeMap<Timestamp, api::schedule::Run>);

impl Account {
    async fn take(&mut self, rig: &Rig, site: &Site) {
        for job in rig.handle(site).status().await.unwrap().schedules {
            self.0.extend(job.past.into_iter().map(|run| (run.due.parse().unwrap(), run)));
        }
    }

    /// How many times there were from the first to the last, and of how many something is told.
    fn minutes_and_told(&self) -> (i64, i64) {
        let minute = |due: &Timestamp| due.as_second() / 60;
        let times = |run: &api::schedule::Run| (run.missed as i64).max(1);
        let (first, last) = (self.0.first_key_value().unwrap(), self.0.last_key_value().unwrap());
        let whole = minute(last.0) - minute(first.0) + times(first.1);
        (whole, self.0.values().map(times).sum())
    }
}

/// Kills, power cuts, deploys and clocks that are set, at random moments: each minute has one run or a record of why not.
async fn chaos(seed: u64) {
    let mut dice = Dice(seed);
    let (mut rig, shop) = (Rig::new().await, site("shop/production"));
    let every_minute = with(&shop, cron("* * * * *", "takes:7"));
    rig.deploy(&every_minute, "one").await;
    let mut account = Account::default();
    until_second(&rig, 30, 0).await;
    for n in 0..12 {
        sleep(Duration::from_millis(dice.roll(90_000))).await;
        account.take(&rig, &shop).await;
        match dice.roll(5) {
            0 | 1 => rig = rig.next_keeper().await,
            2 => rig = rig.reboot().await,
            3 => drop(rig.begin(&every_minute, &format!("release {n}")).await),
            _ => rig.machine.lock().clock_ahead += SignedDuration::from_secs(dice.roll(600) as i64 - 200),
        }
    }
    sleep(5 * MINUTE).await;
    until_second(&rig, 30, 0).await;
    account.take(&rig, &shop).await;
    let (whole, told) = account.minutes_and_told();
    assert_eq!(told, whole, "seed {seed}: {:#?}", account.0);
    assert_eq!(rig.machine.promises(), Vec::<String>::new(), "seed {seed}");
    let runs = rig.machine.lock().ran.clone();
    let mut processes: Vec<_> = runs.iter().map(|ran| ran.process).collect();
    processes.sort();
    processes.dedup();
    assert_eq!(processes.len(), runs.len(), "seed {seed}: a run was begun twice");
    let began =
        account.0.values().filter(|run| ["succeeded", "lost"].contains(&run.outcome.as_str())).count();
    assert_eq!(began, runs.len(), "seed {seed}: {:#?}", account.0);
    rig.sites.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_each_time_is_run_once_or_accounted_for() {
    let seeds = std::env::var("MAINSTAY_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    for seed in 0..seeds {
        chaos(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_logbook_that_does_not_read_stops_schedules_and_nothing_else() {
    let (rig, shop) = (Rig::new().await, site("shop/production"));
    let every_minute = with(&shop, cron("* * * * *", "takes:1"));
    rig.deploy(&every_minute, "one").await;
    sleep(MINUTE).await;
    let logbook = rig.data.path().join("apps/shop/production/schedule.json");
    let whole = std::fs::read(&logbook).unwrap();
    std::fs::write(&logbook, "{").unwrap();
    let rig = rig.next_keeper().await;
    let before = ran(&rig).len();
    assert_eq!(rig.deploy(&every_minute, "two").await.serving, Some(2));
    sleep(2 * MINUTE).await;
    assert_eq!(ran(&rig).len(), before);
    assert_eq!(job(&rig, &shop).await.problem.unwrap().code, "logbook-unreadable");
    std::fs::write(&logbook, whole).unwrap();
    sleep(2 * MINUTE).await;
    assert!(ran(&rig).len() > before && job(&rig, &shop).await.problem.is_none());
    rig.check(&shop).await;
}
