//! Reads and writes the attestations of a checkout.

use std::{path::PathBuf, process::ExitCode};

use check::{Attestation, attest::is_date};
use jiff::ToSpan as _;
use model::Explain;

use crate::{
    config::{attest as file, decode::nearest},
    output::{json, line},
    session::{ManifestFile, Session, unreadable},
};

/// Bound: days that a word holds without another look.
const HOLDS_MAX: i64 = 366;

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
    check_id(id)?;
    check_date(until, &today())?;
    let mut all = read(manifest)?;
    let new = Attestation {
        id: id.to_owned(),
        by: me(),
        when: Some(today()),
        until: until.to_owned(),
        note: note.to_owned(),
    };
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

/// # Errors
/// No finding is called so: nobody would ever see this word.
fn check_id(id: &str) -> Result<(), Explain> {
    if check::ids().any(|known| known == id) {
        return Ok(());
    }
    let help = match nearest(id, check::ids()) {
        Some(near) => {
            format!("did you mean `{near}`? `mainstay check` lists all, `mainstay check --live` more")
        }
        None => "`mainstay check` lists all, `mainstay check --live` more".to_owned(),
    };
    Err(Explain::new("no-such-finding", format!("no finding is called `{id}`"))
        .now("nothing is attested")
        .help(help))
}

/// # Errors
/// It is no day, one that has been, or one too far away.
fn check_date(until: &str, today: &str) -> Result<(), Explain> {
    if !is_date(until) || until.parse::<jiff::civil::Date>().is_err() {
        return Err(
            Explain::new("bad-date", format!("`{until}` is no date")).help("write it like 2026-12-31")
        );
    }
    if until < today {
        return Err(Explain::new("date-past", format!("{until} has been: today is {today}"))
            .now("nothing is attested")
            .help("`--until` is the last day that your word holds"));
    }
    let furthest =
        today.parse::<jiff::civil::Date>().ok().and_then(|day| day.checked_add(HOLDS_MAX.days()).ok());
    if furthest.is_some_and(|furthest| until > furthest.to_string().as_str()) {
        return Err(Explain::new("date-far", format!("{until} is more than {HOLDS_MAX} days from now"))
            .now("nothing is attested")
            .help("name a day within a year: what nobody looks at again is not known any more"));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_finding_that_there_is_can_be_vouched_for() {
        assert!(check_id("firewall").is_ok() && check_id("manifest").is_ok() && check_id("webhooks").is_ok());
        let why = check_id("firewal").expect_err("unknown");
        assert_eq!(why.code, "no-such-finding");
        assert!(why.help.is_some_and(|help| help.contains("`firewall`")));
    }

    #[test]
    fn a_word_holds_until_a_day_to_come() {
        let code = |until| check_date(until, "2026-06-30").err().map(|why| why.code);
        assert_eq!(code("2026-06-30"), None);
        assert_eq!(code("2027-07-01"), None);
        assert_eq!(code("2027-07-02").as_deref(), Some("date-far"));
        assert_eq!(code("9999-12-31").as_deref(), Some("date-far"));
        assert_eq!(code("2026-06-29").as_deref(), Some("date-past"));
        assert_eq!(code("2027-02-31").as_deref(), Some("bad-date"));
        assert_eq!(code("soon").as_deref(), Some("bad-date"));
    }
}
