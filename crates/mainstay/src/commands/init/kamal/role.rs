//! `servers` of Kamal: which roles there are, and what each runs.

use super::{
    super::{
        Guess, GuessedService,
        account::{Scribe, Source},
        container, dockerfile, evidence, shell,
        tree::{Entry, Node, Value, brief},
    },
    take_variables,
};

const MACHINES: &str = "machines: install Mainstay on one by `mainstay --host USER@MACHINE install`; each is deployed to by itself";

pub(super) fn roles(root: &Node, source: &Source, image: Option<&dockerfile::Image>, guess: &mut Guess) {
    let primary = root.text_of("primary_role").unwrap_or("web");
    let mut services = Vec::new();
    let mut scribe = guess.account.of(source);
    match root.get("servers") {
        Some(node) if !node.entries().is_empty() => {
            for entry in node.entries() {
                services.push(role(entry, entry.key == primary, image, &mut scribe));
            }
        }
        Some(node) => {
            scribe.left(node.line..=node.end, "servers", MACHINES);
            services.push(web(node.line, image, &mut scribe));
        }
        None => services.push(web(root.line, image, &mut scribe)),
    }
    for service in services {
        match guess.services.iter().any(|known| known.name == service.name) {
            true => guess.account.of(source).left(
                root.line..=root.line,
                service.name,
                "a service of this name was named before",
            ),
            false => guess.services.push(service),
        }
    }
}

/// The only role of a file that names none.
fn web(line: usize, image: Option<&dockerfile::Image>, scribe: &mut Scribe<'_>) -> GuessedService {
    let mut service = GuessedService::of("web", of_image(line, "servers", image, scribe));
    service.web = true;
    service.ports.extend(image.and_then(|image| image.port));
    service
}

fn of_image(
    line: usize,
    what: &str,
    image: Option<&dockerfile::Image>,
    scribe: &mut Scribe<'_>,
) -> Vec<String> {
    match image {
        Some(image) => {
            let mut command = image.command.clone();
            container::of_release(&mut command, image.workdir.as_deref());
            scribe.took(
                line..=line,
                what,
                format!("the Dockerfile says what runs: `{}`", brief(&command.join(" "))),
            );
            command
        }
        None => {
            scribe.left(
                line..=line,
                what,
                "there is no Dockerfile that says what runs: write its command yourself",
            );
            vec!["./start".to_owned()]
        }
    }
}

fn role(
    entry: &Entry,
    is_primary: bool,
    image: Option<&dockerfile::Image>,
    scribe: &mut Scribe<'_>,
) -> GuessedService {
    let Entry { key, line, node } = entry;
    let what = format!("servers.{key}");
    let mut service = GuessedService::of(evidence::service_name(key), Vec::new());
    service.web = is_primary || node.get("proxy").is_some_and(|proxy| !proxy.is_false());
    if service.web {
        service.ports.extend(image.and_then(|image| image.port));
    }
    if let Value::List(_) = node.value {
        scribe.left(node.line..=node.end, format!("{what}.hosts"), MACHINES);
    }
    for Entry { key, line, node } in node.entries() {
        let (at, what) = (*line..=node.end.max(*line), format!("{what}.{key}"));
        match (key.as_str(), node.text()) {
            ("cmd", Some(command)) => {
                service.command = shell::command(command);
                container::of_release(&mut service.command, None);
                scribe.took(at.clone(), &what, format!("`{}`", brief(&service.command.join(" "))));
                if command.contains("cron") {
                    scribe.left(at, what, "what its crontab says is better a service each, with `schedule`: the file is not read here");
                }
            }
            ("hosts", _) => scribe.left(at, what, MACHINES),
            ("env", _) => {
                scribe.took(*line..=*line, &what, "variables of this role");
                take_variables(node, &what, &mut service, scribe);
            }
            ("options", _) => options(node, at, &what, &mut service, scribe),
            ("proxy", _) => {
                scribe.left(at, what, "the route of this role: write hosts and paths in [[route]]")
            }
            ("stop_wait_time", Some(text)) if container::span(text, model::Span::secs).is_some() => {
                service.stop_timeout = container::span(text, model::Span::secs);
                scribe.took(at, what, "stop_timeout");
            }
            _ => scribe.left(at, what, "nothing here knows it"),
        }
    }
    if service.command.is_empty() {
        service.command = of_image(*line, &what, image, scribe);
    }
    service.single = container::is_single(&service);
    scribe.took(
        *line..=*line,
        what,
        match service.web {
            true => format!("[service.{}] takes requests", service.name),
            false => format!("[service.{}] takes none: a worker", service.name),
        },
    );
    service
}

fn options(
    node: &Node,
    at: std::ops::RangeInclusive<usize>,
    what: &str,
    service: &mut GuessedService,
    scribe: &mut Scribe<'_>,
) {
    scribe.took(*at.start()..=*at.start(), what, "options of Docker");
    for Entry { key, line, node } in node.entries() {
        let at = *line..=node.end.max(*line);
        match (key.as_str(), node.text().and_then(container::size)) {
            ("memory", Some(size)) => {
                service.memory_max = Some(size);
                scribe.took(at, format!("{what}.memory"), format!("limits.memory_max = {size}"));
            }
            _ => scribe.left(at, format!("{what}.{key}"), "an option of Docker"),
        }
    }
}
