//! Files of other tools as people write them: what becomes a manifest, that it is one, and that no line is dropped in silence.

use std::{fs, path::Path};

use clap::Parser as _;
use model::EnvName;
use proptest::prelude::*;

use super::{Kind, guess_from};
use crate::{
    cli::{Cli, Globals},
    commands::init::{Guess, render::render},
    config::manifest,
};

fn globals() -> Globals {
    Cli::parse_from(["mainstay", "version"]).globals
}

/// Takes files over that stand in a folder with others, each `(name, text)`.
fn take(
    from: &[(&str, &str)],
    beside: &[(&str, &str)],
    kind: Option<Kind>,
) -> Result<(Guess, String), model::Explain> {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("project");
    fs::create_dir(&dir).unwrap();
    for (name, text) in from.iter().chain(beside) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let files: Vec<_> = from.iter().map(|(name, _)| dir.join(name)).collect();
    let mut guess = guess_from(&dir, &files, kind, &globals())?;
    let notes = guess.account.taken.iter_mut().chain(&mut guess.account.left);
    notes
        .for_each(|note| note.file = Path::new(&note.file).file_name().unwrap().to_str().unwrap().to_owned());
    let text = render(&guess);
    for env in ["production", "staging"] {
        let env: EnvName = env.parse().unwrap();
        if let Err(errors) = manifest::parse(&text, "mainstay.toml", &env) {
            panic!("{errors}\n{text}");
        }
    }
    Ok((guess, text))
}

/// Lines of the source that say something and of which nothing was said. What a merge key brings is told where it stands.
fn unsaid(guess: &Guess, file: &str, text: &str) -> Vec<String> {
    let is_javascript = file.ends_with(".js");
    let begins = |line: &&str| ["apps:", "\"apps\":"].iter().any(|key| line.trim().starts_with(key));
    let skipped = if is_javascript { text.lines().take_while(|line| !begins(line)).count() } else { 0 };
    let said = |line: usize| {
        guess
            .account
            .taken
            .iter()
            .chain(&guess.account.left)
            .any(|note| note.file == file && note.lines.contains(&line))
    };
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate().skip(skipped) {
        let word = line.trim();
        let says = match is_javascript {
            true => word.contains(':') && !word.contains("apps") && !word.starts_with("//"),
            false => {
                word.chars().any(char::is_alphanumeric)
                    && !word.starts_with(['#', '}'])
                    && !word.starts_with("<<")
            }
        };
        if says && !said(index + 1) {
            lines.push(format!("{file}:{}: {line}", index + 1));
        }
    }
    lines
}

/// The account and the manifest, of files of which every line must have been told.
fn told(from: &[(&str, &str)], beside: &[(&str, &str)]) -> String {
    let (guess, text) = take(from, beside, None).unwrap();
    let silent: Vec<String> = from.iter().flat_map(|(file, text)| unsaid(&guess, file, text)).collect();
    assert!(silent.is_empty(), "nothing was said of\n{}", silent.join("\n"));
    let notes = |notes: &[crate::commands::init::account::Note]| {
        notes.iter().map(|note| format!("{}\n", note.render())).collect::<String>()
    };
    format!(
        "{}\n--- taken\n{}--- left\n{}---\n{text}",
        guess.because.join("\n"),
        notes(&guess.account.taken),
        notes(&guess.account.left)
    )
}

macro_rules! testdata {
    ($name:literal) => {
        include_str!(concat!("../testdata/", $name))
    };
}

const PACKAGE: (&str, &str) = (
    "package.json",
    r#"{"name": "shop", "scripts": {"start": "node server.js"}, "dependencies": {"express": "5"}}"#,
);
const RAILS: (&str, &str) = (
    "Dockerfile",
    "FROM ruby:3\nWORKDIR /rails\nENTRYPOINT [\"/rails/bin/docker-entrypoint\"]\nEXPOSE 80\nCMD [\"./bin/thrust\", \"./bin/rails\", \"server\"]\n",
);

#[test]
fn pm2() {
    let single = told(&[("ecosystem.config.js", testdata!("pm2-single.config.js"))], &[]);
    assert!(!single.contains("kept-out-of-the-manifest") && !single.contains("hush"), "{single}");
    insta::assert_snapshot!("pm2_single", single);
    insta::assert_snapshot!(
        "pm2_several",
        told(&[("ecosystem.config.js", testdata!("pm2-several.config.js"))], &[])
    );
    insta::assert_snapshot!(
        "pm2_awkward",
        told(&[("ecosystem.config.js", testdata!("pm2-awkward.config.js"))], &[])
    );
}

#[test]
fn procfiles() {
    insta::assert_snapshot!("procfile_rails", told(&[("Procfile", testdata!("Procfile-rails"))], &[]));
    insta::assert_snapshot!(
        "procfile_node",
        told(&[("Procfile.prod", testdata!("Procfile-node"))], &[PACKAGE])
    );
    insta::assert_snapshot!("procfile_awkward", told(&[("Procfile", testdata!("Procfile-awkward"))], &[]));
}

#[test]
fn compose_files() {
    let node = told(&[("compose.yaml", testdata!("compose-node.yaml"))], &[]);
    assert!(!node.contains("hush"), "{node}");
    insta::assert_snapshot!("compose_node", node);
    let env = (".env", "SECRET_KEY=never-read\nDEBUG=0\n");
    let django = told(&[("docker-compose.yml", testdata!("compose-django.yaml"))], &[env]);
    assert!(!django.contains("never-read"), "{django}");
    insta::assert_snapshot!("compose_django", django);
    insta::assert_snapshot!(
        "compose_awkward",
        told(&[("compose.yaml", testdata!("compose-awkward.yaml"))], &[])
    );
}

#[test]
fn nginx_files() {
    let beside = [PACKAGE, ("public/assets/app.css", "a{}")];
    insta::assert_snapshot!("nginx_site", told(&[("shop", testdata!("nginx-site.conf"))], &beside));
    let beside = [("dist/index.html", "<html>")];
    insta::assert_snapshot!(
        "nginx_certbot",
        told(&[("site.conf", testdata!("nginx-certbot.conf"))], &beside)
    );
    insta::assert_snapshot!(
        "nginx_awkward",
        told(&[("nginx.conf", testdata!("nginx-awkward.conf"))], &[("public/a", "")])
    );
}

#[test]
fn kamal_files() {
    insta::assert_snapshot!("kamal_rails", told(&[("deploy.yml", testdata!("kamal-rails.yml"))], &[RAILS]));
    let small = told(&[("deploy.yml", testdata!("kamal-small.yml"))], &[]);
    assert!(!small.contains("kept-out"), "{small}");
    insta::assert_snapshot!("kamal_small", small);
    insta::assert_snapshot!(
        "kamal_awkward",
        told(&[("deploy.yml", testdata!("kamal-awkward.yml"))], &[RAILS])
    );
}

#[test]
fn routes_of_nginx_find_the_services_of_compose_and_pm2_by_their_ports() {
    let nginx = "server { server_name shop.example.com; location / { proxy_pass http://127.0.0.1:8080; } location /jobs { proxy_pass http://localhost:9000; } }";
    let compose = "services:\n  site: { build: ., command: ./site, ports: ['8080:3000'] }\n  queue: { build: ., command: ./queue, ports: ['9000:9000'] }\n";
    let (guess, _) = take(&[("compose.yaml", compose), ("nginx.conf", nginx)], &[], None).unwrap();
    let leads = |guess: &Guess| {
        guess.routes.iter().map(|route| (route.path_prefix.clone(), route.target.clone())).collect::<Vec<_>>()
    };
    let named = |path: &str, name: &str| {
        (path.to_owned(), crate::commands::init::guess::Target::Named(name.to_owned(), None))
    };
    assert_eq!(leads(&guess), [named("/", "site"), named("/jobs", "queue")]);
    let pm2 = "module.exports = {apps: [{name: 'queue', script: 'q.js', port: 9000}, {name: 'site', script: 's.js', env: {PORT: 8080}}]}";
    let (guess, _) = take(&[("nginx.conf", nginx), ("ecosystem.config.js", pm2)], &[], None).unwrap();
    assert_eq!(leads(&guess), [named("/", "site"), named("/jobs", "queue")]);
}

#[test]
fn of_several_that_take_requests_the_first_has_the_route_of_any_host() {
    let compose = "services:\n  a: { build: ., command: ./a, ports: ['80:80'] }\n  b: { build: ., command: ./b, ports: ['81:81'] }\n";
    let (guess, text) = take(&[("compose.yaml", compose)], &[], None).unwrap();
    assert!(text.contains("\n[[route]]") && text.contains("\n# [[route]]"), "{text}");
    assert!(
        guess.because.iter().any(|why| why.starts_with("b takes requests, and no route")),
        "{:?}",
        guess.because
    );
    let led = compose.replace("./b,", "./b, labels: ['traefik.http.routers.b.rule=Host(`b.test`)'],");
    let (guess, _) = take(&[("compose.yaml", &led)], &[], None).unwrap();
    assert!(
        guess.because.iter().any(|why| why.starts_with("a takes requests, and no route")),
        "{:?}",
        guess.because
    );
}

#[test]
fn options_of_an_interpreter_are_words_and_no_command_line() {
    for (said, wanted) in [
        ("node_args: '--max-old-space-size=300'", r#"["node", "--max-old-space-size=300", "server.js"]"#),
        (
            "node_args: '--a=1 -r ./b.js', args: 'x=1 *.json'",
            r#"["node", "--a=1", "-r", "./b.js", "server.js", "x=1", "*.json"]"#,
        ),
        ("args: '--name \"a b\"'", r#"["node", "server.js", "--name", "a b"]"#),
    ] {
        let pm2 = format!("module.exports = {{ apps: [{{ name: 'shop', script: 'server.js', {said} }}] }}");
        let (_, text) = take(&[("ecosystem.config.js", &pm2)], &[], None).unwrap();
        assert!(text.contains(&format!("command = {wanted}")), "{said}: {text}");
    }
}

#[test]
fn what_nginx_closes_is_told_as_open_where_it_comes_to_be() {
    for closed in [
        "location = /exact { return 403; }",
        "location /hidden { deny all; }",
        "location /gone { return 410 gone; }",
        "location ~ /\\.ht { deny all; }",
        "location /part { deny 192.0.2.0/24; deny all; proxy_pass http://127.0.0.1:8080; }",
    ] {
        let nginx =
            format!("server {{ listen 80; {closed} location / {{ proxy_pass http://127.0.0.1:8080; }} }}");
        let (guess, text) = take(&[("nginx.conf", &nginx)], &[], None).unwrap();
        assert!(text.contains("[[route]]"), "{text}");
        let path = closed.split(' ').find(|word| word.starts_with('/')).unwrap();
        let told = guess.account.left.iter().find(|note| note.so.contains("OPEN"));
        assert!(told.is_some_and(|note| note.what.contains(path)), "{closed}: {:?}", guess.account.left);
        assert!(
            guess.because.iter().any(|why| why.contains("OPEN") && why.contains(path)),
            "{:?}",
            guess.because
        );
        assert!(!guess.account.left.iter().any(|note| note.so == "no route leads there"), "{closed}");
    }
    // nginx lets only some in where it says who.
    let open = "server { listen 80; location / { proxy_pass http://127.0.0.1:8080; } }";
    let (guess, _) = take(&[("nginx.conf", open)], &[], None).unwrap();
    assert!(!guess.because.iter().any(|why| why.contains("OPEN")), "{:?}", guess.because);
}

#[test]
fn a_kind_can_be_said_where_a_name_says_none() {
    let text = "web: ./serve\n";
    let told = take(&[("processes.txt", text)], &[], None).unwrap_err();
    assert_eq!(told.code, "unknown-source");
    let (guess, _) = take(&[("processes.txt", text)], &[], Some(Kind::Procfile)).unwrap();
    assert_eq!(guess.services[0].command, ["./serve"]);
}

#[test]
fn bad_files_are_refused_with_the_line_and_a_remedy() {
    for (file, text, line, cause) in [
        ("ecosystem.config.js", "module.exports = {\n  apps: load('script') }", 2, "is computed"),
        ("ecosystem.config.js", "module.exports = { apps: [{ script: 'a'", 1, "does not end"),
        ("ecosystem.config.js", "module.exports = { apps: [{ script: f() }] }", 1, "no app of it"),
        ("Procfile", "# nothing\n", 1, "names no process"),
        ("compose.yaml", "services:\n  web:\n    ports: [1, 2\n", 4, "line 4"),
        ("compose.yaml", "a: 1\n", 1, "no `services:`"),
        ("compose.yaml", "services:\n", 1, "names none"),
        ("compose.yaml", "services: {a: {image: b}}\n---\nservices: {}\n", 3, "second document"),
        ("nginx.conf", "server {\n  listen 80\n}\n", 2, "no `;`"),
        ("nginx.conf", "upstream a { server b; }\n", 1, "no `server"),
        ("nginx.conf", "", 1, "no `server"),
        ("compose.yaml", "", 1, "is empty"),
        ("deploy.yml", "service:\nimage: b\n", 1, "no `service:`"),
    ] {
        let told = take(&[(file, text)], &[], None).unwrap_err();
        let place = told.place.clone().unwrap_or_else(|| panic!("{text}: {told}"));
        assert_eq!((told.code.as_str(), place.line), ("bad-source", line), "{text}: {told}");
        assert!(told.to_string().contains(cause), "{told}");
        assert!(told.help.is_some());
    }
    let missing =
        guess_from(Path::new("/tmp"), &["/nowhere/compose.yaml".into()], None, &globals()).unwrap_err();
    assert_eq!(missing.code, "no-source");
}

#[test]
fn yaml_that_would_fill_the_memory_or_the_stack_is_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let refs = vec![format!("*a{}", n - 1); 10].join(", ");
        laughs += &format!("a{n}: &a{n} [{refs}]\n");
    }
    laughs += "services: { web: { image: x } }\n";
    let deep = format!("services: {}x", "- ".repeat(50_000));
    let flow = format!("services: {}", "[".repeat(50_000));
    for text in [laughs, deep, flow] {
        assert_eq!(take(&[("compose.yaml", &text)], &[], None).unwrap_err().code, "bad-source");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Files with lines that were lost or swapped never make it panic, and what is written is always a manifest.
    #[test]
    fn torn_files_still_give_a_manifest_or_an_error(which in 0usize..15, lost in 0usize..40, swapped in 0usize..40, beside in 0usize..15) {
        let all = [
            ("ecosystem.config.js", testdata!("pm2-single.config.js")),
            ("ecosystem.config.js", testdata!("pm2-several.config.js")),
            ("ecosystem.config.js", testdata!("pm2-awkward.config.js")),
            ("Procfile", testdata!("Procfile-rails")),
            ("Procfile", testdata!("Procfile-node")),
            ("Procfile", testdata!("Procfile-awkward")),
            ("compose.yaml", testdata!("compose-node.yaml")),
            ("compose.yaml", testdata!("compose-django.yaml")),
            ("compose.yaml", testdata!("compose-awkward.yaml")),
            ("nginx.conf", testdata!("nginx-site.conf")),
            ("nginx.conf", testdata!("nginx-certbot.conf")),
            ("nginx.conf", testdata!("nginx-awkward.conf")),
            ("deploy.yml", testdata!("kamal-rails.yml")),
            ("deploy.yml", testdata!("kamal-small.yml")),
            ("deploy.yml", testdata!("kamal-awkward.yml")),
        ];
        let (file, text) = all[which];
        let mut lines: Vec<&str> = text.lines().collect();
        lines.remove(lost % lines.len());
        let at = swapped % lines.len();
        let next = (at + 1) % lines.len();
        lines.swap(at, next);
        let torn = lines.join("\n") + "\n";
        let _ = take(&[(file, &torn)], &[], None);
        let (other, whole) = all[beside];
        if other != file {
            let _ = take(&[(file, &torn), (other, whole)], &[RAILS], None);
        }
    }
}

#[test]
fn what_a_manifest_refuses_together_is_not_written_together() {
    let kamal = "service: a\nimage: a\nasset_path: /rails/public/assets\nvolumes: ['x:/rails/public']\n";
    let (guess, _) = take(&[("deploy.yml", kamal)], &[RAILS], None).unwrap();
    assert_eq!((guess.asset_paths.len(), guess.shared_paths.len()), (0, 1));
    let pm2 = "module.exports = {apps: [{name: 'n', script: 'n.js', cron: '@daily', autorestart: false, max_memory_restart: '1G'}]}";
    let (guess, text) = take(&[("ecosystem.config.js", pm2)], &[], None).unwrap();
    assert!(text.contains("schedule") && !text.contains("recycle"), "{text}");
    assert!(guess.account.left.iter().any(|note| note.what == "n.max_memory_restart"));
    take(&[("Procfile", "worker: ./w --port $PORT\nbeat: ./b\n")], &[], None).unwrap();
    let nginx = "server { listen 80; location / { proxy_pass http://worker:80; } location /b { proxy_pass http://beat; } location /n { proxy_pass http://n; } }";
    let (guess, text) = take(
        &[("Procfile", "worker: ./w\nbeat: ./b\n"), ("ecosystem.config.js", pm2), ("nginx.conf", nginx)],
        &[],
        None,
    )
    .unwrap();
    assert_eq!(guess.routes.len(), 3, "{text}");
    for zero in [
        "proxy_read_timeout 0;",
        "client_max_body_size 0;",
        "return 301 /a*b;",
        "rewrite ^/a/(.*)$ b/$1 permanent;",
    ] {
        let nginx = format!(
            "server {{ server_name a.test a.test; location /x {{ {zero} proxy_pass http://127.0.0.1:1/v*/; }} }}"
        );
        take(&[("nginx.conf", &nginx)], &[], None).unwrap();
    }
}
