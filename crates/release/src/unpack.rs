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

/// The arguments of the job, its verb first.
pub(crate) fn arguments(
    _files: &std::path::Path,
    _shared: &std::path::Path,
    _links: &[String],
    _caps: Caps,
) -> Vec<String> {
    vec!["unpack".into()]
}

/// What the job said on its way out.
pub(crate) fn failure_of(stdout: &[String]) -> Option<model::Explain> {
    stdout.iter().rev().find_map(|line| serde_json::from_str(line).ok())
}
