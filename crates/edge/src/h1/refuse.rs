//! The answer to bytes of which no request could be made: a page like any other, and its line in the access log, by one
//! id.

use std::time::Instant;

use http::HeaderValue;
use tokio::io::AsyncWriteExt;

use super::{End, LINGER};
use crate::{
    conn::{ClientIo, Kill},
    guard::Refusal,
    no_request::{NOT_ANSWERED, NoRequest},
    page::{self, Page},
    proxy::Ctx,
    timers::within,
};

/// Answers and logs an end that no request's own record tells. `unread`: what came of the head.
pub(super) async fn refuse(ctx: &Ctx, end: &End, unread: &[u8], io: &mut ClientIo) {
    let limit = ctx.worker.shared.settings.limits.header_bytes_max.0;
    let Some(page) = page(end, ctx.state.refusal.get(), unread, limit) else { return };
    let took = ctx.state.head_took(ctx.worker.timers.now());
    let id = ctx.worker.new_id(Instant::now());
    // Nothing may follow an answer of which not all is sent, nor one that hyper gave itself.
    let (is_next, is_hypers) = match end {
        End::Broken(error) if error.is_parse() => (io.has_withheld(), !io.has_withheld()),
        _ => (!ctx.state.is_answering.get(), false),
    };
    let mut bytes_out = 0;
    if is_next {
        let answer = page.last_answer(accept(unread).as_ref(), &id, unread.starts_with(b"HEAD "));
        bytes_out = answer.body_bytes;
        io.stop_guarding();
        let _ = within(&ctx.worker.timers, LINGER, io.write_all(&answer.bytes)).await;
    }
    let status = if is_next || is_hypers { page.status.as_u16() } else { NOT_ANSWERED };
    ctx.worker.log_refused(&ctx.state, &id, &NoRequest { status, cause: page.cause, bytes_out, took });
}

fn page(end: &End, refusal: Option<Refusal>, unread: &[u8], limit: u64) -> Option<Page> {
    match (end, refusal) {
        (End::Killed(Kill::HeaderTimeout), _) => Some(page::HEAD_TIMEOUT),
        (End::Broken(error), _) if error.is_parse_too_large() => Some(too_large(unread, limit)),
        (End::Broken(error), None) if error.is_parse() => Some(page::BAD_REQUEST),
        // The client ended its side in the middle of a head.
        (End::Broken(error), None) if error.is_incomplete_message() => {
            (!unread.is_empty()).then_some(page::HEAD_BROKEN)
        }
        // Refused in its middle, a head may be one whose end the parser waits for in vain.
        (End::Broken(error), Some(refusal)) if error.is_parse() || error.is_incomplete_message() => {
            Some(if refusal == Refusal::TooLong { too_large(unread, limit) } else { refusal.page() })
        }
        (End::Orderly | End::Killed(_) | End::Broken(_) | End::Cut, _) => None,
    }
}

/// RFC 9112 3: a target that is too long has a status of its own.
fn too_large(unread: &[u8], limit: u64) -> Page {
    match memchr::memchr(b'\n', unread) {
        Some(end) if end as u64 <= limit => page::HEAD_TOO_LARGE,
        _ => page::ADDRESS_TOO_LONG,
    }
}

/// Whether the client is a browser, as far as that can be told of a head that is none.
fn accept(unread: &[u8]) -> Option<HeaderValue> {
    let value = |line: &[u8]| {
        let (name, value) = line.split_at_checked("accept:".len())?;
        let value = name.eq_ignore_ascii_case(b"accept:").then_some(value)?;
        HeaderValue::from_bytes(value.trim_ascii()).ok()
    };
    unread.split(|byte| *byte == b'\n').find_map(value)
}
