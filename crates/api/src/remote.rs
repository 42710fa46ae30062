//! A keeper on another machine: how it is named, and what goes over `ssh` before the first request.
//!
//! The client runs `ssh HOST mainstay proxy`. The proxy connects to the keeper of its machine, writes the line `mainstay-proxy 1` to standard
//! output, and from then on passes bytes both ways: standard input and output are the connection, HTTP/1.1 as over the socket.
//! What a login prints before the greeting is skipped. A proxy that finds no keeper writes `{"error": …}`, one line, to standard
//! error and ends with 1. When either side closes, the other is closed too: what was begun goes on in the keeper.

use std::{fmt, str::FromStr};

/// What a proxy says once the keeper has taken its connection; nothing was asked before.
pub const GREETING: &str = "mainstay-proxy 1\n";

/// `[USER@]SERVER[:PORT]`, also as `ssh://…`. The server may be a name of `~/.ssh/config`; an IPv6 address with a port stands in
/// brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub user: Option<String>,
    pub server: String,
    pub port: Option<u16>,
}

/// Why a text is no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no host: it has the form [USER@]SERVER[:PORT]")]
pub struct NoHost(String);

impl FromStr for Host {
    type Err = NoHost;

    fn from_str(text: &str) -> Result<Self, NoHost> {
        Self::parse(text).ok_or_else(|| NoHost(text.to_owned()))
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix("ssh://").map_or(text, |url| url.strip_suffix('/').unwrap_or(url));
        let (user, place) = match bare.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, bare),
        };
        let (server, port) = server_and_port(place)?;
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
            None => None,
        };
        let is_whole = is_word(server) && user.is_none_or(is_word);
        is_whole.then(|| Self { user: user.map(str::to_owned), server: server.to_owned(), port })
    }

    /// As `ssh` takes it, without the port.
    pub fn destination(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.server),
            None => self.server.clone(),
        }
    }
}

fn server_and_port(place: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (server, rest) = rest.split_once(']')?;
        return match rest {
            "" => Some((server, None)),
            rest => Some((server, Some(rest.strip_prefix(':')?))),
        };
    }
    // Several colons: an IPv6 address without a port.
    match place.split_once(':') {
        Some((server, port)) if !port.contains(':') => Some((server, Some(port))),
        _ => Some((place, None)),
    }
}

/// What `ssh` takes for neither an option nor a word of a shell.
fn is_word(text: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "._-+:%@".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(is_known)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.destination())?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(user: Option<&str>, server: &str, port: Option<u16>) -> Host {
        Host { user: user.map(str::to_owned), server: server.to_owned(), port }
    }

    #[test]
    fn a_host_is_read_in_every_form_that_people_write() {
        for (text, expected) in [
            ("live", host(None, "live", None)),
            ("ana@live.example.com", host(Some("ana"), "live.example.com", None)),
            ("ana@live:2222", host(Some("ana"), "live", Some(2222))),
            ("ssh://ana@live:2222/", host(Some("ana"), "live", Some(2222))),
            ("fe80::1%eth0", host(None, "fe80::1%eth0", None)),
            ("ana@[2001:db8::1]:22", host(Some("ana"), "2001:db8::1", Some(22))),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "@live", "ana@", "live:", "live:0", "live:99999", "live:x", "[::1", "[::1]22"] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_host_is_an_option_or_a_command_for_a_shell() {
        for text in
            ["-oProxyCommand=id", "ana@-x", "live;id", "$(id)", "a b", "live`id`", "-x@live", "live/x"]
        {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }
}
