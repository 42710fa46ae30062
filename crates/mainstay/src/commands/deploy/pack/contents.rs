//! What a packed folder holds: how much, and where most of it is, for whoever wonders why it takes long.

use std::{collections::BTreeMap, path::Path};

use crate::output::{bytes, count};

/// What is named among the largest is at least so large.
const LARGE_BYTES: u64 = 1 << 20;
/// Bound: how many are named.
const NAMED_MAX: usize = 3;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::commands::deploy) struct Contents {
    files: u64,
    bytes: u64,
    /// By the file or folder of the first level that they lie in.
    below: BTreeMap<String, u64>,
}

impl Contents {
    /// A file, by its path in the release.
    pub(super) fn add(&mut self, name: &Path, size: u64) {
        self.files += 1;
        self.bytes += size;
        let first = name.components().next().map(|first| first.as_os_str().to_string_lossy().into_owned());
        *self.below.entry(first.unwrap_or_default()).or_default() += size;
    }

    /// `812 files, 34.5 MiB; most in node_modules 30.1 MiB, dist 3.0 MiB`
    pub(in crate::commands::deploy) fn words(&self) -> String {
        let whole = format!("{}, {}", count(self.files, "file"), bytes(self.bytes));
        let mut large: Vec<_> = self.below.iter().filter(|(_, size)| **size >= LARGE_BYTES).collect();
        large.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then(a.cmp(b)));
        let named: Vec<_> =
            large.iter().take(NAMED_MAX).map(|(name, size)| format!("{name} {}", bytes(**size))).collect();
        if named.is_empty() { whole } else { format!("{whole}; most in {}", named.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_named_with_their_sizes_and_small_ones_are_not() {
        let mut contents = Contents::default();
        contents.add(Path::new("run.sh"), 12);
        assert_eq!(contents.words(), "1 file, 12 B");
        for (name, size) in
            [("modules/a/x", 3 << 20), ("modules/b", 2 << 20), ("a", 1 << 20), ("b", 4 << 20), ("c", 9 << 20)]
        {
            contents.add(Path::new(name), size);
        }
        assert_eq!(contents.words(), "6 files, 19.0 MiB; most in c 9.0 MiB, modules 5.0 MiB, b 4.0 MiB");
    }
}
