//! What an app writes: whole, redacted, bounded, and never a reason for it to stall.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use model::{ByteSize, Secret};
use supervisor::Cause;

use crate::{
    house::{House, Keeper, is_alive, own_path, pids_of, until},
    root_trial, trial,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("an_output_that_is_given_a_descriptor_is_not_in_the_log", given_output),
        trial("both_streams_are_in_the_log_with_time_and_mark", streams),
        trial("a_secret_is_struck_before_the_disk_also_across_writes", redacted),
        trial("a_line_that_never_ends_is_cut_and_the_shim_stays_small", endless_line),
        trial("an_app_writes_as_fast_as_it_can_while_no_keeper_lives", flood_without_keeper),
        trial("an_app_that_closes_its_output_lives_on", closes_output),
        trial("the_tail_is_what_was_written_last", tail),
        root_trial("a_full_disk_drops_and_counts_lines_and_stalls_nobody", disk_full),
    ]
}

async fn streams() {
    let house = House::new();
    let process = house.spawn(&house.shell("echo out; echo err >&2; printf 'no newline'")).await;
    process.wait().await;
    let log = house.logged();
    let mut marks: Vec<String> =
        log.lines().filter_map(|line| line.split_once(' ').map(|(_, rest)| rest.to_owned())).collect();
    marks.sort();
    assert_eq!(marks, ["stderr F err", "stdout F no newline", "stdout F out"]);
    let stamp = log.split(' ').next().expect("a stamp");
    assert!(stamp.len() == 30 && stamp.ends_with('Z') && stamp.starts_with("20"), "{stamp}");
}

async fn redacted() {
    let house = House::new();
    let mut order = house.app(&["two-writes", "my key is sk-0123", "456789 you see"]);
    order.secrets.insert("KEY".to_owned(), Secret::new("sk-0123456789"));
    let process = house.spawn(&order).await;
    process.wait().await;
    assert_eq!(house.texts(), ["my key is [redacted] you see"]);
    assert_eq!(process.tail(1).await.len(), 1);
    assert!(!process.tail(1).await.concat().contains("sk-0123456789"));
}

async fn endless_line() {
    let house = House::new();
    let process = house.spawn(&house.app(&["endless-line", "64"])).await;
    let [shim] = pids_of(process.dir())[..] else { panic!("one shim") };
    assert_eq!(process.wait().await.cause, Cause::Code(0));
    let peak = status_kib(shim, "VmHWM");
    assert!(peak < 24 * 1024, "the shim took {peak} KiB");
    let log = house.logged();
    assert!(log.lines().all(|line| line.len() < 17 * 1024));
    // Also where the disk was too slow for the last piece: then the count of what was dropped stands there.
    let last = log.lines().last().expect("a line").split(' ').nth(2);
    assert_eq!(last, Some("F"), "the last piece ends the line");
}

fn status_kib(pid: i32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find(|line| line.starts_with(key)).expect("the key");
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

async fn flood_without_keeper() {
    let house = House::new();
    let own = own_path();
    // 100 MB; a reader that stalls would stop it for ever, a slow one for minutes.
    let mut keeper = Keeper::start(&house, "spawn", "", &[&own, "app", "lines", "1000000"]);
    let said = keeper.says();
    keeper.kill();
    let pid: u32 = said.rsplit(' ').next().and_then(|pid| pid.parse().ok()).expect("a pid");
    let began = Instant::now();
    until("it has written all", || !is_alive(pid)).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    let [supervisor::Found::Adopted(process)] = &house.next_keeper().observe().await.expect("readable")[..]
    else {
        panic!("not adopted")
    };
    assert_eq!(process.wait().await.cause, Cause::Code(0), "it saw no broken pipe");
    let last = house.texts().into_iter().next_back().expect("a line");
    let told = last == format!("{:099}", 999_999) || last.contains("dropped");
    assert!(told, "the end is there, or that it is missing is said: {last}");
}

async fn closes_output() {
    let house = House::new();
    let process = house.spawn(&house.shell("echo before; exec >&- 2>&-; sleep 0.3; exit 7")).await;
    assert_eq!(process.wait().await.cause, Cause::Code(7));
    assert_eq!(house.texts(), ["before"]);
}

async fn tail() {
    let house = House::new();
    let process = house.spawn(&house.shell("for i in 1 2 3 4 5; do echo line $i; done; sleep 1000")).await;
    until("it has written", || house.texts().len() == 5).await;
    let tail = process.tail(2).await;
    assert_eq!(tail.len(), 2);
    assert!(tail[0].ends_with("stdout F line 4") && tail[1].ends_with("stdout F line 5"), "{tail:?}");
    process.stop().await.expect("stopped");
    process.wait().await;
    process.forget().await.expect("forgotten");
    assert_eq!(process.tail(1).await, &tail[1..], "the shim is gone, the file is not");
}

/// A file system of 256 KiB, gone with the value.
struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    fn run(program: &str, args: &[&str], path: &Path) {
        let done = Command::new(program).args(args).arg(path).status().expect("it runs");
        assert!(done.success(), "{program} {args:?}");
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

async fn disk_full() {
    let house = House::new();
    let logs = house.path().join("logs");
    std::fs::create_dir(&logs).expect("made");
    SmallDisk::run("mount", &["-t", "tmpfs", "-o", "size=256k", "small"], &logs);
    let _disk = SmallDisk(&logs);
    // It writes 10 MB into it, then says when it could write again.
    let own = own_path();
    let mut order = house
        .shell(&format!("{own} app lines 100000; echo all written >$TMPDIR/done; read x <&3; echo after"));
    let (read, mut write) = std::io::pipe().expect("a pipe");
    order.fds.push(supervisor::Inherited { name: "go".to_owned(), fd: std::sync::Arc::new(read.into()) });
    order.log.limits.max_bytes = ByteSize::mib(50);
    let process = house.spawn(&order).await;
    let tmp = house.path().join("tmp").join(process.id().to_string());
    until("the app is through", || tmp.join("done").exists()).await;
    let full = std::fs::metadata(house.log()).expect("there").len();
    assert!(full <= 256 * 1024, "{full}");
    SmallDisk::run("mount", &["-o", "remount,size=2m"], &logs);
    std::io::Write::write_all(&mut write, b"go\n").expect("told");
    assert_eq!(process.wait().await.cause, Cause::Code(0));
    let texts = house.texts();
    assert_eq!(texts.last().map(String::as_str), Some("after"));
    let dropped: u64 = texts
        .iter()
        .filter_map(|text| {
            text.strip_prefix("mainstay: dropped ")?.strip_suffix(" lines")?.parse::<u64>().ok()
        })
        .sum();
    let kept = texts.iter().filter(|text| text.len() == 99).count() as u64;
    assert_eq!(kept + dropped, 100_000, "each line is kept or counted");
}

async fn given_output() {
    let house = House::new();
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let mut order = house.order(&[]);
    let line = "echo \"{print} LISTEN_FDS=$LISTEN_FDS\"; echo logged >&2";
    order.program = supervisor::Program::Verbatim(["/bin/sh", "-c", line].map(str::to_owned).to_vec());
    let fd = std::sync::Arc::new(write.into());
    order.fds = vec![supervisor::Inherited { name: supervisor::console::STDOUT.to_owned(), fd }];
    let process = house.spawn(&order).await;
    assert!(process.wait().await.is_clean());
    drop(order);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut read, &mut text).expect("nobody holds the other end any more");
    assert_eq!(text, "{print} LISTEN_FDS=\n");
    assert_eq!(house.texts(), ["logged"]);
}
