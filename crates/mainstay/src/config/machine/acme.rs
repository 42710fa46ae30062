//! `[acme]`: from whom this machine gets certificates, and for which names.

use std::path::{Path, PathBuf};

use certs::settings::{Challenge, KeyKind};
use http::{Uri, uri::Scheme};
use serde::Serialize;

use crate::config::{
    decode::{At, Section, or_list},
    problem::Problem,
};

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acme {
    /// URL of the CA's directory.
    pub directory: String,
    /// URL of the one at which an order is tried first.
    pub rehearsal: Option<String>,
    /// Addresses of mail.
    pub contact: Vec<String>,
    /// PEM of whom to trust when the CA is asked; `None`: whom the system does.
    pub ca_file: Option<PathBuf>,
    pub key: KeyKind,
    pub profile: Option<String>,
    pub challenge: Challenge,
    /// The program that writes to a DNS, with its arguments; for `dns-01`.
    pub dns_hook: Vec<String>,
    /// What it reads besides: its credentials.
    pub dns_hook_reads: Vec<PathBuf>,
    /// The hosts of routes that are served are wanted.
    pub routes: bool,
    /// Of the routes of one app and environment, so many names get a certificate.
    pub names_per_site_max: u64,
    /// Names that are wanted besides.
    pub names: Vec<String>,
}

/// Whoever may deploy an app may name hosts that nobody has, and each is an order on this machine's account.
pub(super) const NAMES_PER_SITE_MAX: u64 = 100;

const LETSENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const LETSENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// Words for directories.
const DIRECTORIES: [(&str, &str); 2] =
    [("letsencrypt", LETSENCRYPT), ("letsencrypt-staging", LETSENCRYPT_STAGING)];
/// No order is tried first.
pub(super) const NO_REHEARSAL: &str = "none";

pub(super) const KEYS: [(&str, KeyKind); 4] = [
    ("ecdsa-p256", KeyKind::EcdsaP256),
    ("ecdsa-p384", KeyKind::EcdsaP384),
    ("rsa-2048", KeyKind::Rsa2048),
    ("rsa-4096", KeyKind::Rsa4096),
];
pub(super) const CHALLENGES: [(&str, Challenge); 3] =
    [("http-01", Challenge::Http01), ("tls-alpn-01", Challenge::TlsAlpn01), ("dns-01", Challenge::Dns01)];

pub(super) fn acme(section: &mut Section<'_, '_, '_>, base: &Path) -> Option<Acme> {
    agreed(section);
    let said = section.string("directory");
    let directory = match said {
        Some(at) => directory(section, &at),
        None => Some(LETSENCRYPT.to_owned()),
    };
    let own = directory.as_deref() == Some(LETSENCRYPT);
    let challenge = section.one_of("challenge", &CHALLENGES).unwrap_or_default();
    let rehearsal = rehearsal(section).unwrap_or_else(|| own.then(|| LETSENCRYPT_STAGING.to_owned()));
    Some(Acme {
        directory: directory?,
        rehearsal,
        contact: contact(section),
        ca_file: section.string("ca_file").map(|at| base.join(at.value)),
        key: section.one_of("key", &KEYS).unwrap_or_default(),
        profile: section.string("profile").map(|at| at.value),
        challenge,
        dns_hook: dns_hook(section, challenge),
        dns_hook_reads: dns_hook_reads(section, base),
        routes: section.boolean("routes").unwrap_or(true),
        names_per_site_max: section.integer("names_per_site_max", 0..=1_000).unwrap_or(NAMES_PER_SITE_MAX),
        names: names(section, challenge),
    })
}

/// A CA's terms are its operator's to agree to, and nobody else's.
fn agreed(section: &mut Section<'_, '_, '_>) {
    let span = section.span_of("terms_agreed");
    if section.has("terms_agreed") && section.boolean("terms_agreed") == Some(true) {
        return;
    }
    section.problem(
        Problem::new("terms-not-agreed", span, "a CA gives certificates to who agrees to its terms").help(
            "read them (Let's Encrypt: https://letsencrypt.org/repository/), and write `terms_agreed = true`",
        ),
    );
}

fn directory(section: &mut Section<'_, '_, '_>, at: &At<String>) -> Option<String> {
    if let Some((_, url)) = DIRECTORIES.iter().find(|(word, _)| *word == at.value) {
        return Some((*url).to_owned());
    }
    let is_url =
        at.value.parse::<Uri>().is_ok_and(|uri| uri.scheme() == Some(&Scheme::HTTPS) && uri.host().is_some());
    if is_url {
        return Some(at.value.clone());
    }
    let words = DIRECTORIES.map(|(word, _)| word);
    section.problem(
        Problem::new("bad-directory", at.span.clone(), format!("`{}` is no directory of a CA", at.value))
            .help(format!("{}, or the `https` URL of another CA's directory", or_list(&words))),
    );
    None
}

/// `None`: nothing is said of it.
fn rehearsal(section: &mut Section<'_, '_, '_>) -> Option<Option<String>> {
    let at = section.string("rehearsal")?;
    if at.value == NO_REHEARSAL { Some(None) } else { directory(section, &at).map(Some) }
}

fn contact(section: &mut Section<'_, '_, '_>) -> Vec<String> {
    let Some(texts) = section.strings("contact") else { return Vec::new() };
    let mut all = Vec::new();
    for text in texts.value {
        let parts = text.value.split_once('@');
        let is_plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b",:?&@<>\"".contains(&b))
        };
        if parts.is_some_and(|(who, host)| is_plain(who) && is_plain(host)) {
            all.push(text.value);
            continue;
        }
        section.problem(
            Problem::new("bad-contact", text.span, format!("`{}` is no address of mail", text.value))
                .help("like `contact = [\"ops@example.com\"]`"),
        );
    }
    all
}

fn dns_hook(section: &mut Section<'_, '_, '_>, challenge: Challenge) -> Vec<String> {
    let is_needed = challenge == Challenge::Dns01;
    if is_needed && !section.has("dns_hook") {
        section.missing("dns_hook", "dns_hook = [\"/usr/local/lib/mainstay/dns-hook\"]");
    }
    let Some(at) = section.strings("dns_hook") else { return Vec::new() };
    let problem = match at.value.first() {
        _ if !is_needed => {
            Problem::new("unused-hook", at.span, "`dns_hook` is run for `challenge = \"dns-01\"` alone")
                .help("say that, or leave the hook out")
        }
        Some(program) if Path::new(&program.value).is_absolute() => {
            return at.value.into_iter().map(|word| word.value).collect();
        }
        _ => Problem::new("bad-hook", at.span, "`dns_hook` begins with the absolute path of a program")
            .help("like `dns_hook = [\"/usr/local/lib/mainstay/dns-hook\"]`"),
    };
    section.problem(problem);
    Vec::new()
}

fn dns_hook_reads(section: &mut Section<'_, '_, '_>, base: &Path) -> Vec<PathBuf> {
    let texts = section.strings("dns_hook_reads").map(|at| at.value).unwrap_or_default();
    texts.into_iter().map(|text| base.join(text.value)).collect()
}

fn names(section: &mut Section<'_, '_, '_>, challenge: Challenge) -> Vec<String> {
    let Some(texts) = section.strings("names") else { return Vec::new() };
    let mut all: Vec<String> = Vec::new();
    for text in texts.value {
        let name = text.value.to_ascii_lowercase();
        let problem = match () {
            () if name.starts_with("*.") && challenge != Challenge::Dns01 => Problem::new(
                "acme-wildcard",
                text.span,
                format!("`{name}` cannot be shown to a CA by this machine: a wildcard needs a record in DNS"),
            )
            .help("say `challenge = \"dns-01\"` and name a `dns_hook` that writes it, or name each host"),
            () if !is_name(name.strip_prefix("*.").unwrap_or(&name)) => {
                Problem::new("bad-name", text.span, format!("`{name}` is no name of a host with a domain"))
                    .help("like `\"chat.example.com\"`")
            }
            () if all.contains(&name) => {
                Problem::new("name-twice", text.span, format!("`{name}` is named twice"))
                    .help("leave one of them out")
            }
            () => {
                all.push(name);
                continue;
            }
        };
        section.problem(problem);
    }
    all
}

/// Labels of letters, digits and hyphens, two or more, of which the last is no number (RFC 1123, 2.1).
pub(super) fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels: Vec<&str> = name.split('.').collect();
    let is_number = labels.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    labels.len() > 1 && name.len() <= 253 && !is_number && labels.into_iter().all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_a_ca_can_look_for() {
        for good in ["a.example", "chat.xn--bcher-kva.example", "a-b.example.com", "1.example"] {
            assert!(is_name(good), "{good}");
        }
        for bad in
            ["localhost", "1.2.3.4", "a..b", "-a.example", "a_b.example", "*.example.com", "", "a.example."]
        {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
