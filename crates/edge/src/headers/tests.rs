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

static CLIENT: HeaderValue = HeaderValue::from_static("9.9.9.9");
static OUR_ID: HeaderValue = HeaderValue::from_static("ours");
static HOST: HeaderValue = HeaderValue::from_static("ours.test");

fn sent_on(asked: &HeaderMap, peer_is_trusted: bool) -> HeaderMap {
    let forwarded = HeaderValue::from_static("for=9.9.9.9");
    let asker = Asker { ip: &CLIENT, proto: "https", host: &HOST, port: 443, forwarded, request_id: &OUR_ID };
    let mut said = HeaderMap::new();
    onward(asked, peer_is_trusted, &asker, |name, value| {
        said.append(name, value.clone());
    });
    said
}

/// Names that reach an app besides those that we set.
fn passed(asked: &HeaderMap, peer_is_trusted: bool) -> Vec<String> {
    let ours = sent_on(&HeaderMap::new(), true);
    let headers = sent_on(asked, peer_is_trusted);
    for (name, value) in &ours {
        let said: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(said, [value], "{name} is said once, by us");
    }
    let mut names: Vec<_> = headers.keys().map(|name| name.as_str().to_owned()).collect();
    names.retain(|name| !ours.contains_key(name));
    names.sort_unstable();
    names
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
    assert_eq!(passed(&headers, true), ["x-kept"]);
    remove_hop_by_hop(&mut headers);
    let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(left, ["x-kept"]);
}

#[test]
fn lines_of_one_name_stay_in_their_order() {
    let asked = map(&[("cookie", "a=1"), ("x-kept", "1"), ("cookie", "b=2"), ("expect", "100-continue")]);
    assert_eq!(passed(&asked, false), ["cookie", "x-kept"]);
    let headers = sent_on(&asked, false);
    assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
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
    let asked = map(&[
        ("x-mainstay-pool", "a"),
        ("x-mainstay-token", "b"),
        ("x-real-ip", "1.1.1.1"),
        ("forwarded", "for=1.1.1.1"),
        ("host", "theirs.test"),
        ("x-kept", "c"),
    ]);
    assert_eq!(passed(&asked, true), ["x-kept"]);
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
        "content_length",
        "transfer_encoding",
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("spoofed"));
    }
    headers.insert("x_own", HeaderValue::from_static("kept"));
    headers.insert("x-request-id", HeaderValue::from_static("replaced"));
    assert_eq!(passed(&headers, false), ["x_own"]);
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
    assert_eq!(passed(&map(claims), false), ["x-kept"]);
    let trusted = passed(&map(claims), true);
    assert!(trusted.iter().any(|name| name == "cf-connecting-ip"), "a trusted proxy's word reaches the app");
    assert!(!trusted.iter().any(|name| name.starts_with("x-forwarded")));
}
