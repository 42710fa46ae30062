//! What strangers get: where the names of an app lead, and what is answered there. Somebody else looks; here it is judged.

mod certificate;
mod cookies;
mod headers;
mod names;
mod policy;
mod reachable;
mod redirect;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use api::{
    checks::{Finding, State},
    machine::Machine,
};
use model::manifest::{Manifest, RouteTls};

use crate::finding::{Check, Looks, not_run};

/// One look at an app from outside of its edge.
pub struct Served<'a> {
    /// Of the release that serves.
    pub manifest: &'a Manifest,
    pub machine: &'a Machine,
    /// Of its routes; a wildcard leads to no certain name, and is not among them.
    pub names: &'a [Name],
    /// It was looked from the machine itself, past every filter between it and the world.
    pub is_here: bool,
}

/// One name, and what was found behind it.
#[derive(Clone, Debug)]
pub struct Name {
    pub host: String,
    /// Or why the DNS does not say them.
    pub addresses: Result<Vec<IpAddr>, String>,
    pub doors: Vec<Door>,
}

/// One address of a name.
#[derive(Clone, Debug)]
pub struct Door {
    pub address: IpAddr,
    /// Over plain HTTP, of `/`; `None`: the machine has no such listener.
    pub plain: Option<Result<Answer, String>>,
    /// Over TLS; `None` as before.
    pub shown: Option<Result<Shown, String>>,
    /// Over TLS, or over plain HTTP where there is none.
    pub pages: Vec<Page>,
}

/// A certificate, as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// SHA-256, hexadecimal.
    pub fingerprint: String,
    pub issuer: String,
    pub days_left: i64,
    /// Why a browser would refuse it.
    pub refused: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Page {
    pub url: String,
    pub answer: Result<Answer, String>,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case; one that comes twice stands twice.
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn cookies(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(|(known, _)| known == "set-cookie").map(|(_, value)| value.as_str())
    }

    fn is_html(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/html"))
    }
}

impl Served<'_> {
    fn doors(&self) -> impl Iterator<Item = (&str, &Door)> {
        self.names.iter().flat_map(|name| name.doors.iter().map(|door| (name.host.as_str(), door)))
    }

    /// What was answered, with its URL.
    fn answers(&self) -> impl Iterator<Item = (&str, &Answer)> {
        let pages = self.doors().flat_map(|(_, door)| &door.pages);
        pages.filter_map(|page| Some((page.url.as_str(), page.answer.as_ref().ok()?)))
    }

    /// Why nothing can be said of what is served.
    fn unanswered(&self) -> Option<State> {
        let why = match () {
            () if self.names.is_empty() => "no route of the release that serves names a host",
            () if self.answers().next().is_none() => {
                "no name was answered; `dns-points-here` and `reachable` say why"
            }
            () => return None,
        };
        Some(not_run(why))
    }

    /// Whether `host` is for TLS alone.
    fn requires_tls(&self, host: &str) -> bool {
        let routes =
            self.manifest.routes.iter().filter(|route| route.hosts.iter().any(|known| known == host));
        routes.filter(|route| route.path_prefix == "/").any(|route| route.tls == RouteTls::Required)
    }

    fn is_own(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.machine.addresses.contains(&address)
    }

    /// Whether a certificate is one of this machine's.
    fn is_installed(&self, shown: &Shown) -> bool {
        let all = self.machine.certificates.iter().filter_map(|known| known.fingerprint.as_deref());
        all.into_iter().any(|known| known == shown.fingerprint)
    }
}

pub(crate) const CHECKS: [&Check<FromOutside>; 9] = [
    &names::HERE,
    &names::FAMILIES,
    &reachable::CHECK,
    &certificate::CHECK,
    &redirect::CHECK,
    &headers::HSTS,
    &headers::SECURITY,
    &policy::CHECK,
    &cookies::CHECK,
];

/// The kind of checks that look at what is [`Served`].
pub(crate) struct FromOutside;

impl Looks for FromOutside {
    type At<'a> = Served<'a>;
}

pub(crate) fn ids() -> impl Iterator<Item = &'static str> + Clone {
    CHECKS.iter().map(|check| check.id)
}

/// All checks of what is served.
pub fn served(context: &Served<'_>) -> Vec<Finding> {
    CHECKS.iter().map(|check| check.find(context)).collect()
}

/// All of them as not run, and why.
pub fn unserved(why: &str) -> Vec<Finding> {
    CHECKS.iter().map(|check| check.with(not_run(why))).collect()
}

/// Goes through what was answered; what is wrong, without doubles: each address of a name answers alike.
fn wrong_answers(context: &Served<'_>, wrong: impl Fn(&str, &Answer) -> Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = context.answers().flat_map(|(url, answer)| wrong(url, answer)).collect();
    all.sort_unstable();
    all.dedup();
    all
}
