//! The Node app of the comparison answers as the judge wants it: what fails in the benchmark is not the app's fault.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Child, Command},
    time::Duration,
};

use testkit::{Judge, Load, Target, judge::tally::Kind, mainstay::free_port, wait};

struct App(Child);

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_node_app_passes_before_the_judge() {
    let port = free_port();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/config/app.js");
    let mut node = Command::new("node");
    node.arg(script).env("PORT", port.to_string()).env("MAINSTAY_RELEASE", "1");
    let _app = App(node.spawn().expect("node is installed"));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    wait::until("the app listens", Duration::from_secs(20), || TcpStream::connect(address).is_ok());
    let load =
        Load { writers: 0, websockets: 0, answer_bytes_max: 200, events: 4, streams: 5, ..Load::mixed() };
    let load = Load { event_every: Duration::from_millis(50), pause_max: Duration::from_millis(300), ..load };
    let judge = Judge::start(
        Target { address, tls: None, host: "bench.test".into(), patience: testkit::judge::ANSWER_TIMEOUT },
        load,
    );
    judge.expect_release(1);
    judge.wait_answers(200);
    let report = judge.finish(None);
    report.assert_nothing_failed();
    assert!(report.right_of(Kind::Stream) > 0 && report.right_of(Kind::Slow) > 0, "{report}");
}
