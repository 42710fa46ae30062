//! A `location` of nginx: a route to an app or to files, or a redirect.

use std::path::Path;

use super::{
    super::{
        GuessedRoute, GuessedService, container,
        guess::{GuessedFiles, GuessedRedirect, Target},
    },
    Reading, address,
    grammar::Directive,
    server::{Return, Server, is_plain_place, returned, send},
    settings::Settings,
};
use crate::config::manifest::is_plain_path;

const ACME: &str = "/.well-known/acme-challenge";

pub(super) fn read(location: &Directive, server: &Server, all: &[&Directive], reading: &mut Reading<'_>) {
    let (at, said) = (location.line..=location.end, location.said());
    let (modifier, path) = match location.words.as_slice() {
        [path] => ("", path.as_str()),
        [modifier, path] => (modifier.as_str(), path.as_str()),
        _ => ("?", ""),
    };
    if is_told_elsewhere(location, (modifier, path), server, all, reading) {
        return;
    }
    let prefix = match path.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed,
    };
    let mut settings = server.settings.clone();
    for (name, headers) in
        [("add_header", &mut settings.headers), ("proxy_set_header", &mut settings.request_headers)]
    {
        if location.inner().iter().any(|one| one.name == name) {
            headers.clear();
        }
    }
    if modifier == "=" && prefix != "/" && location.inner().iter().any(|one| one.name == "proxy_pass") {
        reading.scribe().left(
            *at.start()..=*at.start(),
            path,
            "of this path alone: a route is also of what is below it",
        );
    }
    let mut kind = Kind::default();
    for directive in location.inner() {
        own(directive, &mut settings, &mut kind, reading);
    }
    if kind.try_files.is_empty() && !kind.is_pass {
        kind.try_files.clone_from(&server.try_files);
    }
    let named = kind.try_files.iter().find(|word| word.starts_with('@')).cloned();
    if let Some(named) = named.filter(|_| !kind.is_pass) {
        follow(&named, all, &mut settings, &mut kind, reading);
    }
    let first = *at.start()..=*at.start();
    if is_closed(location) {
        opens(first.clone(), &said, path, reading);
    }
    if let Some((directive, back)) = kind.back.take() {
        reading.scribe().took(first, said, "where it sends its clients is told there");
        sends(&directive, back, (modifier, prefix), server, reading);
        return;
    }
    let mut route = GuessedRoute {
        file: reading.source.file.clone(),
        lines: Some(at),
        hosts: server.hosts.clone(),
        path_prefix: prefix.to_owned(),
        ..GuessedRoute::default()
    };
    let leads = match kind.pass.take() {
        Some(pass) => proxied(&pass, path, &mut route, reading),
        None if kind.is_pass => false,
        None => served(&kind, server, location, &mut route, reading),
    };
    if leads {
        reading.scribe().took(first, said, format!("path_prefix = {prefix}"));
        settled(route, settings, reading);
    } else if !is_closed(location) {
        reading.scribe().left(first, said, "no route leads there");
    }
}

/// Whether nginx lets nobody in, or only those that it names.
fn is_closed(location: &Directive) -> bool {
    location.inner().iter().any(|one| match one.name.as_str() {
        "return" => one.word(0).starts_with('4') && one.word(0).len() == 3,
        "deny" => one.word(0) == "all",
        "internal" => true,
        _ => false,
    })
}

/// A path that is closed by its location alone: without that, whatever route is above it answers.
fn opens(at: std::ops::RangeInclusive<usize>, said: &str, path: &str, reading: &mut Reading<'_>) {
    let so = "it becomes OPEN: nginx lets nobody in there, or few, and its route, or the one above it, answers everybody; let the app refuse it, or give it a route with `[route.access]`";
    reading.scribe().left(at, said, so);
    reading
        .guess
        .because
        .push(format!("{path} becomes OPEN: nginx closes it, and no route here does; see below"));
}

/// Whether it is no route: named by another, a matter of Mainstay's own, or a pattern. Then that is told.
fn is_told_elsewhere(
    location: &Directive,
    (modifier, path): (&str, &str),
    server: &Server,
    all: &[&Directive],
    reading: &mut Reading<'_>,
) -> bool {
    let (at, said) = (location.line..=location.end, location.said());
    if path.starts_with('@') {
        reading.scribe().took(*at.start()..=*at.start(), said, "is told where `try_files` leads to it");
        if !is_named(path, server, all) {
            reading.scribe().left(at, path, "nothing leads to it");
        }
    } else if path.starts_with(ACME) {
        let so = "Mainstay answers for its certificates itself: [acme] in machine.toml";
        reading.scribe().took(at, said, so);
    } else if !["", "^~", "="].contains(&modifier) || !is_plain_path(path) {
        if is_closed(location) {
            opens(*at.start()..=*at.start(), &said, path, reading);
        }
        reading.scribe().left(at, said, "a pattern: routes are prefixes of whole segments");
    } else {
        return false;
    }
    true
}

/// The files of a location that asks nobody. False: it has none.
fn served(
    kind: &Kind,
    server: &Server,
    location: &Directive,
    route: &mut GuessedRoute,
    reading: &mut Reading<'_>,
) -> bool {
    let folder = kind.alias.as_ref().or(kind.root.as_ref()).or(server.root.as_ref());
    let Some(folder) = folder else {
        let why = "it serves nothing by itself: the route above it answers there, too";
        reading.scribe().left(location.line..=location.end, location.said(), why);
        return false;
    };
    files(folder, kind, location, route, reading)
}

/// What the directives of a location make of it.
#[derive(Default)]
struct Kind {
    pass: Option<Directive>,
    /// It is answered by something that is asked, here or not.
    is_pass: bool,
    root: Option<String>,
    alias: Option<String>,
    try_files: Vec<String>,
    back: Option<(Directive, Return)>,
}

fn own(directive: &Directive, settings: &mut Settings, kind: &mut Kind, reading: &mut Reading<'_>) {
    let (at, said) = (directive.line..=directive.end, directive.said());
    if settings.take(directive, &mut reading.scribe()) {
        return;
    }
    match directive.name.as_str() {
        "proxy_pass" => {
            kind.is_pass = true;
            kind.pass = Some(directive.clone());
        }
        "fastcgi_pass" | "uwsgi_pass" | "scgi_pass" | "grpc_pass" | "memcached_pass" => {
            kind.is_pass = true;
            reading.scribe().left(
                at,
                said,
                "an app is asked by HTTP: run it behind a server that speaks it (gunicorn, FrankenPHP, …)",
            );
        }
        name if ["fastcgi_", "uwsgi_", "scgi_", "grpc_"].iter().any(|start| name.starts_with(start)) => {
            reading.scribe().left(at, said, "an app is asked by HTTP")
        }
        "root" | "alias" => {
            let slot = if directive.name == "root" { &mut kind.root } else { &mut kind.alias };
            *slot = Some(directive.word(0).to_owned());
            reading.scribe().took(at, said, "a folder of files");
        }
        "try_files" => {
            kind.try_files.clone_from(&directive.words);
            reading.scribe().took(at, said, "first files, then what answers where there is none");
        }
        "index" => reading.scribe().took(at, said, "a folder answers with its index.html"),
        "return" | "rewrite" => match returned(directive).filter(|_| directive.name == "return") {
            Some(back) => kind.back = Some((directive.clone(), back)),
            None => {
                // `return 200 "ok"`: nginx answers, and nobody else.
                kind.is_pass |= directive.name == "return";
                reading.scribe().left(
                    at,
                    said,
                    "see [[route.redirect]] and [[route.rewrite]]; what answers by itself is an app",
                );
            }
        },
        name if ["stub_status", "empty_gif", "dav_methods", "js_content", "perl"].contains(&name)
            || name.starts_with("content_by_lua") =>
        {
            kind.is_pass = true;
            reading.scribe().left(at, said, "what answers by itself is an app");
        }
        "location" => reading.scribe().left(at, said, "a location within another: write a route of its own"),
        "if" => reading.scribe().left(at, said, "a condition: see [[route.redirect]] and [[route.rewrite]]"),
        "autoindex" => reading.scribe().left(at, said, "what is in a folder is never shown"),
        "internal" => reading.scribe().left(
            at,
            said,
            "every route is open to clients; `X-Accel-Redirect` has no reader",
        ),
        _ => reading.scribe().left(at, said, "nothing here knows it"),
    }
}

fn is_named(name: &str, server: &Server, all: &[&Directive]) -> bool {
    let falls = |one: &&Directive| {
        one.inner().iter().any(|one| one.name == "try_files" && one.words.iter().any(|word| word == name))
    };
    server.try_files.iter().any(|word| word == name) || all.iter().any(falls)
}

/// `try_files … @app`: the app answers, and what files would have been served is told.
fn follow(
    name: &str,
    all: &[&Directive],
    settings: &mut Settings,
    kind: &mut Kind,
    reading: &mut Reading<'_>,
) {
    let Some(location) = all.iter().find(|one| one.word(0) == name) else { return };
    for directive in location.inner() {
        own(directive, settings, kind, reading);
    }
    reading.scribe().left(location.line..=location.line, name, "files before it are not looked for: the app serves its own, or a service with `type = \"static\"` on a path");
}

/// A `return` of a location.
fn sends(
    directive: &Directive,
    back: Return,
    (modifier, prefix): (&str, &str),
    server: &Server,
    reading: &mut Reading<'_>,
) {
    if prefix == "/" && modifier != "=" {
        send(directive, back, &server.hosts, reading);
        return;
    }
    let from = if modifier == "=" { prefix.to_owned() } else { format!("{prefix}/*") };
    redirect(directive, &server.hosts, from, back, reading);
}

/// A redirect of a path, in the route of `/` of these hosts.
pub(super) fn redirect(
    directive: &Directive,
    hosts: &[String],
    from: String,
    back: Return,
    reading: &mut Reading<'_>,
) {
    let (at, said) = (directive.line..=directive.end, directive.said());
    let to = back
        .to
        .trim_end_matches("$is_args$args")
        .replace("$scheme://$host/", "/")
        .replace("https://$host/", "/");
    let from = if to.ends_with('*') { from } else { from.trim_end_matches("/*").to_owned() };
    let has_rest = !to.ends_with('*') || from.ends_with("/*");
    let is_place = is_plain_place(&to) && has_rest && !from.is_empty() && from != to;
    if !is_place {
        reading.scribe().left(at, said, "a variable in it: see [[route.redirect]]");
        return;
    }
    let redirect = GuessedRedirect { host: None, from: from.clone(), to, status: back.status };
    match reading.routes.iter_mut().find(|route| route.path_prefix == "/" && route.hosts == hosts) {
        Some(route) => route.redirects.push(redirect),
        None => {
            let prefix = match from.trim_end_matches("/*") {
                "" => "/",
                path => path,
            };
            let route = GuessedRoute {
                file: reading.source.file.clone(),
                lines: Some(at.clone()),
                hosts: hosts.to_vec(),
                path_prefix: prefix.to_owned(),
                redirects: vec![redirect],
                ..GuessedRoute::default()
            };
            if !is_new(&route, reading) {
                reading.scribe().left(at, said, "another route claims this path");
                return;
            }
            reading.routes.push(route);
        }
    }
    reading.scribe().took(at, said, "[[route.redirect]]");
}

/// Whom a route leads to, and what of the path the app sees. False: it leads nowhere.
fn proxied(pass: &Directive, path: &str, route: &mut GuessedRoute, reading: &mut Reading<'_>) -> bool {
    let (at, said) = (pass.line..=pass.end, pass.said());
    let Some(rest) = pass.word(0).strip_prefix("http://").filter(|rest| !rest.contains('$')) else {
        reading.scribe().left(
            at,
            said,
            "a variable, or TLS towards the app: apps are asked by HTTP on this machine",
        );
        return false;
    };
    let (authority, uri) = match rest.starts_with("unix:") {
        true => (rest, None),
        false => match rest.split_once('/') {
            Some((authority, uri)) => (authority, Some(format!("/{uri}"))),
            None => (rest, None),
        },
    };
    match (reading.upstreams.get(authority), address(authority)) {
        (Some(upstream), _) => {
            route.affinity = upstream.affinity;
            route.target = match &upstream.target {
                Target::Any => Target::Named(authority.to_owned(), None),
                known => known.clone(),
            };
            let servers = upstream.servers;
            reading.guess.instances.push((route.target.clone(), servers));
        }
        (None, Some(target)) => route.target = target,
        (None, None) => {
            reading.scribe().left(
                at,
                said,
                "an app on another machine: Mainstay runs its instances on this one",
            );
            return false;
        }
    }
    reading.scribe().took(at, said, "the service of the route");
    // nginx replaces the location by the path of the address.
    if let Some(uri) = uri.filter(|uri| uri != path && path.ends_with('/')) {
        let from = format!("{}/*", path.trim_end_matches('/'));
        let to = format!("{}/*", uri.trim_end_matches('/'));
        if uri.ends_with('/') && from != to && is_plain_path(&uri) {
            reading.scribe().took(pass.line..=pass.end, format!("{path} → {uri}"), "[[route.rewrite]]");
            route.rewrites.push((from, to));
        } else {
            reading.scribe().left(
                pass.line..=pass.end,
                format!("{path} → {uri}"),
                "a path that is put together of both: see [[route.rewrite]]",
            );
        }
    }
    true
}

/// A service that serves the files, and a route to it. False: the folder is none of the release.
fn files(
    folder: &str,
    kind: &Kind,
    location: &Directive,
    route: &mut GuessedRoute,
    reading: &mut Reading<'_>,
) -> bool {
    let at = location.line..=location.end;
    let Some(root) = in_release(folder, reading.dir) else {
        reading.scribe().left(at, format!("{} {folder}", location.said()), "these files lie outside of the app's folder: build them into it, and serve them by a service with `type = \"static\"`");
        return false;
    };
    let name = if reading.guess.services.iter().any(|one| one.name == "pages") {
        format!("pages-{}", reading.guess.services.len())
    } else {
        "pages".to_owned()
    };
    let fallback = kind
        .try_files
        .last()
        .filter(|last| last.starts_with('/') && last.ends_with(".html"))
        .and_then(|last| container::clean(last.trim_start_matches('/')));
    let wanted = GuessedFiles { root: root.clone(), fallback };
    let known = reading
        .guess
        .services
        .iter()
        .find(|one| one.files.as_ref() == Some(&wanted))
        .map(|one| one.name.clone());
    if kind.alias.is_some() && route.path_prefix != "/" {
        route.rewrites.push((format!("{}/*", route.path_prefix), "/*".to_owned()));
    }
    route.target = Target::Named(known.clone().unwrap_or_else(|| name.clone()), None);
    if known.is_none() {
        let mut service = GuessedService::of(name.clone(), Vec::new());
        service.files = Some(wanted);
        service.web = true;
        reading.guess.services.push(service);
    }
    reading.scribe().took(
        *at.start()..=*at.start(),
        format!("{} {folder}", location.said()),
        format!("[service.{}] serves {root} of the release", known.unwrap_or(name)),
    );
    true
}

/// The files of a server without a `location /`.
pub(super) fn files_of_server(
    block: &Directive,
    server: &Server,
    all: &[&Directive],
    reading: &mut Reading<'_>,
) {
    let location = Directive {
        name: "location".to_owned(),
        words: vec!["/".to_owned()],
        line: block.line,
        end: block.line,
        block: Some(Vec::new()),
    };
    read(&location, server, all, reading);
}

/// Where a folder of the machine lies within the app's: by its path, or by the longest end of it that is there.
fn in_release(folder: &str, dir: &Path) -> Option<String> {
    let path = Path::new(folder);
    if let Ok(inner) = path.strip_prefix(dir) {
        return container::clean(inner.to_str()?);
    }
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).filter(|part| *part != "/").collect();
    (0..parts.len())
        .filter_map(|from| container::clean(&parts.get(from..)?.join("/")))
        .find(|inner| dir.join(inner).is_dir())
}

/// Adds a route, with what the levels say.
fn settled(mut route: GuessedRoute, settings: Settings, reading: &mut Reading<'_>) {
    route.max_request_body = settings.max_request_body;
    route.response_header_timeout = settings.read_timeout;
    route.idle_timeout = settings.read_timeout;
    route.headers = settings.headers;
    route.request_headers = settings.request_headers;
    route.compress = settings.compress;
    if is_new(&route, reading) {
        reading.routes.push(route);
        return;
    }
    let same = reading.routes.iter().any(|known| {
        known.hosts == route.hosts && known.path_prefix == route.path_prefix && known.target == route.target
    });
    let at = route.lines.clone().unwrap_or(1..=1);
    match same {
        true => reading.scribe().took(at, &route.path_prefix, "the same as in the server before"),
        false => {
            reading.scribe().left(at, &route.path_prefix, "another route claims this path of these hosts")
        }
    }
}

fn is_new(route: &GuessedRoute, reading: &Reading<'_>) -> bool {
    !reading.routes.iter().chain(&reading.guess.routes).any(|known| {
        let both_any = known.hosts.is_empty() && route.hosts.is_empty();
        known.path_prefix == route.path_prefix
            && (both_any || known.hosts.iter().any(|host| route.hosts.contains(host)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::grammar;

    #[test]
    fn a_rewrite_of_a_whole_folder_is_a_redirect() {
        let read = |text: &str| {
            super::super::server::rewritten(&grammar::parse(text).unwrap()[0])
                .map(|(from, back)| (from, back.to, back.status))
        };
        let found = read("rewrite ^/old/(.*)$ /new/$1 permanent;");
        assert_eq!(found, Some(("/old/*".to_owned(), "/new/*".to_owned(), 301)));
        assert_eq!(read("rewrite ^/a$ /b redirect;"), Some(("/a".to_owned(), "/b".to_owned(), 302)));
        assert_eq!(read("rewrite ^/a/([0-9]+)$ /b/$1 permanent;"), None);
        assert_eq!(read("rewrite ^/a/(.*)$ /b/$1 last;"), None);
    }
}
