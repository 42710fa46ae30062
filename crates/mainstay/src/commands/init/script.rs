//! A program in one file, where nothing else says what runs: `server.py`, `index.js` and such, by their names and texts.

use std::path::Path;

use super::{Guess, GuessedService, evidence};

/// The most telling names first.
const PYTHON: [&str; 6] = ["server.py", "app.py", "main.py", "wsgi.py", "asgi.py", "worker.py"];
const NODE: [&str; 8] =
    ["server.js", "server.mjs", "app.js", "app.mjs", "index.js", "index.mjs", "main.js", "worker.js"];
/// What a program that takes requests says somewhere.
const SERVES: [&str; 12] = [
    "HTTPServer",
    "http.server",
    "socketserver",
    "aiohttp",
    "tornado",
    "createServer",
    ".listen(",
    "uvicorn",
    "express(",
    "Fastify(",
    "Bun.serve",
    "Deno.serve",
];

pub(super) fn recognise(dir: &Path, guess: &mut Guess) -> bool {
    let read = |name: &&str| Some(((*name).to_owned(), evidence::read(&dir.join(name))?));
    if let Some((file, text)) = PYTHON.iter().find_map(read) {
        let (command, web) = python(&file, &text, guess);
        add(guess, &file, &text, command, web, ("PYTHONUNBUFFERED", "1"));
        return true;
    }
    let Some((file, text)) = NODE.iter().find_map(read) else { return false };
    let command = vec!["node".to_owned(), file.clone()];
    let web = serves(&text);
    add(guess, &file, &text, command, web, ("NODE_ENV", "production"));
    true
}

fn serves(text: &str) -> bool {
    SERVES.iter().any(|word| text.contains(word))
}

/// A framework's app that does not serve itself needs its server.
fn python(file: &str, text: &str, guess: &mut Guess) -> (Vec<String>, bool) {
    let module = file.trim_end_matches(".py");
    let app =
        |marker: &str| evidence::python_variable(text, &[marker]).map(|name| format!("{module}:{name}"));
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let asgi = ["FastAPI(", "Starlette(", "Litestar("].into_iter().find_map(app);
    if let Some(app) = asgi.filter(|_| !text.contains("uvicorn.run(")) {
        guess.because.push(format!("{file} makes an ASGI app and does not serve it: {app} under uvicorn"));
        let command = ["python3", "-m", "uvicorn", &app, "--host", "{host}", "--port", "{port}"];
        return (words(&command), true);
    }
    if let Some(app) = app("Flask(").filter(|_| !text.contains(".run(")) {
        guess.because.push(format!("{file} makes a WSGI app and does not serve it: {app} under gunicorn"));
        return (words(&["python3", "-m", "gunicorn", "--bind", "{host}:{port}", &app]), true);
    }
    (words(&["python3", file]), serves(text) || text.contains("Flask(") || text.contains("uvicorn.run("))
}

fn add(guess: &mut Guess, file: &str, text: &str, command: Vec<String>, web: bool, env: (&str, &str)) {
    let by_itself = !command.iter().any(|word| word.contains("{port}"));
    guess.because.push(match web {
        true => format!("{file} is the only thing here that says what runs, and it takes requests"),
        false => format!(
            "{file} is the only thing here that says what runs; nothing in it takes requests: a worker"
        ),
    });
    if web && by_itself && !text.contains("PORT") {
        guess.because.push(format!(
            "{file} does not read PORT: let it listen on the port of that variable, on 127.0.0.1"
        ));
    }
    guess.services.push(GuessedService {
        name: if web { "web" } else { "worker" }.to_owned(),
        command,
        web,
        instances: 1,
        env: vec![(env.0.to_owned(), env.1.to_owned())],
        ..GuessedService::default()
    });
}
