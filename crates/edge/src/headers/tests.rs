use super::*;

fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs =
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let mut headers = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        headers.append(name, value);
    });
    headers
}

#[test]
fn what_connection_names_stops_here() {
    let mut headers = map(&[
        ("connection", "close, X-Secret"),
        ("connection", "x-other"),
        ("x-secret", "1"),
        ("x-other", "2"),
        ("te", "trailers"),
        ("x-kept", "3"),
    ]);
    remove_hop_by_hop(&mut headers);
    let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(left, ["x-kept"]);
}

#[test]
fn a_strangers_word_about_the_client_is_nothing() {
    let headers = map(&[("x-forwarded-for", "1.1.1.1"), ("cf-connecting-ip", "2.2.2.2")]);
    let peer: IpAddr = "9.9.9.9".parse().unwrap();
    for how in [ClientIp::Peer, ClientIp::XForwardedFor, ClientIp::CfConnectingIp] {
        assert_eq!(client_ip(peer, false, &headers, how, &[]), peer);
    }
}

#[test]
fn the_rightmost_stranger_is_the_client() {
    let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
    let peer: IpAddr = "10.0.0.1".parse().unwrap();
    for (lines, client) in [
        (&[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.2")][..], "1.1.1.1"),
        (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1")], "1.1.1.1"),
        (&[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        (&[("x-forwarded-for", "6.6.6.6, nonsense, 10.0.0.2")], "10.0.0.2"),
        (&[("x-forwarded-for", "nonsense")], "10.0.0.1"),
        (&[], "10.0.0.1"),
        (&[("x-forwarded-for", "::ffff:1.1.1.1")], "1.1.1.1"),
    ] {
        let found = client_ip(peer, true, &map(lines), ClientIp::XForwardedFor, &trusted);
        assert_eq!(found.to_string(), client, "{lines:?}");
    }
}

#[test]
fn ours_never_pass() {
    let mut headers = map(&[("x-mainstay-pool", "a"), ("x-mainstay-token", "b"), ("x-kept", "c")]);
    remove_ours(&mut headers, true);
    assert_eq!(headers.len(), 1);
}

#[test]
fn names_that_an_app_cannot_tell_from_ours_are_removed() {
    let mut headers = HeaderMap::new();
    for name in [
        "x_forwarded_for",
        "x-forwarded_proto",
        "x_real_ip",
        "x_mainstay_pool",
        "x-mainstay-token",
        "x_request_id",
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("spoofed"));
    }
    headers.insert("x_own", HeaderValue::from_static("kept"));
    headers.insert("x-request-id", HeaderValue::from_static("kept"));
    remove_ours(&mut headers, false);
    let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["x-request-id", "x_own"]);
}

/// W-E9: gunicorn takes `X-Forwarded-Ssl` and `X-Forwarded-Protocol`, Django and others the rest.
#[test]
fn whatever_a_stranger_claims_to_be_is_removed() {
    let claims = &[
        ("x-forwarded-ssl", "on"),
        ("x-forwarded-protocol", "ssl"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-user", "root"),
        ("x-forwarded", "for=1.1.1.1"),
        ("true-client-ip", "1.1.1.1"),
        ("cf-connecting-ip", "1.1.1.1"),
        ("x-original-url", "/admin"),
        ("proxy", "http://evil.test/"),
        ("x-kept", "c"),
    ];
    let mut headers = map(claims);
    remove_ours(&mut headers, false);
    assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    let mut headers = map(claims);
    remove_ours(&mut headers, true);
    assert!(headers.contains_key("cf-connecting-ip"), "a trusted proxy's word reaches the app");
    assert!(!headers.keys().any(|name| name.as_str().starts_with("x-forwarded")));
}
