//! Memory of all of Mainstay's processes with one app of two instances: at rest, and after 200,000 requests and five deploys.
//!
//! Counted is the proportional set size: pages that several processes share are divided among them. The app is not counted.

use std::{process::Command, time::Duration};

use testkit::{FakeApp, Mainstay, wait};

/// The whole of Mainstay must stay below.
const BAR_BYTES: u64 = 60 << 20;
/// What "flat" means: growth from the end of the first round to that of the last.
const GROWTH_BYTES_MAX: u64 = 4 << 20;
/// Rounds of load and deploys; in the first every page of the program that is needed comes in.
const ROUNDS: u32 = 3;
const DEPLOYS: u32 = 5;

pub(crate) fn run(quick: bool) -> bool {
    let requests = if quick { 20_000 } else { 200_000 };
    let mainstay = Mainstay::start();
    let mut app = FakeApp::new(&mainstay, "fake").any_host();
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let mut figures = vec![figure("at rest", &mainstay)];
    for round in 1..=ROUNDS {
        load(&mainstay, requests);
        figures.push(figure(&format!("round {round}: after {requests} requests"), &mainstay));
        for _ in 0..DEPLOYS {
            app = app.next();
            app.deploy_to(&mainstay, &[]).expect_code(0);
        }
        let replaced = |mainstay: &Mainstay| mainstay.instances(&app.site()).len() == 2;
        wait::until("the old generations are gone", Duration::from_secs(60), || replaced(&mainstay));
        figures.push(figure(&format!("round {round}: after {DEPLOYS} deploys"), &mainstay));
    }
    let highest = figures.iter().copied().max().unwrap_or(0);
    let growth = figures.last().map_or(0, |last| last.saturating_sub(figures[2]));
    println!("bar: below {} MiB: {}", BAR_BYTES >> 20, word(highest < BAR_BYTES));
    println!(
        "bar: flat, at most {} MiB more after the last round than after the first: {}",
        GROWTH_BYTES_MAX >> 20,
        word(growth <= GROWTH_BYTES_MAX)
    );
    highest < BAR_BYTES && growth <= GROWTH_BYTES_MAX
}

fn word(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

fn figure(when: &str, mainstay: &Mainstay) -> u64 {
    let memory = mainstay.memory();
    let processes = mainstay.processes().values().filter(|line| !line.contains("fakeapp")).count();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (pss, anonymous) = (mib(memory.pss), mib(memory.anonymous));
    println!(
        "{when:<32} {pss:>6.1} MiB PSS, {anonymous:>5.1} of it heap and stacks, in {processes} processes"
    );
    memory.pss
}

fn load(mainstay: &Mainstay, requests: u32) {
    let mut h2load = Command::new("h2load");
    h2load.args(["--h1", "-c", "64", "-t", "1", "-n", &requests.to_string()]);
    h2load.arg(format!("http://localhost:{}/plain/1024", mainstay.http().port()));
    let output = h2load.output().expect("h2load is installed (nghttp2-client)");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&format!("{requests} succeeded")), "{text}");
}
