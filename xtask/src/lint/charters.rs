//! Every Rust file says in its first line what it owns. A `tests.rs` is named by the file beside it.

use super::Sources;
use crate::shell::Result;

pub(super) fn check(sources: &Sources) -> Result<Vec<String>> {
    let without =
        sources.rust().filter(|(path, text)| !path.ends_with("tests.rs") && !text.starts_with("//!"));
    Ok(without.map(|(path, _)| format!("{}: begins without `//!`", path.display())).collect())
}
