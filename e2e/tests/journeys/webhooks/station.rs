//! The station's own life: one that hangs, one that is to make room, and what it gives up.

use std::{fs, time::Duration};

use rustix::process::Signal;
use testkit::{
    FakeApp,
    mainstay::processes::{is_alive, kill, signal},
    receiver::{Manner, Receiver},
    wait,
};

use super::{KEY, SOON, machine, told};
use crate::slow::SlowCalls;

/// A station counts as silent a minute after the end of its last question, which is open for 20 s at most.
const SILENT: Duration = Duration::from_secs(120);
/// What a station that is slow to end takes; shorter than its grace.
const ENDS_AFTER: Duration = Duration::from_secs(4);

#[test]
fn a_station_that_hangs_is_replaced_and_what_happened_meanwhile_is_told() {
    let receiver = Receiver::start(KEY);
    let mut mainstay = machine(&receiver);
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    told(&receiver, "deploy.served", 1);
    let hung = mainstay.station_pid();
    signal(hung, Signal::STOP);
    mainstay.cli_in(app.folder(), &["restart"]).expect_code(0);
    wait::until("the stopped station is ended", SILENT, || !is_alive(hung));
    told(&receiver, "restart.served", 1);
    assert_ne!(mainstay.station_pid(), hung);
    mainstay.down();
}

#[test]
fn a_down_while_an_old_station_makes_room_leaves_nothing() {
    if !rustix::process::getuid().is_root() {
        println!("only root holds up another's end; not shown in this run");
        return;
    }
    let receiver = Receiver::start(KEY);
    let mut mainstay = machine(&receiver);
    let (old, keeper) = (mainstay.station_pid(), mainstay.keeper_pid());
    let file = mainstay.data().join("machine.toml");
    let text = fs::read_to_string(&file).expect("machine.toml");
    fs::write(&file, text.replace("restart.served", "restart.*")).expect("changed");
    let _slow = SlowCalls::of(old, "exit_group", ENDS_AFTER);
    kill(keeper);
    wait::until("another keeper answers", SOON, || {
        mainstay.api("/v1/machine").is_some_and(|machine| machine["keeper"]["pid"] != keeper)
    });
    assert!(is_alive(old), "it makes room, and has not yet");
    mainstay.down();
}

#[test]
fn what_a_receiver_refuses_for_good_is_given_up_and_stands_among_the_events() {
    let receiver = Receiver::start(KEY);
    let mut mainstay = machine(&receiver);
    let app = FakeApp::new(&mainstay, "fake");
    receiver.behave(Manner::Status(410));
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let events = |mainstay: &testkit::Mainstay| mainstay.cli_in(app.folder(), &["events"]).expect_code(0).out;
    wait::until("both are given up", SOON, || events(&mainstay).matches("given up").count() == 2);
    let said = events(&mainstay);
    assert!(
        said.contains("tell deploy.served") && said.contains("it answered 410, at the first try"),
        "{said}"
    );
    assert!(!said.contains("in-the-url"), "{said}");
    receiver.behave(Manner::Status(204));
    mainstay.kill_station();
    mainstay.kill_keeper();
    mainstay.cli_in(app.folder(), &["restart"]).expect_code(0);
    told(&receiver, "restart.served", 1);
    assert_eq!(events(&mainstay).matches("given up").count(), 2, "each once, whoever died");
    assert_eq!(receiver.taken().len(), 1, "and never sent again");
    mainstay.down();
}
