//! Smoke requests: through the edge's own path, by its private listener, to one pool.

use std::{path::PathBuf, time::Instant};

use http::{HeaderName, HeaderValue, header};
use model::{Explain, InstanceName};
use net::client::{Call, Target};
use release::world::{SmokeAnswer, SmokeOrder};

use super::edge_words;

/// Bound: of an answer's body that is looked at.
const BODY_BYTES_MAX: usize = 64 << 10;

pub(crate) struct Smoker {
    pub socket: PathBuf,
    /// Without it the edge refuses the private path.
    pub token: String,
}

impl Smoker {
    /// # Errors
    /// No answer within the order's limit.
    pub(crate) async fn smoke(&self, order: &SmokeOrder) -> Result<SmokeAnswer, Explain> {
        let pool = edge_words::pool_id(&order.site, &order.pool);
        let smoke = &order.smoke;
        let failed = |cause: String| {
            Explain::new("smoke-unanswered", format!("GET {} of {pool} was not answered", smoke.get))
                .caused_by(cause)
                .help("`mainstay status --machine` says how the edge is, `mainstay logs` what the app did meanwhile")
        };
        let host = smoke.host.as_deref().unwrap_or("localhost");
        let value = |text: &str| HeaderValue::from_str(text).map_err(|error| failed(error.to_string()));
        let first_event = smoke.first_event_within.is_some();
        let call = Call::new("GET", &smoke.get)
            .header(header::HOST, value(host)?)
            .header(HeaderName::from_static("x-mainstay-pool"), value(&pool.0)?)
            .header(HeaderName::from_static("x-mainstay-token"), value(&self.token)?)
            .total(order.limit)
            .cut_answer_at(BODY_BYTES_MAX);
        let call = if first_event {
            call.header(header::ACCEPT, HeaderValue::from_static("text/event-stream"))
                .cut_answer_when(holds_an_event)
        } else {
            call
        };
        let asked = Instant::now();
        let answer = net::client::send(&Target::Unix(self.socket.clone()), call)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let took = asked.elapsed();
        let (head, body) = answer.into_parts();
        let words = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
        };
        let instance = head.headers.get("x-mainstay-instance").and_then(|value| value.to_str().ok());
        Ok(SmokeAnswer {
            status: head.status.as_u16(),
            headers: head.headers.iter().take(32).map(words).collect(),
            first_event_after: (first_event && holds_an_event(&body)).then_some(took),
            body: body.into(),
            instance: instance.and_then(|name| name.parse::<InstanceName>().ok()),
        })
    }
}

/// A whole event ends with a blank line; lines that begin with `:` are comments and no event.
fn holds_an_event(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n").replace('\r', "\n");
    let mut blocks: Vec<&str> = text.split("\n\n").collect();
    blocks.pop();
    blocks.iter().any(|block| block.lines().any(|line| !line.is_empty() && !line.starts_with(':')))
}

#[cfg(test)]
mod tests {
    use super::holds_an_event;

    #[test]
    fn an_event_is_whole_only_with_its_blank_line() {
        assert!(!holds_an_event(b""));
        assert!(!holds_an_event(b"data: half"));
        assert!(!holds_an_event(b": keep-alive\n\n"));
        assert!(holds_an_event(b"data: one\n\n"));
        assert!(holds_an_event(b": hello\r\n\r\nid: 1\r\ndata: x\r\n\r\n"));
    }
}
