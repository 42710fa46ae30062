//! Pids that come again: in a pid namespace of its own, where the kernel is told which pid to give next.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
};

use libtest_mimic::Trial;
use supervisor::{Cause, Found};

use crate::{
    house::{House, adopted, is_alive, own_path, pids_of, until},
    root_trial,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![root_trial("a_pid_that_came_again_is_never_signalled_or_adopted", in_a_small_world)]
}

async fn in_a_small_world() {
    let mut world = Command::new("unshare");
    world.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).arg(own_path()).arg("small-world");
    let said = tokio::task::spawn_blocking(move || world.output()).await.expect("no panic").expect("unshare");
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success(), "{words}");
}

/// Process 1 of the namespace; what is left dies with it.
pub(crate) fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        of_an_app_whose_shim_lives().await;
        of_an_app_and_its_shim().await;
    });
    ExitCode::SUCCESS
}

async fn of_an_app_whose_shim_lives() {
    let house = House::new();
    let process = house.spawn(&house.shell("exit 3")).await;
    assert_eq!(process.wait().await.cause, Cause::Code(3));
    let mut stranger = stranger_at(process.pid()).await;
    // Past the keeper's own memory of the exit, which would not even ask.
    let signal = "{\"do\":\"signal\",\"signal\":9}";
    let stop = "{\"do\":\"stop\",\"signal\":9,\"grace_ms\":0}";
    assert_eq!([signal, stop].map(|words| ask(process.dir(), words)), ["\"done\"", "\"done\""]);
    let found = house.next_keeper().observe().await.expect("readable");
    let [again] = adopted(&found)[..] else { panic!("{found:?}") };
    assert_eq!(again.wait().await.cause, Cause::Code(3), "its end is known, whoever has its pid now");
    again.signal(9).await.expect("no error");
    again.stop().await.expect("no error");
    again.forget().await.expect("forgotten");
    assert!(stranger.try_wait().expect("own child").is_none(), "a stranger was signalled");
}

async fn of_an_app_and_its_shim() {
    let house = House::new();
    let process = house.spawn(&house.shell("sleep 1000")).await;
    let [shim] = pids_of(process.dir())[..] else { panic!("one shim") };
    machine::pidfd::signal(machine::pidfd::open(shim).expect("it lives"), 9).expect("killed");
    process.wait().await;
    until("both are gone", || {
        collect_orphans();
        [process.pid(), shim.unsigned_abs()].iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    })
    .await;
    let strangers = [stranger_at(process.pid()).await, stranger_at(shim.unsigned_abs()).await];
    let keeper = house.next_keeper();
    let [Found::Ended { exit, spec }] = &keeper.observe().await.expect("readable")[..] else {
        panic!("a stranger was taken for it")
    };
    assert_eq!(exit.cause, Cause::Lost);
    keeper.forget(spec).await;
    process.stop().await.expect("no error");
    assert!(strangers.iter().all(|stranger| is_alive(stranger.id())), "a stranger was signalled");
}

/// Somebody else's process with exactly this pid.
async fn stranger_at(pid: u32) -> Child {
    let mut found = None;
    until("the pid comes again", || {
        collect_orphans();
        let last = std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string());
        last.expect("root may say so in its namespace");
        let mut stranger = Command::new("sleep");
        let mut stranger = stranger.arg("1000").stdin(Stdio::null()).spawn().expect("it starts");
        // A thread may have taken the number in between.
        if stranger.id() == pid {
            found = Some(stranger);
            return true;
        }
        let _ = stranger.kill();
        let _ = stranger.wait();
        false
    })
    .await;
    found.expect("it was found")
}

/// They come to process 1. Until it collects them they keep pids, and a session's number is a pid too.
fn collect_orphans() {
    while machine::child::reap_any().is_some() {}
}

fn ask(dir: &Path, words: &str) -> String {
    let mut ctl = UnixStream::connect(dir.join("ctl")).expect("its shim answers");
    writeln!(ctl, "{words}").expect("asked");
    let mut line = String::new();
    BufReader::new(ctl).read_line(&mut line).expect("answered");
    line.trim().to_owned()
}
