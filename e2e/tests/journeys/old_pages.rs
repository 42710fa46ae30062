//! Pages that are older than a deploy, open in chromium: builds come and go below them, and what they load lazily is there
//! (EDGE-10, W-E3).

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use testkit::{Mainstay, registry};

use crate::script::CHROMIUM;

const SITE: &str = "pages/production";
/// The digest that a build has in the names of its files, as builders of web apps do it.
const BUILDS: [&str; 3] = ["a1b2c3d4", "b2c3d4e5", "c3d4e5f6"];
/// What a page loads when its reader gets there.
const PARTS: [&str; 3] = ["editor", "journal", "settings"];

/// A service of files alone, and a server of one's own that has read the folder when it started.
const STATIC: &str = "type = \"static\"\nroot = \"dist\"";
const SERVER: &str = "command = [\"node\", \"server.js\"]\nlisten = \"tcp\"";
const SERVER_JS: &str = r#"
const fs = require("node:fs"), path = require("node:path");
const files = new Map(fs.readdirSync("dist", { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
  .map((one) => path.join(one.parentPath ?? one.path, one.name)).map((name) => [`/${path.relative("dist", name)}`, fs.readFileSync(name)]));
require("node:http").createServer((request, answer) => {
  const name = request.url === "/" ? "/index.html" : request.url;
  if (name === "/.mainstay/ready") return answer.end("ready");
  if (!files.has(name)) return answer.writeHead(404).end("no such file");
  answer.writeHead(200, { "content-type": name.endsWith(".js") ? "text/javascript" : "text/html" }).end(files.get(name));
}).listen(process.env.PORT, "127.0.0.1");
"#;

fn manifest(service: &str, release: &str) -> String {
    format!(
        r#"
manifest = 1

[app]
name = "pages"

[release]
dir = "."
{release}

[service.site]
{service}

[service.site.probes]
readiness = {{ http = "/.mainstay/ready", period = "100ms", success_threshold = 1 }}

[[route]]
service = "site"

[deploy]
min_healthy_time = "100ms"
bake_time = "0s"
"#
    )
}

/// One build: a page whose first script imports the others when they are asked for, each of which imports one that they share.
fn build(folder: &Path, build: &str, manifest: &str) {
    let dist = folder.join("dist");
    let _ = fs::remove_dir_all(&dist);
    fs::create_dir_all(dist.join("assets")).expect("the build's folder");
    let write = |path: &str, text: &str| fs::write(folder.join(path), text).expect("written");
    let chunk = |name: &str, text: &str| write(&format!("dist/assets/{name}-{build}.js"), text);
    let loads = PARTS.map(|part| format!("{part}: () => import(\"./{part}-{build}.js\")"));
    chunk("index", &format!("window.parts = {{ {} }};\n", loads.join(", ")));
    chunk("shared", &format!("export const told = (part) => `${{part}} of {build}`;\n"));
    for part in PARTS {
        let import = format!("import {{ told }} from \"./shared-{build}.js\";\n");
        chunk(part, &format!("{import}export const says = () => told(\"{part}\");\n"));
    }
    write(
        "dist/index.html",
        &format!(
            "<!doctype html><html lang=en><title>{build}</title><link rel=icon href=\"data:,\"><script type=module src=/assets/index-{build}.js></script>"
        ),
    );
    write("server.js", SERVER_JS);
    write("mainstay.toml", manifest);
}

/// Chromium with its pages, ended with its holder.
struct Browser {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Browser {
    fn start() -> Self {
        let tools = registry::node("browser", &["playwright-core@1.65.1", "axe-core@4.14.1"]);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journeys/old_pages.mjs");
        let mut node = Command::new("node");
        node.arg(script).arg(tools).arg(CHROMIUM).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = node.spawn().expect("node was installed");
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().expect("piped")));
        Self { child, input, output }
    }

    fn does(&mut self, line: &str) -> Value {
        writeln!(self.input.as_mut().expect("until the end"), "{line}").expect("it listens");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("it answers");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("`{line}`: {error}: {answer}"))
    }

    /// Opens the page that is served, which is of `build`.
    fn open(&mut self, name: &str, mainstay: &Mainstay, build: &str) {
        let seen = self.does(&format!("open {name} http://{}/", mainstay.http()));
        assert_eq!(seen, json!({ "title": build, "complaints": [] }), "{name}");
    }

    /// The page loads every part, each of its own build, and the browser has nothing to complain of.
    fn finds_all(&mut self, name: &str, build: &str) {
        let seen = self.does(&format!("visit {name}"));
        let parts: Value =
            PARTS.into_iter().map(|part| (part.to_owned(), json!(format!("{part} of {build}")))).collect();
        assert_eq!(seen, json!({ "parts": parts, "complaints": [] }), "{name}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

fn deployed(mainstay: &Mainstay, digest: &str, manifest: &str) {
    let folder = mainstay.folder().join("pages");
    build(&folder, digest, manifest);
    mainstay.cli_in(&folder, &["deploy"]).expect_code(0);
}

fn old_pages_go_on(service: &str) {
    let manifest = manifest(service, "asset_paths = [\"dist/assets\"]");
    let mainstay = Mainstay::start();
    let mut browser = Browser::start();
    let [first, second, third] = BUILDS;
    deployed(&mainstay, first, &manifest);
    // A page for each time: what it has loaded once it would not ask for again.
    for name in ["at-once", "after-one", "after-two", "after-rollback"] {
        browser.open(name, &mainstay, first);
    }
    browser.finds_all("at-once", first);
    deployed(&mainstay, second, &manifest);
    browser.finds_all("after-one", first);
    browser.open("second-after-two", &mainstay, second);
    browser.open("second-after-rollback", &mainstay, second);
    deployed(&mainstay, third, &manifest);
    browser.finds_all("after-two", first);
    browser.finds_all("second-after-two", second);
    mainstay.cli_in(&mainstay.folder().join("pages"), &["rollback"]).expect_code(0);
    assert_eq!(mainstay.serving(SITE), 2);
    browser.finds_all("after-rollback", first);
    browser.finds_all("second-after-rollback", second);
    browser.open("again", &mainstay, second);
}

#[test]
fn a_page_of_two_builds_ago_loads_every_part_from_a_static_service_also_after_a_rollback() {
    old_pages_go_on(STATIC);
}

#[test]
fn a_page_of_two_builds_ago_loads_every_part_from_a_server_of_ones_own_also_after_a_rollback() {
    old_pages_go_on(SERVER);
}

/// What people have who do not name the folders: it is this that the others would show if nothing were carried on.
#[test]
fn without_asset_paths_a_page_of_the_build_before_is_broken_and_the_browser_says_so() {
    let manifest = manifest(STATIC, "");
    let mainstay = Mainstay::start();
    let mut browser = Browser::start();
    deployed(&mainstay, BUILDS[0], &manifest);
    browser.open("old", &mainstay, BUILDS[0]);
    deployed(&mainstay, BUILDS[1], &manifest);
    let seen = browser.does("visit old");
    let parts: Value = PARTS.into_iter().map(|part| (part.to_owned(), json!("TypeError"))).collect();
    assert_eq!(seen["parts"], parts);
    let complaints: Vec<&str> =
        seen["complaints"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for part in PARTS {
        let lost = format!("404: /assets/{part}-{}.js", BUILDS[0]);
        assert!(complaints.contains(&lost.as_str()), "{complaints:?}");
    }
    assert!(complaints.iter().any(|line| line.starts_with("console: ")), "{complaints:?}");
}
