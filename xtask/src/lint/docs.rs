//! Reference pages that are made from the code are as the code is now.

use std::path::Path;

use super::Sources;
use crate::{docs::errors, shell::Result};

pub(super) fn check(sources: &Sources) -> Result<Vec<String>> {
    let found = sources.files.iter().find(|(path, _)| path == Path::new(errors::PATH));
    let fresh = found.is_some_and(|(_, text)| *text == errors::page(sources));
    Ok(if fresh { Vec::new() } else { vec![format!("{} is stale: run `cargo xtask docs`", errors::PATH)] })
}
