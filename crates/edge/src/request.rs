//! What a request is for, or why that is not clear enough to pass it on (RFC 9110 7.2, RFC 9112 3.2).

use http::{HeaderName, HeaderValue, Method, Uri, header, request::Parts, uri::PathAndQuery};

use crate::{
    page::{self, Page},
    settings::Limits,
};

/// The checked target of a request.
#[derive(Debug)]
pub(crate) struct Target {
    /// As the client sent it, port and case included: what the upstream gets.
    pub(crate) host: HeaderValue,
    /// Path and query, as the client sent them; `*` for `OPTIONS *`.
    pub(crate) uri: Uri,
}

/// Checks method, host and target form.
pub(crate) fn target(head: &Parts) -> Result<Target, Page> {
    // TRACE gives headers back to whoever scripts a page; CONNECT asks for another kind of proxy.
    if head.method == Method::TRACE || head.method == Method::CONNECT {
        return Err(page::NOT_ALLOWED);
    }
    let host = host(head)?;
    let path = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    if !path.as_str().starts_with('/') && head.method != Method::OPTIONS {
        return Err(page::BAD_REQUEST);
    }
    Ok(Target { host, uri: Uri::from(path) })
}

/// Whether a head is within the limits: that of HTTP/2 counted as the HTTP/1.1 head that it becomes, that of HTTP/1.1 as
/// its parser has judged.
pub(crate) fn fits(head: &Parts, limits: &Limits) -> Result<(), Page> {
    if head.version != http::Version::HTTP_2 {
        return Ok(());
    }
    let in_bytes = |length: usize| length as u64 <= limits.header_bytes_max.0;
    let authority = head.uri.authority().map_or(0, |authority| authority.as_str().len());
    let address = authority + head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if !in_bytes(address) {
        return Err(page::ADDRESS_TOO_LONG);
    }
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + ": \r\n".len();
    let lines: usize = head.headers.iter().map(line).sum();
    let fits = in_bytes(address + lines) && head.headers.len() <= limits.headers_max;
    if fits { Ok(()) } else { Err(page::HEAD_TOO_LARGE) }
}

/// The one host that is said, in `Host`, in an absolute target, or in `:authority`; two must agree.
fn host(head: &Parts) -> Result<HeaderValue, Page> {
    let mut named = head.headers.get_all(header::HOST).iter();
    let in_header = named.next();
    if named.next().is_some() {
        return Err(page::BAD_HOST);
    }
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    match (in_header, authority) {
        (Some(host), None) if is_host(host.as_bytes()) => Ok(host.clone()),
        (Some(host), Some(authority))
            if is_host(host.as_bytes()) && host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) =>
        {
            Ok(host.clone())
        }
        (None, Some(authority)) if head.version == http::Version::HTTP_2 && is_host(authority.as_bytes()) => {
            HeaderValue::from_str(authority).map_err(|_| page::BAD_HOST)
        }
        _ => Err(page::BAD_HOST),
    }
}

/// `name`, `name:port`, `1.2.3.4`, `[::1]:port` (RFC 3986 3.2.2, RFC 9110 4.2): nothing that could be read in two ways,
/// so no userinfo, no zone, no empty label, and a port that exists. Byte by byte: every request asks.
fn is_host(host: &[u8]) -> bool {
    if let Some(rest) = host.strip_prefix(b"[") {
        let Some(end) = memchr::memchr(b']', rest) else { return false };
        let ip = std::str::from_utf8(&rest[..end]).ok().and_then(|ip| ip.parse::<std::net::Ipv6Addr>().ok());
        return ip.is_some() && is_port(&rest[end + 1..]);
    }
    let (name, port) = host.split_at(memchr::memchr(b':', host).unwrap_or(host.len()));
    is_name(name) && is_port(port)
}

/// Nothing, or `:` and a number that fits; the number may be left out (RFC 3986 3.2.3).
fn is_port(port: &[u8]) -> bool {
    let Some(digits) = port.strip_prefix(b":") else { return port.is_empty() };
    let more = |port: u32, digit: &u8| {
        let port = digit.is_ascii_digit().then(|| port * 10 + u32::from(digit - b'0'));
        port.filter(|port| *port <= u32::from(u16::MAX))
    };
    digits.iter().try_fold(0, more).is_some()
}

/// A dot may end it, as of a name that is written to the root.
fn is_name(name: &[u8]) -> bool {
    let labels = name.strip_suffix(b".").unwrap_or(name);
    let mut before = b'.';
    let fits = labels.iter().all(|&byte| {
        let fits =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && before != b'.');
        before = byte;
        fits
    });
    fits && before != b'.' && name.len() <= 255
}

/// RFC 9110 9.2.2: doing it twice is like doing it once.
pub(crate) fn is_idempotent(method: &Method) -> bool {
    if machine::planted::is_planted("sends-a-post-twice") {
        return true;
    }
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn check(request: http::request::Builder) -> Option<String> {
        let (head, ()) = request.body(()).unwrap().into_parts();
        target(&head).ok().map(|target| target.host.to_str().unwrap().to_owned())
    }

    #[test]
    fn one_clear_host_is_needed() {
        let get = |uri: &str| Request::get(uri);
        assert_eq!(check(get("/").header("host", "A.example:80")), Some("A.example:80".into()));
        assert_eq!(check(get("/").header("host", "[::1]:80")), Some("[::1]:80".into()));
        assert_eq!(check(get("http://a/x").header("host", "a")), Some("a".into()));
        assert_eq!(check(get("http://a/x").header("host", "b")), None);
        assert_eq!(check(get("/").header("host", "a").header("host", "a")), None);
        assert_eq!(check(get("/")), None);
        assert_eq!(check(get("http://u@a/x").header("host", "u@a")), None, "userinfo");
        assert_eq!(
            check(get("http://a:99999/x").header("host", "a:99999")),
            None,
            "an absolute target's port"
        );
        assert_eq!(check(get("http://a/x")), None, "HTTP/1.1 says its host in the header too");
    }

    #[test]
    fn a_host_is_read_in_one_way_only() {
        for good in
            ["a", "a.", "A_b-c.example", "a:", "a:0", "a:65535", "1.2.3.4:80", "[::1]", "[::ffff:1.2.3.4]:1"]
        {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".a",
            "a..b",
            "a b",
            "a,b",
            "a/b",
            "a@b",
            "u:p@a",
            "a:b",
            "a:80:90",
            "a:+80",
            "a:-1",
            "a: 80",
            "a:65536",
            "a:99999",
            "a:123456",
            ":80",
            "[::1",
            "[]",
            "[x]",
            "[:::::]",
            "[1.2.3.4]",
            "[::1]80",
            "[::1]:99999",
            "[fe80::1%25eth0]",
            "::1",
            "ü",
            "a%2e",
            "a\0",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn http2_says_no_user_and_no_port_that_does_not_exist() {
        for bad in ["https://u@a/x", "https://a:99999/x"] {
            assert_eq!(check(Request::get(bad).version(http::Version::HTTP_2)), None, "{bad}");
        }
    }

    #[test]
    fn http2_says_its_host_in_the_authority() {
        let get = || Request::get("https://a:1/x").version(http::Version::HTTP_2);
        assert_eq!(check(get()), Some("a:1".into()));
        assert_eq!(check(get().header("host", "b")), None);
    }

    proptest! {
        #[test]
        fn no_host_makes_it_panic(host in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = is_host(&host);
        }
    }
}
