//! Texts that have a form: commands, placeholders, paths, hosts, names of variables.

use std::{collections::BTreeMap, ops::Range};

use crate::config::{
    decode::{At, Section, nearest},
    problem::Problem,
};

/// What `{…}` may stand for in a command or a value.
pub(crate) const PLACEHOLDERS: [&str; 6] =
    ["port", "host", "socket", "release_dir", "shared_dir", "instance"];

/// Variables that Mainstay sets itself; a manifest that sets them would be lied to or would lie.
const OURS: [&str; 5] = ["HOST", "HOSTNAME", "TMPDIR", "USER", "LOGNAME"];
/// And all that begin so.
const OUR_PREFIXES: [&str; 3] = ["MAINSTAY_", "LISTEN_", "NOTIFY_"];

/// A program and its arguments.
pub(super) fn command(section: &mut Section<'_, '_, '_>, key: &'static str) -> Option<Vec<String>> {
    let words = section.strings(key)?;
    if words.value.first().is_none_or(|program| program.value.trim().is_empty()) {
        section.problem(
            Problem::new("empty-command", words.span, format!("`{key}` names no program"))
                .help(format!("write the program and its arguments: `{key} = [\"node\", \"server.js\"]`")),
        );
        return None;
    }
    words.value.iter().for_each(|word| {
        placeholders(section, word);
        no_nul(section, word);
    });
    Some(words.value.into_iter().map(|word| word.value).collect())
}

/// Variables with their values.
pub(super) fn env(section: &mut Section<'_, '_, '_>) -> BTreeMap<String, String> {
    let Some(map) = section.text_map("env") else { return BTreeMap::new() };
    for (name, value) in &map {
        variable(section, name, &value.span);
        placeholders(section, value);
        no_nul(section, value);
    }
    map.into_iter().map(|(name, value)| (name, value.value)).collect()
}

/// Names of secrets.
pub(super) fn env_secrets(section: &mut Section<'_, '_, '_>, env: &BTreeMap<String, String>) -> Vec<String> {
    let Some(names) = section.strings("env_secrets") else { return Vec::new() };
    let mut secrets: Vec<String> = Vec::new();
    for name in names.value {
        variable(section, &name.value, &name.span);
        if env.contains_key(&name.value) {
            section.problem(
                Problem::new(
                    "set-twice",
                    name.span,
                    format!("`{}` stands in `env` and in `env_secrets`", name.value),
                )
                .help("a secret's value never stands in the manifest: remove it from `env`"),
            );
        } else if secrets.contains(&name.value) {
            section.problem(
                Problem::new("named-twice", name.span, format!("`{}` is named twice", name.value))
                    .help("remove one of them"),
            );
        } else {
            secrets.push(name.value);
        }
    }
    secrets
}

/// Whether a manifest may set a variable of such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    Free,
    /// Mainstay sets it.
    Ours,
    NoName,
}

pub(crate) fn kind_of_variable(name: &str) -> Variable {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Variable::NoName
    } else if OURS.contains(&name) || OUR_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        Variable::Ours
    } else {
        Variable::Free
    }
}

fn variable(section: &mut Section<'_, '_, '_>, name: &str, span: &Range<usize>) {
    match kind_of_variable(name) {
        Variable::NoName => section.problem(
            Problem::new(
                "bad-variable",
                span.clone(),
                format!("`{name}` is no name of an environment variable"),
            )
            .help("letters, digits and `_`, and no digit first"),
        ),
        Variable::Ours => section.problem(
            Problem::new("reserved-variable", span.clone(), format!("`{name}` is set by Mainstay"))
                .help("remove it: the app reads the value that Mainstay gives"),
        ),
        Variable::Free => {}
    }
}

pub(super) fn no_nul(section: &mut Section<'_, '_, '_>, text: &At<String>) {
    if text.value.contains('\0') {
        section.problem(
            Problem::new("bad-text", text.span.clone(), "a text for a process cannot hold a NUL")
                .help("remove `\\u0000`: the kernel ends a text there"),
        );
    }
}

fn placeholders(section: &mut Section<'_, '_, '_>, text: &At<String>) {
    for name in used(&text.value) {
        if PLACEHOLDERS.contains(&name) {
            continue;
        }
        let mut problem = Problem::new(
            "unknown-placeholder",
            text.span.clone(),
            format!("`{{{name}}}` stands for nothing"),
        );
        problem = match nearest(name, PLACEHOLDERS.into_iter()) {
            Some(near) => problem.label(format!("did you mean `{{{near}}}`?")),
            None => problem,
        };
        section.problem(
            problem.help(format!("known are {}", PLACEHOLDERS.map(|p| format!("{{{p}}}")).join(" "))),
        );
    }
}

/// The names between braces. Only `{word}` counts: JSON and shell braces in an argument are left alone.
pub(crate) fn used(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let end = after.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        if !name.is_empty() && tail.starts_with('}') {
            names.push(name);
        }
        rest = after;
    }
    names
}

/// A path that stays below its folder.
pub(super) fn inner_path(section: &mut Section<'_, '_, '_>, key: &str, text: &At<String>) -> bool {
    let path = std::path::Path::new(&text.value);
    let inner = !text.value.is_empty()
        && path
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if !inner {
        section.problem(
            Problem::new("bad-path", text.span.clone(), format!("`{key}` must be a path below its folder"))
                .label("neither absolute nor with `..`"),
        );
    }
    inner
}

/// The path of a request: `/health/ready?full=1`.
pub(super) fn request_path(section: &mut Section<'_, '_, '_>, key: &'static str) -> Option<String> {
    let text = section.string(key)?;
    if text.value.starts_with('/')
        && text.value.bytes().all(|b| b.is_ascii_graphic())
        && !text.value.contains('#')
    {
        return Some(text.value);
    }
    section.problem(
        Problem::new("bad-request-path", text.span, format!("`{key}` must be the path of a request"))
            .help("it starts with `/` and has neither spaces nor `#`: `\"/health/ready\"`"),
    );
    None
}

/// A path of whole segments, as `key` has it: `/api/auth`.
pub(super) fn plain_path(section: &mut Section<'_, '_, '_>, key: &str, text: At<String>) -> Option<String> {
    if is_plain_path(&text.value) {
        return Some(text.value);
    }
    section.problem(
        Problem::new("bad-request-path", text.span, format!("`{key}` must be a path"))
            .help("it starts with `/`, and has no `?`, `#`, `..`, space or `//`: `\"/api\"`"),
    );
    None
}

/// Whether this is a path of whole segments.
pub(crate) fn is_plain_path(path: &str) -> bool {
    let plain = path.bytes().all(|b| b.is_ascii_graphic()) && !path.contains(['?', '#']);
    let climbs = path.split('/').any(|part| part == "." || part == "..");
    path.starts_with('/') && plain && !climbs && !path.contains("//")
}

/// Methods of requests.
pub(super) fn methods(section: &mut Section<'_, '_, '_>, key: &'static str) -> Option<Vec<String>> {
    let methods = section.strings(key)?;
    for method in &methods.value {
        if method.value.is_empty() || !method.value.bytes().all(|b| b.is_ascii_uppercase()) {
            section.problem(
                Problem::new("bad-method", method.span.clone(), format!("`{}` is no method", method.value))
                    .help("methods are upper case, like `[\"POST\"]`"),
            );
        }
    }
    Some(methods.value.into_iter().map(|method| method.value).collect())
}

/// RFC 9110 5.6.2: what headers and cookies may be called.
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A host name, lower case, without port; an address is allowed.
pub(crate) fn host(section: &mut Section<'_, '_, '_>, text: At<String>) -> Option<String> {
    let host = text.value.to_ascii_lowercase();
    if is_host(&host) {
        return Some(host);
    }
    let mut problem = Problem::new("bad-host", text.span, format!("`{}` is no host name", text.value));
    problem = if text.value.contains("://") {
        problem.help("write the host alone, without `https://`")
    } else if text.value.contains(':') {
        problem.help("write the host without its port: which ports are served stands in machine.toml")
    } else if text.value.contains('/') {
        problem.help("write the host alone; the path stands in `path_prefix`")
    } else {
        problem.help("like `chat.example.com`")
    };
    section.problem(problem);
    None
}

/// Whether this is a name in lower case or an address.
pub(crate) fn is_host(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok();
    address || (host.len() <= 253 && name.split('.').all(label))
}
