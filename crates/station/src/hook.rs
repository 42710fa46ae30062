//! A webhook as the station uses it: its place, its key, and what it asks for.

use std::collections::HashMap;

use api::station::Event;
use model::{AppName, Secret};

use crate::{events, place::Place, settings, sign::Key};

/// A webhook.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    /// [`Place::key`]
    pub key: String,
    pub place: Place,
    events: Vec<String>,
    apps: Vec<AppName>,
    /// `None`: nothing can be sent to it now.
    pub secret: Option<Key>,
}

impl Hook {
    /// `None`: its URL is none, which the keeper has said already.
    pub(crate) fn new(said: &settings::Hook, secrets: &HashMap<String, Secret>) -> Option<Self> {
        let place = Place::parse(&said.url).ok()?;
        let secret = said.secret.as_ref().and_then(|name| secrets.get(name));
        Some(Self {
            key: place.key(),
            events: said.events.clone(),
            apps: said.apps.clone(),
            secret: secret.and_then(|secret| Key::parse(secret).ok()),
            place,
        })
    }

    pub(crate) fn wants(&self, event: &Event) -> bool {
        let of_its_apps =
            self.apps.is_empty() || event.site.as_ref().is_some_and(|site| self.apps.contains(&site.app));
        of_its_apps && self.events.iter().any(|pattern| events::means(pattern, &event.name))
    }
}
