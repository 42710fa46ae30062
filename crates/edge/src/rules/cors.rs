//! CORS (the Fetch standard, 3.2): which pages of other origins may read the answers of a route.
//!
//! An origin that is not allowed gets an answer without a word about it, which the browser then keeps from the page; it is
//! no error of ours (W-E24).

use std::collections::HashSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};

use crate::body::EdgeBody;

const PREFIX: &str = "access-control-";

#[derive(Debug)]
pub(super) struct Cors {
    /// `None`: all.
    origins: Option<HashSet<Box<[u8]>>>,
    credentials: bool,
    expose: Option<HeaderValue>,
    /// Of the answer to a preflight that is allowed.
    preflight: Vec<(HeaderName, HeaderValue)>,
}

impl Cors {
    pub(super) fn new(given: &model::manifest::Cors) -> Self {
        let is_any = given.origins.iter().any(|origin| origin == "*");
        let list =
            |words: &[String]| HeaderValue::from_str(&words.join(", ")).ok().filter(|_| !words.is_empty());
        let lines = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, list(&given.methods)),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, list(&given.headers)),
            (header::ACCESS_CONTROL_MAX_AGE, Some(HeaderValue::from(given.max_age.0.as_secs()))),
        ];
        Self {
            origins: (!is_any).then(|| given.origins.iter().map(|origin| origin.as_bytes().into()).collect()),
            // The standard forbids it for all; the manifest's reader has said so.
            credentials: given.credentials && !is_any,
            expose: list(&given.expose),
            preflight: lines.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        }
    }

    /// The answer to a browser that asks whether it may ask; `None`: the request is none of these.
    pub(super) fn preflight(&self, asked: &Parts) -> Option<Response<EdgeBody>> {
        let origin = asked.headers.get(header::ORIGIN)?;
        let is_one = asked.method == Method::OPTIONS
            && asked.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_one {
            return None;
        }
        let mut answer = Response::new(EdgeBody::full(Bytes::new()));
        *answer.status_mut() = StatusCode::NO_CONTENT;
        if self.allows(origin) {
            answer.headers_mut().extend(self.preflight.iter().cloned());
        }
        Some(answer)
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.origins.as_ref().is_none_or(|origins| origins.contains(origin.as_bytes()))
    }

    /// Says in an answer whether the page at `origin` may read it. Of the app's words about that none stay but those of a
    /// preflight, which is ours.
    pub(super) fn say(&self, headers: &mut HeaderMap, origin: Option<&HeaderValue>) {
        let is_theirs = |name: &HeaderName| {
            name.as_str().starts_with(PREFIX) && !self.preflight.iter().any(|(own, _)| own == name)
        };
        let theirs: Vec<HeaderName> = headers.keys().filter(|name| is_theirs(name)).cloned().collect();
        theirs.into_iter().for_each(|name| drop(headers.remove(name)));
        let Some(_) = &self.origins else {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return self.expose(headers);
        };
        // A cache must not give one origin's answer to another, also where nothing is allowed.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin.filter(|origin| self.allows(origin)) else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        self.expose(headers);
    }

    fn expose(&self, headers: &mut HeaderMap) {
        if let Some(names) = &self.expose {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names.clone());
        }
    }
}
