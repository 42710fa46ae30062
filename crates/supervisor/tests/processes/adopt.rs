//! What the next keeper finds, wherever the last one or a shim died.

use std::time::Duration;

use libtest_mimic::Trial;
use supervisor::{Cause, Found};

use crate::{
    house::{House, Keeper, adopted, is_alive, pids_of, until},
    trial,
};

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        trial("a_process_lives_through_the_death_of_its_keeper_and_is_adopted", adopts),
        trial("an_app_stopped_by_sigstop_lives_through_the_death_of_its_keeper", sigstop),
        trial("an_exit_that_nobody_saw_is_found", unseen_exit),
        trial("an_app_whose_shim_was_killed_while_nobody_looked_is_lost", unseen_loss),
        trial("a_shim_that_hangs_is_killed_with_its_app", hung_shim),
        trial("another_spec_in_the_folder_is_not_adopted", other_spec),
        trial("a_new_keeper_finds_nothing_where_nothing_was", nothing),
        trial("temporary_folders_of_another_boot_are_removed_and_no_others", orphaned_tmp),
    ];
    let places = [
        ("spawn-folder", "nothing"),
        ("spawn-spec", "lost"),
        ("spawn-cgroup", "lost"),
        ("spawn-payload", "lost"),
        ("spawn-shim", "adopted"),
        ("spawn-told", "adopted"),
        ("shim-begun", "told"),
        ("shim-locked", "told"),
        ("shim-ctl", "told"),
        ("shim-forked", "told"),
    ];
    for (place, then) in places {
        tests.push(trial(&format!("death_at_{place}_leaves_a_known_state"), move || death_at(place, then)));
    }
    for place in ["shim-exited", "shim-family-ended", "shim-exit-written"] {
        tests.push(trial(&format!("death_at_{place}_leaves_a_known_exit"), move || death_at_exit(place)));
    }
    tests
}

async fn adopts() {
    let house = House::new();
    let line = "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done";
    let mut keeper = Keeper::start(&house, "spawn", "", &["/bin/sh", "-c", line]);
    let said = keeper.says();
    let (id, pid) = said.split_once(' ').expect("two words");
    keeper.kill();
    let found = house.next_keeper().observe().await.expect("readable");
    let [process] = adopted(&found)[..] else { panic!("{found:?}") };
    assert_eq!((process.id().to_string().as_str(), process.pid().to_string().as_str()), (id, pid));
    assert_eq!(process.spec().name, "web.1.1");
    until("it has written", || house.texts() == ["up"]).await;
    process.stop().await.expect("taken");
    assert_eq!(process.wait().await.cause, Cause::Code(9));
    process.forget().await.expect("forgotten");
    assert_eq!(house.folders(), 0);
}

async fn orphaned_tmp() {
    let house = House::new();
    let process = house.spawn(&house.shell("sleep 1000")).await;
    let tmp = house.path().join("tmp");
    let (orphan, other) = (tmp.join(ulid::Ulid::generate().to_string()), tmp.join("kept by hand"));
    std::fs::create_dir_all(orphan.join("below")).expect("made");
    std::fs::create_dir(&other).expect("made");
    let found = house.next_keeper().observe().await.expect("readable");
    let [adopted] = adopted(&found)[..] else { panic!("{found:?}") };
    let own = tmp.join(process.id().to_string());
    assert_eq!((orphan.exists(), other.exists(), own.exists()), (false, true, true));
    adopted.stop().await.expect("taken");
    adopted.wait().await;
}

async fn sigstop() {
    let house = House::new();
    let mut keeper = Keeper::start(&house, "spawn", "", &["sleep", "1000"]);
    let pid: u32 = keeper.says().rsplit(' ').next().and_then(|pid| pid.parse().ok()).expect("a pid");
    let app = machine::pidfd::open(pid.cast_signed()).expect("it lives");
    machine::pidfd::signal(&app, 19).expect("SIGSTOP");
    keeper.kill();
    let found = house.next_keeper().observe().await.expect("readable");
    let [process] = adopted(&found)[..] else { panic!("{found:?}") };
    process.signal(18).await.expect("SIGCONT");
    assert!(is_alive(pid));
    process.stop().await.expect("taken");
    assert!(process.wait().await.is_clean());
}

async fn unseen_exit() {
    let house = House::new();
    let mut keeper = Keeper::start(&house, "spawn", "", &["/bin/sh", "-c", "sleep 0.3; exit 4"]);
    let pid: u32 = keeper.says().rsplit(' ').next().and_then(|pid| pid.parse().ok()).expect("a pid");
    keeper.kill();
    until("it has ended", || !is_alive(pid)).await;
    let found = house.next_keeper().observe().await.expect("readable");
    let [process] = adopted(&found)[..] else { panic!("{found:?}") };
    assert_eq!(process.wait().await.cause, Cause::Code(4));
    // The same once more without the shim: the file says it.
    let [shim] = pids_of(process.dir())[..] else { panic!("one shim") };
    machine::pidfd::signal(machine::pidfd::open(shim).expect("it lives"), 9).expect("killed");
    until("the shim is gone", || !is_alive(shim.unsigned_abs())).await;
    let [Found::Ended { exit, .. }] = &house.next_keeper().observe().await.expect("readable")[..] else {
        panic!("not ended")
    };
    assert_eq!(exit.cause, Cause::Code(4));
}

async fn unseen_loss() {
    let house = House::new();
    let mut keeper = Keeper::start(&house, "spawn", "", &["sleep", "1000"]);
    let said = keeper.says();
    keeper.kill();
    let (id, pid) = said.split_once(' ').expect("two words");
    let pid: u32 = pid.parse().expect("a pid");
    let [shim] = pids_of(&house.path().join("run/i").join(id))[..] else { panic!("one shim") };
    machine::pidfd::signal(machine::pidfd::open(shim).expect("it lives"), 9).expect("killed");
    until("the app died with it", || !is_alive(pid)).await;
    let keeper = house.next_keeper();
    let [Found::Ended { exit, spec }] = &keeper.observe().await.expect("readable")[..] else {
        panic!("not ended")
    };
    assert_eq!(exit.cause, Cause::Lost);
    keeper.forget(spec).await;
    assert_eq!(house.folders(), 0);
}

async fn hung_shim() {
    let house = House::new();
    let process = house.spawn(&house.shell("sleep 1000")).await;
    let [shim] = pids_of(process.dir())[..] else { panic!("one shim") };
    machine::pidfd::signal(machine::pidfd::open(shim).expect("it lives"), 19).expect("SIGSTOP");
    let [Found::Ended { exit, .. }] = &house.next_keeper().observe().await.expect("readable")[..] else {
        panic!("not ended")
    };
    assert_eq!(exit.cause, Cause::Lost);
    until("both are gone", || !is_alive(process.pid()) && !is_alive(shim.unsigned_abs())).await;
}

async fn other_spec() {
    let house = House::new();
    let process = house.spawn(&house.shell("sleep 1000")).await;
    let path = process.dir().join("spec.json");
    let spec = std::fs::read_to_string(&path).expect("there");
    std::fs::write(&path, spec.replace("sleep 1000", "sleep 2000")).expect("written");
    let found = house.next_keeper().observe().await.expect("readable");
    assert!(adopted(&found).is_empty(), "{found:?}");
    until("it is gone", || !is_alive(process.pid())).await;
}

async fn nothing() {
    let house = House::new();
    assert!(house.supervisor.observe().await.expect("readable").is_empty());
}

/// The keeper or the shim dies at `place` of a spawn. `then`: what the next keeper finds, or the living one is told.
async fn death_at(place: &'static str, then: &'static str) {
    let house = House::new();
    let mut keeper = Keeper::start(&house, "spawn", place, &["/bin/sh", "-c", "echo up; sleep 1000"]);
    let said = keeper.says();
    if then == "told" {
        assert!(said.starts_with("failed "), "the shim died and its keeper says so: {said}");
        assert_eq!(house.folders(), 0);
        return;
    }
    assert_eq!(said, "", "the keeper died");
    let next = house.next_keeper();
    let found = next.observe().await.expect("readable");
    match (then, &found[..]) {
        ("nothing", []) => {}
        ("lost", [Found::Ended { exit, .. }]) => assert_eq!(exit.cause, Cause::Lost),
        ("adopted", [Found::Adopted(process)]) => {
            until("it runs", || house.texts() == ["up"]).await;
            process.stop().await.expect("taken");
            assert!(process.wait().await.is_clean());
        }
        (_, other) => panic!("{other:?}"),
    }
    for found in found {
        let dir = house.path().join("run/i").join(found.spec().id.to_string());
        next.forget(found.spec()).await;
        until("no shim is left", || pids_of(&dir).is_empty()).await;
    }
    assert_eq!(house.folders(), 0, "a folder that stays keeps the run folder");
}

/// The shim dies while it ends: the exit is lost before it is written, known after.
async fn death_at_exit(place: &'static str) {
    let house = House::new();
    let mut keeper = Keeper::start(&house, "spawn", place, &["/bin/sh", "-c", "sleep 0.2; exit 5"]);
    let said = keeper.says();
    let (id, _) = said.split_once(' ').expect("two words");
    let dir = house.path().join("run/i").join(id);
    until("the shim is dead", || pids_of(&dir).is_empty()).await;
    keeper.kill();
    tokio::time::timeout(Duration::from_secs(10), async {
        let [Found::Ended { exit, .. }] = &house.next_keeper().observe().await.expect("readable")[..] else {
            panic!("not ended")
        };
        let expected = if place == "shim-exit-written" { Cause::Code(5) } else { Cause::Lost };
        assert_eq!(exit.cause, expected);
    })
    .await
    .expect("found in time");
}
