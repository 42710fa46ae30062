//! Where a webhook's requests go: an `https` URL, or an `http` one where nobody else can listen.

use std::{fmt, net::IpAddr};

use http::{Uri, uri::Scheme};
use sha2::{Digest as _, Sha256};

/// A URL that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
    /// Path and query.
    pub path: String,
    url: String,
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("it is no URL")]
    NoUrl,
    #[error("it begins with neither https:// nor http://")]
    Scheme,
    #[error("it names a user or a password, which would be sent in the clear of every log on the way")]
    User,
}

impl Place {
    /// # Errors
    /// It is no URL that a webhook may have.
    pub fn parse(url: &str) -> Result<Self, PlaceError> {
        let uri: Uri = url.parse().map_err(|_| PlaceError::NoUrl)?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(PlaceError::Scheme),
        };
        let authority = uri.authority().ok_or(PlaceError::NoUrl)?;
        if authority.as_str().contains('@') {
            return Err(PlaceError::User);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(PlaceError::NoUrl);
        }
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            url: url.to_owned(),
        })
    }

    /// Whether what is sent stays on this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The `Host` of a request.
    pub fn host_header(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// By which the queue knows it, whatever else machine.toml says of it: no URL is written there.
    pub fn key(&self) -> String {
        Sha256::digest(self.url.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Without the query, where some services have a token.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.split(['?', '#']).next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_url_of_the_web_is_a_place() {
        let place = Place::parse("https://hooks.example.com/a?token=x").expect("a place");
        assert_eq!((place.tls, place.port, place.path.as_str()), (true, 443, "/a?token=x"));
        assert_eq!(place.to_string(), "https://hooks.example.com/a");
        assert_eq!(place.host_header(), "hooks.example.com");
        let six = Place::parse("http://[::1]:8080").expect("a place");
        assert_eq!(
            (six.host.as_str(), six.host_header().as_str(), six.path.as_str()),
            ("::1", "[::1]:8080", "/")
        );
        assert!(six.is_loopback() && !place.is_loopback());
        assert_eq!(Place::parse("ftp://a/"), Err(PlaceError::Scheme));
        assert_eq!(Place::parse("/a"), Err(PlaceError::Scheme));
        assert_eq!(Place::parse("https://u:p@a/"), Err(PlaceError::User));
        assert_eq!(Place::parse("https://a b/"), Err(PlaceError::NoUrl));
    }
}
