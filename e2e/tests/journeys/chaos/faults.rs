//! The random half: a process is killed or stopped, the disk fills or is slow, and everything must be back in time.

use std::{sync::Mutex, time::Duration};

use rustix::process::Signal;
use testkit::{
    mainstay::processes::{is_alive, kill, parent, signal},
    wait,
};

use super::{
    bad_disk,
    bag::Bag,
    blame::{self, Allowance, Fault},
    cells::Coverage,
    world::{BACK_LIMIT, World, is_root},
};
use crate::held::{Held, edge_status};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    KillKeeper,
    KillEdge,
    KillShimOfEdge,
    KillInstance,
    KillShim,
    KillUp,
    KillStation,
    /// Until another one has taken its place.
    HangKeeper,
    HangEdge,
    /// For a while: nobody is replaced.
    PauseInstance,
    PauseShim,
    PauseShimOfEdge,
    PauseUp,
    /// For a while each of its answers takes longer.
    SlowInstance,
    PauseStation,
    FullDisk,
    SlowFsync,
}

use Kind::{
    FullDisk, HangEdge, HangKeeper, KillEdge, KillInstance, KillKeeper, KillShim, KillShimOfEdge,
    KillStation, KillUp, PauseInstance, PauseShim, PauseShimOfEdge, PauseStation, PauseUp, SlowFsync,
    SlowInstance,
};

/// A killed keeper costs nobody anything, so there is time for many.
const ALL: [Kind; 19] = [
    KillKeeper,
    KillKeeper,
    KillKeeper,
    KillEdge,
    KillShimOfEdge,
    KillInstance,
    KillShim,
    KillUp,
    KillStation,
    HangKeeper,
    HangEdge,
    PauseInstance,
    PauseShim,
    PauseShimOfEdge,
    PauseUp,
    SlowInstance,
    PauseStation,
    FullDisk,
    SlowFsync,
];
/// Of these only root shows something.
const OF_ROOT: [Kind; 2] = [FullDisk, SlowFsync];
/// How long what is stopped for a while stands still; shorter than what any probe allows.
const PAUSE: Duration = Duration::from_secs(2);
/// How much longer an answer of a slow instance takes, in milliseconds, and for how long it is slow.
const SLOWER_MS: &str = "1500";
const SLOW: Duration = Duration::from_secs(4);

/// A hand that strikes every few seconds until `is_done`, and then until each kind had its turn.
pub(super) fn strike(
    world: &World,
    dice: fastrand::Rng,
    coverage: &Mutex<Coverage>,
    is_done: impl Fn() -> bool,
) {
    let all: Vec<_> = ALL.into_iter().filter(|kind| is_root() || !OF_ROOT.contains(kind)).collect();
    if !is_root() {
        println!("only root fills a disk and slows it down; not shown in this run");
    }
    let (kinds, mut struck, mut slowest) = (all.len(), 0, (Duration::ZERO, None));
    let mut bag = Bag::new(all, dice);
    let has_struck_all = |struck| struck >= kinds && is_done();
    while !(world.is_over() || world.is_late() || has_struck_all(struck)) {
        world.let_pass(Duration::from_millis(bag.dice.u64(500..2500)));
        let kind = bag.draw(|_| true);
        let _struck = world.striking();
        hit(kind, world, &mut bag.dice, coverage);
        struck += 1;
        slowest = slowest.max((world.wait_until_whole(&format!("{kind:?}")), Some(kind)));
    }
    println!("    {struck} faults at random; the longest way back took {slowest:?}");
}

fn hit(kind: Kind, world: &World, dice: &mut fastrand::Rng, coverage: &Mutex<Coverage>) {
    match kind {
        KillKeeper => kill_keeper(world, coverage),
        KillEdge => kill_edge(world, "edge", |edge| edge),
        KillShimOfEdge => kill_edge(world, "shim of the edge", |edge| parent(edge).expect("it has a shim")),
        KillInstance => kill_instance(world, dice, "", |app| app),
        KillShim => kill_instance(world, dice, "shim of ", |app| parent(app).unwrap_or(app)),
        KillUp => kill_up(world),
        KillStation => kill_station(world),
        HangKeeper => hang_keeper(world),
        HangEdge => hang_edge(world),
        PauseInstance => {
            let (name, pid) = an_instance(world, dice);
            pause(world, &name, pid);
        }
        PauseShim => {
            let (name, pid) = an_instance(world, dice);
            pause(world, &format!("shim of {name}"), parent(pid).unwrap_or(pid));
        }
        PauseUp => {
            let up = world.mainstay().up_pid();
            pause(world, "`mainstay up`", up);
        }
        PauseShimOfEdge => {
            let shim = parent(world.mainstay().edge_pid()).expect("it has a shim");
            pause(world, "shim of the edge", shim);
        }
        SlowInstance => slow_down_an_instance(world, dice),
        FullDisk => bad_disk::fill(world),
        SlowFsync => bad_disk::slow_down(world),
        PauseStation => {
            let station = world.mainstay().station_pid();
            pause(world, "the station", station);
        }
    }
}

/// Does what happens to a process and blames it for the time that this took.
pub(super) fn during(world: &World, words: String, allows: Vec<Allowance>, happens: impl FnOnce()) {
    let from = world.judge.now();
    happens();
    world.blame(Fault { words, from, until: world.judge.now(), allows });
}

fn end(pid: u32) {
    kill(pid);
    wait::until(&format!("{pid} is gone"), BACK_LIMIT, || !is_alive(pid));
}

fn kill_keeper(world: &World, coverage: &Mutex<Coverage>) {
    let keeper = world.mainstay().keeper_pid();
    let phase = world.status().and_then(|status| Some(status["deploy"]["phase"].as_str()?.to_owned()));
    let during_phase = phase.as_ref().map(|phase| format!(" in {phase}")).unwrap_or_default();
    during(world, format!("kill of the keeper{during_phase}"), Vec::new(), || end(keeper));
    if let Some(phase) = phase {
        coverage.lock().expect("no panic holds it").hit_by_chance(&phase);
    }
    another_keeper(world, keeper);
}

fn kill_edge(world: &World, what: &str, hit: impl FnOnce(u32) -> u32) {
    let edge = world.mainstay().edge_pid();
    let restarts = world.machine().map_or(0, |machine| restarts_of_edge(&machine));
    let pid = hit(edge);
    during(world, format!("kill of the {what}"), blame::of_the_edge(&world.load), || {
        kill(pid);
        wait::until("the edge is gone", BACK_LIMIT, || !is_alive(edge));
    });
    // What status says of it: another one, counted.
    wait::until("status counts the restart of the edge", BACK_LIMIT, || {
        world.machine().is_some_and(|machine| {
            machine["edge"]["pid"].as_u64().is_some_and(|pid| pid != u64::from(edge))
                && restarts_of_edge(&machine) > restarts
        })
    });
}

fn restarts_of_edge(machine: &serde_json::Value) -> u64 {
    machine["edge"]["restarts"].as_u64().unwrap_or(0)
}

/// Any that runs: a candidate, one that serves, one that drains.
fn an_instance(world: &World, dice: &mut fastrand::Rng) -> (String, u32) {
    let drawn = dice.usize(..1000);
    wait::value("an instance", BACK_LIMIT, || {
        let all: Vec<_> = world.mainstay().instances(&world.app.site()).into_iter().collect();
        all.get(drawn % all.len().max(1)).cloned()
    })
}

fn kill_instance(world: &World, dice: &mut fastrand::Rng, of: &str, hit: impl FnOnce(u32) -> u32) {
    let (name, app) = an_instance(world, dice);
    let pid = hit(app);
    let told = edge_status(&world.mainstay()).and_then(|status| Held::told(&status, &name));
    // One that the edge does not know holds nothing.
    let allows = blame::of_an_instance(&name, told.unwrap_or_default());
    during(world, format!("kill of the {of}{name}"), allows, || {
        kill(pid);
        wait::until(&format!("{name} is gone"), BACK_LIMIT, || !is_alive(app));
    });
    wait::until(&format!("status says what became of {name}"), BACK_LIMIT, || {
        says_what_became(world, &name, app)
    });
}

/// The dead process is nowhere; an instance that follows it was restarted, and how the one before ended is told.
fn says_what_became(world: &World, name: &str, dead: u32) -> bool {
    let Some(status) = world.status() else { return false };
    let services = status["services"].as_array().cloned().unwrap_or_default();
    let all =
        services.iter().flat_map(|service| service["instances"].as_array().cloned().unwrap_or_default());
    all.filter(|instance| instance["name"] == name).all(|instance| {
        let is_another = instance["pid"].as_u64() != Some(u64::from(dead));
        let is_told =
            instance["last_exit"].is_string() && instance["restarts"].as_u64().is_some_and(|n| n > 0);
        is_another && (is_told || instance["state"] == "stopping" || instance["state"] == "stopped")
    })
}

fn kill_up(world: &World) {
    during(world, "kill of `mainstay up`".into(), Vec::new(), || {
        world.change(|mainstay| mainstay.kill_up());
        // Where the keeper dies as well nobody is left to tell it, and nobody follows.
        wait::until("status says that nothing restarts the keeper", BACK_LIMIT, || {
            world.machine().is_none_or(|machine| machine["has_parent"] == false)
        });
        world.change(|mainstay| mainstay.up());
    });
}

/// Nothing of the traffic may fail by it.
fn kill_station(world: &World) {
    let station = world.mainstay().station_pid();
    during(world, "kill of the station".into(), Vec::new(), || end(station));
    wait::until("status says that there is another station", BACK_LIMIT, || {
        world.machine().is_some_and(|machine| {
            machine["station"]["pid"].as_u64().is_some_and(|pid| pid != u64::from(station))
        })
    });
}

fn hang(world: &World, what: &str, pid: u32, allows: Vec<Allowance>) {
    during(world, format!("stop of the {what} until it is replaced"), allows, || {
        signal(pid, Signal::STOP);
        wait::until(&format!("the stopped {what} is ended"), BACK_LIMIT, || !is_alive(pid));
    });
}

fn hang_keeper(world: &World) {
    let keeper = world.mainstay().keeper_pid();
    hang(world, "keeper", keeper, Vec::new());
    another_keeper(world, keeper);
}

/// Status says that there is another one, and that it was not the first.
fn another_keeper(world: &World, keeper: u32) {
    wait::until("status counts the restart of the keeper", BACK_LIMIT, || {
        world.machine().is_some_and(|machine| {
            machine["keeper"]["pid"] != keeper
                && machine["keeper"]["restarts"].as_u64().is_some_and(|n| n > 0)
        })
    });
}

fn hang_edge(world: &World) {
    let edge = world.mainstay().edge_pid();
    let hung = |world: &World| world.machine().and_then(|machine| machine["edge_hung"].as_u64());
    let before = wait::value("status", BACK_LIMIT, || hung(world));
    hang(world, "edge", edge, blame::of_the_edge(&world.load));
    wait::until("status counts the hung edge", BACK_LIMIT, || hung(world).is_some_and(|now| now > before));
}

/// Goes on by itself: it held things up, and broke none.
fn pause(world: &World, what: &str, pid: u32) {
    struct Stopped(u32);
    impl Drop for Stopped {
        fn drop(&mut self) {
            signal(self.0, Signal::CONT);
        }
    }
    during(world, format!("stop of {what} for {PAUSE:?}"), Vec::new(), || {
        let _stopped = Stopped(pid);
        signal(pid, Signal::STOP);
        world.let_pass(PAUSE);
    });
}

/// Its answers come, late, or others give them: nothing fails.
fn slow_down_an_instance(world: &World, dice: &mut fastrand::Rng) {
    let (name, _) = an_instance(world, dice);
    let file = world.slowness_of(&name);
    during(world, format!("{name} answers {SLOWER_MS} ms later"), Vec::new(), || {
        std::fs::write(&file, SLOWER_MS).expect("the folder of the ledger is there");
        world.let_pass(SLOW);
        std::fs::remove_file(&file).expect("what this test wrote");
    });
}
