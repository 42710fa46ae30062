//! Headers on their way through: hop-by-hop ones stop here, and who the client is is said by us alone.
//!
//! What a stranger sent as `X-Forwarded-*`, `X-Real-IP`, `Forwarded` or `X-Mainstay-*` never reaches an app.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use crate::settings::{ClientIp, Settings};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const INSTANCE: HeaderName = HeaderName::from_static("x-mainstay-instance");
/// An app's word for whose fault its answer is; see [`is_foreign`].
const CAUSE: HeaderName = HeaderName::from_static("x-mainstay-cause");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const OURS: &str = "x-mainstay-";

static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
];

/// What we say in a client's place.
static REPLACED: [HeaderName; 6] =
    [header::HOST, header::EXPECT, header::CONTENT_LENGTH, header::FORWARDED, REAL_IP, REQUEST_ID];

/// Says what goes on of a client's headers, and who asks. Left out are what is between two neighbours only, what we have
/// done ourselves (`Expect`), what frames the body (which is framed anew), what only we may say, and from a peer that is
/// not trusted also what vendors' proxies say of a client.
pub(crate) fn onward(
    asked: &HeaderMap,
    peer_is_trusted: bool,
    asker: &Asker<'_>,
    mut say: impl FnMut(&HeaderName, &HeaderValue),
) {
    // First, as RFC 9110 7.2 wants it.
    say(&header::HOST, asker.host);
    let named = named(asked);
    for (name, value) in asked {
        let is_replaced = hop_by_hop(name).is_some() || REPLACED.contains(name);
        let is_claim = is_ours(name) || (!peer_is_trusted && is_vendors(name));
        if !is_replaced && !is_claim && !named.contains(name) {
            say(name, value);
        }
    }
    say(&FORWARDED_FOR, asker.ip);
    say(&REAL_IP, asker.ip);
    say(&FORWARDED_PROTO, &HeaderValue::from_static(asker.proto));
    say(&FORWARDED_HOST, asker.host);
    say(&FORWARDED_PORT, &HeaderValue::from(asker.port));
    say(&header::FORWARDED, &asker.forwarded);
    say(&REQUEST_ID, asker.request_id);
}

/// Removes what is between two neighbours only (RFC 9110 7.6.1), and what `Connection` names.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Most heads hold none or one of them: one walk over the names finds out which.
    let mut found = [false; 8];
    headers.keys().filter_map(hop_by_hop).for_each(|at| found[at] = true);
    if found[0] {
        named(headers).iter().for_each(|name| {
            headers.remove(name);
        });
    }
    for (name, _) in HOP_BY_HOP.iter().zip(found).filter(|(_, found)| *found) {
        headers.remove(name);
    }
}

/// The members of a header that is a list, over all its lines, without space around them. A line that is no text has none.
pub(crate) fn words<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',').map(str::trim))
}

/// Whether the lines of `name` hold `word`, in any case, in their lists.
pub(crate) fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    words(headers, name).any(|found| found.eq_ignore_ascii_case(word))
}

/// The value of the first cookie of that name (RFC 6265 5.4).
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &[u8]) -> Option<&'h [u8]> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let mut pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
}

/// Its place in [`HOP_BY_HOP`].
fn hop_by_hop(name: &HeaderName) -> Option<usize> {
    // Their lengths rule out nearly all others without comparing text.
    if !matches!(name.as_str().len(), 2 | 7 | 10 | 16..=19) {
        return None;
    }
    HOP_BY_HOP.iter().position(|known| known == name)
}

/// What `Connection` lines name, besides the words that name no header.
fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    let names_one =
        |word: &&str| !word.eq_ignore_ascii_case("keep-alive") && !word.eq_ignore_ascii_case("close");
    let names = words(headers, &header::CONNECTION).filter(names_one);
    names.filter_map(|word| word.parse().ok()).collect()
}

/// Whose word about the client is taken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The peer is the client.
    Nobody,
    /// The peer is a proxy that speaks HTTP.
    Headers,
    /// The peer is a proxy that passes bytes on; what its clients' headers say is no word of its own.
    ProxyHeader,
}

/// Who asks, as the app is told.
pub(crate) struct Asker<'a> {
    pub(crate) ip: &'a HeaderValue,
    pub(crate) proto: &'static str,
    pub(crate) host: &'a HeaderValue,
    pub(crate) port: u16,
    pub(crate) forwarded: HeaderValue,
    pub(crate) request_id: &'a HeaderValue,
}

/// RFC 7239, one hop.
pub(crate) fn forwarded(ip: IpAddr, host: &HeaderValue, proto: &str) -> HeaderValue {
    let host = host.to_str().unwrap_or("");
    let text = match ip {
        IpAddr::V4(ip) => format!("for={ip};host=\"{host}\";proto={proto}"),
        IpAddr::V6(ip) => format!("for=\"[{ip}]\";host=\"{host}\";proto={proto}"),
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("for=unknown"))
}

/// What only we may say: every `x-mainstay-*`, which mean something between our own parts, every `x-forwarded*`,
/// of which apps believe many more than we set, and every name that CGI and WSGI cannot tell from one of these: for them
/// `x_forwarded_for` is `X-Forwarded-For`.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with(OURS)
        || name.starts_with("x-forwarded")
        || (name.contains('_') && is_twin(&name.replace('_', "-")))
}

/// Who the client is or what it asked for, as other proxies say it and apps and their libraries believe it. `proxy` becomes
/// `HTTP_PROXY` in CGI ("httpoxy", CVE-2016-5385).
fn is_vendors(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "true-client-ip"
            | "cf-connecting-ip"
            | "fastly-client-ip"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "x-original-forwarded-for"
            | "x-original-host"
            | "x-original-url"
            | "x-rewrite-url"
            | "x-scheme"
            | "x-url-scheme"
            | "front-end-https"
            | "proxy"
    )
}

fn is_twin(name: &str) -> bool {
    name.starts_with(OURS)
        || name.starts_with("x-forwarded")
        || name == REAL_IP.as_str()
        || name == REQUEST_ID.as_str()
        // How long a body is says the edge alone: an app that took this name for it would read another request.
        || name == header::CONTENT_LENGTH.as_str()
        || name == header::TRANSFER_ENCODING.as_str()
}

/// Whether the app says that a service behind it is to blame (`X-Mainstay-Cause: upstream`). The client is not told.
pub(crate) fn is_foreign(headers: &mut HeaderMap) -> bool {
    headers.remove(CAUSE).is_some_and(|cause| cause.as_bytes().eq_ignore_ascii_case(b"upstream"))
}

/// The client's address. Only a trusted peer's word is taken.
pub(crate) fn client_ip(
    peer: IpAddr,
    peer_is_trusted: bool,
    headers: &HeaderMap,
    how: ClientIp,
    trusted: &[IpNet],
) -> IpAddr {
    if !peer_is_trusted {
        return peer;
    }
    match how {
        // The balancer named the client before the first request: it is the peer.
        ClientIp::Peer | ClientIp::ProxyProtocol => peer,
        ClientIp::XForwardedFor => rightmost_stranger(headers, trusted).unwrap_or(peer),
        ClientIp::CfConnectingIp => {
            let named = headers.get("cf-connecting-ip").and_then(|ip| ip.to_str().ok()?.trim().parse().ok());
            named.unwrap_or(peer)
        }
    }
}

/// The chain is read from the right, where our own proxies wrote; what stands left of the first stranger anybody may
/// have made up. Something that is no address ends the chain.
fn rightmost_stranger(headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let lines: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or("")).collect();
    let mut last = None;
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Ok(ip) = hop.trim().parse::<IpAddr>() else { break };
        let ip = ip.to_canonical();
        last = Some(ip);
        if !is_trusted(ip, trusted) {
            break;
        }
    }
    last
}

/// The scheme that the client used, as a trusted proxy says it.
pub(crate) fn trusted_proto(headers: &HeaderMap) -> Option<&'static str> {
    match headers.get(FORWARDED_PROTO)?.as_bytes() {
        b"https" => Some("https"),
        b"http" => Some("http"),
        _ => None,
    }
}

/// Whose word is taken on a connection from `peer`; `None`: it came by a unix socket.
pub(crate) fn trust(peer: Option<SocketAddr>, settings: &Settings) -> Trust {
    let is_proxy = peer.is_some_and(|peer| is_trusted(peer.ip().to_canonical(), &settings.trusted_proxies));
    match (is_proxy, settings.client_ip) {
        (false, _) => Trust::Nobody,
        (true, ClientIp::ProxyProtocol) => Trust::ProxyHeader,
        (true, ClientIp::Peer | ClientIp::XForwardedFor | ClientIp::CfConnectingIp) => Trust::Headers,
    }
}

fn is_trusted(ip: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&ip))
}

#[cfg(test)]
mod tests;
