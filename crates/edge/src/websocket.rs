//! Opening a WebSocket: over HTTP/1.1 by upgrade (RFC 6455), over HTTP/2 by extended CONNECT (RFC 8441). To the
//! upstream it is always HTTP/1.1, on a connection of its own.

use std::{rc::Rc, sync::atomic::Ordering::Relaxed, task::Poll, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, client::conn::http1, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;

use crate::{
    body::{EdgeBody, RequestBody},
    flight::Flight,
    forward::Search,
    page::{self, Page},
    pool::{Class, UpstreamState},
    proxy::{self, Ctx, Origin, Outcome, Refused},
    route::RouteState,
    tunnel::Tunnel,
    upstream::{self, Reuse, Transport},
};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// A request that asks for a WebSocket.
pub(crate) enum Upgrade {
    Http1,
    /// What gives the stream once the answer is on its way.
    Http2(OnUpgrade),
}

/// Whether `request` asks for a WebSocket, in either way.
pub(crate) fn take_upgrade(request: &mut Request<Incoming>) -> Option<Upgrade> {
    if request.version() == http::Version::HTTP_2 {
        let protocol = request.extensions().get::<hyper::ext::Protocol>()?;
        let asks = request.method() == Method::CONNECT && protocol.as_str().eq_ignore_ascii_case("websocket");
        return asks.then(|| Upgrade::Http2(hyper::upgrade::on(request)));
    }
    let names = |name: HeaderName, word: &str| has_word(request.headers(), &name, word);
    let asks = request.method() == Method::GET
        && names(header::UPGRADE, "websocket")
        && names(header::CONNECTION, "upgrade")
        && request.headers().contains_key(header::SEC_WEBSOCKET_KEY);
    asks.then_some(Upgrade::Http1)
}

fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|found| found.trim().eq_ignore_ascii_case(word))
}

/// Asks the upstream; its refusal is an answer like any other.
pub(crate) async fn open(
    ctx: &Rc<Ctx>,
    flight: &mut Box<Flight>,
    origin: &Origin,
    upgrade: Upgrade,
    route: &std::sync::Arc<RouteState>,
) -> Result<Outcome, Refused> {
    let (upstream, transport) = dial(ctx, flight).await?;
    let mut request = proxy::onward(ctx, flight, origin, RequestBody::default());
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert(header::UPGRADE, WEBSOCKET);
    if matches!(upgrade, Upgrade::Http2(_)) {
        // Over HTTP/2 there is no key; the upstream's HTTP/1.1 wants one (RFC 8441 5.1).
        request.headers_mut().insert(header::SEC_WEBSOCKET_KEY, key());
    }
    let asked = ask(flight, transport, request, route.route.response_header_timeout.0).await;
    let asked = asked.inspect_err(|_| {
        upstream.broken.fetch_add(1, Relaxed);
    })?;
    upstream.requests.fetch_add(1, Relaxed);
    match asked {
        Asked::No(answer, sender) => {
            let reuse =
                Reuse { idle: Rc::clone(&ctx.worker.idle), process: upstream.process, sender, max: 0 };
            Ok(Outcome::Answer { answer, reuse, route: std::sync::Arc::clone(route) })
        }
        Asked::Yes { head, transport, early } => Ok(Outcome::Switched(Box::new(Switch {
            head,
            transport,
            early,
            upgrade,
            idle: route.route.idle_timeout.0,
        }))),
    }
}

/// What the upstream said.
enum Asked {
    Yes { head: http::response::Parts, transport: Transport, early: Bytes },
    No(Response<Incoming>, upstream::Sender),
}

async fn dial(ctx: &Ctx, flight: &mut Flight) -> Result<(std::sync::Arc<UpstreamState>, Transport), Page> {
    let worker = &ctx.worker;
    let mut search = Search::fresh();
    loop {
        let upstream = search.next(ctx, flight).await?;
        match upstream::dial(&worker.timers, &upstream.address, &worker.shared.settings.limits).await {
            Ok(transport) => {
                upstream.connected();
                return Ok((upstream, transport));
            }
            Err(_) => {
                upstream.connect_failed();
                search.failed(&upstream);
                flight.cause.get_or_insert("connect-failed");
            }
        }
    }
}

/// The connection is driven here, by hand: after a 101 it is taken apart again.
async fn ask(
    flight: &Flight,
    transport: Transport,
    request: Request<RequestBody>,
    limit: Duration,
) -> Result<Asked, Page> {
    let handshake = http1::handshake(TokioIo::new(transport)).await;
    let (mut sender, mut connection) = handshake.map_err(|_| page::UPSTREAM_BROKEN)?;
    let exchange = async {
        let answer = sender.send_request(request);
        tokio::pin!(answer);
        let mut is_over = false;
        let answer = std::future::poll_fn(|cx| {
            is_over = is_over || connection.poll_without_shutdown(cx).is_ready();
            answer.as_mut().poll(cx)
        });
        let answer = answer.await.map_err(|_| page::UPSTREAM_BROKEN)?;
        let is_websocket = answer
            .headers()
            .get(header::UPGRADE)
            .is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok((answer, false));
        }
        if !is_websocket {
            return Err(page::UPSTREAM_BROKEN);
        }
        std::future::poll_fn(|cx| match is_over {
            true => Poll::Ready(()),
            false => connection.poll_without_shutdown(cx).map(|_| ()),
        })
        .await;
        Ok((answer, true))
    };
    let (answer, is_open) =
        crate::timers::within(flight.timers(), limit, exchange).await.ok_or(page::UPSTREAM_TIMEOUT)??;
    if !is_open {
        tokio::task::spawn_local(connection);
        return Ok(Asked::No(answer, sender));
    }
    let parts = connection.into_parts();
    Ok(Asked::Yes { head: answer.into_parts().0, transport: parts.io.into_inner(), early: parts.read_buf })
}

/// An upstream that said yes.
pub(crate) struct Switch {
    head: http::response::Parts,
    transport: Transport,
    early: Bytes,
    upgrade: Upgrade,
    idle: Duration,
}

/// Gives the flight to the tunnel and answers the client in its own protocol.
pub(crate) fn switch(ctx: &Rc<Ctx>, mut flight: Box<Flight>, switch: Switch) -> Response<EdgeBody> {
    let Switch { head, transport, early, upgrade, idle } = switch;
    let mut answer = Response::from_parts(head, EdgeBody::full(Bytes::new()));
    let headers = answer.headers_mut();
    crate::headers::remove_hop_by_hop(headers);
    headers.remove(header::CONTENT_LENGTH);
    flight.answered(101);
    flight.count(crate::headers::is_foreign(headers), true);
    if let Some(label) = flight.instance_label() {
        headers.insert(crate::headers::INSTANCE, label);
    }
    if let Some(lease) = &mut flight.lease {
        lease.become_class(Class::WebSocket);
    }
    let tunnel = Box::new(Tunnel { upstream: transport, early, flight, idle });
    match upgrade {
        Upgrade::Http1 => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::UPGRADE, WEBSOCKET);
            ctx.state.tunnels.set(true);
            *ctx.tunnel.borrow_mut() = Some(tunnel);
        }
        Upgrade::Http2(stream) => {
            headers.remove(header::SEC_WEBSOCKET_ACCEPT);
            *answer.status_mut() = StatusCode::OK;
            tokio::task::spawn_local(async move {
                if let Ok(stream) = stream.await {
                    tunnel.run(TokioIo::new(stream), Bytes::new()).await;
                }
            });
        }
    }
    answer
}

fn key() -> HeaderValue {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = [0; 21];
    let _ = machine::entropy::fill(&mut random);
    // 16 bytes are 22 digits of base64, of which the last holds 4 bits: A, Q, g or w.
    let mut text: Vec<u8> = random.iter().map(|byte| ALPHABET[usize::from(byte & 63)]).collect();
    text.extend_from_slice(b"A==");
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}
