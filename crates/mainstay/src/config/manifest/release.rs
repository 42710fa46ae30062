//! `[release]`: what a release is made of.

pub(super) mod build;

use model::{
    ByteSize,
    manifest::{Proof, Release, Source, asset_retention},
};

use super::text;
use crate::config::{
    decode::{Later, Section},
    problem::Problem,
};

/// Releases that pruning keeps besides those in use.
const KEEP_RELEASES: u32 = 5;
/// And at most so many bytes of them.
const KEEP_BYTES: ByteSize = ByteSize::gib(5);

const LATER: &[Later] = &[
    Later { key: "git", instead: "check the commit out and give its folder: `dir = \".\"`" },
    Later {
        key: "signature",
        instead: "signatures come in a later version; the digest of what was sent is checked anyway",
    },
];

pub(super) fn release(section: &mut Section<'_, '_, '_>) -> Release {
    section.later(LATER);
    let source = source(section);
    let digest = digest(section, source.as_ref());
    let shared_paths = shared_paths(section);
    let asset_paths = asset_paths(section, &shared_paths);
    let asset_retention = section.duration("asset_retention").unwrap_or_else(asset_retention);
    let build = section.table("build", build::build);
    let proof = section.table("proof", proof);
    let keep_releases = section.integer("keep_releases", 1..=1000).map(|n| n as u32);
    let keep_bytes = section.size("keep_bytes");
    Release {
        source: source.unwrap_or_else(here),
        digest,
        asset_paths,
        asset_retention,
        build,
        shared_paths,
        proof,
        keep_releases: keep_releases.unwrap_or(KEEP_RELEASES),
        keep_bytes: keep_bytes.unwrap_or(KEEP_BYTES),
    }
}

/// What stands in where [release] is missing.
pub(super) fn stand_in() -> Release {
    Release {
        source: here(),
        digest: None,
        asset_paths: Vec::new(),
        asset_retention: asset_retention(),
        build: None,
        shared_paths: Vec::new(),
        proof: None,
        keep_releases: KEEP_RELEASES,
        keep_bytes: KEEP_BYTES,
    }
}

fn here() -> Source {
    Source::Dir(".".to_owned())
}

fn source(section: &mut Section<'_, '_, '_>) -> Option<Source> {
    let dir = section.string("dir");
    let artifact = section.string("artifact");
    match (dir, artifact) {
        (Some(dir), Some(artifact)) => {
            section.problem(
                Problem::new("two-sources", artifact.span, "[release] has `dir` and `artifact`")
                    .other(dir.span, "the other source")
                    .help(
                        "keep `dir` to have Mainstay pack a folder, or `artifact` for an archive that exists",
                    ),
            );
            None
        }
        (Some(dir), None) => text::inner_path(section, "dir", &dir).then_some(Source::Dir(dir.value)),
        (None, Some(artifact)) => {
            text::inner_path(section, "artifact", &artifact).then_some(Source::Artifact(artifact.value))
        }
        (None, None) => {
            if !section.has("dir") && !section.has("artifact") {
                section.missing("dir", "dir = \".\"");
            }
            None
        }
    }
}

fn digest(section: &mut Section<'_, '_, '_>, source: Option<&Source>) -> Option<String> {
    let digest = section.string("digest")?;
    let hex = digest.value.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        section.problem(
            Problem::new("bad-digest", digest.span, "`digest` is no SHA-256 digest")
                .help("write `sha256:` and the 64 lower-case digits that `sha256sum FILE` prints"),
        );
        return None;
    }
    if matches!(source, Some(Source::Dir(_))) {
        section.problem(
            Problem::new(
                "digest-of-folder",
                digest.span,
                "`digest` belongs to an `artifact`, and this packs a folder",
            )
            .help("a folder is packed anew for each deploy: build an archive, and name it by `artifact`"),
        );
        return None;
    }
    Some(digest.value)
}

fn shared_paths(section: &mut Section<'_, '_, '_>) -> Vec<String> {
    let Some(paths) = section.strings("shared_paths") else { return Vec::new() };
    let mut shared: Vec<String> = Vec::new();
    for path in paths.value {
        if !text::inner_path(section, "shared_paths", &path) {
            continue;
        }
        let clean = path.value.trim_start_matches("./").trim_end_matches('/').to_owned();
        let clash = shared.iter().find(|other| nested(other, &clean));
        if clean.is_empty() || clean == "." {
            section.problem(
                Problem::new("bad-path", path.span, "the whole release cannot be shared")
                    .help("name the folders that must outlive a release, like `data`"),
            );
        } else if let Some(other) = clash {
            section.problem(
                Problem::new("nested-paths", path.span, format!("`{clean}` and `{other}` lie in each other"))
                    .help("name the outer one alone: all below it is shared"),
            );
        } else {
            shared.push(clean);
        }
    }
    shared
}

/// Folders whose files outlive their release for a while.
fn asset_paths(section: &mut Section<'_, '_, '_>, shared: &[String]) -> Vec<String> {
    let Some(paths) = section.strings("asset_paths") else { return Vec::new() };
    let mut assets: Vec<String> = Vec::new();
    for path in paths.value {
        if !text::inner_path(section, "asset_paths", &path) {
            continue;
        }
        let clean = path.value.trim_start_matches("./").trim_end_matches('/').to_owned();
        if clean.is_empty() || clean == "." {
            section.problem(
                Problem::new("bad-path", path.span, "the whole release cannot be kept for old pages")
                    .help("name the folders of files with a digest in their names, like `dist/assets`: others would be found under an old name by nobody"),
            );
        } else if let Some(other) = shared.iter().find(|other| nested(other, &clean)) {
            section.problem(
                Problem::new(
                    "nested-paths",
                    path.span,
                    format!("`{clean}` is kept, and `{other}` is shared"),
                )
                .help("what is shared outlives every release already: name it in one of them"),
            );
        } else if let Some(other) = assets.iter().find(|other| nested(other, &clean)) {
            section.problem(
                Problem::new("nested-paths", path.span, format!("`{clean}` and `{other}` lie in each other"))
                    .help("name the outer one alone: all below it is kept"),
            );
        } else {
            assets.push(clean);
        }
    }
    assets
}

fn nested(a: &str, b: &str) -> bool {
    std::path::Path::new(a).starts_with(b) || std::path::Path::new(b).starts_with(a)
}

fn proof(section: &mut Section<'_, '_, '_>) -> Option<Proof> {
    let get = text::request_path(section, "get");
    if !section.has("get") {
        section.missing("get", "get = \"/api/version\"");
    }
    let json = section.string("json").map(|at| at.value);
    if !section.has("json") {
        section.missing("json", "json = \"release\"");
    }
    Some(Proof { get: get?, json: json? })
}
