//! The webhooks of machine.toml with their secrets, or with why they have none.

use std::collections::BTreeMap;

use model::{Explain, Secret};
use station::{place::Place, sign::Key};

use crate::config::{folders::Folders, machine::Webhook, secret_file};

const GOOD_ONE: &str = "`openssl rand -base64 24 | sed s/^/whsec_/` makes a good one";
const TAKEN_UP: &str = "the keeper takes the file up within seconds";

#[derive(Clone, Debug)]
pub(crate) struct Usable {
    pub said: Webhook,
    pub place: Place,
    pub secret: Result<Secret, Explain>,
    /// Why its file no longer gives the secret that it signs with.
    pub unread: Option<Explain>,
}

/// All of them, in the order of the file.
pub(crate) fn read(folders: &Folders, webhooks: &[Webhook]) -> Vec<Usable> {
    if webhooks.is_empty() {
        return Vec::new();
    }
    let file = folders.webhook_secrets();
    let secrets = secret_file::read(&file).map_err(|unread| in_words(unread.explain, &webhooks[0].secret));
    // Each URL was read once already, with the file.
    let places = webhooks.iter().filter_map(|said| Some((said, said.place().ok()?)));
    places
        .map(|(said, place)| Usable {
            secret: secrets
                .as_ref()
                .map_err(Explain::clone)
                .and_then(|all| usable(&said.secret, all, folders)),
            said: said.clone(),
            place,
            unread: None,
        })
        .collect()
}

/// What the file gives now. A webhook whose secret can no longer be read keeps the one that it had: a file that is being
/// edited must cost no delivery.
pub(super) fn read_again(folders: &Folders, before: &[Usable]) -> Vec<Usable> {
    let said: Vec<Webhook> = before.iter().map(|hook| hook.said.clone()).collect();
    let kept = |(now, before): (Usable, &Usable)| match (now.secret, &before.secret) {
        (Err(why), Ok(secret)) => Usable { secret: Ok(secret.clone()), unread: Some(why), ..before.clone() },
        (secret, _) => Usable { secret, ..now },
    };
    read(folders, &said).into_iter().zip(before).map(kept).collect()
}

/// The words of a file of secrets are those of an app's, which may have another source.
fn in_words(why: Explain, name: &str) -> Explain {
    let help = match why.code.as_str() {
        "secrets-missing" => format!("make it with mode 600 and a line `{name}=…`; {GOOD_ONE}"),
        _ => why.help.clone().unwrap_or_default(),
    };
    why.help(format!("{help}; {TAKEN_UP}"))
}

fn usable(name: &str, all: &BTreeMap<String, Secret>, folders: &Folders) -> Result<Secret, Explain> {
    let file = folders.webhook_secrets();
    let Some(secret) = all.get(name) else {
        return Err(Explain::new("secret-missing", format!("{} has no {name}", file.display()))
            .help(format!("add a line `{name}=…`; {GOOD_ONE}; {TAKEN_UP}")));
    };
    Key::parse(secret).map(|_| secret.clone()).map_err(|error| {
        Explain::new("webhook-secret", format!("{name} in {} cannot sign", file.display()))
            .because(&error)
            .help(format!("{GOOD_ONE}; the receiver needs the same; {TAKEN_UP}"))
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::config::folders::Kind;

    #[test]
    fn a_file_that_is_mended_gives_its_secret_and_one_that_breaks_takes_none_away() {
        let at = tempfile::tempdir().expect("a folder");
        let data = at.path().to_owned();
        let folders =
            Folders { kind: Kind::Own, machine_toml: data.join("machine.toml"), run: data.join("run"), data };
        let said = Webhook {
            url: "http://127.0.0.1:9/".to_owned(),
            secret: "HOOK".to_owned(),
            events: vec!["*".to_owned()],
            apps: Vec::new(),
            allow_plain: false,
        };
        let first = read(&folders, &[said]);
        let why = first[0].secret.as_ref().expect_err("there is no file");
        let help = why.help.as_deref().unwrap_or_default();
        assert!(
            help.contains("HOOK=…") && help.contains(TAKEN_UP) && !help.contains("machine.toml"),
            "{help}"
        );

        let file = folders.webhook_secrets();
        fs::write(&file, "HOOK=sixteen bytes, or some more\n").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("closed");
        let mended = read_again(&folders, &first);
        assert!(mended[0].secret.is_ok() && mended[0].unread.is_none());

        fs::write(&file, "HOOK\n").expect("written");
        let broken = read_again(&folders, &mended);
        assert_eq!(broken[0].secret.as_ref().ok(), mended[0].secret.as_ref().ok(), "it signs as before");
        assert_eq!(broken[0].unread.as_ref().map(|why| why.code.as_str()), Some("secrets-unreadable"));
        let still = read_again(&folders, &broken);
        assert!(still[0].secret.is_ok() && still[0].unread.is_some());
    }
}
