//! Which instance a client comes back to, where a route asks for it (EDGE-13). What it had before is a wish: an instance
//! that is not ready is nobody's, and a release that took over has instances of its own, with the same numbers.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
};

use http::{HeaderMap, HeaderValue, header};
use model::{InstanceName, ServiceName, manifest::Affinity};

use crate::{headers, route::RouteState, shared::client_key};

/// What a request would like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The instance of this number.
    Instance(u32),
    /// Always the same one for this client, as long as there are the same.
    Client(u128),
}

impl Wish {
    /// `None`: any instance will do.
    pub(crate) fn of(route: &RouteState, asked: &HeaderMap, client: IpAddr) -> Option<Self> {
        match route.route.affinity? {
            Affinity::Cookie => shown(asked, &route.route.service).map(Self::Instance),
            Affinity::Address => Some(Self::Client(client_key(client))),
        }
    }

    /// Of several that are equally ready the one with the lowest is meant. By numbers alone: when one comes or goes only its own
    /// clients move (rendezvous hashing).
    pub(crate) fn distance(self, instance: &InstanceName) -> u64 {
        match self {
            Self::Instance(n) => u64::from(instance.n != n),
            Self::Client(key) => {
                // The same in every edge of this build.
                let mut hasher = DefaultHasher::new();
                (key, instance.n).hash(&mut hasher);
                hasher.finish()
            }
        }
    }
}

/// What the answer tells a client to show from now on. `None`: it shows that already, or the route does not ask.
pub(crate) fn cookie(
    route: &RouteState,
    asked: &HeaderMap,
    answered: &InstanceName,
    is_secure: impl FnOnce() -> bool,
) -> Option<HeaderValue> {
    let service = &route.route.service;
    if route.route.affinity? != Affinity::Cookie || shown(asked, service) == Some(answered.n) {
        return None;
    }
    let secure = if is_secure() { "; Secure" } else { "" };
    let text = format!("{}={}; Path=/; HttpOnly; SameSite=Lax{secure}", name(service), answered.n);
    HeaderValue::from_str(&text).ok()
}

/// Whether a cache may give the answer to others; those must not get this client's cookie.
pub(crate) fn is_shared(answer: &HeaderMap) -> bool {
    headers::words(answer, &header::CACHE_CONTROL).any(|word| {
        let word = word.to_ascii_lowercase();
        word == "public" || word == "immutable" || word.starts_with("s-maxage")
    })
}

fn name(service: &ServiceName) -> String {
    format!("mainstay-{service}")
}

fn shown(asked: &HeaderMap, service: &ServiceName) -> Option<u32> {
    let number = headers::cookie(asked, name(service).as_bytes())?;
    std::str::from_utf8(number).ok()?.parse().ok()
}
