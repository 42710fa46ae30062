//! How a process ends: by itself, when asked, when it will not, and when its shim is killed.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use supervisor::{Cause, StopPlan};

use crate::{
    house::{House, Keeper, is_alive, pids_of, until},
    root_trial, trial,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("an_exit_has_its_status_and_what_was_used", status),
        trial("an_app_that_ends_by_the_stop_signal_is_no_failure", clean_stop),
        trial("an_app_that_ignores_sigterm_is_killed_after_its_grace", ignores_term),
        trial("a_second_stop_can_only_shorten_the_first", shorter),
        trial("a_stopped_app_is_woken_to_hear_the_stop_signal", stopped_by_sigstop),
        trial("a_daemon_that_an_app_left_behind_dies_with_it", daemon),
        trial("what_a_stopping_app_leaves_behind_gets_the_rest_of_the_grace", orphans_get_the_grace),
        trial("a_killed_shim_takes_its_app_along_and_the_exit_is_lost", shim_killed),
        trial("what_an_app_started_dies_with_a_killed_shim_also_without_cgroups", strays_die),
        trial("a_stop_once_begun_survives_the_keeper", stop_survives),
        trial("a_running_process_cannot_be_forgotten", not_forgotten),
        trial("a_shim_that_is_told_to_end_stops_its_app_first", shim_told),
        root_trial("an_app_that_runs_out_of_memory_is_told_so", out_of_memory)
            .with_ignored_flag(!limits_memory()),
        root_trial("a_killed_shim_takes_an_app_of_another_user_along", shim_of_a_user_killed),
    ]
}

async fn status() {
    let house = House::new();
    let process = house.spawn(&house.shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3")).await;
    let exit = process.wait().await;
    assert_eq!((exit.cause, exit.asked, exit.oom), (Cause::Code(3), false, false));
    assert!(exit.usage.rss_max_bytes > 100_000, "{:?}", exit.usage);
    let process = house.spawn(&house.shell("kill -SEGV $$")).await;
    assert_eq!(process.wait().await.to_string(), "ended by SIGSEGV");
}

async fn clean_stop() {
    let house = House::new();
    let process = house.spawn(&house.shell("sleep 1000")).await;
    process.stop().await.expect("taken");
    let exit = process.wait().await;
    assert_eq!((&exit.cause, exit.asked), (&Cause::Signal(15), true));
    assert!(exit.is_clean());
}

/// An app that says when it has shut its ears.
async fn deaf(house: &House) -> supervisor::Process {
    let process = house.spawn(&house.shell("trap '' TERM; echo deaf; while :; do sleep 1; done")).await;
    until("it is deaf", || house.texts() == ["deaf"]).await;
    process
}

async fn ignores_term() {
    let house = House::new();
    let process = deaf(&house).await;
    let began = Instant::now();
    let plan = StopPlan { signal: 15, grace: Duration::from_millis(500) };
    process.stop_with(plan).await.expect("taken");
    let exit = process.wait().await;
    assert_eq!((exit.cause, exit.asked), (Cause::Signal(9), true));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(5), "{took:?}");
}

async fn shorter() {
    let house = House::new();
    let process = deaf(&house).await;
    let plan = |secs| StopPlan { signal: 15, grace: Duration::from_secs(secs) };
    process.stop_with(plan(1)).await.expect("taken");
    process.stop_with(plan(1000)).await.expect("taken");
    let began = Instant::now();
    process.wait().await;
    assert!(began.elapsed() < Duration::from_secs(5));
}

async fn stopped_by_sigstop() {
    let house = House::new();
    let process = house
        .spawn(&house.shell("trap 'echo heard; exit 0' TERM; echo up; while :; do sleep 0.05; done"))
        .await;
    until("it is up", || house.texts() == ["up"]).await;
    process.signal(19).await.expect("SIGSTOP");
    process.stop().await.expect("taken");
    assert_eq!(process.wait().await.cause, Cause::Code(0));
    assert_eq!(house.texts(), ["up", "heard"]);
}

async fn daemon() {
    let house = House::new();
    // Twice forked, in a session of its own, its output elsewhere: nothing but descent ties it to the app.
    let line = "setsid sh -c 'sleep 1000 </dev/null >/dev/null 2>&1 & echo $!' ; exit 0";
    let process = house.spawn(&house.shell(line)).await;
    assert_eq!(process.wait().await.cause, Cause::Code(0));
    let daemon: u32 = house.texts()[0].parse().expect("a pid");
    assert!(!is_alive(daemon));
}

async fn orphans_get_the_grace() {
    let house = House::new();
    // The parent dies of SIGTERM at once, as npm does; its child needs a moment to finish.
    let line = "sh -c 'trap \"sleep 0.3; echo finished; exit 0\" TERM; echo up; while :; do sleep 0.05; done' & wait";
    let process = house.spawn(&house.shell(line)).await;
    until("it is up", || house.texts() == ["up"]).await;
    process.stop().await.expect("taken");
    assert!(process.wait().await.is_clean());
    assert_eq!(house.texts(), ["up", "finished"]);
}

async fn kill_shim(house: &House, process: &supervisor::Process) {
    let [shim] = pids_of(process.dir())[..] else { panic!("one shim") };
    let pidfd = machine::pidfd::open(shim).expect("it lives");
    machine::pidfd::signal(&pidfd, 9).expect("killed");
    let exit = process.wait().await;
    assert_eq!(exit.cause, Cause::Lost);
    assert!(!is_alive(process.pid()));
    process.forget().await.expect("forgotten");
    assert_eq!(house.folders(), 0);
}

async fn shim_killed() {
    let house = House::new();
    let process = house.spawn(&house.shell("sleep 1000")).await;
    kill_shim(&house, &process).await;
}

/// In a session of its own and with another parent: only what it inherited tells whose it was.
async fn strays_die() {
    let house = House::without_cgroups();
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().expect("it starts");
    let line = "setsid sleep 1000 & echo $!; wait";
    for by_the_next_keeper in [false, true] {
        let process = house.spawn(&house.shell(line)).await;
        until("it has said its child's pid", || house.texts().len() > usize::from(by_the_next_keeper)).await;
        let child: u32 = house.texts().last().and_then(|pid| pid.parse().ok()).expect("a pid");
        let [shim] = pids_of(process.dir())[..] else { panic!("one shim") };
        machine::pidfd::signal(machine::pidfd::open(shim).expect("it lives"), 9).expect("killed");
        if by_the_next_keeper {
            // It looks once: a shim that is still dying would be found alive.
            until("the shim is gone", || u32::try_from(shim).is_ok_and(|pid| !is_alive(pid))).await;
            house.next_keeper().observe().await.expect("readable");
        } else {
            assert_eq!(process.wait().await.cause, Cause::Lost);
        }
        until("what it had started is gone", || !is_alive(child)).await;
        process.wait().await;
        process.forget().await.expect("forgotten");
    }
    assert!(is_alive(bystander.id()), "nobody else was meant");
    bystander.kill().expect("killed");
    bystander.wait().expect("collected");
}

async fn shim_of_a_user_killed() {
    let house = House::new();
    let mut order = house.order(&["sleep", "1000"]);
    let account = machine::users::by_name("nobody").expect("NSS").expect("there");
    let ids = supervisor::spec::Ids { uid: account.uid, gid: account.gid, groups: vec![account.gid] };
    order.user = Some(supervisor::User { name: account.name, ids, home: "/".into() });
    let process = house.spawn(&order).await;
    kill_shim(&house, &process).await;
}

async fn stop_survives() {
    let house = House::new();
    let mut keeper =
        Keeper::start(&house, "stop", "", &["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]);
    let said = keeper.says();
    keeper.kill();
    let pid: u32 = said.rsplit(' ').next().and_then(|pid| pid.parse().ok()).expect("a pid");
    until("the shim has killed it", || !is_alive(pid)).await;
    let found = house.next_keeper().observe().await.expect("readable");
    let [process] = crate::house::adopted(&found)[..] else { panic!("{found:?}") };
    assert!(process.wait().await.asked);
}

async fn not_forgotten() {
    let house = House::new();
    let process = house.spawn(&house.shell("sleep 1000")).await;
    assert!(process.forget().await.is_err());
    assert!(is_alive(process.pid()));
    process.stop().await.expect("taken");
    process.wait().await;
}

/// As a machine that shuts down does it.
async fn shim_told() {
    let house = House::new();
    let process = house
        .spawn(&house.shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"))
        .await;
    until("it is up", || house.texts() == ["up"]).await;
    let [shim] = pids_of(process.dir())[..] else { panic!("one shim") };
    machine::pidfd::signal(machine::pidfd::open(shim).expect("it lives"), 15).expect("sent");
    let exit = process.wait().await;
    assert_eq!((exit.cause, exit.asked), (Cause::Code(0), true));
    assert_eq!(house.texts(), ["up", "bye"]);
}

/// Only where the v2 tree has the memory controller.
fn limits_memory() -> bool {
    let mount = machine::cgroup::mount();
    mount.is_some_and(|mount| machine::cgroup::controllers(&mount).iter().any(|name| name == "memory"))
}

async fn out_of_memory() {
    let house = House::new();
    assert_eq!(house.supervisor.lost_abilities(), Vec::<String>::new());
    let mut order = house.shell("echo begun; tail /dev/zero; echo not reached");
    order.limits.memory_max = Some(model::ByteSize::mib(20));
    order.limits.tasks_max = Some(64);
    let process = house.spawn(&order).await;
    let exit = process.wait().await;
    // The shell may be the one that was taken, or see its `tail` taken; the limit is on both.
    assert!(exit.oom, "{exit:?}");
    assert!(house.texts().contains(&"begun".to_owned()));
    let [_shim] = pids_of(process.dir())[..] else { panic!("the shim was taken too") };
}
