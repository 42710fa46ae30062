//! `docs/reference/api.md`: the table of endpoints that stands above `crates/api/src/paths.rs`, and what stands above the modules
//! of [`CHARTERS`].

use std::fmt::Write;

use super::product;
use crate::lint::Sources;

const TABLE: &str = "crates/api/src/paths.rs";
/// What has a section of its own, by its heading.
const CHARTERS: [(&str, &str); 5] = [
    ("From another machine", "crates/api/src/remote.rs"),
    ("What a connection may", "crates/api/src/access.rs"),
    ("The version of a request", "crates/api/src/version.rs"),
    ("A request that comes again", "crates/api/src/request_key.rs"),
    ("An attached command", "crates/api/src/console.rs"),
];

pub(super) fn page(sources: &Sources) -> String {
    let mut page = String::from(
        "# The local API\n\nMade by `cargo xtask docs` from `crates/api/src/paths.rs` and the modules that have a section here; do not edit. HTTP/1.1 and JSON \
         over the unix socket `api.sock` in the run folder;\nwho may open it is an operator. Times are RFC 3339 in UTC. \
         NDJSON: one JSON value a line. The types are those of the crate `api`.\n\n",
    );
    let text = |wanted| product(sources).find(|(path, _)| *path == wanted).map_or("", |(_, text)| text);
    for line in text(TABLE).lines().filter_map(|line| line.strip_prefix("//! |")) {
        let _ = writeln!(page, "|{}", plain(line));
    }
    page.push_str("\nAn error answers with its status and an [error](errors.md) as JSON: `code`, `message`, `causes`, `now`, `help`, `details`, `place`.\n");
    for (heading, source) in CHARTERS {
        let _ = writeln!(page, "\n## {heading}\n");
        for line in text(source).lines().map_while(|line| line.strip_prefix("//!")) {
            let _ = writeln!(page, "{}", line.trim());
        }
    }
    page
}

/// Without the links that only rustdoc follows.
fn plain(line: &str) -> String {
    line.replace("`Vec<`[`crate::", "`Vec<")
        .replace("`]`>`", ">`")
        .replace("[`crate::", "`")
        .replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustdoc_links_become_plain_words() {
        assert_eq!(
            plain(" GET `/v1/apps` | → `Vec<`[`crate::apps::App`]`>` |"),
            " GET `/v1/apps` | → `Vec<apps::App>` |"
        );
    }
}
