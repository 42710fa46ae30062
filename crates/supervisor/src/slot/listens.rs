//! Whether an instance listens where it was told to, and nowhere else.

use std::net::SocketAddr;

use machine::sockets::Listening;

use model::Address;

use super::{ListenFinding, ground::Held};

/// Empty: all well, or nothing could be read.
pub(super) async fn findings(process: &impl Held) -> Vec<ListenFinding> {
    match process.listening().await {
        Ok(found) => judge(process.address(), &found),
        Err(error) => {
            tracing::debug!(name = process.spec().name, %error, "its sockets cannot be read");
            Vec::new()
        }
    }
}

fn judge(wanted: Option<&Address>, found: &[Listening]) -> Vec<ListenFinding> {
    let mut findings = Vec::new();
    if let Some(wanted) = wanted
        && !found.is_empty()
        && !found.iter().any(|listening| serves(listening, wanted))
    {
        let found = found.iter().map(ToString::to_string).collect();
        findings.push(ListenFinding::Elsewhere { wanted: wanted.clone(), found });
    }
    let outside: Vec<String> =
        found.iter().filter(|listening| is_outside(listening)).map(ToString::to_string).collect();
    if !outside.is_empty() {
        findings.push(ListenFinding::AllInterfaces { found: outside });
    }
    findings
}

/// A socket on all interfaces answers at the wanted address too (`::` takes IPv4 unless it was told not to).
fn serves(listening: &Listening, wanted: &Address) -> bool {
    match (listening, wanted) {
        (Listening::Tcp(at), Address::Tcp(wanted)) => {
            at.port() == wanted.port() && (at.ip() == wanted.ip() || at.ip().is_unspecified())
        }
        (Listening::Unix(at), Address::Unix(wanted)) => at == wanted,
        _ => false,
    }
}

fn is_outside(listening: &Listening) -> bool {
    match listening {
        Listening::Tcp(SocketAddr::V4(at)) => !at.ip().is_loopback(),
        Listening::Tcp(SocketAddr::V6(at)) => {
            !at.ip().is_loopback() && !at.ip().to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
        Listening::Unix(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> Listening {
        Listening::Tcp(text.parse().expect("an address"))
    }

    fn wanted() -> Address {
        Address::Tcp("127.0.0.1:4107".parse().expect("an address"))
    }

    #[test]
    fn the_wanted_address_alone_is_no_finding() {
        assert_eq!(judge(Some(&wanted()), &[tcp("127.0.0.1:4107"), tcp("[::1]:9229")]), []);
    }

    #[test]
    fn a_port_of_its_own_choice_is_found() {
        let elsewhere =
            ListenFinding::Elsewhere { wanted: wanted(), found: vec!["127.0.0.1:3000".to_owned()] };
        assert_eq!(judge(Some(&wanted()), &[tcp("127.0.0.1:3000")]), [elsewhere]);
    }

    #[test]
    fn all_interfaces_serve_the_address_and_are_found() {
        for all in ["0.0.0.0:4107", "[::]:4107"] {
            let outside = ListenFinding::AllInterfaces { found: vec![all.to_owned()] };
            assert_eq!(judge(Some(&wanted()), &[tcp(all)]), [outside]);
        }
        let worker = ListenFinding::AllInterfaces { found: vec!["192.0.2.1:80".to_owned()] };
        assert_eq!(judge(None, &[tcp("192.0.2.1:80")]), [worker]);
    }
}
