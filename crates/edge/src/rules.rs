//! What the edge itself says, leaves out or sends elsewhere for the requests of a route: CORS, headers, redirects, rewrites; and
//! whether its answers are compressed.
//!
//! A route without such keys has no [`Rules`], and its requests pay nothing. Begin with [`Rules::of`].

pub(crate) mod access;
mod cors;
mod pattern;
mod redirects;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};
use model::manifest::Route;

pub use self::redirects::{Redirected, Redirects};
use self::{access::Access, cors::Cors, pattern::Pattern};
use crate::{body::EdgeBody, csp, encode::Compressor, page::Page};

type Line = (HeaderName, HeaderValue);

/// Those of one route.
#[derive(Debug)]
pub(crate) struct Rules {
    cors: Option<Cors>,
    default: Vec<Line>,
    set: Vec<Line>,
    remove: Vec<HeaderName>,
    request_set: Vec<Line>,
    request_remove: Vec<HeaderName>,
    redirects: Vec<Redirect>,
    rewrites: Vec<Pattern>,
    access: Option<Access>,
    compressor: Option<Compressor>,
}

#[derive(Debug)]
struct Redirect {
    host: Option<Box<str>>,
    place: Pattern,
    status: StatusCode,
}

/// What an answer will be dressed with, while its request is still known.
pub(crate) struct Dress {
    rules: Arc<Rules>,
    origin: Option<HeaderValue>,
    may_say_hsts: bool,
}

impl Rules {
    /// `None`: the manifest asks for none.
    pub(crate) fn of(route: &Route) -> Option<Arc<Self>> {
        let is_plain = route.cors.is_none()
            && route.headers.is_empty()
            && route.redirects.is_empty()
            && route.rewrites.is_empty()
            && route.access.is_none()
            && route.compress.is_none();
        let headers = &route.headers;
        let redirect = |given: &model::manifest::Redirect| Redirect {
            host: given.host.as_deref().map(Box::from),
            place: Pattern::new(&given.from, &given.to),
            status: StatusCode::from_u16(given.status).unwrap_or(StatusCode::PERMANENT_REDIRECT),
        };
        (!is_plain).then(|| {
            Arc::new(Self {
                cors: route.cors.as_ref().map(Cors::new),
                default: lines(&csp::said(headers, &headers.default)),
                set: lines(&csp::said(headers, &headers.set))
                    .into_iter()
                    .chain(csp::endpoint(headers))
                    .collect(),
                remove: names(&headers.remove),
                request_set: lines(&headers.request_set),
                request_remove: names(&headers.request_remove),
                redirects: route.redirects.iter().map(redirect).collect(),
                rewrites: route.rewrites.iter().map(|given| Pattern::new(&given.from, &given.to)).collect(),
                access: route.access.as_ref().map(Access::new),
                compressor: route.compress.as_ref().map(Compressor::new),
            })
        })
    }

    /// What compresses the app's answers.
    pub(crate) fn compressor(&self) -> Option<&Compressor> {
        self.compressor.as_ref()
    }

    /// Whether a line of the manifest is HSTS.
    pub(crate) fn say_hsts(&self) -> bool {
        self.default.iter().chain(&self.set).any(|(name, _)| *name == header::STRICT_TRANSPORT_SECURITY)
    }

    /// `may_say_hsts`: the connection is encrypted, and where that is by us, a CA has signed what the name is shown.
    pub(crate) fn dress(self: &Arc<Self>, asked: &HeaderMap, may_say_hsts: bool) -> Dress {
        let origin = self.cors.as_ref().and_then(|_| asked.get(header::ORIGIN)).cloned();
        Dress { rules: Arc::clone(self), origin, may_say_hsts }
    }

    /// An answer that needs no app: a redirect, or that to a browser's preflight. `host`: as routes know it.
    pub(crate) fn answer(&self, asked: &Parts, host: &str) -> Option<Response<EdgeBody>> {
        let path = asked.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let Some((at, to)) = self.redirected(host, path) else {
            return self.cors.as_ref()?.preflight(asked);
        };
        let mut answer = Response::new(EdgeBody::full(Bytes::new()));
        *answer.status_mut() = self.redirects[at].status;
        answer.headers_mut().insert(header::LOCATION, to);
        Some(answer)
    }

    /// Which redirect is meant, and where it leads.
    fn redirected(&self, host: &str, path_and_query: &str) -> Option<(usize, HeaderValue)> {
        let mut redirects = self.redirects.iter().enumerate();
        redirects.find_map(|(at, redirect)| {
            let is_of_host = redirect.host.as_deref().is_none_or(|own| own == host);
            let to = redirect.place.put(path_and_query).filter(|_| is_of_host)?;
            Some((at, HeaderValue::from_str(&to).ok()?))
        })
    }

    /// Whether the request may go on to the app.
    pub(crate) fn let_in(&self, asked: &Parts, client: IpAddr) -> Result<(), Page> {
        self.access.as_ref().map_or(Ok(()), |access| access.check(asked, client))
    }

    /// The path and query that the app is asked for; `None`: as the client asked.
    pub(crate) fn rewritten(&self, path_and_query: &str) -> Option<String> {
        self.rewrites.iter().find_map(|rewrite| rewrite.put(path_and_query))
    }

    /// Whether the app is not told this header of the client's.
    pub(crate) fn keeps_back(&self, name: &HeaderName) -> bool {
        let is_for_us = self.access.is_some() && *name == header::AUTHORIZATION;
        is_for_us || self.request_remove.contains(name) || self.request_set.iter().any(|(own, _)| own == name)
    }

    /// What the app is told besides.
    pub(crate) fn besides(&self) -> impl Iterator<Item = &Line> {
        self.request_set.iter()
    }
}

impl Dress {
    /// Every answer of the route: the app's, and what the edge answers itself (HDR-12, W-E2).
    pub(crate) fn put(self, headers: &mut HeaderMap) {
        let Self { rules, origin, may_say_hsts } = self;
        rules.remove.iter().for_each(|name| drop(headers.remove(name)));
        // RFC 6797 7.2: never over plain HTTP, whoever says it.
        let is_told = |name: &HeaderName| may_say_hsts || *name != header::STRICT_TRANSPORT_SECURITY;
        for (name, value) in rules.default.iter().filter(|(name, _)| is_told(name)) {
            if !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
        for (name, value) in rules.set.iter().filter(|(name, _)| is_told(name)) {
            headers.insert(name, value.clone());
        }
        if rules.access.is_some() {
            access::say(headers);
        }
        if let Some(cors) = &rules.cors {
            cors.say(headers, origin.as_ref());
        }
    }
}

/// The manifest's reader has found them good.
fn lines(given: &BTreeMap<String, String>) -> Vec<Line> {
    let line = |(name, value): (&String, &String)| {
        Some((name.parse().ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    given.iter().filter_map(line).collect()
}

fn names(given: &[String]) -> Vec<HeaderName> {
    given.iter().filter_map(|name| name.parse().ok()).collect()
}
