//! A disk that has no room, and one whose fsync takes long for a process and all that it starts: `strace` holds each call up.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use testkit::{mainstay::processes::signal, wait};

use super::{
    faults::during,
    world::{BACK_LIMIT, World},
};

/// How long a disk stays full or slow.
const BAD_DISK: Duration = Duration::from_secs(4);
/// A disk that is busy with others takes as long.
const EACH_MS: u32 = 300;
const ATTACH_LIMIT: Duration = Duration::from_secs(10);

pub(super) fn fill(world: &World) {
    let file = world.mainstay().data().join("fill");
    let free = |world: &World| world.machine().and_then(|machine| machine["disk_free_bytes"].as_u64());
    during(world, "a full disk".into(), Vec::new(), || {
        fill_up(&file);
        wait::until("status says that the disk is full", BACK_LIMIT, || {
            free(world).is_some_and(|free| free < 1 << 20)
        });
        world.let_pass(BAD_DISK);
        std::fs::remove_file(&file).expect("what this test wrote");
    });
    wait::until("status says that there is room", BACK_LIMIT, || {
        free(world).is_some_and(|free| free > 1 << 20)
    });
}

/// To the last byte.
fn fill_up(path: &Path) {
    let mut file = File::create(path).expect("a file");
    let mut piece = vec![7_u8; 1 << 20];
    while !piece.is_empty() {
        if file.write_all(&piece).is_err() {
            piece.truncate(piece.len() / 2);
        }
    }
}

/// Of the keeper and what it starts meanwhile.
pub(super) fn slow_down(world: &World) {
    let keeper = world.mainstay().keeper_pid();
    during(world, "a disk that is slow to sync".into(), Vec::new(), || {
        let _slow = SlowDisk::of(keeper);
        world.let_pass(BAD_DISK);
    });
}

/// As long as it lives each fsync of `pid`, and of what it starts meanwhile, takes longer.
struct SlowDisk(Child);

impl SlowDisk {
    /// # Panics
    /// When strace does not take hold of the process.
    fn of(pid: u32) -> Self {
        let mut strace = Command::new("strace");
        strace.args([
            "--quiet=attach,exit",
            "--follow-forks",
            "--output=/dev/null",
            "--trace=fsync,fdatasync",
        ]);
        strace.arg(format!("--inject=fsync,fdatasync:delay_enter={}", EACH_MS * 1000));
        strace.args(["--attach", &pid.to_string()]).stdin(Stdio::null());
        let strace = strace.spawn().expect("strace starts; `cargo xtask test` installs it");
        let tracer = strace.id().to_string();
        wait::until("strace holds the keeper, or it is gone", ATTACH_LIMIT, || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let by = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
            by.is_none_or(|by| by.trim() == tracer)
        });
        Self(strace)
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        // It lets go of what it holds; a killed strace would leave what it had stopped to the kernel.
        signal(self.0.id(), Signal::INT);
        let _ = self.0.wait();
    }
}
