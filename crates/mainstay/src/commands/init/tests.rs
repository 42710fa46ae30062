//! Sample projects: what is guessed of each, and that what is written is a manifest.

use std::{fs, path::Path};

use clap::Parser as _;
use model::EnvName;
use proptest::prelude::*;

use super::{guess, render::render};
use crate::{
    cli::{Cli, Globals},
    config::manifest,
};

fn globals() -> Globals {
    Cli::parse_from(["mainstay", "version"]).globals
}

fn put(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// The reasons and the file, for a project of these files in a folder of that name.
fn init(folder: &str, files: &[(&str, &str)]) -> String {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(folder);
    fs::create_dir(&dir).unwrap();
    put(&dir, files);
    let guess = guess(&dir, &globals());
    let text = render(&guess);
    for env in ["production", "staging"] {
        let env: EnvName = env.parse().unwrap();
        if let Err(errors) = manifest::parse(&text, "mainstay.toml", &env) {
            panic!("{errors}\n{text}");
        }
    }
    let notes = |notes: &[super::account::Note]| {
        notes.iter().map(|note| format!("{}\n", note.render())).collect::<String>()
    };
    let (taken, left) = (notes(&guess.account.taken), notes(&guess.account.left));
    format!("{}\n{taken}{left}---\n{text}", guess.because.join("\n"))
}

#[test]
fn procfile() {
    insta::assert_snapshot!(init(
        "shop",
        &[
            (
                "Procfile",
                "web: bundle exec puma -p $PORT\nworker: bundle exec sidekiq -q \"default queue\"\nrelease: rake db:migrate && true\n# x: y\n"
            ),
            (".env.example", "SECRET_KEY_BASE=your_secret\nexport RAILS_LOG=1\nDATABASE_URL=postgres://x\n"),
        ]
    ));
}

#[test]
fn express() {
    insta::assert_snapshot!(init(
        "x",
        &[
            (
                "package.json",
                r#"{"name": "@corp/Chat_Server", "scripts": {"start": "node src/server.js", "build": "tsc", "migrate": "node migrate.js up"}, "dependencies": {"express": "5"}}"#
            ),
            ("package-lock.json", "{}"),
            ("src/server.js", "app.get('/health', ok); app.get('/health/ready', ok);"),
            ("node_modules/other/index.js", "app.get('/readyz')"),
            ("data/app.db", ""),
        ]
    ));
}

#[test]
fn next() {
    insta::assert_snapshot!(init(
        "my next app",
        &[
            (
                "package.json",
                r#"{"scripts": {"start": "next start", "build": "next build"}, "dependencies": {"next": "15"}}"#
            ),
            ("app/api/health/route.ts", "export const path = \"/api/health\""),
        ]
    ));
}

#[test]
fn fastapi() {
    insta::assert_snapshot!(init(
        "assistant",
        &[
            (
                "pyproject.toml",
                "[project]\nname = \"assistant-api\"\ndependencies = [\"fastapi\", \"uvicorn\"]\n"
            ),
            (
                "src/assistant/main.py",
                "from fastapi import FastAPI\napp: FastAPI = FastAPI(title='x')\n@app.get(\"/healthz\")\n"
            ),
        ]
    ));
}

#[test]
fn django() {
    insta::assert_snapshot!(init(
        "site",
        &[
            ("manage.py", "#!/usr/bin/env python"),
            ("requirements.txt", "Django==5.2\n"),
            ("mysite/wsgi.py", "application = get_wsgi_application()"),
            ("media/.keep", ""),
        ]
    ));
}

#[test]
fn lone_scripts() {
    let served = "import http.server, os\nHTTPServer((\"127.0.0.1\", int(os.environ[\"PORT\"])), H)\n";
    insta::assert_snapshot!("lone_server_py", init("tiny", &[("server.py", served), ("helper.py", "x = 1")]));
    let fixed = "require('http').createServer(h).listen(3000)";
    insta::assert_snapshot!("lone_index_js", init("tiny", &[("index.js", fixed)]));
    let flask = "from flask import Flask\napp = Flask(__name__)\n";
    insta::assert_snapshot!("lone_app_py", init("tiny", &[("app.py", flask)]));
    insta::assert_snapshot!("lone_worker_py", init("tiny", &[("main.py", "while True: work()")]));
}

#[test]
fn a_runtime_that_is_not_on_the_usual_path_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    let tools = root.path().join("tools");
    put(root.path(), &[("app/index.js", "x.listen(process.env.PORT)"), ("tools/my-node", "#!/bin/sh\n")]);
    fs::set_permissions(tools.join("my-node"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut guess = guess(&root.path().join("app"), &globals());
    guess.services[0].command[0] = "my-node".to_owned();
    let path = format!("/usr/bin:{}", tools.display());
    super::runtime::complete(&mut guess, &path);
    let env: std::collections::BTreeMap<_, _> = guess.services[0].env.iter().cloned().collect();
    assert_eq!(env["PATH"], format!("{}:{}", tools.display(), model::manifest::PATH));
    assert!(guess.because.last().unwrap().contains("must be able to read it"));
    manifest::parse(&render(&guess), "mainstay.toml", &EnvName::production()).unwrap();
}

#[test]
fn flask() {
    insta::assert_snapshot!(init(
        "flasky",
        &[("requirements.txt", "flask\ngunicorn\n"), ("server.py", "app = Flask(__name__)\n")]
    ));
}

#[test]
fn rust() {
    insta::assert_snapshot!(init(
        "r",
        &[
            ("Cargo.toml", "[package]\nname = \"courier\"\n[dependencies]\naxum = \"0.8\"\n"),
            ("src/main.rs", "Router::new().route(\"/ready\", get(ready))"),
        ]
    ));
}

#[test]
fn dockerfile() {
    insta::assert_snapshot!(init(
        "d",
        &[(
            "Dockerfile",
            "FROM node:20 AS build\nCMD [\"npm\", \"test\"]\nFROM node:20\nEXPOSE 3000/tcp\nENTRYPOINT [\"node\"]\nCMD [\"server.js\", \\\n  \"--quiet\"]\n"
        )]
    ));
}

#[test]
fn ecosystem() {
    insta::assert_snapshot!(init(
        "pm2",
        &[(
            "ecosystem.config.js",
            r#"
// PM2
const path = require('path');
module.exports = {
  apps: [
    {
      name: 'assistantapp',
      script: './dist/index.js', /* built */
      args: ['--quiet', "x y"],
      instances: 'max',
      exec_mode: 'cluster',
      cwd: path.join(__dirname, 'x'),
      env: { NODE_ENV: 'development', JWT_SECRET: 'your_jwt_secret' },
      env_production: { NODE_ENV: 'production', PORT: 3000, LOG: process.env.LOG || 'warn', T: '{tpl}' },
    },
    { name: "jobs", script: "npm run jobs", autorestart: true, },
    { name: 'no script' },
  ],
  deploy: {},
};
"#
        )]
    ));
}

#[test]
fn an_empty_folder_still_gets_a_manifest_to_fill_in() {
    insta::assert_snapshot!(init("123", &[]));
}

#[test]
fn the_plainest_word_wins_and_the_others_are_told() {
    let said = init(
        "both",
        &[
            ("Procfile", "web: ./serve\n"),
            ("package.json", r#"{"scripts": {"start": "node x"}}"#),
            ("Dockerfile", "FROM x\nCMD y\n"),
        ],
    );
    assert!(said.contains("command = [\"./serve\"]"), "{said}");
    assert!(said.contains("package.json was seen too"), "{said}");
    assert!(said.contains("Dockerfile was seen too"), "{said}");
}

#[test]
fn a_manifest_that_is_there_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mainstay.toml");
    fs::write(&path, "mine").unwrap();
    assert_eq!(super::write(&path, "new", false).unwrap_err().code, "already-there");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    super::write(&path, "new", true).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Files that are broken in any way never make it panic, and what is written is always a manifest.
    #[test]
    fn broken_files_still_give_a_manifest(
        procfile in "([a-z$:'\"{} &|\\-./A-Z=]{0,30}\n){0,4}",
        ecosystem in "apps: \\[[{}a-z:'\", \\[\\]/*0-9scriptname]{0,60}",
    ) {
        init("fuzz", &[("Procfile", &procfile)]);
        init("fuzz", &[("ecosystem.config.js", &ecosystem)]);
    }
}

#[test]
fn a_command_that_a_manifest_cannot_say_is_left_to_the_reader() {
    for procfile in ["web: ''\n", "web: serve {unknown}\n"] {
        let said = init("odd", &[("Procfile", procfile)]);
        assert!(said.contains("command = [\"./start\"]"), "{said}");
        assert!(said.contains("write the command of web yourself"), "{said}");
    }
}
