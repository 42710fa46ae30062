//! Whether a request costs the same with 10, 1,000 and 10,000 routes, as many certificates and as many clients with a limit:
//! CPU per request as a multiple of the same proxy's with the fewest, beside nginx and HAProxy configured alike.
//!
//! Requests name hosts and clients in turn, each as often as any other. Two cells: connections that are kept, and a handshake
//! for each request.

mod rig;

use std::{fmt, path::Path};

use rig::{Rig, SERVED_APPS_ROUTES_MAX};

use crate::{
    cpu,
    edge::{
        load::{self, Sample},
        median,
        peers::{OURS, Peer},
        sample,
    },
    install,
};

const ROUTES: &str = "10,1000,10000";
/// Most CPU per request, as a multiple of what it is with the fewest routes.
const BAR: f64 = 1.15;

/// What connections are used for.
#[derive(Clone, Copy, PartialEq)]
enum Cell {
    Kept,
    Handshakes,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "HTTP/1.1, plain, connections kept",
            Self::Handshakes => "HTTP/1.1, TLS, a handshake for each request",
        })
    }
}

/// One proxy in one cell with so many routes.
struct Row {
    cell: Cell,
    routes: usize,
    name: &'static str,
    sample: Sample,
    memory: u64,
}

/// `routes`: numbers with commas between them, the fewest first.
pub(crate) fn run(quick: bool, routes: Option<&str>) -> bool {
    let sizes = routes.unwrap_or(ROUTES).split(',').map(|n| n.trim().parse().expect("numbers, as 10,1000"));
    let sizes: Vec<usize> = sizes.collect();
    println!("an app for each {SERVED_APPS_ROUTES_MAX} routes");
    let debian = install::debian_13();
    let rows: Vec<Row> = sizes.iter().flat_map(|&routes| measured(&debian, routes, quick)).collect();
    let cells = [Cell::Kept, Cell::Handshakes].map(|cell| table(cell, &rows));
    cells.into_iter().all(|met| met)
}

/// All proxies with so many routes, in turns.
fn measured(debian: &Path, routes: usize, quick: bool) -> Vec<Row> {
    let (rounds, seconds) = if quick { (1, 2) } else { (5, 5) };
    let rig = Rig::start(debian, routes);
    rig.peers.iter().for_each(Peer::pin_to_first_core);
    let mut rows = Vec::new();
    for cell in [Cell::Kept, Cell::Handshakes] {
        let ask = |peer: &Peer| {
            let (url, script) = match cell {
                Cell::Kept => (format!("http://localhost:{}/", peer.plain), &rig.kept),
                Cell::Handshakes => (format!("https://localhost:{}/", peer.tls), &rig.closed),
            };
            load::wrk(&url, seconds, Some(script))
        };
        // Every route and client is asked for before anything is measured: the first time of each costs more.
        for peer in &rig.peers {
            let mut asked = 0;
            while asked < 2 * routes as u64 {
                let run = ask(peer);
                assert!(run.requests > 0, "{} answers nothing", peer.name);
                asked += run.requests;
            }
        }
        let mut samples = vec![Vec::new(); rig.peers.len()];
        for _ in 0..rounds {
            for (peer, samples) in rig.peers.iter().zip(&mut samples) {
                samples.push(sample(peer, || ask(peer)));
            }
        }
        rows.extend(rig.peers.iter().zip(&samples).map(|(peer, samples)| {
            Row {
                cell,
                routes,
                name: peer.name,
                sample: median(samples),
                memory: cpu::tree(&peer.pids)
                    .into_iter()
                    .filter_map(testkit::mainstay::processes::memory)
                    .map(|memory| memory.pss)
                    .sum(),
            }
        }));
    }
    rows
}

/// Prints a cell's rows; whether Mainstay's costs are flat.
fn table(cell: Cell, rows: &[Row]) -> bool {
    println!("\n{cell}");
    let of = |name: &str, routes: usize| {
        rows.iter().find(|row| row.cell == cell && row.name == name && row.routes == routes)
    };
    let fewest = rows.first().map_or(0, |row| row.routes);
    let ratio = |row: &Row, to: Option<&Row>| row.sample.cpu_us / to.map_or(f64::NAN, |to| to.sample.cpu_us);
    let mut worst: f64 = 0.0;
    let mut failed = 0;
    for row in rows.iter().filter(|row| row.cell == cell) {
        let own = ratio(row, of(row.name, fewest));
        if row.name == OURS {
            worst = worst.max(own);
            failed += row.sample.failed;
        }
        println!(
            "  {:>6} routes  {:<10} {own:>5.2} × its own with {fewest}  {:>5.2} × nginx  {:>8.1} µs CPU/request  {:>7.1} MiB  {} failed",
            row.routes,
            row.name,
            ratio(row, of("nginx", row.routes)),
            row.sample.cpu_us,
            row.memory as f64 / f64::from(1 << 20),
            row.sample.failed,
        );
    }
    let met = worst <= BAR && failed == 0;
    println!(
        "  bar {BAR:.2} × its own with {fewest}, and nothing failed: {}",
        if met { "met" } else { "missed" }
    );
    met
}
