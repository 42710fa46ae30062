//! A disk that has no room, and one whose fsync takes long for a process and all that it starts.

use std::{fs::File, io::Write as _, path::Path, time::Duration};

use testkit::wait;

use super::{
    faults::during,
    world::{BACK_LIMIT, World},
};
use crate::slow::SlowCalls;

/// How long a disk stays full or slow.
const BAD_DISK: Duration = Duration::from_secs(4);
/// A disk that is busy with others takes as long.
const EACH: Duration = Duration::from_millis(300);

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
        let _slow = SlowCalls::of(keeper, "fsync,fdatasync", EACH);
        world.let_pass(BAD_DISK);
    });
}
