//! One cryptography library: whatever is built uses aws-lc-rs, so `ring` must not be in the tree.
//!
//! The lock file itself names `ring` as an option of rustls's certificate library that no feature here turns on; what
//! counts is what cargo would build.

use super::Sources;
use crate::shell::{self, Result};

/// Crates that must not be built, and what stands in their place.
const REFUSED: [(&str, &str); 3] = [
    ("ring", "aws-lc-rs"),
    ("openssl-sys", "rustls with aws-lc-rs"),
    ("native-tls", "rustls with aws-lc-rs"),
];

pub(super) fn check(_: &Sources) -> Result<Vec<String>> {
    let tree = ["tree", "--workspace", "--edges", "all", "--prefix", "none", "--format", "{p}", "--locked"];
    let tree = shell::output(shell::cargo().args(tree))?;
    Ok(findings(&tree))
}

fn findings(tree: &str) -> Vec<String> {
    let built = |name: &str| tree.lines().any(|line| line.split(' ').next() == Some(name));
    let refused = REFUSED.iter().filter(|(name, _)| built(name));
    refused
        .map(|(name, instead)| format!("{name} would be built; use {instead} (see `cargo tree -i {name}`)"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::findings;

    #[test]
    fn ring_is_found_and_names_that_only_contain_it_are_not() {
        assert_eq!(findings("mainstay v0.1.0\nstring_cache v0.9.0\nring v0.17.14\n").len(), 1);
        assert_eq!(findings("mainstay v0.1.0\nstring_cache v0.9.0\n"), Vec::<String>::new());
    }
}
