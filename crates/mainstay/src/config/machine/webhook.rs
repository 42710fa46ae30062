//! `[[webhook]]`: who is told what happens on this machine.

use model::AppName;
use serde::Serialize;
use station::{
    events,
    place::{Place, PlaceError},
};

use crate::config::{
    decode::{At, Section, nearest},
    problem::Problem,
    secret_lines,
};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Webhook {
    pub url: String,
    /// The name of its secret in `webhooks.env`.
    pub secret: String,
    /// Names of events, or patterns with `*`; never empty.
    pub events: Vec<String>,
    /// Empty: of all apps.
    pub apps: Vec<AppName>,
    /// `http` to another machine is wanted as it is.
    pub allow_plain: bool,
}

impl Webhook {
    /// # Errors
    /// None, of one that was read.
    pub fn place(&self) -> Result<Place, PlaceError> {
        Place::parse(&self.url)
    }
}

pub(super) fn webhooks(top: &mut Section<'_, '_, '_>) -> Vec<Webhook> {
    let mut urls: Vec<At<String>> = Vec::new();
    let read = |section: &mut Section<'_, '_, '_>| webhook(section, &mut urls);
    top.tables("webhook", read).unwrap_or_default().into_iter().map(|at| at.value).collect()
}

fn webhook(section: &mut Section<'_, '_, '_>, urls: &mut Vec<At<String>>) -> Option<Webhook> {
    let allow_plain = section.boolean("allow_plain").unwrap_or(false);
    let url = url(section, allow_plain, urls);
    let secret = secret(section);
    let events = events_of(section);
    let apps = apps(section);
    for (key, example) in [
        ("url", "url = \"https://hooks.example.com/mainstay\""),
        ("secret", "secret = \"HOOK_SECRET\""),
        ("events", "events = [\"deploy.*\"]"),
    ] {
        if !section.has(key) {
            section.missing(key, example);
        }
    }
    Some(Webhook { url: url?, secret: secret?, events: events?, apps, allow_plain })
}

fn url(section: &mut Section<'_, '_, '_>, allow_plain: bool, urls: &mut Vec<At<String>>) -> Option<String> {
    let at = section.string("url")?;
    let place = match Place::parse(&at.value) {
        Ok(place) => place,
        Err(error) => {
            section.problem(
                Problem::new("bad-url", at.span, format!("no webhook can be sent there: {error}"))
                    .help("like `\"https://hooks.example.com/mainstay\"`"),
            );
            return None;
        }
    };
    if !place.tls && !place.is_loopback() && !allow_plain {
        section.problem(
            Problem::new("plain-webhook", at.span, "`http` shows everybody on the way what happens here")
                .help("use `https`; where the way is yours alone, `allow_plain = true` beside it says so"),
        );
        return None;
    }
    if let Some(first) = urls.iter().find(|known| known.value == at.value) {
        section.problem(
            Problem::new("url-twice", at.span, "two webhooks have this URL")
                .other(first.span.clone(), "the first")
                .help("name all its events in one of them"),
        );
        return None;
    }
    let url = at.value.clone();
    urls.push(at);
    Some(url)
}

fn secret(section: &mut Section<'_, '_, '_>) -> Option<String> {
    let at = section.string("secret")?;
    if secret_lines::is_name(&at.value) && !at.value.starts_with("whsec_") {
        return Some(at.value);
    }
    section.problem(
        Problem::new("secret-in-file", at.span, "`secret` is the name of a secret, not its value")
            .help("put `HOOK_SECRET=…` into webhooks.env beside this file (mode 600), and `secret = \"HOOK_SECRET\"` here"),
    );
    None
}

fn events_of(section: &mut Section<'_, '_, '_>) -> Option<Vec<String>> {
    let texts = section.strings("events")?;
    let names = events::names();
    if texts.value.is_empty() {
        section.problem(
            Problem::new("empty-list", texts.span, "a webhook without events is never told anything")
                .help("`events = [\"*\"]` is all of them"),
        );
        return None;
    }
    let mut all = Vec::new();
    for text in texts.value {
        if names.iter().any(|name| events::means(&text.value, name)) {
            all.push(text.value);
            continue;
        }
        let near = meant(&text.value, &names);
        let help = match near {
            Some(near) => format!("did you mean `{near}`? the reference of machine.toml lists all"),
            None => "like `\"deploy.*\"`, `\"*.aborted\"` or `\"run.failed\"`; the reference of machine.toml lists all".to_owned(),
        };
        let message = format!("no event is called `{}`", text.value);
        section.problem(Problem::new("unknown-event", text.span, message).help(help));
    }
    Some(all)
}

/// The name, or the pattern of all of one kind, that was probably meant.
fn meant(written: &str, names: &[String]) -> Option<String> {
    let kinds = || names.iter().filter_map(|name| name.split_once('.'));
    match (written.strip_suffix(".*"), written.strip_prefix("*.")) {
        (Some(kind), _) => nearest(kind, kinds().map(|(kind, _)| kind)).map(|kind| format!("{kind}.*")),
        (_, Some(end)) => nearest(end, kinds().map(|(_, end)| end)).map(|end| format!("*.{end}")),
        _ => nearest(written, names.iter().map(String::as_str)).map(str::to_owned),
    }
}

fn apps(section: &mut Section<'_, '_, '_>) -> Vec<AppName> {
    let Some(texts) = section.strings("apps") else { return Vec::new() };
    let mut all = Vec::new();
    for text in texts.value {
        match text.value.parse() {
            Ok(name) => all.push(name),
            Err(_) => section.problem(
                Problem::new("bad-name", text.span, format!("`{}` is no name of an app", text.value))
                    .help("the `app` of its mainstay.toml"),
            ),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_with_a_slip_is_guessed_as_a_pattern() {
        let names = events::names();
        let of = |written| meant(written, &names);
        assert_eq!(of("deplo.*").as_deref(), Some("deploy.*"));
        assert_eq!(of("*.aborte").as_deref(), Some("*.aborted"));
        assert_eq!(of("deploy.servd").as_deref(), Some("deploy.served"));
        assert_eq!(of("zebra.*"), None);
    }
}
