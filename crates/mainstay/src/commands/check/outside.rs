//! Looks at an app as strangers do: by the names of its routes, at the addresses that the DNS gives, from where this runs.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use api::{checks::Finding, machine::Machine};
use bytes::Bytes;
use check::served::{self, Answer, Door, Name, Page, Served, Shown};
use futures_util::future::join_all;
use http::{HeaderValue, Response, header};
use model::{Explain, Site, manifest::Manifest};
use net::{
    client::{Call, Failure, Target, send},
    look::{self, Trust},
    resolve::Resolver,
};

use crate::session::Session;

/// Bound: names that are looked at, addresses of each, and paths at each.
const NAMES_MAX: usize = 32;
const ADDRESSES_MAX: usize = 8;
const PATHS_MAX: usize = 6;
/// Bound: redirects that are followed from a page.
const REDIRECTS_MAX: usize = 2;
/// Bound: of an answer's body, which nobody reads.
const BODY_BYTES: usize = 64 << 10;
const CONNECT: Duration = Duration::from_secs(4);
const TOTAL: Duration = Duration::from_secs(15);
/// What an error page is like, too.
const NO_SUCH_PAGE: &str = "/mainstay-check/no-such-page";

/// Where a machine listens for strangers.
#[derive(Clone, Copy)]
struct Ports {
    plain: Option<u16>,
    tls: Option<u16>,
}

/// Where it cannot be looked from here (no CA is trusted, no DNS server is set), nothing is known and that is said.
/// # Errors
/// The site is not known.
pub(super) async fn look(session: &Session, resolver: Option<SocketAddr>) -> Result<Vec<Finding>, Explain> {
    let site = session.site().await?;
    let seen = seen(session, &site, resolver).await;
    Ok(seen.unwrap_or_else(|why| served::unserved(&format!("not known: {why}"))))
}

/// # Errors
/// Why nothing can be seen, with the remedy.
async fn seen(session: &Session, site: &Site, resolver: Option<SocketAddr>) -> Result<Vec<Finding>, String> {
    let words = |failure: api::client::Failure| failure.explain().to_string();
    let manifest = session.client.config(site, None).await.map_err(words)?;
    let machine = session.client.machine().await.map_err(words)?;
    let trust = Trust::of_this_system()
        .map_err(|error| format!("{error}; install ca-certificates, or name a file by SSL_CERT_FILE"))?;
    let resolver = match resolver {
        Some(server) => Resolver::at(server),
        None => Resolver::of_this_system(),
    };
    let resolver = resolver.map_err(|why| format!("{why}; name a DNS server by `--resolver ADDRESS`"))?;
    let (ports, hosts) = (ports(&machine), hosts(&manifest));
    let looks = hosts.iter().map(|host| name(&resolver, &trust, ports, host, paths(&manifest, host)));
    let names = join_all(looks).await;
    let is_here = session.globals.host.is_none();
    Ok(served::served(&Served { manifest: &manifest, machine: &machine, names: &names, is_here }))
}

fn ports(machine: &Machine) -> Ports {
    let port = |kind: &str| machine.listeners.iter().find(|listener| listener.kind == kind)?.port();
    Ports { plain: port("http"), tls: port("https") }
}

fn hosts(manifest: &Manifest) -> BTreeSet<String> {
    let all = manifest.routes.iter().flat_map(|route| &route.hosts);
    all.filter(|host| !host.starts_with("*.")).take(NAMES_MAX).cloned().collect()
}

/// Where the routes of a host begin, and one where nothing is.
fn paths(manifest: &Manifest, host: &str) -> Vec<String> {
    let routes = manifest.routes.iter().filter(|route| route.hosts.iter().any(|known| known == host));
    let begin: BTreeSet<String> = routes.map(|route| route.path_prefix.clone()).collect();
    begin.into_iter().take(PATHS_MAX - 1).chain([NO_SUCH_PAGE.to_owned()]).collect()
}

async fn name(resolver: &Resolver, trust: &Trust, ports: Ports, host: &str, paths: Vec<String>) -> Name {
    let addresses = resolver.addresses(host).await;
    let to_ask = addresses.iter().flatten().take(ADDRESSES_MAX).copied();
    let doors = to_ask.map(|address| door(trust, ports, host, address, &paths));
    Name { host: host.to_owned(), doors: join_all(doors).await, addresses }
}

async fn door(trust: &Trust, ports: Ports, host: &str, address: IpAddr, paths: &[String]) -> Door {
    let plain = match ports.plain {
        None => None,
        Some(port) => Some(clear(SocketAddr::new(address, port), host, "/").await),
    };
    let shown = match ports.tls {
        None => None,
        Some(port) => {
            Some(encrypted(trust, SocketAddr::new(address, port), host, "/").await.map(|(shown, _)| shown))
        }
    };
    let mut pages = Vec::new();
    // Where nobody answers at all, each page would say so again.
    if !matches!((&shown, &plain), (Some(Err(_)), _) | (None, Some(Err(_)) | None)) {
        for path in paths {
            follow(trust, ports, host, address, path, &mut pages).await;
        }
    }
    Door { address, plain, shown, pages }
}

/// Gets a page and what it leads to on this host.
async fn follow(trust: &Trust, ports: Ports, host: &str, address: IpAddr, path: &str, pages: &mut Vec<Page>) {
    let mut path = path.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        let (scheme, port, usual) = match ports {
            Ports { tls: Some(port), .. } => ("https", port, 443),
            Ports { plain, .. } => ("http", plain.unwrap_or(80), 80),
        };
        let at = SocketAddr::new(address, port);
        let origin =
            if port == usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") };
        let answer = match scheme {
            "https" => match encrypted(trust, at, host, &path).await {
                Ok((_, answer)) => answer,
                Err(why) => Err(why),
            },
            _ => clear(at, host, &path).await,
        };
        let next = answer.as_ref().ok().and_then(|answer| inner(answer.header("location")?, &origin));
        pages.push(Page { url: format!("{origin}{path}"), answer });
        match next {
            Some(next) if next != path => path = next,
            _ => return,
        }
    }
}

/// The path of a redirect that stays with its origin.
fn inner(location: &str, origin: &str) -> Option<String> {
    let path = location.strip_prefix(origin).unwrap_or(location);
    (path.starts_with('/') && !path.starts_with("//")).then(|| path.to_owned())
}

fn call(host: &str, port: u16, path: &str) -> Result<Call, String> {
    let name = if [80, 443].contains(&port) { host.to_owned() } else { format!("{host}:{port}") };
    let name = HeaderValue::try_from(name).map_err(|error| error.to_string())?;
    let call = Call::new("GET", path).connect(CONNECT).total(TOTAL).cut_answer_at(BODY_BYTES);
    let agent = HeaderValue::from_static("mainstay-check");
    Ok(call
        .header(header::HOST, name)
        .header(header::USER_AGENT, agent)
        .header(header::ACCEPT, HeaderValue::from_static("text/html, */*;q=0.5")))
}

async fn clear(at: SocketAddr, host: &str, path: &str) -> Result<Answer, String> {
    let call = call(host, at.port(), path)?;
    send(&Target::Tcp(at), call).await.map(|answer| told(&answer)).map_err(|failure| failure.to_string())
}

/// What was shown, and what was answered.
async fn encrypted(
    trust: &Trust,
    at: SocketAddr,
    host: &str,
    path: &str,
) -> Result<(Shown, Result<Answer, String>), String> {
    let call = call(host, at.port(), path)?;
    let words = |failure: Failure| failure.to_string();
    let (shown, answer) = look::encrypted(at, host, trust, call).await.map_err(words)?;
    let days_left = days_until(shown.leaf.expires_s);
    let shown = Shown {
        fingerprint: shown.leaf.fingerprint,
        issuer: shown.leaf.issuer,
        days_left,
        refused: shown.refused,
    };
    Ok((shown, answer.map(|answer| told(&answer)).map_err(words)))
}

fn told(answer: &Response<Bytes>) -> Answer {
    let headers = answer.headers().iter();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Answer {
        status: answer.status().as_u16(),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
    }
}

/// Whole days, rounded down.
fn days_until(expires_s: u64) -> i64 {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    (i64::try_from(expires_s).unwrap_or(i64::MAX) - i64::try_from(now_s).unwrap_or(0)).div_euclid(24 * 3600)
}

#[cfg(test)]
mod tests {
    use super::inner;

    #[test]
    fn only_a_redirect_that_stays_is_followed() {
        let inner = |location| inner(location, "https://a.example");
        assert_eq!(inner("/login").as_deref(), Some("/login"));
        assert_eq!(inner("https://a.example/login").as_deref(), Some("/login"));
        for other in ["https://b.example/", "//b.example/", "https://a.example.evil/", "login"] {
            assert_eq!(inner(other), None, "{other}");
        }
    }
}
