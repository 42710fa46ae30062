//! A disk that a journey can fill.

use std::{fs, path::Path, process::Command};

/// A small disk; unmounted when dropped.
pub(crate) struct Disk(std::path::PathBuf);

impl Disk {
    pub(crate) fn mount(at: &Path, options: &str) -> Self {
        fs::create_dir_all(at).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "mainstay-test"]).arg(at);
        assert!(mount.status().is_ok_and(|status| status.success()), "root can mount");
        Self(at.to_path_buf())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what was killed a moment ago may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
