//! What the edge itself answers: HTML for browsers, RFC 9457 JSON for programs, with the request id and never a detail.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::{body::EdgeBody, headers::REQUEST_ID, limit, rules::access::CHALLENGE};

/// A page of the edge: which status, and what a person is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    /// For the log and metrics; kebab-case.
    pub(crate) cause: &'static str,
    pub(crate) words: &'static str,
    /// Seconds of `Retry-After`.
    pub(crate) retry_after: Option<u32>,
}

/// An answer behind which its connection ends.
pub(crate) struct LastAnswer {
    /// Head and body.
    pub(crate) bytes: Vec<u8>,
    pub(crate) body_bytes: u64,
}

const fn page(status: StatusCode, cause: &'static str, words: &'static str) -> Page {
    Page { status, cause, words, retry_after: None }
}

/// A request that cannot be read in one way only.
pub(crate) const fn bad(cause: &'static str, words: &'static str) -> Page {
    page(StatusCode::BAD_REQUEST, cause, words)
}

const fn later(cause: &'static str, words: &'static str) -> Page {
    Page { status: StatusCode::SERVICE_UNAVAILABLE, cause, words, retry_after: Some(5) }
}

pub(crate) const NOTHING_DEPLOYED: Page = later(
    "nothing-deployed",
    "Mainstay is running, and nothing is deployed yet. Run `mainstay deploy` in the folder of your app.",
);
pub(crate) const NO_ROUTE: Page =
    page(StatusCode::NOT_FOUND, "no-route", "There is nothing at this address.");
pub(crate) const UNAVAILABLE: Page =
    later("no-upstream", "The service is not available at the moment. Please try again in a few seconds.");
pub(crate) const MAINTENANCE: Page =
    later("maintenance", "The service is being maintained. Please try again in a few minutes.");
pub(crate) const BAD_REQUEST: Page = bad(
    "bad-request",
    "The request is not valid HTTP. Check the program that sent it, and any proxy on its way.",
);
pub(crate) const BAD_HOST: Page = bad(
    "bad-host",
    "The request does not say clearly which host it is for. Send one `Host`, a name with or without a port.",
);
pub(crate) const HEAD_BROKEN: Page =
    bad("head-broken", "The request ended before its head was complete. Please send it again.");
pub(crate) const HEAD_TIMEOUT: Page = page(
    StatusCode::REQUEST_TIMEOUT,
    "header-timeout",
    "The head of the request did not arrive in time. Please send it again.",
);
pub(crate) const HEAD_TOO_LARGE: Page = page(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "head-too-large",
    "The request's headers are larger, or more, than is accepted here. In a browser, deleting this site's cookies helps.",
);
pub(crate) const ADDRESS_TOO_LONG: Page = page(
    StatusCode::URI_TOO_LONG,
    "address-too-long",
    "The request's address is longer than is accepted here. Send what is long as the body of a POST.",
);
pub(crate) const NOT_ALLOWED: Page =
    page(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "This method is not allowed here.");
pub(crate) const RATE_LIMITED: Page = page(
    StatusCode::TOO_MANY_REQUESTS,
    limit::CAUSE,
    "More requests came from you than this service takes. Please wait a little and try again.",
);
pub(crate) const NO_TOKEN: Page = page(
    StatusCode::UNAUTHORIZED,
    "no-token",
    "This is not open to everybody. Show the token that you were given, as the password or as `Authorization: Bearer`.",
);
pub(crate) const FORBIDDEN: Page = page(StatusCode::FORBIDDEN, "bad-token", "This is not allowed.");
pub(crate) const TOO_LARGE: Page =
    page(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "What was sent is larger than is accepted here.");
pub(crate) const BODY_TIMEOUT: Page =
    page(StatusCode::REQUEST_TIMEOUT, "body-timeout", "The request did not arrive in time.");
pub(crate) const BODY_BROKEN: Page =
    page(StatusCode::BAD_REQUEST, "body-broken", "The request did not arrive completely.");
pub(crate) const UPSTREAM_BROKEN: Page =
    page(StatusCode::BAD_GATEWAY, "upstream-broken", "The service did not answer properly.");
pub(crate) const UPSTREAM_TIMEOUT: Page =
    page(StatusCode::GATEWAY_TIMEOUT, "upstream-timeout", "The service did not answer in time.");
pub(crate) const DRAINED: Page =
    later("drain-deadline", "The service has just been renewed. Please try again.");

/// RFC 9110 15.5.6 wants a list beside 405. The edge passes on all but two methods; what of those the app takes only it knows.
const PASSED_ON: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

impl Page {
    /// Whether an instance did not do its part.
    pub(crate) fn is_upstreams(&self) -> bool {
        [UNAVAILABLE, UPSTREAM_BROKEN, UPSTREAM_TIMEOUT].iter().any(|page| page.cause == self.cause)
    }

    /// `maintenance` replaces the words by the operator's.
    pub(crate) fn answer(
        &self,
        accept: Option<&HeaderValue>,
        id: &HeaderValue,
        words: Option<&str>,
    ) -> Response<EdgeBody> {
        let (kind, text) = self.text(accept, id, words);
        let mut answer = Response::new(EdgeBody::full(Bytes::from(text)));
        *answer.status_mut() = self.status;
        *answer.headers_mut() = self.headers(kind);
        answer
    }

    /// The whole answer in HTTP/1.1's bytes, for a client of whose bytes no request could be made. Nobody knows where a
    /// next request would begin, so the connection ends with it. `is_head`: the client takes no body.
    pub(crate) fn last_answer(
        &self,
        accept: Option<&HeaderValue>,
        id: &HeaderValue,
        is_head: bool,
    ) -> LastAnswer {
        let (kind, text) = self.text(accept, id, None);
        let mut headers = self.headers(kind);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.insert(REQUEST_ID, id.clone());
        let date = httpdate::fmt_http_date(SystemTime::now());
        // `StatusCode` shows itself as status line has it: number and reason.
        let mut bytes = format!("HTTP/1.1 {}\r\ndate: {date}\r\n", self.status).into_bytes();
        for (name, value) in &headers {
            bytes.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\n");
        let body = if is_head { "" } else { &text };
        bytes.extend_from_slice(body.as_bytes());
        LastAnswer { bytes, body_bytes: body.len() as u64 }
    }

    /// Its type and itself.
    fn text(
        &self,
        accept: Option<&HeaderValue>,
        id: &HeaderValue,
        words: Option<&str>,
    ) -> (&'static str, String) {
        let id = id.to_str().unwrap_or("");
        let words = words.unwrap_or(self.words);
        match prefers_html(accept) {
            true => ("text/html; charset=utf-8", html(self.status, words, id)),
            false => ("application/problem+json", problem(self, words, id)),
        }
    }

    fn headers(&self, kind: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static(PASSED_ON));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        headers
    }
}

/// Browsers name `text/html`; programs name JSON, or anything.
fn prefers_html(accept: Option<&HeaderValue>) -> bool {
    let accept = accept.and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let place = |kind: &str| accept.find(kind).unwrap_or(usize::MAX);
    place("text/html") < place("json")
}

fn html(status: StatusCode, words: &str, id: &str) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    let (words, id) = (escape_html(words), escape_html(id));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{code} {title}</title>\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1.5rem}}\
         small{{opacity:.7}}</style></head>\
         <body><main><h1>{title}</h1><p>{words}</p><p><small>{code} · request {id}</small></p></main></body></html>\n",
        code = status.as_u16(),
    )
}

fn problem(page: &Page, words: &str, id: &str) -> String {
    let problem = serde_json::json!({
        "type": "about:blank",
        "title": page.status.canonical_reason().unwrap_or("Error"),
        "status": page.status.as_u16(),
        "detail": words,
        "code": page.cause,
        "request_id": id,
    });
    format!("{problem}\n")
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_html_and_programs_json() {
        let html = |accept: &'static str| prefers_html(Some(&HeaderValue::from_static(accept)));
        assert!(html("text/html,application/xhtml+xml,*/*;q=0.8"));
        assert!(!html("application/json, text/html"));
        assert!(!html("*/*"));
        assert!(!prefers_html(None));
    }

    #[test]
    fn what_others_wrote_is_escaped() {
        let text = html(StatusCode::NOT_FOUND, "<b>", "\"><script>");
        assert!(text.contains("&lt;b&gt;") && !text.contains("<script>"));
    }
}
