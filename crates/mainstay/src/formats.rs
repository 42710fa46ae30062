//! The versions of the stored formats of this build: another build may follow it where that one reads what this one wrote.

use api::upgrade::{About, Format, Formats};

/// What `mainstay version --json` says.
pub(crate) fn about() -> About {
    About { version: crate::VERSION.to_owned(), api: api::VERSION, formats: own() }
}

fn own() -> Formats {
    let single = [
        ("manifest", model::manifest::FORMAT),
        ("process", supervisor::spec::FORMAT),
        ("schedule", schedule::FORMAT),
        ("upgrades", crate::keeper::UPGRADES_FORMAT),
    ];
    let all = single.into_iter().chain(release::FORMATS);
    all.map(|(name, version)| (name.to_owned(), Format::at(machine::formats::current(version)))).collect()
}
