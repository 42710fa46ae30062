//! Names that people know these settings by from elsewhere (CFG-02 to -11), and the words they write there.

use std::net::IpAddr;

use kit::config::Alias;

pub(super) const ALIASES: &[Alias] = &[
    Alias { name: "HOSTNAME", of: "HOST", translate: address },
    Alias { name: "NODE_ENV", of: "ASSISTANT_ENVIRONMENT", translate: environment },
    Alias { name: "ENVIRONMENT", of: "ASSISTANT_ENVIRONMENT", translate: environment },
    Alias { name: "LOG_LEVEL", of: "LOG_LEVEL", translate: level },
    Alias { name: "DATABASE_URL", of: "ASSISTANT_DATABASE", translate: file },
    Alias::new("JWT_SECRET", "ASSISTANT_SECRET_KEY"),
    Alias::new("JWT_SECRET_KEY", "ASSISTANT_SECRET_KEY"),
    Alias::new("NEXTAUTH_SECRET", "ASSISTANT_SECRET_KEY"),
];

/// A shell's or a container's HOSTNAME is its name, and no place to listen.
fn address(value: &str) -> Result<Option<String>, String> {
    Ok(value.parse::<IpAddr>().is_ok().then(|| value.to_owned()))
}

/// `test` and such are words of other programs.
fn environment(value: &str) -> Result<Option<String>, String> {
    let value = value.to_ascii_lowercase();
    Ok(super::ENVIRONMENTS.contains(&value.as_str()).then_some(value))
}

/// Levels of winston and Python (LOG-01, CFG-03).
fn level(value: &str) -> Result<Option<String>, String> {
    let value = value.to_ascii_lowercase();
    Ok(Some(match value.as_str() {
        "critical" | "fatal" => "error".to_owned(),
        "warning" => "warn".to_owned(),
        "http" => "info".to_owned(),
        "verbose" | "silly" => "debug".to_owned(),
        _ => value,
    }))
}

/// Prisma's form of an SQLite file; what stands behind a `?` is for Prisma.
fn file(value: &str) -> Result<Option<String>, String> {
    let path = value.strip_prefix("file:").or_else(|| value.strip_prefix("sqlite:"));
    let path = path.map(|path| path.split('?').next().unwrap_or_default());
    match path.map(|path| path.strip_prefix("//").unwrap_or(path)) {
        Some(path) if !path.is_empty() => Ok(Some(path.to_owned())),
        // Never the value itself: it may hold a password.
        _ => Err("should be file:/path/to/assistant.db; this release keeps its data in SQLite".to_owned()),
    }
}
