//! The assistant by itself: how long pages and writes take, what they cost in CPU, what memory is taken; with twenty
//! people, with a hundred beside a thousand open answers, and with one who has written for years.

mod years;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::busy::{self, Busy, Watched};
use testkit::{binaries, mainstay::free_port, wait};

use crate::cpu;

/// One process with a thousand open answers must stay below.
const BAR_BYTES: u64 = 128 << 20;
/// Before anybody comes.
const REST_BAR_BYTES: u64 = 40 << 20;
const SECRET_KEY: &str = "a key that nobody but this measurement has had";

struct App {
    child: Child,
    at: SocketAddr,
    folder: tempfile::TempDir,
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl App {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let child = web(folder.path(), port).spawn().expect("it was built");
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait::until("the assistant is ready", Duration::from_secs(20), || {
            let asked = testkit::http::ask(at, "localhost", "GET", "/health/ready", &[], &[]);
            asked.is_ok_and(|answer| answer.status == 200)
        });
        Self { child, at, folder }
    }
}

fn web(data: &Path, port: u16) -> Command {
    let mut web = Command::new(binaries::path("assistant"));
    web.arg("web").env_clear().env("PORT", port.to_string()).env("LOG_LEVEL", "warn");
    web.env("ASSISTANT_DATA", data).env("ASSISTANT_SECRET_KEY", SECRET_KEY);
    web.stdout(Stdio::null()).stderr(Stdio::null());
    web
}

pub(crate) fn run(quick: bool) -> bool {
    let lasts = Duration::from_secs(if quick { 5 } else { 20 });
    let few = measure("20 people", 20, Busy { answers: 0, readers: 0, lasts });
    let many = measure("100 people, 1,000 open answers", 100, Busy { answers: 50, readers: 20, lasts });
    let years = years::measure();
    few && many && years
}

fn measure(name: &str, people: usize, busy: Busy) -> bool {
    let app = App::start();
    let pids = [app.child.id()];
    let watched = Watched::at_rest(pids.to_vec());
    let invited = busy::invite(people, &binaries::path("assistant"), app.folder.path(), SECRET_KEY, app.at);
    let before = cpu::time_ns(&pids);
    let report = busy::run(&invited, busy, &watched);
    let spent = cpu::time_ns(&pids) - before;
    let requests = report.figures.count();
    let files = fs::read_dir(app.folder.path()).into_iter().flatten().flatten();
    let disk: u64 = files.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    let per_request = Duration::from_nanos(spent / u64::try_from(requests.max(1)).unwrap_or(1));
    println!("\n{name}: {} failed of {requests} requests", report.failures.len());
    println!(
        "{per_request:.1?} CPU per request, streams and all; {:.1} MiB on disk",
        disk as f64 / f64::from(1 << 20)
    );
    print!("{report}");
    report.failures.iter().take(5).for_each(|failure| println!("  {failure}"));
    let (rest, most) = report.resident;
    let met = report.failures.is_empty() && rest < REST_BAR_BYTES && most < BAR_BYTES;
    println!(
        "bars: nothing failed, below {} MiB at rest and {} MiB at most: {}",
        REST_BAR_BYTES >> 20,
        BAR_BYTES >> 20,
        if met { "met" } else { "missed" }
    );
    met
}
