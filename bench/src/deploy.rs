//! Deploys beside PM2: the same Node app, the same load, the same judge; failed requests, cut streams, time.
//!
//! The cases are those that people report of PM2 and that were measured when Mainstay was designed. PM2 runs the app in
//! cluster mode with two workers, Mainstay as two instances behind its edge.

mod rig;

use std::{
    thread,
    time::{Duration, Instant},
};

use rig::{Mainstays, Pm2s, Rig};
use testkit::{Failure, Judge, Load, Report};

use crate::install;

/// What happens under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// A deploy with these variables.
    Deploy(&'static [(&'static str, &'static str)]),
    KillInstance,
    KillKeeper,
}

struct Case {
    name: &'static str,
    load: fn() -> Load,
    /// Of the first release, and of the next where the act does not say otherwise.
    variables: &'static [(&'static str, &'static str)],
    instances: u32,
    act: Act,
    /// How the deploy must end under Mainstay.
    exit: i32,
    /// Whether requests may fail that the killed process held.
    may_lose_held: bool,
}

const CASES: [Case; 13] = [
    case("reload, short requests on keep-alive", short, Act::Deploy(&[("FAKE_LABEL", "2")]), 0),
    case("reload, 500 ms requests on keep-alive", slow, Act::Deploy(&[("FAKE_LABEL", "2")]), 0),
    case("reload, 20 event streams", streams, Act::Deploy(&[("FAKE_LABEL", "2")]), 0),
    case("reload, a new connection for each request", fresh, Act::Deploy(&[("FAKE_LABEL", "2")]), 0),
    Case {
        variables: &[("FAKE_STOP", "die")],
        ..case(
            "reload of an app without signal handling",
            short,
            Act::Deploy(&[("FAKE_STOP", "die"), ("FAKE_LABEL", "2")]),
            0,
        )
    },
    Case {
        instances: 1,
        ..case("reload of one process, 500 ms requests", slow, Act::Deploy(&[("FAKE_LABEL", "2")]), 0)
    },
    case("new release throws at boot", short, Act::Deploy(&[("FAKE_BOOT", "throw")]), 4),
    case("new release never listens", short, Act::Deploy(&[("FAKE_BOOT", "never-listen")]), 4),
    case("new release answers 500", short, Act::Deploy(&[("FAKE_STATUS", "500")]), 4),
    case("new release boots for 5 s", short, Act::Deploy(&[("FAKE_BOOT_DELAY_MS", "5000")]), 0),
    case("new release boots for 10 s", short, Act::Deploy(&[("FAKE_BOOT_DELAY_MS", "10000")]), 0),
    Case { may_lose_held: true, ..case("kill -9 of one of two instances", short, Act::KillInstance, 0) },
    case("kill -9 of the keeper (PM2: its daemon)", short, Act::KillKeeper, 0),
];

const fn case(name: &'static str, load: fn() -> Load, act: Act, exit: i32) -> Case {
    Case { name, load, variables: &[], instances: 2, act, exit, may_lose_held: false }
}

/// How long the load goes on after the act: an outage shows.
const AFTER: Duration = Duration::from_secs(5);

/// One row.
struct Row {
    report: Report,
    exit: i32,
    took: Duration,
    held: usize,
}

/// `only`: the cases with this in their name.
pub(crate) fn run(quick: bool, only: Option<&str>) -> bool {
    let pm2 = install::pm2();
    let runs = if quick { 1 } else { 3 };
    let mut met = true;
    for case in CASES.iter().filter(|case| only.is_none_or(|text| case.name.contains(text))) {
        println!("\n{}", case.name);
        for _ in 0..runs {
            let ours = measure(case, &mut Mainstays::start(case.instances, case.variables));
            show("mainstay", &ours);
            let theirs = measure(case, &mut Pm2s::start(&pm2, case.instances, case.variables));
            show("pm2", &theirs);
            met &= meets(case, &ours);
        }
    }
    met
}

fn measure(case: &Case, rig: &mut dyn Rig) -> Row {
    let judge = Judge::start(rig.target(), (case.load)());
    judge.wait_answers(20);
    let held = judge.open_now();
    let began = Instant::now();
    let exit = match case.act {
        Act::Deploy(variables) => rig.deploy(variables),
        Act::KillInstance => rig.kill_instance(),
        Act::KillKeeper => rig.kill_keeper(),
    };
    let took = began.elapsed();
    thread::sleep(AFTER);
    Row { report: judge.finish(None), exit, took, held }
}

fn show(who: &str, row: &Row) {
    let asked = row.report.right.values().sum::<u64>() as usize + row.report.failures.len();
    let cut = row.report.count(Failure::StreamCut);
    println!(
        "  {who:<9} {:>5} of {asked:>6} failed, {cut:>2} streams cut, exit {}, {:>5.1} s",
        row.report.failures.len(),
        row.exit,
        row.took.as_secs_f64(),
    );
}

fn meets(case: &Case, row: &Row) -> bool {
    let allowed = if case.may_lose_held { row.held } else { 0 };
    let met = row.report.failures.len() <= allowed && row.exit == case.exit;
    if !met {
        println!("  missed: at most {allowed} failed and exit {}\n{}", case.exit, row.report);
    }
    met
}

fn none() -> Load {
    Load { short: 0, slow: 0, pausing: 0, writers: 0, streams: 0, websockets: 0, ..Load::mixed() }
}

/// About 300 requests a second. Small answers: Node makes the filler slowly.
fn short() -> Load {
    Load { short: 8, answer_bytes_max: 200, ..none() }
}

/// The same, each on a connection of its own.
fn fresh() -> Load {
    Load { fresh: true, ..short() }
}

/// About 100 requests a second that take half a second each.
fn slow() -> Load {
    Load { slow: 50, ..none() }
}

fn streams() -> Load {
    Load { streams: 20, short: 1, answer_bytes_max: 200, ..none() }
}
