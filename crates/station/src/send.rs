//! One try: a signed POST, bounded in time and in what is read of the answer. No redirect is followed: what is sent is for
//! the place that machine.toml names.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, SystemTime},
};

use api::{station::Event, webhooks::Tested};
use http::{HeaderName, HeaderValue, header};
use net::client::{Call, Target};
use rustls::ClientConfig;
use tokio::time::Instant;

use crate::{body::body, events::TEST, hook::Hook, queue::Moment};

/// To find and reach the receiver.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// To the beginning of its answer. Receivers are told to answer first and to work then.
const TRY_LIMIT: Duration = Duration::from_secs(20);
/// Bound: of an answer's body, of which nothing but the beginning is for people.
const ANSWER_BYTES_MAX: usize = 2_000;

/// Sends. Whom it trusts is read when the first `https` is.
#[derive(Default)]
pub(crate) struct Sender {
    tls: RefCell<Option<Arc<ClientConfig>>>,
}

/// What a try came to: the answer's status and how its body begins, or why there is none.
pub(crate) type Answer = Result<(u16, String), String>;

impl Sender {
    /// Cancel-safe: the receiver may have got it.
    pub(crate) async fn send(&self, hook: &Hook, id: &str, body: &str) -> Answer {
        let call = signed(hook, id, body)?;
        let tls = if hook.place.tls { Some(self.tls()?) } else { None };
        let target = Target::Host { host: hook.place.host.clone(), port: hook.place.port, tls };
        let answer = net::client::send(&target, call).await.map_err(|failure| failure.to_string())?;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        Ok((answer.status().as_u16(), text))
    }

    /// A test's event, once.
    pub(crate) async fn test(&self, hook: &Hook, id: &str) -> Tested {
        let event = Event {
            id: id.to_owned(),
            name: TEST.to_owned(),
            at: Moment::now().stamp,
            site: None,
            past: false,
            data: serde_json::json!({ "message": "a test by `mainstay webhook test`" }),
        };
        let began = Instant::now();
        let answer = self.send(hook, id, &body(&event)).await;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (url, id) = (hook.place.to_string(), id.to_owned());
        match answer {
            Ok((status, body)) => Tested { url, id, status: Some(status), body, error: None, took_ms },
            Err(error) => Tested { url, id, status: None, body: String::new(), error: Some(error), took_ms },
        }
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(known) = self.tls.borrow().as_ref() {
            return Ok(Arc::clone(known));
        }
        let config = Arc::new(net::tls::client_config().map_err(|error| error.to_string())?);
        *self.tls.borrow_mut() = Some(Arc::clone(&config));
        Ok(config)
    }
}

fn signed(hook: &Hook, id: &str, body: &str) -> Result<Call, String> {
    let key = hook.secret.as_ref().ok_or("its secret cannot be used")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let signature = key.sign(id, now, body.as_bytes());
    let mut call = Call::new("POST", &hook.place.path)
        .connect(CONNECT_LIMIT)
        .total(TRY_LIMIT)
        .cut_answer_at(ANSWER_BYTES_MAX)
        // What has come with the head is enough: who sends for ever has answered all the same.
        .cut_answer_when(|_| true)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("mainstay/", env!("CARGO_PKG_VERSION"))),
        );
    let told = [
        (header::HOST, hook.place.host_header()),
        (HeaderName::from_static("webhook-id"), id.to_owned()),
        (HeaderName::from_static("webhook-timestamp"), now.to_string()),
        (HeaderName::from_static("webhook-signature"), signature),
    ];
    for (name, value) in told {
        let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
        call = call.header(name, value);
    }
    Ok(call.body(body.to_owned()))
}
