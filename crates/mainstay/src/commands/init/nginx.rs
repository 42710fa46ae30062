//! nginx.conf, or a file of its sites: servers and locations become routes; what only nginx does is named.

mod grammar;
mod location;
mod server;
mod settings;

use std::{collections::BTreeMap, path::Path};

use model::Explain;

use self::{grammar::Directive, settings::Settings};
use super::{
    Guess, GuessedRoute,
    account::{Scribe, Source},
    guess::Target,
};

pub(super) const KIND: &str = "a configuration of nginx";

/// Where an `upstream` leads.
#[derive(Clone, Debug)]
struct Upstream {
    target: Target,
    servers: u32,
    affinity: Option<&'static str>,
}

/// A host that is sent to another one, or to HTTPS.
struct Sent {
    hosts: Vec<String>,
    /// `None`: to HTTPS, under the same name.
    to: Option<String>,
    status: u16,
    line: usize,
    end: usize,
}

/// What is being read.
struct Reading<'a> {
    source: &'a Source,
    dir: &'a Path,
    guess: &'a mut Guess,
    upstreams: BTreeMap<String, Upstream>,
    sent: Vec<Sent>,
    /// Of this file, as they were read.
    routes: Vec<GuessedRoute>,
}

/// Takes its servers over. Errors: it is no configuration of nginx, or has no server.
pub(super) fn read(source: &Source, dir: &Path, guess: &mut Guess) -> Result<(), Explain> {
    let directives = grammar::parse(&source.text)
        .map_err(|mistake| source.mistake(KIND, mistake.line, mistake.column, mistake.why))?;
    let mut reading =
        Reading { source, dir, guess, upstreams: BTreeMap::new(), sent: Vec::new(), routes: Vec::new() };
    let flat: Vec<&Directive> = directives
        .iter()
        .flat_map(|one| if one.name == "http" { one.inner().iter().collect() } else { vec![one] })
        .collect();
    if !flat.iter().any(|one| one.name == "server" && one.block.is_some()) {
        return Err(source
            .mistake(KIND, 1, 1, "it has no `server { … }`")
            .help("give the file of the site itself, like /etc/nginx/sites-enabled/shop: an `include` is not followed"));
    }
    for http in directives.iter().filter(|one| one.name == "http") {
        reading.scribe().took(http.line..=http.line, "http", "each directive is told by itself");
    }
    flat.iter().filter(|one| one.name == "upstream").for_each(|one| reading.upstream(one));
    let mut settings = Settings::default();
    for directive in &flat {
        if !["server", "upstream"].contains(&directive.name.as_str()) {
            reading.outside(directive, &mut settings);
        }
    }
    flat.iter().filter(|one| one.name == "server").for_each(|one| server::read(one, &settings, &mut reading));
    reading.finish();
    Ok(())
}

impl Reading<'_> {
    fn scribe(&mut self) -> Scribe<'_> {
        self.guess.account.of(self.source)
    }

    /// What stands beside servers.
    fn outside(&mut self, directive: &Directive, settings: &mut Settings) {
        let at = directive.line..=directive.end;
        let said = directive.said();
        if settings.take(directive, &mut self.guess.account.of(self.source)) {
            return;
        }
        let so = match directive.name.as_str() {
            "map" | "geo" | "split_clients" if said.contains("connection_upgrade") => {
                self.scribe().took(at, said, "WebSockets are passed on as they are");
                return;
            }
            "map" | "geo" | "split_clients" => "its variable is not known here",
            "log_format" => "the edge writes its own log of requests, as JSON",
            "limit_req_zone" | "limit_conn_zone" => {
                "`[[route.rate_limit]]` says how many requests a client may make"
            }
            "proxy_cache_path" | "fastcgi_cache_path" => "nothing is cached",
            "stream" | "mail" => "only HTTP is passed on",
            _ => "it is about nginx itself",
        };
        self.scribe().left(at, said, so);
    }

    fn upstream(&mut self, block: &Directive) {
        let name = block.word(0).to_owned();
        let mut upstream = Upstream { target: Target::Any, servers: 0, affinity: None };
        let mut ports = Vec::new();
        self.scribe().took(block.line..=block.line, block.said(), "the instances of a service");
        for directive in block.inner() {
            let at = directive.line..=directive.end;
            let said = format!("upstream {name}: {}", directive.said());
            let mut scribe = self.guess.account.of(self.source);
            match directive.name.as_str() {
                "server" => {
                    upstream.servers += 1;
                    match address(directive.word(0)) {
                        Some(Target::Ports(more)) => ports.extend(more),
                        Some(Target::Any) => {}
                        Some(named) => upstream.target = named,
                        None => {
                            upstream.servers -= 1;
                            scribe.left(
                                at,
                                said,
                                "an app on another machine: Mainstay runs its instances on this one",
                            );
                            continue;
                        }
                    }
                    scribe.took(at.clone(), &said, "an instance; Mainstay gives each a port of its own");
                    if directive.words.iter().any(|word| {
                        word == "backup"
                            || word == "down"
                            || (word.starts_with("weight=") && word != "weight=1")
                    }) {
                        scribe.left(at, said, "instances are alike: each is ready or is not asked");
                    }
                }
                "least_conn" | "random" => scribe.took(at, said, "balance: the least connections"),
                "ip_hash" | "sticky" | "hash" => {
                    upstream.affinity = Some(if directive.name == "sticky" { "cookie" } else { "address" });
                    scribe.took(at, said, "a client comes back to its instance (affinity)");
                }
                "keepalive" | "keepalive_timeout" | "keepalive_requests" | "zone" => {
                    scribe.took(at, said, "the edge keeps connections by itself")
                }
                _ => scribe.left(at, said, "nothing here knows it"),
            }
        }
        if !ports.is_empty() {
            upstream.target = Target::Ports(ports);
        }
        self.upstreams.insert(name, upstream);
    }

    /// What holds between servers, once all are read.
    fn finish(&mut self) {
        for sent in std::mem::take(&mut self.sent) {
            match sent.to.clone() {
                None => self.lead_to_https(&sent),
                Some(to) => self.lead_to_another(&sent, to),
            }
        }
        self.guess.routes.append(&mut self.routes);
    }

    fn lead_to_https(&mut self, sent: &Sent) {
        let meant = |route: &GuessedRoute| {
            sent.hosts.is_empty() || route.hosts.iter().any(|host| sent.hosts.contains(host))
        };
        let mut found = false;
        for route in self.routes.iter_mut().filter(|route| meant(route)) {
            route.tls_required = true;
            found = true;
        }
        let (at, hosts) = (sent.line..=sent.end, sent.hosts.join(" "));
        match found {
            true => {
                self.scribe().took(at, format!("redirect of {hosts}"), "tls = required: plain HTTP redirects")
            }
            false => self.scribe().left(
                at,
                format!("redirect of {hosts}"),
                "no route here has such a host; write `tls = \"required\"` in the one that has",
            ),
        }
    }

    fn lead_to_another(&mut self, sent: &Sent, to: String) {
        let host =
            to.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
        let at = sent.line..=sent.end;
        let redirects = sent.hosts.iter().map(|from| super::guess::GuessedRedirect {
            host: Some(from.clone()),
            from: "/*".to_owned(),
            to: to.clone(),
            status: sent.status,
        });
        let redirects: Vec<_> = redirects.collect();
        let free: Vec<String> = sent
            .hosts
            .iter()
            .filter(|from| {
                !self.routes.iter().any(|route| route.path_prefix == "/" && route.hosts.contains(from))
            })
            .cloned()
            .collect();
        let route =
            self.routes.iter_mut().find(|route| route.path_prefix == "/" && route.hosts.contains(&host));
        match route {
            Some(route) => {
                route.hosts.extend(free);
                route.redirects.extend(redirects);
                route.tls_required |= to.starts_with("https://");
            }
            None if !free.is_empty() => {
                let route = GuessedRoute {
                    file: self.source.file.clone(),
                    lines: Some(at.clone()),
                    hosts: free,
                    path_prefix: "/".to_owned(),
                    redirects,
                    ..GuessedRoute::default()
                };
                self.routes.push(route);
            }
            None => {
                self.scribe().left(at, "redirect", "its hosts have routes already");
                return;
            }
        }
        self.scribe().took(
            at,
            format!("redirect of {}", sent.hosts.join(" ")),
            format!("a redirect to {to}"),
        );
    }
}

/// Whom an address leads to. `None`: another machine.
fn address(text: &str) -> Option<Target> {
    if text.starts_with("unix:") {
        return Some(Target::Any);
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok()),
        None => (text, None),
    };
    match host.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        Ok(ip) if ip.is_loopback() => Some(Target::Ports(port.into_iter().collect())),
        Ok(_) => None,
        Err(_) if host == "localhost" => Some(Target::Ports(port.into_iter().collect())),
        Err(_) => Some(Target::Named(host.to_owned(), port)),
    }
}
