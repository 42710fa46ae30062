//! What files about containers and processes have in common: addresses in commands, health checks, volumes, sizes and times.

use std::path::Path;

use model::{ByteSize, Span};

use super::GuessedService;

/// Names of processes that would do everything twice.
const SINGLE: [&str; 5] = ["clock", "scheduler", "beat", "cron", "celerybeat"];

/// Where images keep their app.
const APP_FOLDERS: [&str; 8] =
    ["/app", "/usr/src/app", "/srv/app", "/code", "/rails", "/workspace", "/home/node/app", "/var/www/html"];

/// A worker that must never run twice, as far as its name says.
pub(super) fn is_single(service: &GuessedService) -> bool {
    !service.web && SINGLE.contains(&service.name.as_str())
}

/// Puts placeholders where a command has the address that it listens on. True if it changed something.
pub(super) fn bind(service: &mut GuessedService) -> bool {
    if !service.web {
        return false;
    }
    let mut changed = false;
    for word in &mut service.command {
        let mut bound = word.replace("0.0.0.0", "{host}").replace("[::]", "{host}");
        for port in &service.ports {
            bound = with_port(&bound, &port.to_string());
        }
        changed |= bound != *word;
        *word = bound;
    }
    changed
}

/// `-p 3000`, `:3000` and `=3000` name a port; `13000` and `v3000` do not.
fn with_port(text: &str, port: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(port) {
        let (head, tail) = rest.split_at(at);
        let tail = tail.get(port.len()..).unwrap_or_default();
        let before = if head.is_empty() { out.chars().last() } else { head.chars().last() };
        let is_alone = before.is_none_or(|c| " :='\"".contains(c))
            && tail.chars().next().is_none_or(|c| " '\"/".contains(c));
        out.push_str(head);
        out.push_str(if is_alone { "{port}" } else { port });
        rest = tail;
    }
    out + rest
}

/// The path that a command asks this machine for by HTTP: `curl -f http://localhost:3000/up`.
pub(super) fn asked_path(command: &str) -> Option<String> {
    let (_, rest) = command.split_once("http://")?;
    let end = rest.find(|c: char| c.is_whitespace() || "'\"|;)`".contains(c)).unwrap_or(rest.len());
    let url = rest.get(..end)?;
    let (authority, path) = url.split_once('/').unwrap_or((url, ""));
    let host = authority.split(':').next().unwrap_or_default();
    let path = format!("/{path}");
    (["localhost", "127.0.0.1", "0.0.0.0"].contains(&host) && is_request_path(&path)).then_some(path)
}

/// The path of a request, as a probe may have it.
pub(super) fn is_request_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic()) && !path.contains('#')
}

/// Where a path of a container lies within the release, if it does.
pub(super) fn within_app(path: &str, workdir: Option<&str>) -> Option<String> {
    let inside = workdir
        .into_iter()
        .chain(APP_FOLDERS)
        .find_map(|folder| Path::new(path).strip_prefix(folder).ok())?;
    clean(inside.to_str()?)
}

/// Puts paths of the release where a command has paths of the image's folder.
pub(super) fn of_release(words: &mut [String], workdir: Option<&str>) {
    for word in words.iter_mut().filter(|word| word.starts_with('/')) {
        if let Some(inner) = within_app(word, workdir) {
            *word = format!("./{inner}");
        }
    }
}

/// A path below the app's folder, in its shortest form. `None`: it is that folder, or lies outside.
pub(super) fn clean(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            std::path::Component::Normal(name) => parts.push(name.to_str()?),
            std::path::Component::CurDir => {}
            _ => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Adds a path that outlives releases, unless it lies in one that does, or one in it.
pub(super) fn share(paths: &mut Vec<String>, path: String) -> bool {
    let nested = |a: &str, b: &str| Path::new(a).starts_with(b) || Path::new(b).starts_with(a);
    if paths.iter().any(|known| nested(known, &path)) {
        return false;
    }
    paths.push(path);
    true
}

/// `30s`, `1m30s`, `1500ms`; a bare number in `unit`.
pub(super) fn span(text: &str, unit: fn(u64) -> Span) -> Option<Span> {
    let text = text.trim();
    match text.parse::<u64>() {
        Ok(number) => Some(unit(number)),
        Err(_) => text.parse().ok(),
    }
}

/// `512M`, `1g`, `64k`, `300mb`, bytes without a unit; all units are binary, as these tools have them.
pub(super) fn size(text: &str) -> Option<ByteSize> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits)?.trim().trim_end_matches("ib").trim_end_matches('b');
    let factor = match unit {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    // Nothing, where these tools mean no bound by it.
    digits.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes > 0).map(ByteSize)
}
