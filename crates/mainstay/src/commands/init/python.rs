//! Python: pyproject.toml and requirements.txt say which server, the sources where the app is.

use std::path::Path;

use super::{Guess, GuessedService, evidence};
use crate::commands::packages;

pub(super) fn recognise(dir: &Path, guess: &mut Guess) -> bool {
    let pyproject = evidence::read(&dir.join("pyproject.toml"));
    let requirements = evidence::read(&dir.join("requirements.txt"));
    if pyproject.is_none() && requirements.is_none() && !dir.join("manage.py").is_file() {
        return false;
    }
    if let Some(table) = pyproject.as_ref().and_then(|text| text.parse::<toml::Table>().ok()) {
        let project = table.get("project").or_else(|| table.get("tool")?.get("poetry"));
        if let Some(name) = project.and_then(|project| project.get("name")).and_then(toml::Value::as_str) {
            guess.name = name.to_owned();
        }
    }
    let wanted =
        format!("{}\n{}", pyproject.unwrap_or_default(), requirements.as_deref().unwrap_or_default())
            .to_lowercase();
    let found =
        packages::of(dir).and_then(|found| found.release).filter(|build| build.makes == Some(packages::VENV));
    let python = if found.is_some() { PYTHON } else { "python3" };
    let Some((command, server)) = django(dir, python, guess)
        .or_else(|| asgi(dir, python, &wanted, guess))
        .or_else(|| flask(dir, python, &wanted, guess))
    else {
        return false;
    };
    evidence::build(dir, guess);
    let brings_it = server == "uvicorn" && wanted.contains("fastapi[");
    if !wanted.contains(server) && !brings_it {
        with_server(server, guess);
    }
    let mut env = vec![("PYTHONUNBUFFERED".to_owned(), "1".to_owned())];
    // Tools that lock install what the app needs, and not the app.
    if found.is_some_and(|build| !build.command.contains("/pip install .")) && dir.join("src").is_dir() {
        env.push(("PYTHONPATH".to_owned(), "{release_dir}/src".to_owned()));
    }
    guess.services.push(GuessedService {
        name: "web".to_owned(),
        command,
        web: true,
        instances: 2,
        env,
        ..GuessedService::default()
    });
    true
}

/// Of the virtual environment.
const PYTHON: &str = ".venv/bin/python";

/// Whoever serves the app is none of its requirements.
fn with_server(server: &str, guess: &mut Guess) {
    let by_pip = guess.build.as_mut().filter(|build| build.command.starts_with("python3 -m venv .venv "));
    guess.because.push(match by_pip {
        Some(build) => {
            build.command.push_str(&format!(" {server}"));
            format!("{server} is not among the requirements: the build installs its newest version; add it with the one that you tried")
        }
        None => format!("{server} is not among the requirements: add it"),
    });
}

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

/// A command, and the server in it.
type Served = (Vec<String>, &'static str);

fn django(dir: &Path, python: &str, guess: &mut Guess) -> Option<Served> {
    if !dir.join("manage.py").is_file() {
        return None;
    }
    let package =
        evidence::folders(dir).into_iter().find(|folder| dir.join(folder).join("wsgi.py").is_file())?;
    guess.because.push(format!("manage.py and {package}/wsgi.py: Django under gunicorn"));
    guess.migrate = Some(words(&[python, "manage.py", "migrate"]));
    let app = format!("{package}.wsgi:application");
    Some((words(&[python, "-m", "gunicorn", "--bind", "{host}:{port}", "--workers", "2", &app]), "gunicorn"))
}

fn asgi(dir: &Path, python: &str, wanted: &str, guess: &mut Guess) -> Option<Served> {
    let framework =
        ["fastapi", "starlette", "litestar", "uvicorn"].into_iter().find(|name| wanted.contains(name))?;
    let marker = ["FastAPI(", "Starlette(", "Litestar("];
    let app = evidence::python_app(dir, &marker).unwrap_or_else(|| {
        guess.because.push("no file with the app was found: `main:app` is a guess, mend it".to_owned());
        "main:app".to_owned()
    });
    guess.because.push(format!("the requirements name {framework}: {app} under uvicorn"));
    Some((words(&[python, "-m", "uvicorn", &app, "--host", "{host}", "--port", "{port}"]), "uvicorn"))
}

fn flask(dir: &Path, python: &str, wanted: &str, guess: &mut Guess) -> Option<Served> {
    if !wanted.contains("flask") && !wanted.contains("gunicorn") {
        return None;
    }
    let app = evidence::python_app(dir, &["Flask("]).unwrap_or_else(|| "app:app".to_owned());
    guess.because.push(format!("the requirements name a WSGI framework: {app} under gunicorn"));
    Some((words(&[python, "-m", "gunicorn", "--bind", "{host}:{port}", "--workers", "2", &app]), "gunicorn"))
}
