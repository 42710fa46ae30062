//! What builds, tests and audits an app in a pipeline.

use std::path::Path;

use crate::commands::packages;

/// Commands in sh.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tools {
    pub(super) build: String,
    pub(super) test: String,
    pub(super) audit: String,
}

pub(super) fn of(folder: &Path) -> Tools {
    match packages::of(folder) {
        Some(known) => Tools { build: known.build, test: known.test, audit: known.audit },
        None => Tools { build: "true".to_owned(), test: packages::untested(), audit: "true".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn an_app_of_an_unknown_kind_is_not_green_without_a_test() {
        let folder = tempfile::tempdir().unwrap();
        assert!(of(folder.path()).test.ends_with("exit 1"));
        std::fs::write(folder.path().join("requirements.txt"), "").unwrap();
        assert!(of(folder.path()).build.contains("pip install -r"));
    }
}
