//! The head of an answer, and what it says of its body.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, response::Parts};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;

use super::framing::{Chunked, Framing, Malformed};
use crate::headers::has_word;

/// Bound: lines of a head.
const LINES_MAX: usize = 100;
/// Lines that the edge adds on the way to the client, so that the map grows once.
const ADDED_HEADERS: usize = 4;

/// An answer's head, taken out of what has come.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) parts: Parts,
    pub(crate) framing: Framing,
    /// Whether the connection outlives the answer.
    pub(crate) lives_on: bool,
}

/// Where a line's name and value stand in the head's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    name: (usize, usize),
    value: (usize, usize),
}

impl Place {
    /// `line` was parsed out of `bytes`.
    pub(super) fn of(line: &httparse::Header<'_>, bytes: &[u8]) -> Self {
        let place = |part: &[u8]| {
            let from = part.as_ptr() as usize - bytes.as_ptr() as usize;
            (from, from + part.len())
        };
        Self { name: place(line.name.as_bytes()), value: place(line.value) }
    }
}

/// Takes an answer's head out of `input`; `None`: it has not come whole. `asked`: what the answer is to; `places`: room
/// that is used again.
pub(super) fn take(
    input: &mut BytesMut,
    places: &mut Vec<Place>,
    asked: &Method,
) -> Result<Option<Head>, Malformed> {
    let mut lines = [const { MaybeUninit::uninit() }; LINES_MAX];
    let mut said = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut said, input, &mut lines);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(_) => return Err(Malformed("the head of the answer")),
    };
    places.clear();
    places.extend(said.headers.iter().map(|line| Place::of(line, input)));
    let is_http_11 = said.version == Some(1);
    let status = said.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed("the status of the answer"))?;
    let mut parts = Response::new(()).into_parts().0;
    parts.status = status;
    let reason = said.reason.filter(|reason| Some(*reason) != status.canonical_reason());
    // One that cannot be said again is left out: it means nothing to a program (RFC 9112 4).
    if let Some(reason) = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok()) {
        parts.extensions.insert(reason);
    }
    let bytes = input.split_to(length).freeze();
    parts.headers = headers(places, &bytes)?;
    let framing = framing(&parts, asked, is_http_11)?;
    let is_sure = framing != Framing::UntilClose && !contradicts(&parts);
    let lives_on = is_sure && lives_on(&parts.headers, is_http_11);
    Ok(Some(Head { parts, framing, lives_on }))
}

pub(super) fn headers(places: &[Place], bytes: &Bytes) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::with_capacity(places.len() + ADDED_HEADERS);
    for Place { name, value } in places {
        let name = HeaderName::from_bytes(&bytes[name.0..name.1]);
        let value = HeaderValue::from_maybe_shared(bytes.slice(value.0..value.1));
        match (name, value) {
            (Ok(name), Ok(value)) => headers.append(name, value),
            _ => return Err(Malformed("a header of the answer")),
        };
    }
    Ok(headers)
}

fn lives_on(headers: &HeaderMap, is_http_11: bool) -> bool {
    match is_http_11 {
        true => !has_word(headers, &header::CONNECTION, "close"),
        false => has_word(headers, &header::CONNECTION, "keep-alive"),
    }
}

/// A body is announced by an answer that has none: whatever follows may be that, or the next answer (RFC 9112 6.1, RFC 9110 8.6).
fn contradicts(head: &Parts) -> bool {
    let has_none = head.status.is_informational() || head.status == StatusCode::NO_CONTENT;
    // A 304 may say how long the body would be. A transfer coding it may name too, but some send the end of the chunks after it.
    let is_coded = head.headers.contains_key(header::TRANSFER_ENCODING);
    let is_long = head.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    (has_none && (is_coded || is_long)) || (head.status == StatusCode::NOT_MODIFIED && is_coded)
}

/// RFC 9112 6.3, strictly: what two readers could understand in two ways is refused.
fn framing(head: &Parts, asked: &Method, is_http_11: bool) -> Result<Framing, Malformed> {
    let length = length(&head.headers)?;
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    let coding = codings.next();
    if coding.is_some() && (length.is_some() || !is_http_11) {
        return Err(Malformed("both a length and a transfer coding"));
    }
    let has_none =
        *asked == Method::HEAD || head.status.is_informational() || matches!(head.status.as_u16(), 204 | 304);
    if has_none {
        return Ok(Framing::DONE);
    }
    match coding {
        // Another coding would have to be taken off before the answer goes on.
        Some(coding) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
            Ok(Framing::Chunked(Chunked::Size))
        }
        Some(_) => Err(Malformed("a transfer coding that is not `chunked`")),
        None => Ok(length.map_or(Framing::UntilClose, Framing::Length)),
    }
}

/// What the one `Content-Length` line says; two lines are refused even where they agree, as nginx does.
fn length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    match number(line.as_bytes()) {
        Some(length) if lines.next().is_none() => Ok(Some(length)),
        _ => Err(Malformed("the length of the answer")),
    }
}

/// Digits only: no sign, no space, no list.
fn number(digits: &[u8]) -> Option<u64> {
    let more = |number: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, more) }
}
