//! CPU per request and p99 of the edge beside nginx, HAProxy and Caddy: HTTP/1.1 and HTTP/2, plain and TLS, 1 and 64 KiB.
//!
//! All proxies stand before the same upstream and are measured in turns, several rounds, each pinned to the first core
//! while load and upstream have the others. The figure is the median of the rounds; the bar is a ratio to nginx.

pub(crate) mod load;
pub(crate) mod peers;

use load::{Cell, Run, Sample};
use peers::{OURS, Peer};
use testkit::{FakeApp, Mainstay, mainstay::processes::parent};

use crate::{cpu, install};

/// Most CPU per request, as a multiple of nginx's in the same cell.
const BAR_H1: f64 = 1.15;
const BAR_H2: f64 = 1.25;

/// `only`: cells with this in their name.
pub(crate) fn run(quick: bool, only: Option<&str>) -> bool {
    let debian = install::debian_13();
    // One worker, as the peers have: two that share the first core would take turns, and p99 would show it.
    let mainstay = Mainstay::start_with("[edge]\nworkers = 1");
    FakeApp::new(&mainstay, "fake").any_host().instances(1).deploy_to(&mainstay, &[]).expect_code(0);
    let upstream = upstream(&mainstay, "fake/production");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut peers = vec![Peer::mainstay(&mainstay)];
    peers.extend(Peer::all_of_debian(&debian, folder.path(), &upstream));
    peers.iter().for_each(|peer| println!("{:<10} {}", peer.name, peer.version));
    peers.iter().for_each(Peer::pin_to_first_core);
    let (rounds, seconds) = if quick { (1, 2) } else { (5, 5) };
    let cells =
        Cell::all().into_iter().filter(|cell| only.is_none_or(|only| cell.to_string().contains(only)));
    let met = cells.map(|cell| table(&peers, cell, rounds, seconds));
    // Every cell is measured and shown, also after one that missed its bar.
    met.collect::<Vec<_>>().into_iter().all(|met| met)
}

/// Measures one cell with all peers in turns and prints its rows.
fn table(peers: &[Peer], cell: Cell, rounds: usize, seconds: u32) -> bool {
    let mut samples = vec![Vec::new(); peers.len()];
    for round in 0..=rounds {
        for (peer, samples) in peers.iter().zip(&mut samples) {
            let sample = measure(peer, cell, if round == 0 { 1 } else { seconds });
            // The first round warms caches, connections and the page allocator.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let medians: Vec<Sample> = samples.iter().map(|samples| median(samples)).collect();
    let nginx = peers.iter().position(|peer| peer.name == "nginx").map_or(f64::NAN, |n| medians[n].cpu_us);
    println!("\n{cell}");
    for (peer, sample) in peers.iter().zip(&medians) {
        let Sample { cpu_us, p99_ms, requests_per_s, failed } = sample;
        println!(
            "  {:<10} {cpu_us:>8.1} µs CPU/request  {:>5.2} × nginx   p99 {p99_ms:>7.2} ms  {requests_per_s:>8.0}/s  {failed} failed",
            peer.name,
            cpu_us / nginx,
        );
    }
    let ours =
        peers.iter().position(|peer| peer.name == OURS).map_or(f64::NAN, |n| medians[n].cpu_us) / nginx;
    let bar = if cell.h2 { BAR_H2 } else { BAR_H1 };
    let met = ours <= bar;
    println!("  bar {bar:.2} × nginx: {}", if met { "met" } else { "missed" });
    met
}

fn measure(peer: &Peer, cell: Cell, seconds: u32) -> Sample {
    sample(peer, || load::run(peer, cell, seconds))
}

/// What `load` costs the peer.
pub(crate) fn sample(peer: &Peer, load: impl FnOnce() -> Run) -> Sample {
    let before = cpu::time_ns(&peer.pids);
    let run = load();
    let cpu_ns = cpu::time_ns(&peer.pids) - before;
    let cpu_us = cpu_ns as f64 / 1000.0 / run.requests.max(1) as f64;
    Sample {
        cpu_us,
        p99_ms: run.p99_ms,
        requests_per_s: run.requests as f64 / run.seconds,
        failed: run.failed,
    }
}

pub(crate) fn median(samples: &[Sample]) -> Sample {
    let middle = |value: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Sample {
        cpu_us: middle(|sample| sample.cpu_us),
        p99_ms: middle(|sample| sample.p99_ms),
        requests_per_s: middle(|sample| sample.requests_per_s),
        failed: samples.iter().map(|sample| sample.failed).sum(),
    }
}

/// Where the one instance of `site` listens, by the keeper's word.
pub(crate) fn upstream(mainstay: &Mainstay, site: &str) -> String {
    let status = mainstay.status(site);
    let address =
        status["services"][0]["instances"][0]["address"].as_str().expect("the instance has an address");
    let pid = mainstay.instances(site).into_values().next().expect("an instance runs");
    assert!(parent(pid).is_some(), "it runs");
    address.trim_start_matches("tcp:").trim_start_matches("http://").to_owned()
}
