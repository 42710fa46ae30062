//! Compresses answers on their way, where a route asks for it: which answers, how they are told, and the bytes.
//!
//! Never what must arrive as it is said (event streams), what is encoded already, a part of a whole, or what its sender
//! forbade to transform (RFC 9110 7.7). What is done to an answer with a body is said of the same answer to HEAD and of a
//! 304, too. Begin with [`Compressor::begin`].

mod accept;
mod encoder;

use std::{cell::Cell, rc::Rc};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request, response};
use model::manifest::Compress;

pub(crate) use self::encoder::Encoder;
use crate::headers::has_word;

/// Bound: answers that one worker compresses at once; each holds up to 2 MiB for it. Others pass as they are.
const AT_ONCE_MAX: usize = 128;

/// What a digest of the answer's bytes is said by (RFC 9530, RFC 3230): it would be wrong of other bytes.
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// Of one route.
#[derive(Debug)]
pub(crate) struct Compressor {
    given: Compress,
}

impl Compressor {
    pub(crate) fn new(given: &Compress) -> Self {
        Self { given: given.clone() }
    }

    /// Says in `head` what becomes of the answer. `None`: its bytes pass as they are, or it has none.
    pub(crate) fn begin(
        &self,
        slots: &Slots,
        asked: &request::Parts,
        head: &mut response::Parts,
    ) -> Option<Encoder> {
        let is_unchanged = head.status == StatusCode::NOT_MODIFIED;
        if (!is_unchanged || forbids(&head.headers)) && !self.is_meant(asked, head) {
            return None;
        }
        // Also of an answer that stays as it is: a cache must not give it to who would have got another.
        vary(&mut head.headers);
        let encoding = accept::best(&asked.headers, &self.given.encodings)?;
        if is_unchanged {
            weaken(&mut head.headers);
            return None;
        }
        let slot = slots.take()?;
        let encoder = match asked.method {
            Method::HEAD => None,
            _ => Some(Encoder::new(encoding, slot).ok()?),
        };
        weaken(&mut head.headers);
        let word = HeaderValue::from_static(accept::word(encoding));
        head.headers.insert(header::CONTENT_ENCODING, word);
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::ACCEPT_RANGES);
        encoder
    }

    fn is_meant(&self, asked: &request::Parts, head: &response::Parts) -> bool {
        let headers = &head.headers;
        let is_part = head.status == StatusCode::PARTIAL_CONTENT
            || headers.contains_key(header::CONTENT_RANGE)
            || asked.headers.contains_key(header::RANGE);
        let has_body = !matches!(head.status.as_u16(), 100..=199 | 204 | 205 | 304);
        let length =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let is_large = length.is_none_or(|length: u64| length >= self.given.min_bytes.0.max(1));
        has_body
            && !is_part
            && is_large
            && !is_encoded(headers)
            && !forbids(headers)
            && !forbids(&asked.headers)
            && !DIGESTS.iter().any(|digest| headers.contains_key(*digest))
            && headers.get(header::CONTENT_TYPE).is_some_and(|kind| self.is_of_kind(kind))
    }

    fn is_of_kind(&self, kind: &HeaderValue) -> bool {
        let kind = kind.to_str().unwrap_or("").split(';').next().unwrap_or("").trim();
        let kind = kind.to_ascii_lowercase();
        let is_it = |own: &String| match own.strip_suffix('*') {
            Some(head) => kind.starts_with(head),
            None => kind == *own,
        };
        kind != "text/event-stream" && self.given.types.iter().any(is_it)
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let all = headers.get_all(header::CONTENT_ENCODING);
    all.iter().any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// RFC 9111 5.2: `no-transform`, of requests and of answers.
fn forbids(headers: &HeaderMap) -> bool {
    has_word(headers, &header::CACHE_CONTROL, "no-transform")
}

fn vary(headers: &mut HeaderMap) {
    if !has_word(headers, &header::VARY, "*")
        && !has_word(headers, &header::VARY, header::ACCEPT_ENCODING.as_str())
    {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// RFC 9110 8.8.3: a strong tag promises the same bytes.
fn weaken(headers: &mut HeaderMap) {
    let Some(strong) = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) else {
        return;
    };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", strong.as_bytes()].concat()) {
        headers.insert(header::ETAG, weak);
    }
}

/// How many answers of one worker are being compressed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Rc<Cell<usize>>);

/// The place of one; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Slots);

impl Slots {
    fn take(&self) -> Option<Slot> {
        let taken = self.0.get();
        if taken >= AT_ONCE_MAX {
            return None;
        }
        self.0.set(taken + 1);
        Some(Slot(self.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let taken = &self.0.0;
        taken.set(taken.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests;
