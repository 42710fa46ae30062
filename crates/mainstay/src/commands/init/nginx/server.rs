//! A `server` of nginx: its names, whether it speaks TLS, where it sends whom, and its locations.

use super::{Reading, Sent, grammar::Directive, location, settings::Settings};
use crate::config::manifest::is_host;

/// What the locations of a server need of it.
pub(super) struct Server {
    pub hosts: Vec<String>,
    pub root: Option<String>,
    pub try_files: Vec<String>,
    pub settings: Settings,
}

/// Where a `return` or a `rewrite` sends the client.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Return {
    pub status: u16,
    pub to: String,
}

pub(super) fn read(block: &Directive, outer: &Settings, reading: &mut Reading<'_>) {
    let mut server = Server { hosts: Vec::new(), root: None, try_files: Vec::new(), settings: outer.clone() };
    // nginx takes headers from above only where a level has none of its own.
    for (name, headers) in [
        ("add_header", &mut server.settings.headers),
        ("proxy_set_header", &mut server.settings.request_headers),
    ] {
        if block.inner().iter().any(|one| one.name == name) {
            headers.clear();
        }
    }
    let names = block.inner().iter().filter(|one| one.name == "server_name");
    let has_regex = names.clone().flat_map(|one| &one.words).any(|name| hosts_of(name).is_none());
    for name in names.flat_map(|one| &one.words) {
        for host in hosts_of(name).unwrap_or_default() {
            if !server.hosts.contains(&host) {
                server.hosts.push(host);
            }
        }
    }
    if has_regex && server.hosts.is_empty() {
        reading.scribe().left(
            block.line..=block.end,
            "server",
            "its names cannot stand in `hosts`: write a route for the names that are meant",
        );
        return;
    }
    reading.scribe().took(
        block.line..=block.line,
        "server",
        format!("hosts: {}", if server.hosts.is_empty() { "any".to_owned() } else { server.hosts.join(" ") }),
    );
    for directive in block.inner() {
        own(directive, &mut server, reading);
    }
    let locations: Vec<&Directive> = block.inner().iter().filter(|one| one.name == "location").collect();
    let has_root_location = locations.iter().any(|one| one.words.iter().any(|word| word == "/"));
    for location in &locations {
        location::read(location, &server, &locations, reading);
    }
    let returns = block.inner().iter().any(|one| one.name == "return");
    if server.root.is_some() && !has_root_location && !returns {
        location::files_of_server(block, &server, &locations, reading);
    }
}

/// `.example.com` is the name and all below it. `None`: a pattern.
fn hosts_of(name: &str) -> Option<Vec<String>> {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix('.') {
        _ if name == "_" || name.is_empty() || name == "localhost" => Some(Vec::new()),
        Some(rest) if is_host(rest) => Some(vec![rest.to_owned(), format!("*.{rest}")]),
        None if is_host(&name) => Some(vec![name]),
        _ => None,
    }
}

fn own(directive: &Directive, server: &mut Server, reading: &mut Reading<'_>) {
    let at = directive.line..=directive.end;
    let said = directive.said();
    if server.settings.take(directive, &mut reading.scribe()) {
        return;
    }
    match directive.name.as_str() {
        "location" => {}
        "listen" => reading.scribe().took(at, said, "the edge listens on the addresses of machine.toml"),
        "server_name" => {
            for name in directive.words.iter().filter(|name| hosts_of(name).is_none()) {
                reading.scribe().left(at.clone(), name, "no host of a route: it is a pattern");
            }
            reading.scribe().took(at, said, "hosts");
        }
        "root" => {
            server.root = Some(directive.word(0).to_owned());
            reading.scribe().took(at, said, "where a location serves files, that is told there");
        }
        "try_files" => {
            server.try_files.clone_from(&directive.words);
            reading.scribe().took(at, said, "where files are served, that is told there");
        }
        "index" => reading.scribe().took(at, said, "a folder answers with its index.html"),
        "return" => match returned(directive) {
            Some(back) => send(directive, back, &server.hosts.clone(), reading),
            None => {
                reading.scribe().took(at, said, "who asks for a host without a route is answered by the edge")
            }
        },
        // As certbot writes it.
        "if" => match condition(directive) {
            Some((host, back)) => send(directive, back, &[host], reading),
            None => {
                reading.scribe().left(at, said, "a condition: see [[route.redirect]] and [[route.rewrite]]")
            }
        },
        "rewrite" => match rewritten(directive) {
            // It holds for every path of the server: the route of `/` gets it, as redirects come first.
            Some((from, back)) => location::redirect(directive, &server.hosts, from, back, reading),
            None => {
                reading.scribe().left(at, said, "a pattern: see [[route.redirect]] and [[route.rewrite]]")
            }
        },
        "error_page" => reading.scribe().left(
            at,
            said,
            "what an app answers is passed on; where none answers the edge has pages of its own",
        ),
        _ => reading.scribe().left(at, said, "nothing here knows it"),
    }
}

/// `return 301 https://…`; a code alone, or a text, sends nobody.
pub(super) fn returned(directive: &Directive) -> Option<Return> {
    let (status, to) = match directive.words.as_slice() {
        [to] => (302, to),
        [status, to] => (status.parse().ok()?, to),
        _ => return None,
    };
    ([301, 302, 303, 307, 308].contains(&status) && is_place(to)).then(|| Return { status, to: to.clone() })
}

fn is_place(to: &str) -> bool {
    ["https://", "http://", "/", "$scheme://"].iter().any(|start| to.starts_with(start))
}

/// A place that a redirect may name: no variable is left in it, and a `*` at its end alone.
pub(super) fn is_plain_place(to: &str) -> bool {
    let head = to.strip_suffix('*').unwrap_or(to);
    head.bytes().all(|b| b.is_ascii_graphic() && !b"$#*".contains(&b))
}

/// `if ($host = www.example.com) { return 301 https://…; }`
fn condition(directive: &Directive) -> Option<(String, Return)> {
    let words = directive.words.join(" ");
    let host = words.trim_matches(['(', ')']).strip_prefix("$host =")?.trim_start_matches('=').trim();
    let [back] = directive.inner() else { return None };
    (is_host(host) && back.name == "return").then_some(())?;
    Some((host.to_owned(), returned(back)?))
}

/// `rewrite ^/old/(.*)$ /new/$1 permanent;` as the place that it is of, and where it sends.
pub(super) fn rewritten(directive: &Directive) -> Option<(String, Return)> {
    let status = match directive.word(2) {
        "permanent" => 301,
        "redirect" => 302,
        _ => return None,
    };
    let pattern = directive.word(0).strip_prefix('^')?;
    let (path, has_rest) = match pattern.strip_suffix("/(.*)$").or_else(|| pattern.strip_suffix("/(.*)")) {
        Some(path) => (path, true),
        None => (pattern.trim_end_matches('$'), false),
    };
    let is_text = |path: &str| path.chars().all(|c| c.is_ascii_alphanumeric() || "-_/".contains(c));
    if !is_text(path) || (!has_rest && !path.starts_with('/')) {
        return None;
    }
    let to = directive.word(1);
    match has_rest {
        true => Some((
            format!("{path}/*"),
            Return { status, to: format!("{}*", to.strip_suffix("$1").filter(|head| is_place(head))?) },
        )),
        false => is_place(to).then(|| (path.to_owned(), Return { status, to: to.to_owned() })),
    }
}

/// Where a whole server sends its hosts.
pub(super) fn send(directive: &Directive, back: Return, hosts: &[String], reading: &mut Reading<'_>) {
    let (line, end) = (directive.line, directive.end);
    let own =
        ["https://$host$request_uri", "https://$server_name$request_uri", "https://$http_host$request_uri"];
    let target = back.to.strip_suffix("$request_uri").map(|head| head.replace("$scheme://", "https://"));
    let to = match target {
        _ if own.contains(&back.to.as_str()) => None,
        Some(head) if hosts.iter().any(|host| head == format!("https://{host}")) => {
            // One of its names is the one that counts: it goes to HTTPS, the others to it.
            let (own, others) = hosts.iter().cloned().partition(|host| head == format!("https://{host}"));
            reading.sent.push(Sent { hosts: own, to: None, status: back.status, line, end });
            let others: Vec<String> = others;
            if !others.is_empty() {
                reading.sent.push(Sent {
                    hosts: others,
                    to: Some(format!("{head}/*")),
                    status: back.status,
                    line,
                    end,
                });
            }
            return;
        }
        Some(head) if is_plain_place(&head) && !head.ends_with('*') => Some(format!("{head}/*")),
        None if is_plain_place(&back.to) && back.to.starts_with("http") => Some(back.to.clone()),
        _ => {
            reading.scribe().left(line..=end, directive.said(), "a variable in it: see [[route.redirect]]");
            return;
        }
    };
    if to.is_some() && hosts.is_empty() {
        reading.scribe().left(
            line..=end,
            directive.said(),
            "it is of any host: write [[route.redirect]] for those that are meant",
        );
        return;
    }
    reading.sent.push(Sent { hosts: hosts.to_vec(), to, status: back.status, line, end });
}
