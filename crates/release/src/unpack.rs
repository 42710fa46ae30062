//! Unpacking an archive that nobody trusts.

/// Bounds of one archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Of all files together, unpacked; default 16 GiB.
    pub bytes: u64,
    /// Files, folders and links; default 1,000,000.
    pub entries: u64,
    /// Of one path; default 1,024.
    pub path_bytes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { bytes: 16 << 30, entries: 1_000_000, path_bytes: 1024 }
    }
}
