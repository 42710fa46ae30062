//! Checks of what a process lives on: memory against its limit (W-H4), room on a disk (W-H2).
//!
//! Both are details: a full disk is the same for every instance, so taking one out of traffic heals nothing.

use std::path::PathBuf;

use rustix::fs::statvfs;

use super::{Check, Weight};

/// Part of the limit that may be used, in percent (HEALTH-03).
const MEMORY_PERCENT_MAX: u64 = 90;
/// Part of blocks and of inodes that should be free, in percent.
const DISK_PERCENT_MIN: u64 = 5;

/// `memory`: fails above 90 % of the cgroup's or the machine's memory.
pub fn memory() -> Check {
    Check::new("memory", Weight::Detail, || async {
        let memory = crate::process::memory().ok_or("the kernel does not tell")?;
        let percent = percent_of(memory.resident, memory.limit);
        if percent > MEMORY_PERCENT_MAX { Err(format!("{percent} % of its memory is used")) } else { Ok(()) }
    })
}

/// `disk`: fails with less than 5 % of blocks or inodes free, where `folder` lies.
pub fn disk(folder: PathBuf) -> Check {
    Check::new("disk", Weight::Detail, move || {
        let folder = folder.clone();
        async move {
            // A disk that hangs must not hold a thread of the async runtime.
            let asked = tokio::task::spawn_blocking(move || statvfs(&folder));
            let disk = asked.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            room(disk.f_bavail, disk.f_blocks, "space")?;
            // Some file systems have no inodes to run out of, and say 0.
            room(disk.f_favail, disk.f_files, "inodes")
        }
    })
}

fn room(free: u64, all: u64, what: &str) -> Result<(), String> {
    let percent = percent_of(free, all);
    if all > 0 && percent < DISK_PERCENT_MIN {
        Err(format!("{percent} % of its {what} is free"))
    } else {
        Ok(())
    }
}

fn percent_of(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_told_and_no_inodes_are_not_missed() {
        assert_eq!(room(4, 100, "space"), Err("4 % of its space is free".to_owned()));
        assert_eq!(room(5, 100, "space"), Ok(()));
        assert_eq!(room(0, 0, "inodes"), Ok(()));
        assert_eq!(room(u64::MAX, u64::MAX, "space"), Ok(()));
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_fails_its_check() {
        assert!((disk("/nowhere/at/all".into()).run)().await.is_err());
        assert_eq!((memory().run)().await, Ok(()), "a test uses little of the machine");
    }
}
