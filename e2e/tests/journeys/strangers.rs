//! Journey 5: apps that nobody here wrote, installed from PyPI and npm.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use testkit::{Mainstay, mainstay::Said, registry};

/// A folder to deploy with one service `web` for the host `NAME.test`.
pub(crate) struct Stranger {
    pub(crate) folder: PathBuf,
    name: &'static str,
}

impl Stranger {
    pub(crate) fn new(mainstay: &Mainstay, name: &'static str) -> Self {
        let folder = mainstay.folder().join("strangers").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        Self { folder, name }
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.join(name), text).expect("written");
        self
    }

    /// Copies an installed folder of packages into the release.
    fn with(self, packages: &Path, name: &str) -> Self {
        copy(packages, &self.folder.join(name));
        self
    }

    pub(crate) fn manifest(self, command: &str, service: &str, probe: &str) -> Self {
        let Self { name, .. } = &self;
        let text = format!(
            r#"manifest = 1
[app]
name = "{name}"
[release]
dir = "."
[service.web]
command = {command}
{service}
[service.web.probes]
startup = {{ http = "{probe}", period = "200ms", timeout = "5s", deadline = "30s" }}
readiness = {{ http = "{probe}", period = "200ms", timeout = "5s", success_threshold = 1 }}
[[route]]
hosts = ["{name}.test"]
path_prefix = "/"
service = "web"
tls = "optional"
[deploy]
min_healthy_time = "1s"
bake_time = "1s"
health_timeout = "30s"
"#
        );
        self.file("mainstay.toml", &text)
    }

    /// More tables at the end of its manifest.
    pub(crate) fn tables(self, lines: &str) -> Self {
        let path = self.folder.join("mainstay.toml");
        let text = fs::read_to_string(&path).expect("the manifest was written");
        self.file("mainstay.toml", &format!("{text}{lines}"))
    }

    pub(crate) fn deploy(&self, mainstay: &Mainstay, more: &[&str]) -> Said {
        mainstay.cli_in(&self.folder, &[&["deploy"], more].concat())
    }

    pub(crate) fn answers(&self, mainstay: &Mainstay, path: &str, word: &str) {
        let answer = mainstay.get(&format!("{}.test", self.name), path).expect("an answer");
        assert!(answer.status == 200 && answer.text().contains(word), "{}: {}", answer.status, answer.text());
    }
}

#[test]
fn a_python_asgi_app_under_uvicorn_is_deployed_on_a_socket_and_replaced() {
    let packages = registry::python("uvicorn", &["fastapi", "uvicorn"]);
    let mainstay = Mainstay::start();
    let app = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef hello(): return {'hello': 'from fastapi'}\n";
    let stranger = Stranger::new(&mainstay, "asgi").file("main.py", app).with(&packages, "lib").manifest(
        r#"["/usr/bin/python3", "-m", "uvicorn", "main:app", "--uds", "{socket}"]"#,
        "listen = \"unix\"\nenv = { PYTHONPATH = \"{release_dir}/lib\" }",
        "/",
    );
    stranger.deploy(&mainstay, &[]).expect_code(0);
    stranger.answers(&mainstay, "/", "from fastapi");
    let stranger = stranger.file("main.py", &app.replace("from fastapi'", "from the second release'"));
    stranger.deploy(&mainstay, &[]).expect_code(0);
    stranger.answers(&mainstay, "/", "from the second release");
}

#[test]
fn django_under_gunicorn_is_deployed() {
    let packages = registry::python("gunicorn", &["gunicorn", "django"]);
    let mainstay = Mainstay::start();
    let site = "
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=['django.test'], SECRET_KEY='test')
urlpatterns = [path('', lambda request: HttpResponse('hello from django at ' + request.get_host()))]
application = get_wsgi_application()
";
    let stranger = Stranger::new(&mainstay, "django").file("site_.py", site).with(&packages, "lib").manifest(
        r#"["/usr/bin/python3", "-m", "gunicorn", "site_:application", "-b", "127.0.0.1:{port}", "-w", "2"]"#,
        "listen = \"tcp\"\nenv = { PYTHONPATH = \"{release_dir}/lib\" }",
        "/",
    );
    // Django answers 400 to a Host that it does not know: that it is ready shows that probes send the route's.
    stranger.deploy(&mainstay, &[]).expect_code(0);
    stranger.answers(&mainstay, "/", "hello from django at django.test");
}

const NODE: &str = "
const http = require('http');
const server = http.createServer((req, res) => res.end('hello from node ' + process.version));
LISTEN
process.on('SIGTERM', () => server.close(() => process.exit(0)));
";

#[test]
fn a_node_server_bound_to_the_host_it_is_told_is_deployed() {
    let mainstay = Mainstay::start();
    let app = NODE.replace("LISTEN", "server.listen(Number(process.env.PORT), process.env.HOST);");
    let stranger = Stranger::new(&mainstay, "node").file("server.js", &app);
    let stranger = stranger.manifest(r#"["node", "server.js"]"#, "listen = \"tcp\"", "/");
    stranger.deploy(&mainstay, &[]).expect_code(0);
    stranger.answers(&mainstay, "/", "hello from node");
}

#[test]
fn a_node_server_that_binds_a_port_alone_is_refused_in_production_warned_of_elsewhere_and_allowed_when_told()
{
    let mainstay = Mainstay::start();
    let app = NODE.replace("LISTEN", "server.listen(Number(process.env.PORT));");
    let stranger = Stranger::new(&mainstay, "open").file("server.js", &app);
    let stranger = stranger.manifest(r#"["node", "server.js"]"#, "listen = \"tcp\"", "/");
    let said = stranger.deploy(&mainstay, &[]).expect_code(4);
    assert!(said.all().contains("listens-on-all-interfaces"), "{said}");
    assert!(
        said.all().contains("allow_public_bind") && said.all().contains("HOST"),
        "with the remedy\n{said}"
    );
    let said = stranger.deploy(&mainstay, &["--env", "staging"]).expect_code(0);
    assert!(said.all().contains("listens-on-all-interfaces"), "a warning\n{said}");
    let destroy = ["destroy", "--env", "staging", "--yes", "open/staging"];
    mainstay.cli_in(&stranger.folder, &destroy).expect_code(0);
    let service = "listen = \"tcp\"\nallow_public_bind = true";
    let stranger = stranger.manifest(r#"["node", "server.js"]"#, service, "/");
    stranger.deploy(&mainstay, &[]).expect_code(0);
    stranger.answers(&mainstay, "/", "hello from node");
}

#[test]
fn an_app_that_takes_its_port_only_as_an_argument_is_deployed() {
    let packages = registry::node("express", &["express"]);
    let mainstay = Mainstay::start();
    let app = "
const app = require('express')();
app.get('/', (req, res) => res.send('hello from express'));
app.listen(Number(process.argv[2]), process.argv[3]);
";
    let stranger = Stranger::new(&mainstay, "express").file("server.js", app);
    let stranger = stranger.with(&packages.join("node_modules"), "node_modules").manifest(
        r#"["node", "server.js", "{port}", "{host}"]"#,
        "listen = \"tcp\"",
        "/",
    );
    stranger.deploy(&mainstay, &[]).expect_code(0);
    stranger.answers(&mainstay, "/", "hello from express");
}

/// Copies a tree; links stay links.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the installed packages").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().expect("its kind");
        if kind.is_dir() {
            copy(&path, &target);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path).expect("a link"), &target).expect("linked");
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}
