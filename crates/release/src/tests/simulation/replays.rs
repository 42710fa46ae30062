//! Traces that are told again by real processes (`e2e/tests/journeys/replays.rs`): of each step what is done, what breaks,
//! and what the model says that comes of it. They are kept in a file beside the journey, and this test says when the model
//! says something else by now.

use std::time::Duration;

use api::deploy::{Phase, Rollback};
use model::manifest::Manifest;
use serde_json::{Value, json};
use testkit::worlds::Dice;
use tokio::time::sleep;

use super::story::TICK;
use crate::{
    Refused, history,
    journal::{self, Kind, Record},
    layout::Layout,
    tests::{
        failpoint,
        rig::{Rig, caller, manifest, site},
    },
};

/// As many are replayed.
const TRACES: usize = 20;
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2e/tests/journeys/replays.json");

/// What real processes can be told to do as well: the fake app has a setting for each.
const BEHAVIOURS: [&str; 8] =
    ["good", "good", "good", "slow:2", "throws", "never-up", "never-ready", "unready-after:12"];
/// Where the keeper dies, right after it has written that the phase is entered.
const PLACES: [Phase; 7] =
    [Phase::Preflight, Phase::Stage, Phase::Start, Phase::Gate, Phase::Switch, Phase::Bake, Phase::Commit];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    KeeperDiesAt(Phase),
    EdgeDies,
    InstancesCrash,
    PowerCut,
    /// No real process can be given this one: a clock that jumps, a torn write, a table that comes late.
    Unreal,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Deploy(&'static str),
    Rollback,
    Restart,
}

/// Three steps after a first good release; from the seed alone.
fn steps(seed: u64) -> Vec<(Fault, Act)> {
    let mut dice = Dice(seed);
    let mut one = || {
        let fault = match dice.roll(12) {
            0..=3 => Fault::None,
            4..=6 => Fault::KeeperDiesAt(PLACES[dice.roll(7) as usize]),
            7 => Fault::EdgeDies,
            8 => Fault::InstancesCrash,
            9 => Fault::PowerCut,
            _ => Fault::Unreal,
        };
        let act = match dice.roll(6) {
            0 => Act::Rollback,
            1 => Act::Restart,
            _ => Act::Deploy(BEHAVIOURS[dice.roll(8) as usize]),
        };
        (fault, act)
    };
    (0..3).map(|_| one()).collect()
}

/// Two faults at least, and none that cannot be given.
fn is_replayed(steps: &[(Fault, Act)]) -> bool {
    let faults = steps.iter().filter(|(fault, _)| *fault != Fault::None).count();
    faults >= 2 && steps.iter().all(|(fault, _)| *fault != Fault::Unreal)
}

/// The first seeds that are replayed, and how many were looked at for them.
fn chosen() -> (Vec<u64>, u64) {
    let seeds: Vec<u64> = (0..).filter(|seed| is_replayed(&steps(*seed))).take(TRACES).collect();
    let considered = seeds.last().map_or(0, |last| last + 1);
    (seeds, considered)
}

/// What the model says of one step.
async fn told(rig: &mut Option<Rig>, number: usize, (fault, act): (Fault, Act)) -> Value {
    let shop = site("shop/production");
    break_something(rig, fault).await;
    let mut here = rig.take().expect("a keeper");
    let journals = |rig: &Rig| history::deploys(&Layout::new(rig.data.path()).site(&shop));
    let before = journals(&here).len();
    let asked = tokio::select! {
        biased;
        () = here.died() => None,
        asked = begin(&here, act, number) => Some(asked),
    };
    let refused = asked.and_then(Result::err);
    let mut died = false;
    // Newest first.
    let records = loop {
        if here.is_dead() {
            died = true;
            here = here.next_keeper().await;
        }
        let newest = journals(&here).first().cloned().filter(|_| journals(&here).len() > before);
        let records = newest.map(|(_, path)| journal::read(&path).unwrap().0).unwrap_or_default();
        if refused.is_some() || outcome(&records).is_some() {
            break records;
        }
        sleep(TICK).await;
    };
    failpoint::clear();
    here.settled(&shop).await;
    let phases: Vec<_> = records
        .iter()
        .filter_map(|record| match record.kind() {
            Some(Kind::Entered { phase }) => Some(phase.name()),
            _ => None,
        })
        .collect();
    let code = refused.map_or_else(|| outcome(&records), |refused| Some(refused.exit_code()));
    let serving = here.serving(&shop).await;
    *rig = Some(here);
    json!({
        "fault": fault_word(fault), "act": act_word(act),
        "code": code, "serving": serving, "phases": phases, "died": died,
    })
}

fn outcome(records: &[Record]) -> Option<u8> {
    records.iter().filter_map(Record::kind).find_map(|kind| match kind {
        Kind::Ended { outcome, .. } => Some(outcome.exit_code()),
        _ => None,
    })
}

async fn break_something(rig: &mut Option<Rig>, fault: Fault) {
    let here = rig.as_ref().expect("a keeper");
    match fault {
        Fault::None | Fault::Unreal => {}
        Fault::KeeperDiesAt(phase) => failpoint::plan_at(phase, here.dead()),
        Fault::EdgeDies => here.machine.lock().edge_dies(Duration::from_secs(1)),
        Fault::InstancesCrash => {
            let mut inner = here.machine.lock();
            let port = inner.next_port + 1;
            inner.next_port += 8;
            (port..).zip(inner.instances.values_mut()).for_each(|(port, i)| i.crash(0.5, port));
        }
        Fault::PowerCut => {
            let here = rig.take().expect("a keeper");
            *rig = Some(here.reboot().await);
        }
    }
    // Both a real machine and this one are well again before the act.
    sleep(Duration::from_secs(10)).await;
}

async fn begin(rig: &Rig, act: Act, number: usize) -> Result<(), Refused> {
    let shop = site("shop/production");
    let handle = rig.handle(&shop);
    match act {
        Act::Deploy(behaviour) => {
            let wanted = rig.wanted(&manifest(&shop, behaviour), &format!("step {number}"));
            handle.deploy(wanted, caller()).await.map(drop)
        }
        Act::Rollback => handle.rollback(Rollback::default(), caller()).await.map(drop),
        Act::Restart => handle.restart(api::jobs::Restart { service: None }, caller()).await.map(drop),
    }
}

fn fault_word(fault: Fault) -> String {
    match fault {
        Fault::None => "none".to_owned(),
        Fault::KeeperDiesAt(phase) => format!("keeper dies at {}", phase.name()),
        Fault::EdgeDies => "edge dies".to_owned(),
        Fault::InstancesCrash => "instances crash".to_owned(),
        Fault::PowerCut => "power cut".to_owned(),
        Fault::Unreal => unreachable!("such a seed is not chosen"),
    }
}

fn act_word(act: Act) -> String {
    match act {
        Act::Deploy(behaviour) => format!("deploy {behaviour}"),
        Act::Rollback => "rollback".to_owned(),
        Act::Restart => "restart".to_owned(),
    }
}

fn trace(seed: u64) -> Value {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        failpoint::clear();
        let shop = site("shop/production");
        let rig = Rig::ticking(TICK).await;
        let first: Manifest = manifest(&shop, "good");
        rig.deploy(&first, "first").await;
        rig.settled(&shop).await;
        let (mut rig, mut told_steps) = (Some(rig), Vec::new());
        for (number, step) in steps(seed).into_iter().enumerate() {
            told_steps.push(told(&mut rig, number, step).await);
        }
        json!({ "seed": seed, "steps": told_steps })
    })
}

/// `MAINSTAY_WRITE_REPLAYS=1` writes them anew.
#[test]
fn the_traces_that_real_processes_replay_are_what_the_model_says() {
    let (seeds, considered) = chosen();
    let traces: Vec<_> = seeds.into_iter().map(trace).collect();
    let now = json!({ "considered": considered, "traces": traces });
    if std::env::var_os("MAINSTAY_WRITE_REPLAYS").is_some() {
        std::fs::write(FILE, format!("{now:#}\n")).unwrap();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(FILE).unwrap()).unwrap();
    assert_eq!(
        now, kept,
        "MAINSTAY_WRITE_REPLAYS=1 cargo test -p release --lib replays writes the traces anew"
    );
}
