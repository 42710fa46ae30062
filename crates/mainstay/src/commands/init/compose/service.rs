//! One service of a compose.yaml.

use std::{ops::RangeInclusive, path::Path};

use model::Span;

use super::{
    super::{
        Guess, GuessedRoute, GuessedService,
        account::{Account, Scribe, Source},
        container, dockerfile, env, evidence, shell,
        tree::{Entry, Node, Value, brief},
    },
    labels,
};

/// What a service is seen with.
pub(super) struct Around<'a> {
    pub source: &'a Source,
    pub dir: &'a Path,
    /// Images that a service of the file builds.
    pub built: &'a [&'a str],
    /// Names of volumes.
    pub volumes: &'a [&'a str],
}

/// Images of programs that stand beside an app.
const BESIDE: [&str; 34] = [
    "postgres",
    "postgis",
    "pgvector",
    "pgbouncer",
    "mysql",
    "mariadb",
    "mongo",
    "redis",
    "valkey",
    "keydb",
    "memcached",
    "rabbitmq",
    "nats",
    "kafka",
    "zookeeper",
    "elasticsearch",
    "opensearch",
    "meilisearch",
    "typesense",
    "minio",
    "mailhog",
    "mailpit",
    "adminer",
    "pgadmin4",
    "nginx",
    "traefik",
    "caddy",
    "haproxy",
    "certbot",
    "prometheus",
    "grafana",
    "loki",
    "watchtower",
    "docker-gen",
];

/// What is being made of a service.
struct Making<'a> {
    service: GuessedService,
    shared: Vec<String>,
    routes: Vec<GuessedRoute>,
    workdir: Option<String>,
    /// What the image runs, and whether the file says something else.
    entrypoint: Option<Vec<String>>,
    command: Option<Vec<String>>,
    around: &'a Around<'a>,
    label: String,
}

pub(super) fn read(entry: &Entry, around: &Around<'_>, guess: &mut Guess) {
    let Entry { key, line, node } = entry;
    let label = format!("services.{key}");
    let whole = *line..=node.end.max(*line);
    if let Some(why) = beside(node, around) {
        guess.account.of(around.source).left(whole, label, why);
        return;
    }
    let name = evidence::service_name(key);
    if guess.services.iter().any(|known| known.name == name) {
        guess.account.of(around.source).left(whole, label, format!("a service `{name}` was named before"));
        return;
    }
    let mut making = Making {
        service: GuessedService::of(name, Vec::new()),
        shared: Vec::new(),
        routes: Vec::new(),
        workdir: None,
        entrypoint: None,
        command: None,
        around,
        label,
    };
    let mut account = Account::default();
    let image = image(node, around);
    making.workdir = node
        .text_of("working_dir")
        .map(str::to_owned)
        .or(image.as_ref().and_then(|image| image.workdir.clone()));
    if let Some(port) = image.as_ref().and_then(|image| image.port) {
        making.service.ports.push(port);
    }
    for entry in node.entries() {
        making.setting(entry, &mut account.of(around.source));
    }
    making.finish(*line, node, image, &mut account.of(around.source));
    guess.account.taken.append(&mut account.taken);
    guess.account.left.append(&mut account.left);
    for path in making.shared {
        container::share(&mut guess.shared_paths, path);
    }
    guess.routes.append(&mut making.routes);
    guess.services.push(making.service);
}

/// Why a service is none of the app's own programs.
fn beside(node: &Node, around: &Around<'_>) -> Option<String> {
    let image = node.text_of("image");
    if node.get("build").is_some() || image.is_some_and(|image| around.built.contains(&image)) {
        return None;
    }
    let Some(image) = image else {
        return (node.get("extends").is_some())
            .then(|| "it extends another one: write out what it means".to_owned());
    };
    let name = image.rsplit('/').next().unwrap_or(image).split([':', '@']).next().unwrap_or_default();
    BESIDE.contains(&name).then(|| {
        format!("`{image}` is no program of this app: let it run as before, or from a package, and give the app its address (127.0.0.1, and the port that it publishes) in place of its name")
    })
}

/// What its image runs, where its Dockerfile is here.
fn image(node: &Node, around: &Around<'_>) -> Option<dockerfile::Image> {
    let build = node.get("build")?;
    let context = build.text().or(build.text_of("context")).unwrap_or(".");
    let file = build.text_of("dockerfile").unwrap_or("Dockerfile");
    dockerfile::parse(&evidence::read(&around.dir.join(context).join(file))?)
}

impl Making<'_> {
    fn setting(&mut self, entry: &Entry, scribe: &mut Scribe<'_>) {
        let Entry { key, line, node } = entry;
        let at = *line..=node.end.max(*line);
        let what = format!("{}.{key}", self.label);
        match key.as_str() {
            "build" | "image" => scribe.left(at, what, "no image is built or pulled: a release is the app's folder, and its runtime is on the machine"),
            "command" => self.command = self.words(node, at, what, scribe),
            "entrypoint" => self.entrypoint = self.words(node, at, what, scribe),
            "ports" => self.each(node, at, what, scribe, Self::port),
            "expose" => self.each(node, at, what, scribe, Self::port),
            "environment" => self.environment(node, at, what, scribe),
            "env_file" => self.env_files(node, at, what, scribe),
            "volumes" => self.each(node, at, what, scribe, Self::volume),
            "healthcheck" => self.healthcheck(node, at, what, scribe),
            "deploy" => self.deploy(node, at, what, scribe),
            "scale" => self.instances(node, at, what, scribe),
            "mem_limit" => self.memory(node, at, what, scribe),
            "stop_grace_period" => match node.text().and_then(|text| container::span(text, Span::secs)) {
                Some(span) => {
                    self.service.stop_timeout = Some(span);
                    scribe.took(at, what, format!("stop_timeout = {span}"));
                }
                None => scribe.left(at, what, "no time like `30s`"),
            },
            "stop_signal" => self.stop_signal(node, at, what, scribe),
            "ulimits" => self.ulimits(node, at, what, scribe),
            "working_dir" => scribe.took(at, what, "paths of volumes are read from there; a release is the working folder of its processes"),
            "restart" => scribe.took(at, what, "a service is always restarted"),
            "init" => scribe.took(at, what, "each process has a parent that reaps what it leaves"),
            "container_name" | "hostname" | "networks" | "network_mode" | "links" | "dns" | "extra_hosts" => {
                scribe.left(at, what, "there is no network of containers: apps of a machine reach each other on 127.0.0.1")
            }
            "depends_on" => scribe.left(at, what, "services start together: let the readiness probe ask what this one needs"),
            "labels" => {
                scribe.took(*line..=*line, &what, "each is told by itself");
                let made = (&mut self.service, &mut self.routes);
                labels::read(node, &what, self.around.source, made, scribe)
            }
            "user" => scribe.left(at, what, "each app has a user of its own: machine.toml names it"),
            "logging" => scribe.left(at, what, "what it prints is kept by Mainstay: `mainstay logs`, bounds in [logs]"),
            "profiles" => scribe.left(at, what, "it is taken as if it always ran: remove the service if it should not"),
            "extends" => scribe.left(at, what, "not followed: write out what it means"),
            "secrets" | "configs" => scribe.left(at, what, "name them in `env_secrets`, and put the values in by `mainstay secrets set NAME`: an app reads variables, no files"),
            "privileged" | "cap_add" | "cap_drop" | "security_opt" | "read_only" | "devices" | "tmpfs" | "shm_size" | "sysctls" | "ipc" | "pid" => {
                scribe.left(at, what, "the sandbox of Mainstay closes what no web app needs; [sandbox] opens what this one does")
            }
            "cpus" | "cpu_shares" | "cpuset" | "mem_reservation" | "memswap_limit" | "pids_limit" | "oom_score_adj" => {
                scribe.left(at, what, "`limits` of the service has `cpu_weight`, `memory_high`, `memory_max` and `tasks_max`")
            }
            "tty" | "stdin_open" | "platform" | "pull_policy" | "develop" | "attach" => scribe.left(at, what, "it is about containers"),
            _ => scribe.left(at, what, "nothing here knows it"),
        }
    }

    /// One thing for each item of a list; the list's own line is told as its first.
    fn each(
        &mut self,
        node: &Node,
        at: RangeInclusive<usize>,
        what: String,
        scribe: &mut Scribe<'_>,
        one: fn(&mut Self, &Node, RangeInclusive<usize>, &str, &mut Scribe<'_>),
    ) {
        if node.items().is_empty() {
            scribe.left(at, what, "no list");
            return;
        }
        scribe.took(*at.start()..=*at.start(), what.clone(), "each is told by itself");
        for item in node.items() {
            one(self, item, item.line..=item.end.max(item.line), &what, scribe);
        }
    }

    fn words(
        &self,
        node: &Node,
        at: RangeInclusive<usize>,
        what: String,
        scribe: &mut Scribe<'_>,
    ) -> Option<Vec<String>> {
        let words = match &node.value {
            Value::Text(text) => interpolated(text).map(|text| shell::command(&text)),
            Value::List(_) => node.texts().iter().map(|word| interpolated(word)).collect(),
            _ => None,
        };
        match &words {
            Some(words) => {
                scribe.took(at, what, format!("stands in the command: `{}`", brief(&words.join(" "))))
            }
            None => {
                scribe.left(at, what, "a variable without a default stands in it: write the command yourself")
            }
        }
        words
    }

    /// `3000`, `8080:3000`, `127.0.0.1:8080:3000/tcp`, or the table of the same.
    fn port(&mut self, node: &Node, at: RangeInclusive<usize>, what: &str, scribe: &mut Scribe<'_>) {
        let said = match node.text() {
            Some(text) => interpolated(text),
            None => node.text_of("target").map(|target| {
                let published = node.text_of("published").map(|port| format!("{port}:")).unwrap_or_default();
                format!("{published}{target}/{}", node.text_of("protocol").unwrap_or("tcp"))
            }),
        };
        let said = said.unwrap_or_default();
        let (ports, protocol) = said.split_once('/').unwrap_or((&said, "tcp"));
        let numbers: Option<Vec<u16>> = ports.rsplit(':').take(2).map(|port| port.parse().ok()).collect();
        match numbers.filter(|_| protocol == "tcp") {
            Some(numbers) => {
                self.service.web = true;
                for number in numbers {
                    if !self.service.ports.contains(&number) {
                        self.service.ports.push(number);
                    }
                }
                scribe.took(
                    at,
                    what,
                    format!(
                        "`{said}`: it takes requests, on HOST and PORT; who asks from outside asks the edge"
                    ),
                );
            }
            None => scribe.left(
                at,
                what,
                format!("`{}` is not one port of TCP: only HTTP is passed on", node.brief()),
            ),
        }
    }

    fn environment(&mut self, node: &Node, at: RangeInclusive<usize>, what: String, scribe: &mut Scribe<'_>) {
        scribe.took(*at.start()..=*at.start(), what.clone(), "variables");
        for entry in node.entries() {
            let value = entry.node.text().and_then(interpolated);
            env::take(
                scribe,
                &mut self.service,
                entry.line..=entry.node.end.max(entry.line),
                &what,
                (&entry.key, value.as_deref()),
            );
        }
        for item in node.items() {
            let text = item.text().unwrap_or_default();
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, interpolated(value)),
                None => (text, None),
            };
            env::take(
                scribe,
                &mut self.service,
                item.line..=item.end.max(item.line),
                &what,
                (name, value.as_deref()),
            );
        }
    }

    /// Files of variables hold secrets under any name: their names are taken, and never their values.
    fn env_files(&mut self, node: &Node, at: RangeInclusive<usize>, what: String, scribe: &mut Scribe<'_>) {
        let named: Vec<String> = match &node.value {
            Value::List(items) => items
                .iter()
                .filter_map(|item| item.text().or(item.text_of("path")))
                .map(str::to_owned)
                .collect(),
            _ => node.texts(),
        };
        let mut names = Vec::new();
        for file in &named {
            let text = evidence::read(&self.around.dir.join(file)).unwrap_or_default();
            names.extend(
                evidence::variable_names(&text)
                    .into_iter()
                    .filter(|name| env::place(name, None) == env::Place::Secret),
            );
        }
        names.retain(|name| {
            !self.service.env.iter().any(|(known, _)| known == name)
                && !self.service.env_secrets.contains(name)
        });
        names.sort();
        names.dedup();
        match names.is_empty() {
            true => scribe.left(
                at,
                what,
                format!(
                    "no variable was found in {}: name them in `env`, and secrets in `env_secrets`",
                    named.join(", ")
                ),
            ),
            false => scribe.took(
                at,
                what,
                format!(
                    "its names became secrets, its values were not read: `mainstay secrets set` for {}",
                    names.join(", ")
                ),
            ),
        }
        self.service.env_secrets.append(&mut names);
    }

    fn volume(&mut self, node: &Node, at: RangeInclusive<usize>, what: &str, scribe: &mut Scribe<'_>) {
        let (from, to, is_read_only) = match node.text() {
            Some(text) => {
                let mut parts = text.split(':');
                let (first, second) = (parts.next().unwrap_or_default(), parts.next());
                let from = second.map(|_| first.to_owned());
                (
                    from,
                    second.unwrap_or(first).to_owned(),
                    parts.next().is_some_and(|mode| mode.split(',').any(|word| word == "ro")),
                )
            }
            None => (
                node.text_of("source").map(str::to_owned),
                node.text_of("target").unwrap_or_default().to_owned(),
                node.get("read_only").is_some_and(Node::is_true),
            ),
        };
        let inside = container::within_app(&to, self.workdir.as_deref());
        let is_named = from.as_deref().is_some_and(|from| self.around.volumes.contains(&from));
        let so = match (&from, inside) {
            _ if is_read_only => Err(
                "it is only read: put the file into the release, or where machine.toml keeps configuration",
            ),
            (None, _) => Err("it only kept a folder of the image apart"),
            (Some(from), None)
                if from.trim_end_matches('/') == "." || to == self.workdir.as_deref().unwrap_or("/app") =>
            {
                Err("the release is that folder")
            }
            (_, Some(path)) if path.starts_with("node_modules") => Err("packages are part of a release"),
            (_, Some(path)) => Ok(path),
            (Some(_), None) if is_named => Err(
                "it lies outside of the app's folder: let the app write below it, or open the path by `write` in [sandbox]",
            ),
            _ => Err(
                "it lies outside of the app's folder: open the path by `write` in [sandbox] if the app needs it",
            ),
        };
        let said = node.text().map_or_else(|| format!("{}:{to}", from.unwrap_or_default()), str::to_owned);
        match so {
            Ok(path) => {
                scribe.took(
                    at,
                    what,
                    format!("`{said}`: {path} outlives releases (shared_paths); copy what is there by hand"),
                );
                self.shared.push(path);
            }
            Err(why) => scribe.left(at, what, format!("`{said}`: {why}")),
        }
    }

    fn healthcheck(&mut self, node: &Node, at: RangeInclusive<usize>, what: String, scribe: &mut Scribe<'_>) {
        scribe.took(*at.start()..=*at.start(), what.clone(), "a probe");
        for Entry { key, line, node } in node.entries() {
            let (at, what) = (*line..=node.end.max(*line), format!("{what}.{key}"));
            let span = || container::span(&node.brief(), Span::secs);
            match key.as_str() {
                "test" => match container::asked_path(&node.texts().join(" ")) {
                    Some(path) => {
                        scribe.took(at, what, format!("the readiness probe asks for {path}"));
                        self.service.probe.path = Some(path);
                    }
                    None => scribe.left(at, what, format!("`{}` asks nothing of this machine by HTTP, as a probe does", node.brief())),
                },
                "timeout" if span().is_some_and(|span| span >= Span::millis(50)) => {
                    self.service.probe.timeout = span();
                    scribe.took(at, what, "timeout of the readiness probe");
                }
                "start_period" if span().is_some() => {
                    self.service.probe.deadline = span().map(|span| span.max(Span::secs(60)));
                    scribe.took(at, what, "deadline of the startup probe, at least 60s");
                }
                "interval" | "start_interval" => scribe.left(at, what, "an instance is asked each second: three answers in a row let it have requests, and a deploy waits for them"),
                "retries" => match node.text().and_then(|text| text.parse().ok()).filter(|number| (1..=1000).contains(number)) {
                    Some(number) => {
                        self.service.probe.failures = Some(number);
                        scribe.took(at, what, "failure_threshold of the readiness probe");
                    }
                    None => scribe.left(at, what, "no number from 1 to 1000"),
                },
                "disable" => scribe.left(at, what, "a service with a route has a readiness probe"),
                _ => scribe.left(at, what, "nothing here knows it"),
            }
        }
    }

    fn deploy(&mut self, node: &Node, at: RangeInclusive<usize>, what: String, scribe: &mut Scribe<'_>) {
        scribe.took(*at.start()..=*at.start(), what.clone(), "each key is told by itself");
        for Entry { key, line, node } in node.entries() {
            let (at, own) = (*line..=node.end.max(*line), format!("{what}.{key}"));
            let memory = node.get("limits").and_then(|limits| limits.get("memory"));
            match (key.as_str(), memory) {
                ("replicas", _) => self.instances(node, at, own, scribe),
                ("resources", Some(memory)) => {
                    self.memory(memory, memory.line..=memory.end, format!("{own}.limits.memory"), scribe);
                    scribe.left(at, own, "of resources only the limit of memory is taken over: `limits` has `cpu_weight` and more");
                }
                ("restart_policy", _) => {
                    scribe.left(at, own, "the table `restart` of the service says how it is tried again")
                }
                ("update_config" | "rollback_config", _) => {
                    scribe.left(at, own, "a deploy starts the new release beside the old one: see [deploy]")
                }
                _ => scribe.left(at, own, "nothing here knows it"),
            }
        }
    }

    fn instances(&mut self, node: &Node, at: RangeInclusive<usize>, what: String, scribe: &mut Scribe<'_>) {
        match node.text().and_then(|text| text.parse().ok()).filter(|number| (1..=512).contains(number)) {
            Some(number) => {
                self.service.instances = number;
                scribe.took(at, what, format!("instances = {number}"));
            }
            None => scribe.left(at, what, "no number from 1 to 512"),
        }
    }

    fn memory(&mut self, node: &Node, at: RangeInclusive<usize>, what: String, scribe: &mut Scribe<'_>) {
        match node.text().and_then(container::size) {
            Some(size) => {
                self.service.memory_max = Some(size);
                scribe.took(at, what, format!("limits.memory_max = {size}"));
            }
            None => scribe.left(at, what, "no size like `512M`"),
        }
    }

    fn stop_signal(&mut self, node: &Node, at: RangeInclusive<usize>, what: String, scribe: &mut Scribe<'_>) {
        let said = node.text().unwrap_or_default();
        let signal = format!("SIG{}", said.trim_start_matches("SIG"));
        let known = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"];
        match known.contains(&signal.as_str()) {
            true => {
                scribe.took(at, what, format!("stop_signal = {signal}"));
                self.service.stop_signal = Some(signal);
            }
            false => scribe.left(at, what, format!("`stop_signal` is one of {}", known.join(" "))),
        }
    }

    fn ulimits(&mut self, node: &Node, at: RangeInclusive<usize>, what: String, scribe: &mut Scribe<'_>) {
        let files = node.get("nofile");
        let number = files.and_then(|files| files.text().or(files.text_of("soft")));
        match number.and_then(|text| text.parse().ok()).filter(|number| (64..=1_048_576).contains(number)) {
            Some(number) => {
                self.service.nofile = Some(number);
                scribe.took(at.clone(), what.clone(), format!("limits.nofile = {number}"));
                if node.entries().len() > 1 {
                    scribe.left(at, what, "only `nofile` is taken over");
                }
            }
            None => scribe.left(at, what, "only a `nofile` from 64 to 1048576 is taken over"),
        }
    }

    /// The command, and what only the whole service tells.
    fn finish(
        &mut self,
        line: usize,
        node: &Node,
        image: Option<dockerfile::Image>,
        scribe: &mut Scribe<'_>,
    ) {
        let of_image = image.map(|image| image.command);
        let mut words = self.entrypoint.take().unwrap_or_default();
        let has_own = !words.is_empty() || self.command.is_some();
        words.extend(self.command.take().unwrap_or_default());
        if !has_own {
            words = of_image.unwrap_or_default();
        }
        if words.is_empty() {
            words = vec!["./start".to_owned()];
            scribe.left(
                line..=line,
                &self.label,
                "neither the file nor a Dockerfile says what it runs: write its command yourself",
            );
        }
        container::of_release(&mut words, self.workdir.as_deref());
        self.service.command = words;
        container::bind(&mut self.service);
        self.service.single = container::is_single(&self.service);
        let what = if self.service.web { "takes requests" } else { "takes none: a worker" };
        let runs = brief(&self.service.command.join(" "));
        scribe.took(
            line..=line.max(node.line.min(line)),
            &self.label,
            format!("[service.{}] runs `{runs}`, and {what}", self.service.name),
        );
    }
}

/// Compose's own variables: `${A:-b}` is b, `$$` is `$`. `None` where it needs a value that the file does not have.
fn interpolated(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('$') {
        out.push_str(head);
        if let Some(tail) = tail.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((inner, tail)) = tail.strip_prefix('{').and_then(|tail| tail.split_once('}')) {
            let (_, default) = inner.split_once(":-").or_else(|| inner.split_once('-'))?;
            out.push_str(default);
            rest = tail;
        } else {
            return None;
        }
    }
    Some(out + rest)
}
