//! ecosystem.config.js of PM2: read, never run.
//!
//! It is JavaScript. Its object literals are read as far as they are literals; what is computed is named and passed over.

use std::path::Path;

use model::Explain;

use super::{
    Guess, GuessedService,
    account::{Scribe, Source},
    container, env, evidence,
    javascript::Reader,
    shell,
    tree::{Entry, Node, Value, brief},
};

pub(super) const FILES: [&str; 3] = ["ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.config.mjs"];

/// For `max` and its like, which count the processors of a machine that is not known here.
const INSTANCES: u32 = 2;
/// Bound: what `instances` is believed.
const INSTANCES_MAX: u32 = 64;

pub(super) fn recognise(dir: &Path, guess: &mut Guess) -> bool {
    let found = FILES.iter().find_map(|name| Some((*name, evidence::read(&dir.join(name))?)));
    let Some((file, text)) = found else { return false };
    let read = read(&Source { file: file.to_owned(), text }, dir, guess).is_ok();
    evidence::build(dir, guess);
    read
}

/// Takes its apps over. Errors: none can be read in it.
pub(super) fn read(source: &Source, dir: &Path, guess: &mut Guess) -> Result<(), Explain> {
    let mut reader = Reader::new(&source.text);
    let kind = "a configuration of PM2";
    if !reader.seek("apps") {
        return Err(source.mistake(kind, 1, 1, "it has no `apps: [ … ]`"));
    }
    let line = reader.line();
    let apps = match reader.value(0) {
        Some(Node { value: Value::List(apps), .. }) => apps,
        Some(_) => {
            return Err(source
                .mistake(kind, line, 1, "`apps` is computed, and no JavaScript is run here")
                .help("write what it gives as a list: `node -p 'JSON.stringify(require(\"./ecosystem.config.js\"))' > ecosystem.config.json`"));
        }
        None => return Err(source.mistake(kind, line, 1, "the list `apps` does not end, or nests too deep")),
    };
    let before = guess.services.len();
    apps.iter().enumerate().for_each(|(index, app)| self::app(index, app, dir, source, guess));
    if reader.seek("deploy") {
        let from = reader.line();
        let end = reader.value(0).map_or(from, |node| node.end);
        guess.account.of(source).left(
            from..=end,
            "deploy",
            "`mainstay deploy` packs and sends the folder itself; machines are named by `--host`",
        );
    }
    // PM2 does not say who takes requests: who had a port, else the first.
    let ours = guess.services.get_mut(before..).unwrap_or_default();
    if !ours.iter().any(|service| service.web)
        && let Some(first) = ours.iter_mut().find(|service| service.schedule.is_none())
    {
        first.web = true;
        let name = first.name.clone();
        guess
            .because
            .push(format!("`{name}` is taken for the one with a route: it must listen on HOST and PORT"));
    }
    guess.services.get_mut(before..).unwrap_or_default().iter_mut().for_each(|service| {
        container::bind(service);
        service.single = container::is_single(service);
    });
    if guess.services.len() > before {
        return Ok(());
    }
    Err(source.mistake(kind, line, 1, "no app of it has a `script` that is a text"))
}

fn app(index: usize, app: &Node, dir: &Path, source: &Source, guess: &mut Guess) {
    let label = app.text_of("name").map_or_else(|| format!("apps[{index}]"), str::to_owned);
    let mut scribe = guess.account.of(source);
    let Some(script) = app.text_of("script") else {
        scribe.left(app.line..=app.end, label, "it has no `script` that is a text");
        return;
    };
    let name = evidence::service_name(app.text_of("name").unwrap_or("web"));
    if guess.services.iter().any(|known| known.name == name) {
        scribe.left(app.line..=app.end, label, format!("a service `{name}` was named before"));
        return;
    }
    let mut service = GuessedService::of(name, command(app, script, dir));
    // PM2 has no jobs: a program that is started by the clock and not when it ends is one.
    let is_timed = ["cron_restart", "cron"].iter().any(|key| app.text_of(key).is_some_and(is_schedule));
    let is_job = is_timed && app.get("autorestart").is_some_and(Node::is_false);
    for entry in app.entries() {
        setting(entry, &label, is_job, dir, &mut service, &mut scribe);
    }
    service.web = !service.ports.is_empty() && service.schedule.is_none();
    if service.schedule.is_some() && service.recycle_memory.take().is_some() {
        scribe.left(
            app.line..=app.line,
            format!("{label}.max_memory_restart"),
            "a job ends by itself: `limits` has `memory_max`",
        );
    }
    scribe.took(
        app.line..=app.line,
        label,
        format!("[service.{}] runs `{}`", service.name, brief(&service.command.join(" "))),
    );
    guess.services.push(service);
}

/// What PM2 would run, as a program and its arguments.
fn command(app: &Node, script: &str, dir: &Path) -> Vec<String> {
    let is_javascript = [".js", ".mjs", ".cjs"].iter().any(|end| script.ends_with(end));
    let options = ["node_args", "interpreter_args", "interpreterArgs", "nodeArgs"]
        .iter()
        .filter_map(|key| app.get(key))
        .flat_map(arguments);
    let interpreter = app.text_of("interpreter").or(app.text_of("exec_interpreter"));
    let by_end = [
        (".py", "python3"),
        (".sh", "bash"),
        (".rb", "ruby"),
        (".pl", "perl"),
        (".php", "php"),
        (".ts", "bun"),
    ];
    let known = by_end.iter().find(|(end, _)| script.ends_with(end) && !script.contains(' '));
    let mut words = match (interpreter, known) {
        (Some("none"), _) => vec![script.to_owned()],
        (Some(program), _) => {
            [program.to_owned()].into_iter().chain(options).chain([script.to_owned()]).collect()
        }
        (None, _) if is_javascript => {
            ["node".to_owned()].into_iter().chain(options).chain([script.to_owned()]).collect()
        }
        (None, Some((_, program))) => vec![(*program).to_owned(), script.to_owned()],
        (None, None) => shell::command(script),
    };
    words.extend(app.get("args").map(arguments).unwrap_or_default());
    match app.text_of("cwd").and_then(|cwd| folder(cwd, dir)) {
        Some(folder) => {
            let quoted: Vec<String> = words.iter().map(|word| shell::quoted(word)).collect();
            vec![
                "sh".to_owned(),
                "-c".to_owned(),
                format!("cd {} && exec {}", shell::quoted(&folder), quoted.join(" ")),
            ]
        }
        None => words,
    }
}

/// PM2 splits a text at its spaces, and gives no shell what stands there.
fn arguments(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Text(text) => {
            shell::words(text).unwrap_or_else(|| text.split_whitespace().map(str::to_owned).collect())
        }
        _ => node.texts(),
    }
}

/// A working folder within the release that is not the release itself.
fn folder(cwd: &str, dir: &Path) -> Option<String> {
    let inner = Path::new(cwd).strip_prefix(dir).ok().and_then(Path::to_str).unwrap_or(cwd);
    container::clean(inner)
}

/// Takes one key of an app over, or says why not.
fn setting(
    entry: &Entry,
    label: &str,
    is_job: bool,
    dir: &Path,
    service: &mut GuessedService,
    scribe: &mut Scribe<'_>,
) {
    let Entry { key, line, node } = entry;
    let at = *line..=node.end;
    let what = format!("{label}.{key}");
    if node.value == Value::Computed {
        scribe.left(at, what, "it is computed, and no JavaScript is run here");
        return;
    }
    match key.as_str() {
        "name" | "script" => scribe.took(at, what, node.brief()),
        "args" | "interpreter" | "exec_interpreter" | "node_args" | "interpreter_args" | "nodeArgs" | "interpreterArgs" => {
            scribe.took(at, what, "stands in the command")
        }
        "cwd" => match (folder(&node.brief(), dir), node.text()) {
            (Some(_), _) => scribe.took(at, what, "the command goes there first"),
            (None, Some("." | "./")) => scribe.took(at, what, "a release is the working folder of its processes"),
            _ => scribe.left(at, what, "a release is the working folder of its processes; put the program into it"),
        },
        "instances" => instances(node, at, what, service, scribe),
        "exec_mode" => scribe.took(at, what, "each instance is a process with a port of its own; the edge shares the requests among them"),
        "port" => env::take(scribe, service, at, label, ("PORT", node.text())),
        "increment_var" => scribe.took(at, what, "Mainstay gives each instance a PORT of its own"),
        "env" | "env_production" => variables(entry, &what, service, scribe),
        "max_memory_restart" => match container::size(&node.brief()) {
            Some(size) => {
                service.recycle_memory = Some(size);
                scribe.took(at, what, format!("recycle.memory = {size}"));
            }
            None => scribe.left(at, what, "no size like `300M`"),
        },
        "kill_timeout" => match container::span(&node.brief(), model::Span::millis) {
            Some(span) => {
                service.stop_timeout = Some(span);
                scribe.took(at, what, format!("stop_timeout = {span}"));
            }
            None => scribe.left(at, what, "no time in milliseconds"),
        },
        "listen_timeout" => match container::span(&node.brief(), model::Span::millis) {
            Some(span) => {
                service.probe.deadline = Some(span);
                scribe.took(at, what, format!("probes.startup.deadline = {span}"));
            }
            None => scribe.left(at, what, "no time in milliseconds"),
        },
        "cron_restart" | "cron" if is_job => match node.text().filter(|text| is_schedule(text)) {
            Some(schedule) => {
                service.schedule = Some(schedule.to_owned());
                scribe.took(at, what, "with `autorestart: false` it is a job; its times are UTC unless `timezone` says another");
            }
            None => scribe.left(at, what, "no schedule that is known here"),
        },
        "cron_restart" | "cron" => scribe.left(at, what, "a service is not restarted by the clock: `recycle = { after = \"24h\" }` replaces its instances without a gap"),
        "autorestart" if node.is_false() && !is_job => {
            scribe.left(at, what, "a service is always restarted; a program that ends by itself has a `schedule`")
        }
        "autorestart" => scribe.took(at, what, "a service is always restarted, a job is not"),
        _ => {
            let why = match key.strip_prefix("env_") {
                Some(env) => format!("write `[environment.{env}.service.{}]` with the `env` that differs", service.name),
                None => why_not(key).to_owned(),
            };
            scribe.left(at, what, why);
        }
    }
}

/// Why a key of PM2's has no place in a manifest.
fn why_not(key: &str) -> &'static str {
    match key {
        "watch" | "ignore_watch" | "watch_delay" | "watch_options" => {
            "a release never changes while it runs: deploy another one"
        }
        "out_file" | "error_file" | "output" | "error" | "log_file" | "log" | "combine_logs"
        | "merge_logs" | "log_date_format" | "log_type" | "time" => {
            "what it prints is kept by Mainstay: `mainstay logs`, bounds in [logs]"
        }
        "max_restarts" | "min_uptime" | "restart_delay" | "exp_backoff_restart_delay" | "stop_exit_codes" => {
            "the table `restart` of the service says how it is tried again; its defaults do for most"
        }
        "wait_ready" => "`process.send('ready')` has no receiver: the readiness probe asks by HTTP",
        "shutdown_with_message" => "an app is told by SIGTERM: see `stop_signal`",
        "source_map_support" | "vizion" | "pmx" | "automation" | "treekill" | "namespace"
        | "instance_var" | "pid_file" | "pid" | "force" => "it is about PM2 itself",
        "user" | "uid" | "gid" => "each app has a user of its own: machine.toml names it",
        _ => "nothing here knows it",
    }
}

fn variables(entry: &Entry, what: &str, service: &mut GuessedService, scribe: &mut Scribe<'_>) {
    scribe.took(entry.line..=entry.line, what, "variables of production");
    for Entry { key, line, node } in entry.node.entries() {
        let (lines, text) = (*line..=node.end, node.text());
        if text.is_some() || env::looks_secret(key) {
            env::take(scribe, service, lines, what, (key, text));
        } else {
            let why = "it is computed: write its value in `env`, or name it in `env_secrets`";
            scribe.left(lines, format!("{what}.{key}"), why);
        }
    }
}

fn instances(
    node: &Node,
    at: std::ops::RangeInclusive<usize>,
    what: String,
    service: &mut GuessedService,
    scribe: &mut Scribe<'_>,
) {
    let said = node.text().unwrap_or_default();
    match said.parse::<u32>().ok().filter(|number| (1..=INSTANCES_MAX).contains(number)) {
        Some(number) => {
            service.instances = number;
            scribe.took(at, what, format!("instances = {number}"));
        }
        None => {
            service.instances = INSTANCES;
            scribe.took(at, what, format!("instances = {INSTANCES}: `{said}` is counted by the processors of a machine, write their number"));
        }
    }
}

/// Times that the manifest takes.
pub(super) fn is_schedule(text: &str) -> bool {
    schedule::Timetable::parse(text, "UTC").is_ok()
}
