//! Reads and writes the attestations of a checkout.

use std::{path::PathBuf, process::ExitCode};

use check::{Attestation, attest::is_date};
use model::Explain;

use crate::{
    config::attest as file,
    output::{json, line},
    session::{ManifestFile, Session, unreadable},
};

fn path(manifest: &ManifestFile) -> PathBuf {
    manifest.folder().join(file::FILE)
}

pub(super) fn read(manifest: &ManifestFile) -> Result<Vec<Attestation>, Explain> {
    let path = path(manifest);
    match machine::fs::read_text(&path, file::TEXT_BYTES_MAX) {
        Ok(text) => file::parse(&text, file::FILE).map_err(|errors| errors.explain()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unreadable(&path, &error)),
    }
}

pub(super) fn write(
    session: &Session,
    manifest: &ManifestFile,
    id: &str,
    until: &str,
    note: &str,
) -> Result<ExitCode, Explain> {
    if !is_date(until) {
        return Err(
            Explain::new("bad-date", format!("`{until}` is no date")).help("write it like 2026-12-31")
        );
    }
    let mut all = read(manifest)?;
    let new = Attestation { id: id.to_owned(), by: me(), until: until.to_owned(), note: note.to_owned() };
    match all.iter_mut().find(|known| known.id == id) {
        Some(known) => *known = new,
        None => all.push(new),
    }
    let path = path(manifest);
    std::fs::write(&path, file::render(&all)).map_err(|error| {
        Explain::new("cannot-write", format!("cannot write {}", path.display()))
            .caused_by(error.to_string())
            .now("nothing is attested")
            .help("run it as the user to whom the folder of the manifest belongs")
    })?;
    if session.json() {
        json(&serde_json::json!({ "attested": id, "until": until, "file": path }));
    } else {
        line(format!("{} holds your word for `{id}` until {until}. Commit it.", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn me() -> String {
    let uid = machine::users::own_uid();
    let account = machine::users::by_uid(uid).ok().flatten();
    account.map_or_else(|| format!("uid {uid}"), |account| account.name)
}

/// `2026-12-31`, here.
pub(super) fn today() -> String {
    jiff::Zoned::now().date().to_string()
}
