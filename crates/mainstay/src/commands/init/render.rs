//! A guess as a commented manifest.

use super::{Guess, GuessedService};

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
    migrate(guess, &mut out);
    out.push(
        "# [environment.staging.service.web]      # what differs elsewhere: `mainstay deploy --env staging`"
            .to_owned(),
    );
    out.push("# instances = 1".to_owned());
    out.join("\n") + "\n"
}

fn release(guess: &Guess, out: &mut Vec<String>) {
    if !guess.before.is_empty() {
        out.push(format!("# Before each deploy: {}", guess.before.join(" && ")));
    }
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
    out.push(String::new());
}

fn service(guess: &Guess, service: &GuessedService, out: &mut Vec<String>) {
    out.push(format!("[service.{}]", service.name));
    out.push(format!("command = {}", list(&service.command)));
    if service.instances != 1 {
        out.push(format!("instances = {}", service.instances));
    }
    if service.web {
        out.push("listen = \"tcp\"                         # on HOST and PORT, which Mainstay sets; {port} in the command works too".to_owned());
    } else {
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
    let secrets: Vec<String> = guess
        .env_secrets
        .iter()
        .filter(|name| !service.env.iter().any(|(known, _)| known == *name))
        .cloned()
        .collect();
    if !secrets.is_empty() {
        out.push(format!(
            "env_secrets = {}      # their values stand where machine.toml says, never here",
            list(&secrets)
        ));
    }
    out.push(String::new());
    if service.web {
        let path = guess.ready_path.as_deref().unwrap_or("/");
        out.push(format!("[service.{}.probes]", service.name));
        out.push(format!("startup = {{ http = {}, deadline = \"60s\" }}", quoted(path)));
        out.push(format!(
            "readiness = {{ http = {} }}             # decides who gets requests; never restarts",
            quoted(path)
        ));
        out.push(String::new());
    }
}

fn routes(guess: &Guess, out: &mut Vec<String>) {
    for service in guess.services.iter().filter(|service| service.web) {
        out.push("[[route]]".to_owned());
        out.push("# hosts = [\"chat.example.com\"]          # without it: any host".to_owned());
        out.push(format!("service = {}", quoted(&service.name)));
        out.push(String::new());
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
