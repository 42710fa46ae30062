//! A guess as a commented manifest.

use model::manifest::BuildPlace;

use super::{Guess, GuessedRoute, GuessedService, guess::Target};
use crate::commands::packages::Build;

pub(super) fn render(guess: &Guess) -> String {
    let mut out = vec![
        "# How this app runs in production. `mainstay check` reads it; `mainstay deploy` puts it to work."
            .to_owned(),
        "manifest = 1".to_owned(),
        String::new(),
        "[app]".to_owned(),
        format!("name = {}", quoted(&guess.name)),
        String::new(),
    ];
    release(guess, &mut out);
    for service in &guess.services {
        self::service(guess, service, &mut out);
    }
    routes(guess, &mut out);
    deploy(guess, &mut out);
    migrate(guess, &mut out);
    out.push(
        "# [environment.staging.service.web]      # what differs elsewhere: `mainstay deploy --env staging`"
            .to_owned(),
    );
    out.push("# instances = 1".to_owned());
    out.join("\n") + "\n"
}

fn release(guess: &Guess, out: &mut Vec<String>) {
    out.push(
        "# What a release is made of. `.mainstayignore` (like .gitignore) names what stays out.".to_owned(),
    );
    out.push("[release]".to_owned());
    out.push(format!("dir = {}", quoted(&guess.dir)));
    if guess.shared_paths.is_empty() {
        out.push(
            "# shared_paths = [\"data\"]               # what outlives a release: databases, uploads"
                .to_owned(),
        );
    } else {
        out.push(format!("shared_paths = {}               # outlives a release", list(&guess.shared_paths)));
    }
    if !guess.asset_paths.is_empty() {
        out.push(format!("asset_paths = {}", list(&guess.asset_paths)));
    }
    out.extend(guess.keep_releases.map(|number| format!("keep_releases = {number}")));
    out.push(String::new());
    if let Some(one) = &guess.build {
        build(one, out);
    }
}

fn build(build: &Build, out: &mut Vec<String>) {
    let is_plain = !build.command.contains(['&', '"', '\'', '$', ';', '|']);
    let command: Vec<String> = match is_plain {
        true => build.command.split_whitespace().map(str::to_owned).collect(),
        false => ["sh", "-c", &build.command].map(str::to_owned).to_vec(),
    };
    match build.place {
        BuildPlace::Server => {
            out.push(
                "# Run in the release when it has been unpacked, as the app's user; then it is sealed."
                    .to_owned(),
            );
            out.push("[release.build]".to_owned());
        }
        BuildPlace::Client => {
            out.push("# Run here, by whoever deploys, before anything is packed.".to_owned());
            out.push("[release.build]".to_owned());
            out.push("where = \"client\"".to_owned());
        }
    }
    out.push(format!("command = {}", list(&command)));
    if !build.env.is_empty() {
        let pairs: Vec<String> =
            build.env.iter().map(|(name, value)| format!("{} = {}", key(name), quoted(value))).collect();
        out.push(format!("env = {{ {} }}", pairs.join(", ")));
    }
    out.push(String::new());
}

fn service(guess: &Guess, service: &GuessedService, out: &mut Vec<String>) {
    out.push(format!("[service.{}]", service.name));
    match &service.files {
        Some(files) => {
            out.push("type = \"static\"                       # files that Mainstay serves".to_owned());
            out.push(format!("root = {}", quoted(&files.root)));
            out.extend(files.fallback.as_ref().map(|page| format!("fallback = {}", quoted(page))));
        }
        None => program(guess, service, out),
    }
    out.push(String::new());
    if service.web && service.files.is_none() {
        probes(guess, service, out);
    }
}

fn program(guess: &Guess, service: &GuessedService, out: &mut Vec<String>) {
    out.push(format!("command = {}", list(&service.command)));
    if let Some(schedule) = &service.schedule {
        out.push(format!(
            "schedule = {}             # runs at times and ends by itself; `timezone` is UTC",
            quoted(schedule)
        ));
    } else if service.web {
        instances(service, out);
        out.push("listen = \"tcp\"                         # on HOST and PORT, which Mainstay sets; {port} in the command works too".to_owned());
    } else if service.single {
        out.push(
            "overlap = \"never\"                      # the old one is gone before the new one starts"
                .to_owned(),
        );
    } else {
        instances(service, out);
        out.push(
            "# no `listen`: a worker. Old and new one run at the same time while a release is switched"
                .to_owned(),
        );
    }
    if !service.env.is_empty() {
        let pairs: Vec<String> =
            service.env.iter().map(|(name, value)| format!("{} = {}", key(name), quoted(value))).collect();
        out.push(format!("env = {{ {} }}", pairs.join(", ")));
    }
    let mut secrets: Vec<String> = Vec::new();
    for name in guess.env_secrets.iter().chain(&service.env_secrets) {
        if !service.env.iter().any(|(known, _)| known == name) && !secrets.contains(name) {
            secrets.push(name.clone());
        }
    }
    if !secrets.is_empty() {
        out.push(format!(
            "env_secrets = {}      # their values stand where machine.toml says, never here",
            list(&secrets)
        ));
    }
    out.extend(service.stop_signal.as_ref().map(|signal| format!("stop_signal = {}", quoted(signal))));
    out.extend(service.stop_timeout.map(|span| format!("stop_timeout = \"{span}\"")));
    let nofile = service.nofile.map(|number| format!("nofile = {number}"));
    let memory = service.memory_max.map(|size| format!("memory_max = \"{size}\""));
    let limits: Vec<String> = nofile.into_iter().chain(memory).collect();
    if !limits.is_empty() {
        out.push(format!("limits = {{ {} }}", limits.join(", ")));
    }
    out.extend(service.recycle_memory.map(|size| format!("recycle = {{ memory = \"{size}\" }}")));
}

fn instances(service: &GuessedService, out: &mut Vec<String>) {
    if service.instances != 1 {
        out.push(format!("instances = {}", service.instances));
    }
}

fn probes(guess: &Guess, service: &GuessedService, out: &mut Vec<String>) {
    let probe = &service.probe;
    let path = quoted(probe.path.as_deref().or(guess.ready_path.as_deref()).unwrap_or("/"));
    let deadline = probe.deadline.map_or("60s".to_owned(), |span| span.to_string());
    out.push(format!("[service.{}.probes]", service.name));
    out.push(format!("startup = {{ http = {path}, deadline = \"{deadline}\" }}"));
    let mut own = String::new();
    own.extend(probe.period.map(|span| format!(", period = \"{span}\"")));
    own.extend(probe.timeout.map(|span| format!(", timeout = \"{span}\"")));
    own.extend(probe.failures.map(|number| format!(", failure_threshold = {number}")));
    out.push(format!(
        "readiness = {{ http = {path}{own} }}             # decides who gets requests; never restarts"
    ));
    out.push(String::new());
}

fn routes(guess: &Guess, out: &mut Vec<String>) {
    guess.routes.iter().for_each(|one| route(one, out));
    if !guess.routes.is_empty() {
        return;
    }
    for (index, service) in guess.services.iter().filter(|service| service.web).enumerate() {
        // A second route of any host would claim what the first one has.
        let mark = if index == 0 { "" } else { "# " };
        out.push(format!("{mark}[[route]]"));
        out.push("# hosts = [\"chat.example.com\"]          # without it: any host".to_owned());
        out.push(format!("{mark}service = {}", quoted(&service.name)));
        out.push(String::new());
    }
}

/// A route whose service is known.
fn route(route: &GuessedRoute, out: &mut Vec<String>) {
    let Target::Named(service, _) = &route.target else { return };
    out.push("[[route]]".to_owned());
    if !route.hosts.is_empty() {
        out.push(format!("hosts = {}", list(&route.hosts)));
    }
    if route.path_prefix != "/" {
        out.push(format!("path_prefix = {}", quoted(&route.path_prefix)));
    }
    out.push(format!("service = {}", quoted(service)));
    if route.tls_required {
        out.push("tls = \"required\"                       # plain HTTP redirects".to_owned());
    }
    out.extend(route.affinity.map(|by| format!("affinity = \"{by}\"")));
    out.extend(route.response_header_timeout.map(|span| format!("response_header_timeout = \"{span}\"")));
    out.extend(route.idle_timeout.map(|span| format!("idle_timeout = \"{span}\"")));
    out.extend(route.max_request_body.map(|size| format!("max_request_body = \"{size}\"")));
    if route.compress {
        out.push("compress = {}".to_owned());
    }
    let table = |pairs: &[(String, String)]| {
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{} = {}", key(name), quoted(value))).collect();
        format!("{{ {} }}", pairs.join(", "))
    };
    if !route.headers.is_empty() || !route.request_headers.is_empty() {
        out.push(String::new());
        out.push("[route.headers]".to_owned());
    }
    if !route.headers.is_empty() {
        out.push(format!("set = {}", table(&route.headers)));
    }
    if !route.request_headers.is_empty() {
        out.push(format!("request_set = {}", table(&route.request_headers)));
    }
    for redirect in &route.redirects {
        out.push(String::new());
        out.push("[[route.redirect]]".to_owned());
        out.extend(redirect.host.as_ref().map(|host| format!("host = {}", quoted(host))));
        out.push(format!("from = {}", quoted(&redirect.from)));
        out.push(format!("to = {}", quoted(&redirect.to)));
        out.push(format!("status = {}", redirect.status));
    }
    for (from, to) in &route.rewrites {
        out.push(String::new());
        out.push("[[route.rewrite]]".to_owned());
        out.push(format!("from = {}", quoted(from)));
        out.push(format!("to = {}", quoted(to)));
    }
    out.push(String::new());
}

fn deploy(guess: &Guess, out: &mut Vec<String>) {
    if let Some(span) = guess.health_timeout {
        out.extend(["[deploy]".to_owned(), format!("health_timeout = \"{span}\""), String::new()]);
    }
    if let Some(span) = guess.drain_timeout {
        out.extend(["[drain]".to_owned(), format!("http_timeout = \"{span}\""), String::new()]);
    }
}

fn migrate(guess: &Guess, out: &mut Vec<String>) {
    let Some(command) = &guess.migrate else { return };
    out.push("# The schema contract: fill in the numbers, then remove the `#`. `mainstay deploy --help` tells what they decide.".to_owned());
    out.push("# [migrate]".to_owned());
    out.push(format!("# command = {}", list(command)));
    out.push("# status_command = [\"…\"]               # prints the schema's version as a number".to_owned());
    out.push("# schema = 1                            # what this code was written for".to_owned());
    out.push(String::new());
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { quoted(name) }
}

fn list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
}
