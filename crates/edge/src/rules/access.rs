//! Who may use a route: whoever shows no token is asked for one (RFC 7617, RFC 6750). The app is not told of it.

use std::net::IpAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use ipnet::IpNet;
use sha2::{Digest, Sha256};

use crate::{
    limit::path::{self, Prefix},
    page::{self, Page},
};

#[derive(Debug)]
pub(super) struct Access {
    tokens: Vec<Token>,
    exempt: Vec<IpNet>,
    open: Vec<Prefix>,
}

#[derive(Debug)]
struct Token {
    whose: Box<str>,
    /// Of the token.
    digest: [u8; 32],
}

impl Access {
    pub(super) fn new(given: &model::manifest::Access) -> Self {
        let token = |(whose, digest): (&String, &String)| {
            Some(Token { whose: whose.as_str().into(), digest: bytes(digest)? })
        };
        Self {
            tokens: given.tokens.iter().filter_map(token).collect(),
            exempt: given.exempt.clone(),
            open: given.open.iter().map(|path| Prefix::new(path)).collect(),
        }
    }

    /// Whether the request may pass.
    pub(super) fn check(&self, asked: &Parts, client: IpAddr) -> Result<(), Page> {
        let is_open = || {
            let path = path::plain(asked.uri.path());
            !path::is_ambiguous(&path) && self.open.iter().any(|prefix| prefix.holds(&path))
        };
        let is_exempt = self.exempt.iter().any(|net| net.contains(&client)) || is_open();
        if is_exempt || self.knows(&asked.headers) { Ok(()) } else { Err(page::NO_TOKEN) }
    }

    /// Looks at all tokens, so that the time says nothing of them.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(shown);
        shown.is_some_and(|(whose, token)| {
            let digest: [u8; 32] = Sha256::digest(token).into();
            self.tokens.iter().fold(false, |found, own| {
                let is_theirs = whose.as_deref().is_none_or(|whose| whose == own.whose.as_bytes());
                found | (is_same(&own.digest, &digest) & is_theirs)
            })
        })
    }
}

/// Who says so, and the token: of `Basic NAME:TOKEN` or `Bearer TOKEN`.
fn shown(value: &HeaderValue) -> Option<(Option<Vec<u8>>, Vec<u8>)> {
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((None, rest.as_bytes().to_vec()));
    }
    let text = BASE64_STANDARD.decode(rest).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let colon = memchr::memchr(b':', &text)?;
    Some((Some(text[..colon].to_vec()), text[colon + 1..].to_vec()))
}

fn is_same(known: &[u8; 32], given: &[u8; 32]) -> bool {
    known.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// 64 digits, as the manifest's reader has found.
fn bytes(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// What few may see is for nobody's index.
pub(super) fn say(headers: &mut HeaderMap) {
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
}

/// How a browser asks for the token.
pub(crate) const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"access\", charset=\"UTF-8\"");

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// Of `correct-horse` and `battery-staple`.
    fn access() -> Access {
        let digest = |token: &str| {
            let digest = Sha256::digest(token);
            digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        Access::new(&model::manifest::Access {
            tokens: [("ana", "correct-horse"), ("bo", "battery-staple")]
                .map(|(whose, token)| (whose.to_owned(), digest(token)))
                .into(),
            exempt: vec!["10.0.0.0/8".parse().unwrap()],
            open: vec!["/hooks".into()],
        })
    }

    fn passes(path: &str, authorization: Option<&str>, client: &str) -> bool {
        let request = Request::get(path);
        let request =
            authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
        access().check(&request.body(()).unwrap().into_parts().0, client.parse().unwrap()).is_ok()
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    #[test]
    fn only_a_token_of_ones_own_opens_it() {
        let street = "192.0.2.1";
        for good in [
            &basic("ana:correct-horse"),
            &basic("bo:battery-staple"),
            "bearer  correct-horse",
            "Bearer battery-staple",
        ] {
            assert!(passes("/", Some(good), street), "{good}");
        }
        for bad in [
            &basic("bo:correct-horse"),
            &basic("ana:correct-horse "),
            &basic("ana"),
            &basic(":"),
            "Basic %%%",
            "Basic",
            "Bearer ",
            "Digest correct-horse",
            "",
        ] {
            assert!(!passes("/", Some(bad), street), "{bad}");
        }
        assert!(!passes("/", None, street));
    }

    #[test]
    fn who_is_exempt_and_what_is_open_need_none() {
        assert!(passes("/", None, "10.1.2.3"));
        assert!(passes("/hooks/x", None, "192.0.2.1"));
        assert!(!passes("/hooks/../admin", None, "192.0.2.1"), "no way around it");
        assert!(!passes("/hooksx", None, "192.0.2.1"));
        for around in [
            "/hooks/..;/x",
            "/hooks/..;a=b/x",
            "/hooks/%2e%2e;/x",
            "/hooks/..%3b/x",
            "/hooks/..\\x",
            "/hooks/..%5cx",
        ] {
            assert!(!passes(around, None, "192.0.2.1"), "{around}: no way around it in an app's own reading");
        }
        assert!(passes("/hooks/x;v=1", None, "192.0.2.1"));
    }
}
