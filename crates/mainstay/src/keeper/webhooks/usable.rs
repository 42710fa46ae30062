//! The webhooks of machine.toml with their secrets, or with why they have none.

use std::collections::BTreeMap;

use model::{Explain, Secret};
use station::{place::Place, sign::Key};

use crate::config::{folders::Folders, machine::Webhook, secret_file};

pub(crate) struct Usable {
    pub said: Webhook,
    pub place: Place,
    pub secret: Result<Secret, Explain>,
}

/// All of them, in the order of the file.
pub(crate) fn read(folders: &Folders, webhooks: &[Webhook]) -> Vec<Usable> {
    if webhooks.is_empty() {
        return Vec::new();
    }
    let file = folders.webhook_secrets();
    let secrets = secret_file::read(&file).map_err(|unread| unread.explain);
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
        })
        .collect()
}

fn usable(name: &str, all: &BTreeMap<String, Secret>, folders: &Folders) -> Result<Secret, Explain> {
    let file = folders.webhook_secrets();
    let Some(secret) = all.get(name) else {
        return Err(Explain::new("secret-missing", format!("{} has no {name}", file.display())).help(
            format!("add a line `{name}=…`; `openssl rand -base64 24 | sed s/^/whsec_/` makes a good one"),
        ));
    };
    Key::parse(secret).map(|_| secret.clone()).map_err(|error| {
        Explain::new("webhook-secret", format!("{name} in {} cannot sign", file.display()))
            .because(&error)
            .help("`openssl rand -base64 24 | sed s/^/whsec_/` makes a good one; the receiver needs the same")
    })
}
