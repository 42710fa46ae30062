//! The station's own life: one that hangs, one that is to make room, and what it gives up.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use testkit::{
    FakeApp, Mainstay,
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
fn a_station_that_dies_while_no_keeper_looks_is_counted_and_leaves_nothing() {
    let receiver = Receiver::start(KEY);
    let mut mainstay = machine(&receiver);
    let dead = mainstay.station_pid();
    let left = mainstay.run_folder().join("i").read_dir().expect("the processes").count();
    let keeper = mainstay.keeper_pid();
    signal(keeper, Signal::STOP);
    kill(dead);
    wait::until("the station is dead", SOON, || !is_alive(dead));
    kill(keeper);
    let machine = wait::value("another station", SOON, || {
        mainstay
            .api("/v1/machine")
            .filter(|machine| machine["station"]["pid"].as_u64().is_some_and(|pid| pid != u64::from(dead)))
    });
    assert_eq!(machine["station"]["restarts"], 1, "{machine}");
    let now = mainstay.run_folder().join("i").read_dir().expect("the processes").count();
    assert_eq!(now, left, "the dead one's folder went");
    mainstay.down();
}

#[test]
fn a_station_that_a_keeper_cannot_take_up_leaves_nothing() {
    let receiver = Receiver::start(KEY);
    let mut mainstay = machine(&receiver);
    let (old, keeper) = (mainstay.station_pid(), mainstay.keeper_pid());
    signal(keeper, Signal::STOP);
    let socket = mainstay.run_folder().join("station/keeper.sock");
    fs::remove_file(&socket).expect("the socket's name");
    // No socket can be bound here.
    fs::create_dir_all(socket.join("folder")).expect("a folder in its place");
    kill(keeper);
    wait::until("the old station is ended", SOON, || !is_alive(old));
    mainstay.down();
}

#[test]
fn a_second_station_ends_and_leaves_nothing() {
    let receiver = Receiver::start(KEY);
    let mut mainstay = machine(&receiver);
    let (first, keeper) = (mainstay.station_pid(), mainstay.keeper_pid());
    signal(keeper, Signal::STOP);
    let (mut second, folder) = another_station(&mainstay);
    kill(keeper);
    wait::until("the second's shim ends", SOON, || !is_alive(second.id()));
    second.wait().expect("its status");
    wait::until("its folder goes", SOON, || !folder.exists());
    assert_eq!(mainstay.station_pid(), first, "the one that was there goes on");
    mainstay.down();
}

/// A process that the keeper takes for a later start of the station that runs, under a shim of its own, and its folder.
fn another_station(mainstay: &Mainstay) -> (Child, PathBuf) {
    let specs = mainstay.run_folder().join("i").read_dir().expect("the processes").flatten().map(|entry| {
        let text = fs::read(entry.path().join("spec.json")).expect("its spec");
        serde_json::from_slice::<serde_json::Value>(&text).expect("JSON")
    });
    let mut spec = specs.into_iter().find(|spec| spec["kind"] == "station").expect("the station's");
    let id = spec["id"].as_str().expect("its id").replacen('0', "1", 1);
    let folder = mainstay.run_folder().join("i").join(&id);
    spec["id"] = id.into();
    spec["argv"] = serde_json::json!(["/bin/sleep", "1000"]);
    spec["own_executable"] = false.into();
    spec["notify"] = false.into();
    spec["sandbox"] = serde_json::Value::Null;
    spec["cgroup"] = serde_json::Value::Null;
    fs::create_dir(&folder).expect("made");
    fs::write(folder.join("spec.json"), spec.to_string()).expect("written");
    // By the path in its environment it is known as one of this run.
    let payload =
        serde_json::json!({ "env": [["RUN", mainstay.run_folder()]], "redact": [], "fd_names": [] });
    let payload = machine::memfd::sealed("payload", payload.to_string().as_bytes()).expect("sealed");
    let mut shim = Command::new(mainstay.program())
        .arg("shim")
        .arg(&folder)
        .stdin(payload)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shim");
    let mut said = String::new();
    BufReader::new(shim.stdout.take().expect("piped")).read_line(&mut said).expect("its word");
    assert!(said.to_lowercase().contains("started"), "{said}");
    (shim, folder)
}

#[test]
fn what_a_receiver_refuses_for_good_is_given_up_and_stands_among_the_events() {
    let receiver = Receiver::start(KEY);
    let mut mainstay = machine(&receiver);
    let app = FakeApp::new(&mainstay, "fake");
    receiver.behave(Manner::Status(410));
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let events = |mainstay: &Mainstay| mainstay.cli_in(app.folder(), &["events"]).expect_code(0).out;
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

/// Whoever mends the file of the secrets has not to think of a keeper.
#[test]
fn a_secret_that_is_mended_is_taken_up_and_one_that_breaks_costs_no_delivery() {
    let receiver = Receiver::start(KEY);
    let mut mainstay = machine(&receiver);
    let file = mainstay.data().join("webhooks.env");
    let list = || mainstay.cli(&["webhook", "list"]).expect_code(0).out;
    let (keeper, first) = (mainstay.keeper_pid(), mainstay.station_pid());
    fs::write(&file, "HOOK\n").expect("written");
    wait::until("the mistake is told", SOON, || list().contains("is not of the form NAME=value"));
    assert!(list().contains("within seconds"), "{}", list());
    mainstay.cli(&["webhook", "test"]).expect_code(0);
    assert_eq!(mainstay.station_pid(), first, "nothing that works was touched");
    let other = Receiver::start(b"another key, after the first");
    super::keep_secret(mainstay.data(), &other.secret());
    wait::until("it is mended", SOON, || !list().contains("help:"));
    wait::until("another station signs, by what the receiver does not know", SILENT, || {
        mainstay.cli(&["webhook", "test"]);
        !receiver.wrong().is_empty()
    });
    assert_eq!(mainstay.keeper_pid(), keeper, "no other keeper was needed");
    mainstay.down();
}

/// A webhook without its secret from the start on.
#[test]
fn a_secret_that_was_missing_is_taken_up_by_the_keeper_that_runs() {
    let receiver = Receiver::start(KEY);
    let mut mainstay = machine(&receiver);
    let file = mainstay.data().join("webhooks.env");
    fs::remove_file(&file).expect("there");
    mainstay.kill_keeper();
    let keeper = mainstay.keeper_pid();
    let said = mainstay.cli(&["webhook", "test"]).expect_code(1).err;
    assert!(said.contains("HOOK=") && said.contains("within seconds"), "{said}");
    super::keep_secret(mainstay.data(), &receiver.secret());
    let list = || mainstay.cli(&["webhook", "list"]).expect_code(0).out;
    wait::until("it is taken up", SOON, || !list().contains("help:"));
    // Also one that is asked for while the station is replaced arrives.
    mainstay.cli(&["webhook", "test"]).expect_code(0);
    assert_eq!((receiver.wrong(), mainstay.keeper_pid()), (Vec::new(), keeper));
    mainstay.down();
}
