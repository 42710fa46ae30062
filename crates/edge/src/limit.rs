//! Rate limits: which hold for a request, whether it passes them, and what its client is told.
//!
//! A request whose route has no limit costs one look at an empty list. Begin with [`check`].

mod keys;
pub(crate) mod path;
mod quota;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use ipnet::IpNet;
use model::manifest::{LimitKey, RateLimit};

pub(crate) use self::quota::Quota;
use self::{
    keys::{Key, Keys},
    path::Prefix,
    quota::Verdict,
};
use crate::{body::EdgeBody, headers::cookie, shared::client_key};

/// draft-ietf-httpapi-ratelimit-headers-11.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Why a request was answered 429, for the log.
pub(crate) const CAUSE: &str = "rate-limited";

/// A site, and the name of a limit in it.
type Counted = (Arc<str>, String);

/// What outlives tables: what each client has spent, and how many requests were refused.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Made with the first limit.
    keys: LazyLock<Keys>,
    /// By site and name. Bound: names that tables have had since the edge began; counters must not go back.
    refused: Mutex<BTreeMap<Counted, Arc<AtomicU64>>>,
}

/// One limit of a route.
#[derive(Debug)]
pub(crate) struct Limit {
    name: String,
    /// Of site and name: the next table's limit of that name goes on with what was spent.
    id: Key,
    paths: Vec<Prefix>,
    methods: Vec<Method>,
    quota: Quota,
    by: By,
    exempt: Vec<IpNet>,
    body: Option<Body>,
    policy: HeaderValue,
    refused: Arc<AtomicU64>,
}

/// What tells clients apart.
#[derive(Debug)]
enum By {
    Address,
    Header(HeaderName),
    Cookie(Box<[u8]>),
}

/// What the operator wants to be answered.
#[derive(Debug)]
struct Body {
    kind: HeaderValue,
    text: Bytes,
}

/// What the client is told of its quota, whatever it is answered.
#[derive(Debug)]
pub(crate) struct Told {
    policy: HeaderValue,
    state: HeaderValue,
}

/// The limit that a request did not pass.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Its place among the route's.
    pub(crate) limit: usize,
    /// Seconds until it would.
    pub(crate) retry_after: u32,
}

impl Memory {
    pub(crate) fn limit(&self, site: &Arc<str>, given: &RateLimit) -> Limit {
        let name = given.name.as_str();
        let quota = Quota::of(given.interval(), given.burst.get());
        let policy = format!("\"{name}\";q={};w={}", quota.burst(), seconds(quota.whole()));
        let refused = {
            let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry((Arc::clone(site), name.to_owned())).or_default())
        };
        Limit {
            id: self.keys.key((&**site, name)),
            name: name.to_owned(),
            paths: given.paths.iter().map(|path| Prefix::new(path)).collect(),
            methods: given.methods.iter().filter_map(|method| method.parse().ok()).collect(),
            quota,
            by: By::new(&given.key),
            exempt: given.exempt.clone(),
            body: given.body.as_deref().map(Body::new),
            policy: HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("")),
            refused,
        }
    }

    /// Requests that were refused, by site and name of the limit.
    pub(crate) fn refused(&self) -> Vec<(String, String, u64)> {
        let all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|((site, name), count)| (site.to_string(), name.clone(), count.load(Relaxed)))
            .collect()
    }

    /// What clients have spent; `None`: there was no limit yet.
    pub(crate) fn keys(&self) -> Option<&Keys> {
        let was_any = !self.refused.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        was_any.then_some(&*self.keys)
    }
}

/// Counts a request against each limit that holds for it, in the manifest's order up to one that it does not pass. `now`: in
/// the edge's nanoseconds. `Ok`: of those it passed the one with the least left, if any held.
pub(crate) fn check(
    memory: &Memory,
    limits: &[Limit],
    asked: &Parts,
    client: IpAddr,
    now: u64,
) -> (Option<Told>, Result<(), Refusal>) {
    if limits.is_empty() {
        return (None, Ok(()));
    }
    let path = path::plain(asked.uri.path());
    let mut least: Option<(u64, u64, &Limit)> = None;
    for (at, limit) in limits.iter().enumerate().filter(|(_, limit)| limit.holds(asked, &path, client)) {
        match memory.keys.spend(limit.key(&memory.keys, &asked.headers, client), &limit.quota, now) {
            Verdict::Passed { left, whole_in } => {
                if least.is_none_or(|(least, ..)| left < least) {
                    least = Some((left, whole_in, limit));
                }
            }
            Verdict::Refused { retry_in, whole_in } => {
                limit.refused.fetch_add(1, Relaxed);
                let retry_after = u32::try_from(seconds(retry_in)).unwrap_or(u32::MAX);
                return (Some(limit.told(0, whole_in)), Err(Refusal { limit: at, retry_after }));
            }
        }
    }
    (least.map(|(left, whole_in, limit)| limit.told(left, whole_in)), Ok(()))
}

impl Limit {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn holds(&self, asked: &Parts, path: &str, client: IpAddr) -> bool {
        let is_path = self.paths.is_empty() || self.paths.iter().any(|prefix| prefix.holds(path));
        let is_method = self.methods.is_empty() || self.methods.contains(&asked.method);
        is_path && is_method && !self.exempt.iter().any(|net| net.contains(&client))
    }

    fn key(&self, keys: &Keys, headers: &HeaderMap, client: IpAddr) -> Key {
        let said = match &self.by {
            By::Address => None,
            By::Header(name) => headers.get(name).map(|value| Cow::Borrowed(value.as_bytes())),
            By::Cookie(name) => cookie(headers, name).map(Cow::Borrowed),
        };
        match said {
            Some(said) => keys.key((self.id, said)),
            None => keys.key((self.id, client_key(client))),
        }
    }

    fn told(&self, left: u64, whole_in: u64) -> Told {
        let state = format!("\"{}\";r={left};t={}", self.name, seconds(whole_in));
        let state = HeaderValue::from_str(&state).unwrap_or(HeaderValue::from_static(""));
        Told { policy: self.policy.clone(), state }
    }

    /// What the operator wants to be answered; `None`: the edge's page.
    pub(crate) fn answer(&self, retry_after: u32) -> Option<Response<EdgeBody>> {
        let body = self.body.as_ref()?;
        let mut answer = Response::new(EdgeBody::full(body.text.clone()));
        *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, body.kind.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
        Some(answer)
    }
}

impl By {
    fn new(key: &LimitKey) -> Self {
        match key {
            LimitKey::Address => Self::Address,
            // The manifest's reader has found them good; what no header can be called no client sends.
            LimitKey::Header(name) => name.parse().map_or(Self::Address, Self::Header),
            LimitKey::Cookie(name) => Self::Cookie(name.as_bytes().into()),
        }
    }
}

impl Body {
    fn new(text: &str) -> Self {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        let kind = if is_json { "application/json" } else { "text/plain; charset=utf-8" };
        Self { kind: HeaderValue::from_static(kind), text: Bytes::from(text.to_owned()) }
    }
}

impl Told {
    /// Beside what the app may say of limits of its own: both fields are lists.
    pub(crate) fn put(self, headers: &mut HeaderMap) {
        headers.append(POLICY, self.policy);
        headers.append(STATE, self.state);
    }
}

/// Whole seconds, rounded up: who waits so long has waited long enough.
fn seconds(ns: u64) -> u64 {
    ns.div_ceil(1_000_000_000)
}

#[cfg(test)]
mod tests;
