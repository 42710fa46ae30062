//! `[service.NAME]` with `type = "static"`: files of the release, which Mainstay itself serves.

use model::{
    Span,
    manifest::{Files, ProbeRequest, ReadinessProbe, files::READY_PATH},
};

use super::text;
use crate::config::{decode::Section, problem::Problem};

/// Whether a service is one of these.
const TYPES: [(&str, bool); 2] = [("process", false), ("static", true)];

/// Keys of services that are programs of the app.
const OF_OTHERS: [&str; 6] = ["command", "listen", "env", "env_secrets", "stop_signal", "allow_public_bind"];
/// And those that only mean something of files.
const OURS: [&str; 3] = ["root", "fallback", "immutable"];

/// `None`: it is a program of the app.
pub(super) fn files(section: &mut Section<'_, '_, '_>) -> Option<Files> {
    if !section.one_of("type", &TYPES).unwrap_or(false) {
        for key in OURS {
            section.refuse(
                key,
                "only-with-static",
                "says something of files that Mainstay serves, and this is a program",
                "add `type = \"static\"` and leave out `command`, or remove this key",
            );
        }
        return None;
    }
    for key in OF_OTHERS {
        section.refuse(
            key,
            "not-with-static",
            "has no meaning where `type` is \"static\": Mainstay itself serves the files",
            "remove this key, or `type`",
        );
    }
    let root = section.string("root").filter(|root| text::inner_path(section, "root", root));
    if !section.has("root") {
        section.missing("root", "root = \"dist\"");
    }
    let fallback = section.string("fallback");
    let fallback = fallback.filter(|page| text::inner_path(section, "fallback", page)).map(|page| page.value);
    if fallback.as_deref().is_some_and(|page| page.split('/').any(|name| name.starts_with('.'))) {
        let span = section.span_of("fallback");
        section.problem(
            Problem::new("bad-path", span, "names that begin with a dot are never served")
                .help("like `fallback = \"index.html\"`, a file below `root`"),
        );
    }
    let immutable = section.strings("immutable").map(|paths| paths.value).unwrap_or_default();
    let immutable =
        immutable.into_iter().filter_map(|path| text::plain_path(section, "immutable", path)).collect();
    let root = root.map(|root| root.value).unwrap_or_else(|| ".".to_owned());
    Some(Files { root, fallback, immutable })
}

/// Where the manifest says none.
pub(super) fn readiness() -> ReadinessProbe {
    let request = ProbeRequest {
        http: READY_PATH.to_owned(),
        host: None,
        period: Span::secs(1),
        timeout: Span::secs(5),
    };
    ReadinessProbe { request, success_threshold: 3, failure_threshold: 3 }
}
