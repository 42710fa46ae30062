//! What a request is for, or why that is not clear enough to pass it on (RFC 9110 7.2, RFC 9112 3.2).

use http::{HeaderValue, Method, Uri, header, request::Parts, uri::PathAndQuery};

use crate::page::{self, Page};

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

/// `name`, `name:port`, `1.2.3.4`, `[::1]:port`: nothing that could be read in two ways.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = memchr::memchr(b']', rest) else { return false };
            let name = &rest[..end];
            if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte)) {
                return false;
            }
            (&b"v6"[..], &rest[end + 1..])
        }
        None => {
            let end = memchr::memchr(b':', host).unwrap_or(host.len());
            (&host[..end], &host[end..])
        }
    };
    let port_is_plain = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let name_is_plain = (1..=255).contains(&name.len())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte));
    name_is_plain && port_is_plain
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
        for bad in ["", "a b", "a,b", "a/b", "a@b", "a:b", "a:80:90", "[::1", "[x]", "a:123456", "ü"] {
            assert_eq!(check(get("/").header("host", bad)), None, "{bad}");
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
