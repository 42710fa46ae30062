//! The judge against the app itself, without anything between: a good app passes, a bad one is seen.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command},
    time::{Duration, Instant},
};

use testkit::judge::{Failure, Judge, Load, Target, tally::Kind};

struct App {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl App {
    fn start(env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).expect("a port").port();
        let child = Command::new(env!("CARGO_BIN_EXE_fakeapp"))
            .env("PORT", port.to_string())
            .env("MAINSTAY_RELEASE", "4")
            .env("MAINSTAY_INSTANCE", "web.4.1")
            .env("FAKE_LEDGER", folder.path().join("ledger"))
            .envs(env.iter().copied())
            .spawn()
            .expect("the app starts");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "the app does not listen");
            std::thread::yield_now();
        }
        Self { child, address, folder }
    }

    fn judge(&self, load: Load) -> Judge {
        Judge::start(
            Target {
                address: self.address,
                tls: None,
                host: "app.test".into(),
                patience: testkit::judge::ANSWER_TIMEOUT,
            },
            load,
        )
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn load() -> Load {
    Load {
        events: 4,
        event_every: Duration::from_millis(50),
        pause_max: Duration::from_millis(500),
        ..Load::mixed()
    }
}

#[test]
fn a_good_app_passes_in_every_kind() {
    let app = App::start(&[]);
    let judge = app.judge(load());
    judge.expect_release(4);
    judge.wait_answers(400);
    let report = judge.finish(Some(&app.folder.path().join("ledger")));
    report.assert_nothing_failed();
    for kind in [Kind::Short, Kind::Slow, Kind::Pausing, Kind::Write, Kind::Stream, Kind::Socket] {
        assert!(report.right_of(kind) > 0, "no {kind:?}\n{report}");
    }
    assert!(report.acknowledged > 0 && report.aborted > 0, "{report}");
}

#[test]
fn a_killed_app_cuts_streams_and_refuses() {
    let mut app = App::start(&[]);
    let judge = app.judge(load());
    judge.wait_answers(100);
    app.child.kill().expect("killed");
    let deadline = Instant::now() + Duration::from_secs(10);
    while judge.failures() < 60 {
        assert!(Instant::now() < deadline, "the judge saw no failure");
        std::thread::yield_now();
    }
    let report = judge.finish(None);
    assert!(report.count(Failure::Refused) > 0, "{report}");
    assert!(report.count(Failure::StreamCut) > 0, "{report}");
}

#[test]
fn another_release_than_the_expected_one_is_a_failure() {
    let app = App::start(&[]);
    let judge = app.judge(Load::requests());
    judge.expect_release(5);
    let deadline = Instant::now() + Duration::from_secs(10);
    while judge.failures() == 0 {
        assert!(Instant::now() < deadline, "the judge saw no failure");
        std::thread::yield_now();
    }
    let report = judge.finish(None);
    assert!(report.count(Failure::WrongRelease) > 0, "{report}");
}

#[test]
fn writes_that_no_ledger_holds_are_lost_writes() {
    let app = App::start(&[]);
    let judge = app.judge(Load::requests());
    judge.wait_answers(200);
    let report = judge.finish(Some(&app.folder.path().join("another-ledger")));
    assert!(report.count(Failure::LostWrite) > 0, "{report}");
}
