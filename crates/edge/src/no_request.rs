//! What came instead of a request: its line in the access log and its place in the figures.

use std::time::{Duration, Instant};

use http::{HeaderValue, Method};

use crate::{access_log::Line, conn::ConnState, worker::Worker};

/// What nginx calls a client that it gives no answer.
pub(crate) const NOT_ANSWERED: u16 = 444;

/// What came instead of a request, and what became of it.
pub(crate) struct NoRequest {
    /// [`NOT_ANSWERED`] where no status was sent.
    pub(crate) status: u16,
    pub(crate) cause: &'static str,
    /// Of the page.
    pub(crate) bytes_out: u64,
    /// Since its first byte, to a tick.
    pub(crate) took: Duration,
}

impl Worker {
    /// The record of what was refused before it was a request.
    pub(crate) fn log_refused(&self, conn: &ConnState, id: &HeaderValue, refused: &NoRequest) {
        let &NoRequest { status, cause, bytes_out, took } = refused;
        let unix_ms = self.timers.unix_ms(Instant::now());
        let method = Method::from_bytes(b"-").unwrap_or(Method::GET);
        self.measure(0, &method, status, took);
        self.log(&Line {
            unix_ms,
            request_id: id.to_str().unwrap_or(""),
            method: "-",
            host: b"",
            path: "",
            query: None,
            status,
            bytes_in: 0,
            bytes_out,
            duration: took,
            ttfb: None,
            upstream: None,
            release: None,
            site: None,
            client: conn.peer_ip(),
            protocol: if conn.is_h2.get() { "HTTP/2" } else { "HTTP/1.1" },
            tls: conn.is_over_tls,
            class: "http",
            retries: 0,
            cause: Some(cause),
            limit: None,
        });
    }
}
