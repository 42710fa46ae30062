//! package.json: the start script, and the framework that is known by its dependency.

use std::path::Path;

use serde_json::Value;

use super::{Guess, GuessedService, evidence, shell};

/// Servers that read `PORT` by custom, or are told by their own start script.
const FRAMEWORKS: [&str; 8] =
    ["express", "fastify", "koa", "@nestjs/core", "hono", "@hapi/hapi", "@remix-run/serve", "nuxt"];

pub(super) fn recognise(dir: &Path, guess: &mut Guess) -> bool {
    let Some(package) =
        evidence::read(&dir.join("package.json")).and_then(|text| serde_json::from_str::<Value>(&text).ok())
    else {
        return false;
    };
    let depends = |name: &str| package.pointer("/dependencies").is_some_and(|all| all.get(name).is_some());
    let script = |name: &str| package.pointer(&format!("/scripts/{name}")).and_then(Value::as_str);
    if let Some(name) = package.get("name").and_then(Value::as_str) {
        guess.name = name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    let command = if depends("next") {
        guess
            .because
            .push("package.json depends on next: `next start` on the port that Mainstay gives".to_owned());
        let words = ["node", "node_modules/next/dist/bin/next", "start", "-p", "{port}", "-H", "{host}"];
        words.map(str::to_owned).to_vec()
    } else if let Some(start) = script("start") {
        guess.because.push(format!("package.json starts by `{start}`"));
        start_command(start, guess)
    } else if let Some(main) =
        package.get("main").and_then(Value::as_str).filter(|main| dir.join(main).is_file())
    {
        guess.because.push(format!("package.json has no start script; `main` is {main}"));
        vec!["node".to_owned(), main.to_owned()]
    } else {
        return false;
    };
    let web = depends("next") || FRAMEWORKS.iter().any(|name| depends(name)) || script("start").is_some();
    if let Some(framework) = FRAMEWORKS.iter().find(|name| depends(name)) {
        guess.because.push(format!(
            "it depends on {framework}, which takes requests: it must listen on HOST and PORT"
        ));
    }
    let env = vec![("NODE_ENV".to_owned(), "production".to_owned())];
    guess.services.push(GuessedService {
        name: "web".to_owned(),
        command,
        web,
        instances: 2,
        env,
        ..GuessedService::default()
    });
    if let Some(migrate) = ["migrate", "db:migrate", "migrate:deploy"].into_iter().find_map(script) {
        guess.migrate = Some(shell::command(migrate));
    }
    evidence::build(dir, guess);
    evidence::node_host(dir, guess);
    true
}

/// npm as a parent swallows signals and the exit's reason: a plain `node` script is run by itself.
fn start_command(start: &str, guess: &mut Guess) -> Vec<String> {
    let words = shell::command(start);
    match words.first().map(String::as_str) {
        Some("node") => words,
        Some("sh") => words,
        Some(program) if !program.contains('/') => {
            guess.because.push(format!("`{program}` is looked for in node_modules/.bin"));
            let mut words = words.clone();
            if let Some(first) = words.first_mut() {
                *first = format!("node_modules/.bin/{first}");
            }
            words
        }
        _ => words,
    }
}
