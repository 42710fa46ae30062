//! The versions of the stored formats of this build: another build may follow it where that one reads what this one wrote.

use std::path::Path;

use api::upgrade::{About, Format, Formats};
use model::Explain;
use serde::Deserialize;

use crate::keeper::{past, secrets, upgrades, webhooks};

/// Bound: of a file whose format is looked at; the longest names every event from before the first webhook.
const BYTES_MAX: usize = 64 << 20;

/// What `mainstay version --json` says.
pub(crate) fn about() -> About {
    About { version: crate::VERSION.to_owned(), api: api::VERSION, formats: own() }
}

/// All that one keeper, edge or station may leave for another: in the data folder, and in the run folder while a site serves.
fn own() -> Formats {
    let single = [
        ("certs-record", certs::RECORD_FORMAT),
        ("edge-settings", edge::settings::FORMAT),
        ("exits", past::FORMAT),
        ("manifest", model::manifest::FORMAT),
        ("process", supervisor::spec::FORMAT),
        ("routes", edge::table::FORMAT),
        ("schedule", schedule::FORMAT),
        ("secrets", secrets::store::FORMAT),
        ("served", edge::control::SERVED_FORMAT),
        ("upgrades", upgrades::FORMAT),
        ("webhooks-dead", webhooks::dead::FORMAT),
        ("webhooks-past", webhooks::feed::FORMAT),
        ("webhooks-queue", station::QUEUE_FORMAT),
    ];
    let all = single.into_iter().chain(release::FORMATS);
    all.map(|(name, version)| (name.to_owned(), Format::at(machine::formats::current(version)))).collect()
}

/// What this keeper or its edge would write over before any site is looked at.
///
/// # Errors
/// A newer Mainstay has written it.
pub(crate) fn refuse_newer(data: &Path) -> Result<(), Explain> {
    let refused = || {
        Explain::new("data-newer", "this data folder was last used by a newer Mainstay")
            .now("nothing was changed")
            .help("start the newer version again")
    };
    edge::control::Served::read(&data.join("edge")).map_err(|error| refused().because(&error))?;
    let own = [
        (upgrades::FILE, upgrades::FORMAT),
        (webhooks::dead::FILE, webhooks::dead::FORMAT),
        (webhooks::feed::FILE, webhooks::feed::FORMAT),
    ];
    for (name, format) in own {
        let (file, own) = (data.join(name), machine::formats::current(format));
        match found(&file) {
            Some(found) if found > own => {
                let file = file.display();
                return Err(refused().caused_by(format!(
                    "{file} has the format {found}, and this version reads up to {own}"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The format that a file says of itself; what does not read says none, and its reader has words for that.
fn found(file: &Path) -> Option<u32> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let bytes = machine::fs::read_regular(file, BYTES_MAX).ok()?;
    serde_json::from_slice::<Versioned>(&bytes).ok().map(|said| said.format)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Where what each version wrote is recorded, for the test of its reader.
    const RECORDED: [(&str, &str, &str); 16] = [
        ("certs-record", "certs", "record.json"),
        ("edge-settings", "edge", "settings.json"),
        ("exits", "mainstay", "past.json"),
        ("journal", "release", "deploy.journal"),
        ("manifest", "release", "manifest.json"),
        ("process", "supervisor", "spec.json"),
        ("routes", "edge", "routes.json"),
        ("schedule", "schedule", "schedule.json"),
        ("seal", "release", "seal.json"),
        ("secrets", "mainstay", "secrets.json"),
        ("served", "edge", "served.json"),
        ("site", "release", "state.json"),
        ("upgrades", "mainstay", "upgrades.json"),
        ("webhooks-dead", "mainstay", "webhooks.dead.json"),
        ("webhooks-past", "mainstay", "webhooks.past.json"),
        ("webhooks-queue", "station", "queue.sql"),
    ];

    #[test]
    fn of_each_format_every_version_that_is_read_is_recorded() {
        let recorded: BTreeMap<_, _> =
            RECORDED.into_iter().map(|(name, room, file)| (name, (room, file))).collect();
        let own = own();
        assert!(own.keys().eq(recorded.keys()), "{own:?}");
        let rooms = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (name, format) in own {
            let (room, file) = recorded[name.as_str()];
            for version in format.reads[0]..=format.writes {
                let path = rooms.join(room).join(format!("tests/recorded/v{version}")).join(file);
                assert!(path.is_file(), "{name} of version {version} is not recorded in {}", path.display());
            }
        }
    }

    #[test]
    fn a_file_that_a_newer_keeper_wrote_is_refused_in_words() {
        let data = tempfile::tempdir().expect("a folder");
        assert!(refuse_newer(data.path()).is_ok(), "an empty folder is no newer one's");
        for name in [upgrades::FILE, webhooks::dead::FILE, webhooks::feed::FILE] {
            let file = data.path().join(name);
            std::fs::write(&file, r#"{"format":1}"#).expect("written");
            assert!(refuse_newer(data.path()).is_ok(), "{name}");
            std::fs::write(&file, r#"{"format":2,"more":[]}"#).expect("written");
            let said = refuse_newer(data.path()).expect_err(name);
            assert!(said.to_string().contains("newer Mainstay"), "{said}");
            assert!(said.causes[0].contains(name) && said.causes[0].contains("reads up to 1"), "{said:?}");
            std::fs::remove_file(file).expect("own file");
        }
    }
}
