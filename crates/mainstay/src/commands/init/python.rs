//! Python: pyproject.toml and requirements.txt say which server, the sources where the app is.

use std::path::Path;

use super::{Guess, GuessedService, evidence};

/// Packages lie beside the code: a virtual environment holds absolute paths and links out of the release.
const VENDOR: &str = "vendor";

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
    let Some(command) = django(dir, &wanted, guess)
        .or_else(|| asgi(dir, &wanted, guess))
        .or_else(|| flask(dir, &wanted, guess))
    else {
        return false;
    };
    let env = vec![
        ("PYTHONPATH".to_owned(), format!("{{release_dir}}/{VENDOR}")),
        ("PYTHONUNBUFFERED".to_owned(), "1".to_owned()),
    ];
    guess.services.push(GuessedService {
        name: "web".to_owned(),
        command,
        web: true,
        instances: 2,
        env,
        ..GuessedService::default()
    });
    let from = if requirements.is_some() { "-r requirements.txt" } else { "." };
    guess.before.push(format!("python3 -m pip install --target {VENDOR} {from}"));
    guess.because.push(format!(
        "packages go to {VENDOR}/ in the release: a virtual environment does not survive being moved"
    ));
    true
}

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

fn django(dir: &Path, wanted: &str, guess: &mut Guess) -> Option<Vec<String>> {
    if !dir.join("manage.py").is_file() {
        return None;
    }
    let package =
        evidence::folders(dir).into_iter().find(|folder| dir.join(folder).join("wsgi.py").is_file())?;
    guess.because.push(format!("manage.py and {package}/wsgi.py: Django under gunicorn"));
    if !wanted.contains("gunicorn") {
        guess.because.push("gunicorn is not among the requirements: add it".to_owned());
    }
    guess.migrate = Some(words(&["python3", "manage.py", "migrate"]));
    let app = format!("{package}.wsgi:application");
    Some(words(&["python3", "-m", "gunicorn", "--bind", "{host}:{port}", "--workers", "2", &app]))
}

fn asgi(dir: &Path, wanted: &str, guess: &mut Guess) -> Option<Vec<String>> {
    let framework =
        ["fastapi", "starlette", "litestar", "uvicorn"].into_iter().find(|name| wanted.contains(name))?;
    let marker = ["FastAPI(", "Starlette(", "Litestar("];
    let app = evidence::python_app(dir, &marker).unwrap_or_else(|| {
        guess.because.push("no file with the app was found: `main:app` is a guess, mend it".to_owned());
        "main:app".to_owned()
    });
    guess.because.push(format!("the requirements name {framework}: {app} under uvicorn"));
    Some(words(&["python3", "-m", "uvicorn", &app, "--host", "{host}", "--port", "{port}"]))
}

fn flask(dir: &Path, wanted: &str, guess: &mut Guess) -> Option<Vec<String>> {
    if !wanted.contains("flask") && !wanted.contains("gunicorn") {
        return None;
    }
    let app = evidence::python_app(dir, &["Flask("]).unwrap_or_else(|| "app:app".to_owned());
    guess.because.push(format!("the requirements name a WSGI framework: {app} under gunicorn"));
    Some(words(&["python3", "-m", "gunicorn", "--bind", "{host}:{port}", "--workers", "2", &app]))
}
