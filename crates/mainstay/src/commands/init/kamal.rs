//! config/deploy.yml of Kamal: its roles, proxy, variables and volumes; machines, images and accessories are named.

mod role;

use std::{ops::RangeInclusive, path::Path};

use model::{Explain, Span};

use super::{
    Guess, GuessedRoute, GuessedService,
    account::{Scribe, Source},
    container, dockerfile, env, evidence,
    guess::Target,
    tree::{Entry, Node, Value},
    yaml,
};
use crate::config::manifest::{is_host, is_plain_path};

pub(super) const KIND: &str = "a config/deploy.yml of Kamal";

/// Takes its roles over. Errors: no YAML, or no `service`.
pub(super) fn read(source: &Source, dir: &Path, guess: &mut Guess) -> Result<(), Explain> {
    let root = yaml::parse(source, KIND)?;
    let Some(name) = root.text_of("service") else {
        return Err(source.mistake(KIND, root.line, 1, "it has no `service:`, the name of the app"));
    };
    guess.name = name.to_owned();
    let image = evidence::read(&dir.join("Dockerfile")).and_then(|text| dockerfile::parse(&text));
    let first = guess.services.len();
    role::roles(&root, source, image.as_ref(), guess);
    for entry in root.get("servers").map(Node::entries).unwrap_or_default() {
        if let Some(node) = entry.node.get("proxy").filter(|node| !node.entries().is_empty()) {
            let (lines, what) = (node.line..=node.end, format!("servers.{}.proxy", entry.key));
            proxy(node, lines, &what, source, &evidence::service_name(&entry.key), guess);
        }
    }
    // Every role gets what stands above them all.
    for entry in root.entries() {
        top(entry, first, source, guess);
    }
    guess.services.get_mut(first..).unwrap_or_default().iter_mut().for_each(|service| {
        container::bind(service);
    });
    Ok(())
}

fn top(entry: &Entry, first: usize, source: &Source, guess: &mut Guess) {
    let Entry { key, line, node } = entry;
    let at = *line..=node.end.max(*line);
    let mut scribe = guess.account.of(source);
    match key.as_str() {
        "service" => scribe.took(at, key, "the name of the app"),
        "servers" => scribe.took(*line..=*line, key, "each role is told by itself"),
        "image" | "registry" | "builder" => scribe.left(at, key, "no image is built or pulled: a release is the app's folder, and its runtime is on the machine"),
        "proxy" => match guess.services.iter().skip(first).find(|service| service.web) {
            Some(service) => {
                let name = service.name.clone();
                proxy(node, at, "proxy", source, &name, guess);
            }
            None => scribe.left(at, key, "no role takes requests"),
        },
        "env" => variables(node, at, source, first, guess),
        "volumes" => volumes(node, at, source, guess),
        "accessories" => accessories(node, at, &mut scribe),
        "asset_path" => match node.text().and_then(|path| container::within_app(path, None)) {
            Some(path) => {
                scribe.took(at, key, format!("asset_paths = {path}: files of old pages stay for a week"));
                guess.asset_paths.push(path);
            }
            None => scribe.left(at, key, "it is no path below the app's folder"),
        },
        "retain_containers" => match node.text().and_then(|text| text.parse().ok()).filter(|number| (1..=1000).contains(number)) {
            Some(number) => {
                guess.keep_releases = Some(number);
                scribe.took(at, key, format!("release.keep_releases = {number}"));
            }
            None => scribe.left(at, key, "no number from 1 to 1000"),
        },
        "deploy_timeout" => match container::span(&node.brief(), Span::secs).filter(|span| *span > Span::secs(10)) {
            Some(span) => {
                guess.health_timeout = Some(span);
                scribe.took(at, key, format!("deploy.health_timeout = {span}"));
            }
            None => scribe.left(at, key, "the gate takes longer than 10s: an instance must be ready for so long before it gets requests"),
        },
        "drain_timeout" | "stop_wait_time" => match container::span(&node.brief(), Span::secs) {
            Some(span) => {
                guess.drain_timeout = Some(span);
                scribe.took(at, key, format!("drain.http_timeout = {span}, of plain requests; streams and WebSockets have times of their own"));
            }
            None => scribe.left(at, key, "no time in seconds"),
        },
        "ssh" | "sshkit" => scribe.left(at, key, "`mainstay --host USER@MACHINE` goes by the ssh that you have, as ~/.ssh/config says"),
        "boot" | "readiness_delay" => scribe.left(at, key, "a release is gated, switched to at once or as a canary: see [deploy]"),
        "aliases" => scribe.left(at, key, "commands of Kamal: `mainstay --help` has those of Mainstay"),
        "hooks_path" => scribe.left(at, key, "[hooks] has `pre_deploy`, `post_deploy` and `on_rollback`: name those commands there"),
        "logging" => scribe.left(at, key, "what it prints is kept by Mainstay: `mainstay logs`, bounds in [logs]"),
        "labels" | "minimum_version" | "require_destination" | "run_directory" | "secrets_path" | "error_pages_path" | "allow_empty_roles" => {
            scribe.left(at, key, "it is about Kamal and its containers")
        }
        "primary_role" => scribe.took(at, key, "the role with the route"),
        _ if key.starts_with("x-") => scribe.took(at, key, "counts where it is merged in"),
        _ => scribe.left(at, key, "nothing here knows it"),
    }
}

/// `env` with `clear` and `secret`, or the variables themselves.
fn variables(node: &Node, at: RangeInclusive<usize>, source: &Source, first: usize, guess: &mut Guess) {
    let Guess { services, account, .. } = guess;
    for (index, service) in services.get_mut(first..).unwrap_or_default().iter_mut().enumerate() {
        // Told once, given to all.
        let mut silent = super::account::Account::default();
        let mut scribe = if index == 0 { account.of(source) } else { silent.of(source) };
        scribe.took(*at.start()..=*at.start(), "env", "variables of every role");
        let (env, env_secrets) = (service.env.clone(), service.env_secrets.clone());
        take_variables(node, "env", service, &mut scribe);
        // What a role says counts before what all have.
        let own = |name: &String| env.iter().any(|(known, _)| known == name) || env_secrets.contains(name);
        service.env.retain(|(name, _)| !own(name));
        service.env_secrets.retain(|name| !own(name));
        service.env.splice(0..0, env.clone());
        service.env_secrets.splice(0..0, env_secrets.clone());
    }
}

fn take_variables(node: &Node, what: &str, service: &mut GuessedService, scribe: &mut Scribe<'_>) {
    let is_split = node.get("clear").is_some() || node.get("secret").is_some();
    for entry in node.entries() {
        let lines = entry.line..=entry.node.end.max(entry.line);
        match (entry.key.as_str(), is_split) {
            ("clear", true) => {
                scribe.took(entry.line..=entry.line, format!("{what}.clear"), "variables");
                let below = format!("{what}.clear");
                for one in entry.node.entries() {
                    env::take(
                        scribe,
                        service,
                        one.line..=one.node.end.max(one.line),
                        &below,
                        (&one.key, one.node.text()),
                    );
                }
            }
            ("secret", true) => {
                scribe.took(entry.line..=entry.line, format!("{what}.secret"), "secrets");
                for one in entry.node.items() {
                    // `NAME:OTHER` reads another name of the file of secrets.
                    let name = one.text().unwrap_or_default().split(':').next().unwrap_or_default();
                    env::take(scribe, service, one.line..=one.line, &format!("{what}.secret"), (name, None));
                }
            }
            ("tags", true) => scribe.left(
                lines,
                format!("{what}.tags"),
                "variables of single machines: write `[environment.NAME]` with what differs",
            ),
            (name, _) => env::take(scribe, service, lines, what, (name, entry.node.text())),
        }
    }
}

fn volumes(node: &Node, at: RangeInclusive<usize>, source: &Source, guess: &mut Guess) {
    guess.account.of(source).took(*at.start()..=*at.start(), "volumes", "each is told by itself");
    for item in node.items() {
        let at = item.line..=item.line;
        let said = item.text().unwrap_or_default();
        let path = said.split(':').nth(1).and_then(|path| container::within_app(path, None));
        let mut scribe = guess.account.of(source);
        match path {
            Some(path) => {
                scribe.took(at, "volumes", format!("`{said}`: {path} outlives releases (shared_paths); copy what is there by hand"));
                container::share(&mut guess.shared_paths, path);
            }
            None => scribe.left(at, "volumes", format!("`{said}` lies outside of the app's folder: open the path by `write` in [sandbox] if the app needs it")),
        }
    }
}

fn accessories(node: &Node, at: RangeInclusive<usize>, scribe: &mut Scribe<'_>) {
    scribe.left(
        at,
        "accessories",
        "they are no programs of this app: let them run as before, or from packages",
    );
    for one in node.entries() {
        scribe.left(
            one.line..=one.node.end.max(one.line),
            format!("accessories.{}", one.key),
            format!(
                "`{}` stays where it is: give the app its address",
                one.node.text_of("image").unwrap_or(&one.key)
            ),
        );
    }
}

/// The route to the service of that name.
fn proxy(node: &Node, at: RangeInclusive<usize>, what: &str, source: &Source, name: &str, guess: &mut Guess) {
    let Guess { services, account, routes, .. } = guess;
    let mut scribe = account.of(source);
    let Some(service) = services.iter_mut().find(|service| service.name == name) else { return };
    scribe.took(*at.start()..=*at.start(), what, format!("the route to {name}"));
    let mut route = GuessedRoute {
        file: source.file.clone(),
        lines: Some(at),
        path_prefix: "/".to_owned(),
        target: Target::Named(service.name.clone(), None),
        ..GuessedRoute::default()
    };
    for entry in node.entries() {
        proxy_key(entry, what, &mut route, service, &mut scribe);
    }
    routes.push(route);
}

fn proxy_key(
    entry: &Entry,
    what: &str,
    route: &mut GuessedRoute,
    service: &mut GuessedService,
    scribe: &mut Scribe<'_>,
) {
    let Entry { key, line, node } = entry;
    let (at, what) = (*line..=node.end.max(*line), format!("{what}.{key}"));
    match key.as_str() {
        "host" | "hosts" => {
            for host in node
                .texts()
                .iter()
                .flat_map(|text| text.split(','))
                .map(|host| host.trim().to_ascii_lowercase())
            {
                match is_host(&host) {
                    true if route.hosts.contains(&host) => {}
                    true => {
                        scribe.took(at.clone(), &what, format!("the route is of {host}"));
                        route.hosts.push(host);
                    }
                    false => scribe.left(at.clone(), &what, format!("`{host}` is no host name")),
                }
            }
        }
        "ssl" if node.is_false() => scribe.took(at, what, "plain HTTP stays open"),
        "ssl" => {
            route.tls_required = true;
            scribe.took(
                at,
                what,
                "tls = required; certificates come by [acme] in machine.toml, or from files by [[certificate]]",
            );
        }
        "ssl_redirect" if node.is_false() => {
            route.tls_required = false;
            scribe.took(at, what, "plain HTTP stays open");
        }
        "ssl_redirect" => scribe.took(at, what, "tls = required redirects"),
        "app_port" => {
            service.ports.extend(node.text().and_then(|text| text.parse::<u16>().ok()));
            scribe.took(
                at,
                what,
                "the app must listen on HOST and PORT: each instance has a port of its own",
            );
        }
        "path_prefix" if node.text().is_some_and(is_plain_path) => {
            let path = node.text().unwrap_or_default().trim_end_matches('/');
            route.path_prefix = if path.is_empty() { "/" } else { path }.to_owned();
            scribe.took(at, what, "path_prefix");
        }
        "strip_path_prefix" if node.is_false() => {
            scribe.took(at, what, "the app gets the path as the client sent it")
        }
        "response_timeout" => {
            match container::span(&node.brief(), Span::secs).filter(|span| *span > Span::default()) {
                Some(span) => {
                    route.response_header_timeout = Some(span);
                    scribe.took(at, what, format!("response_header_timeout = {span}"));
                }
                None => scribe.left(at, what, "no time in seconds"),
            }
        }
        "buffering" => buffering(node, &what, at, route, scribe),
        "healthcheck" => {
            scribe.took(*line..=*line, what.clone(), "a probe");
            node.entries().iter().for_each(|entry| healthcheck(entry, &what, service, scribe));
        }
        "forward_headers" => scribe.left(
            at,
            what,
            "which proxies are believed what they say of a client stands in machine.toml",
        ),
        "logging" => scribe.left(at, what, "the edge writes its own log of requests"),
        "run" | "loadbalancer" => {
            scribe.left(at, what, "it is about the proxy of Kamal: ports and addresses stand in machine.toml")
        }
        _ => scribe.left(at, what, "nothing here knows it"),
    }
}

fn buffering(
    node: &Node,
    what: &str,
    at: RangeInclusive<usize>,
    route: &mut GuessedRoute,
    scribe: &mut Scribe<'_>,
) {
    scribe.took(*at.start()..=*at.start(), what, "nothing is buffered: bodies are passed on as they come");
    for Entry { key, line, node } in node.entries() {
        let at = *line..=node.end.max(*line);
        match (key.as_str(), node.text().and_then(container::size)) {
            ("max_request_body", Some(size)) => {
                route.max_request_body = Some(size);
                scribe.took(at, format!("{what}.{key}"), format!("max_request_body = {size}"));
            }
            ("max_request_body", _) => scribe.left(
                at,
                format!("{what}.{key}"),
                "there is always a bound: 50 MiB unless `max_request_body` says another",
            ),
            _ => scribe.left(at, format!("{what}.{key}"), "nothing is buffered"),
        }
    }
}

fn healthcheck(entry: &Entry, what: &str, service: &mut GuessedService, scribe: &mut Scribe<'_>) {
    let Entry { key, line, node } = entry;
    let (at, what) = (*line..=node.end.max(*line), format!("{what}.{key}"));
    let span = container::span(&node.brief(), Span::secs).filter(|span| *span >= Span::millis(50));
    match (key.as_str(), &node.value, span) {
        ("path", Value::Text(path), _) if container::is_request_path(path) => {
            scribe.took(at, what, format!("the probes ask for {path}"));
            service.probe.path = Some(path.clone());
        }
        // A deploy waits for three answers in a row.
        ("interval", _, Some(span)) if span <= Span::secs(5) => {
            service.probe.period = Some(span);
            scribe.took(at, what, format!("period = {span}"));
        }
        ("timeout", _, Some(span)) => {
            service.probe.timeout = Some(span);
            scribe.took(at, what, format!("timeout = {span}"));
        }
        ("interval", ..) => scribe.left(at, what, "an instance is asked each second: three answers in a row let it have requests, and a deploy waits for them"),
        _ => scribe.left(at, what, "no value that is understood, or a key that nothing here knows"),
    }
}
