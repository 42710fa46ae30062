//! What a CA sees that looks whether a name leads here (RFC 8555, 8.3; RFC 8737). The station puts the answers into a folder;
//! the edge reads them when it is asked, and knows nothing of orders.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header, request::Parts};
use rustls::server::ClientHello;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::StartHandshake;

use crate::{body::EdgeBody, conn::Entrance, proxy::Ctx, shared::Shared};

const PREFIX: &str = "/.well-known/acme-challenge/";
/// The protocol that nothing but a CA's look speaks.
const ALPN: &[u8] = b"acme-tls/1";
/// Bound: of an answer; a certificate with its key takes 1 KiB.
const ANSWER_BYTES_MAX: usize = 8 << 10;

/// Whether a request may be a CA's. It is answered on every way in, whatever a route says of TLS: a CA follows redirects, but
/// to a name that has no certificate yet none may lead.
pub(crate) fn may_be_asked(ctx: &Ctx, asked: &Parts) -> bool {
    ctx.worker.shared.settings.tls.acme.is_some()
        && asked.uri.path().starts_with(PREFIX)
        && asked.method == Method::GET
        && ctx.state.entrance != Entrance::Private
}

/// The answer; `None`: none of this machine's is asked for, and the request is one like any other.
pub(crate) async fn answer(ctx: &Ctx, asked: &Parts) -> Option<Response<EdgeBody>> {
    let token = asked.uri.path().strip_prefix(PREFIX).filter(|token| is_token(token))?;
    let text = read(&ctx.worker.shared, token).await?;
    let mut answer = Response::new(EdgeBody::full(Bytes::from(text)));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(answer)
}

/// base64url: nothing else is a token, and what is none could be a path.
fn is_token(token: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=128).contains(&token.len()) && token.bytes().all(fits)
}

/// The name that a CA looks for by this handshake.
pub(crate) fn name_asked(hello: &ClientHello<'_>) -> Option<String> {
    let mut protocols = hello.alpn()?;
    // RFC 8737, 3: it offers this one alone.
    let is_asked = protocols.next() == Some(ALPN) && protocols.next().is_none();
    hello.server_name().filter(|_| is_asked).map(str::to_ascii_lowercase)
}

/// Shows the certificate for the challenge, if there is one; the connection ends with it.
pub(crate) async fn show(shared: &Arc<Shared>, name: &str, start: StartHandshake<TcpStream>) {
    let Some(text) = read(shared, &format!("{name}.alpn")).await else { return };
    match net::tls::challenge_config(&text, ALPN) {
        Ok(config) => {
            if let Ok(mut stream) = start.into_stream(Arc::new(config)).await {
                let _ = stream.shutdown().await;
            }
        }
        Err(error) => tracing::warn!(name, %error, "the certificate for a CA's challenge cannot be used"),
    }
}

/// `None`: there is no such answer. Bound: few at once, since anybody may ask, and files may lie on a disk that hangs.
async fn read(shared: &Arc<Shared>, file: &str) -> Option<Vec<u8>> {
    let path: PathBuf = shared.settings.tls.acme.as_ref()?.join("challenges").join(file);
    let _place = shared.challenge_reads.acquire().await.ok()?;
    let read = tokio::task::spawn_blocking(move || machine::fs::read_regular(&path, ANSWER_BYTES_MAX)).await;
    read.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_no_path() {
        assert!(is_token("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"));
        for bad in ["", "..", "a/b", "a.alpn", "%2e%2e", &"a".repeat(129)] {
            assert!(!is_token(bad), "{bad:?}");
        }
    }
}
