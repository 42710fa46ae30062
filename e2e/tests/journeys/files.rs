//! A site of files alone, served without an app of its own: a build as builders of web apps make them, then the next one,
//! while the page of the first is still open somewhere (EDGE-10, EDGE-14, W-E3).

use std::{fs, path::Path, time::Duration};

use testkit::{
    Mainstay,
    http::{self, Answer},
    wait,
};

const HOST: &str = "pages.test";
const SITE: &str = "pages/production";
const SOON: Duration = Duration::from_secs(30);

const MANIFEST: &str = r#"
manifest = 1

[app]
name = "pages"

[release]
dir = "."
asset_paths = ["dist/assets"]

[service.site]
type = "static"
root = "dist"
fallback = "index.html"
immutable = ["/assets"]

[service.site.probes]
readiness = { http = "/.mainstay/ready", period = "100ms", success_threshold = 1 }

[[route]]
hosts = ["pages.test"]
service = "site"

[route.compress]

[deploy]
min_healthy_time = "100ms"
bake_time = "0s"
smoke = [{ get = "/", status = 200, contains = "build" }]
"#;

/// The chunks of one build, by the digest in their names.
fn chunks(build: &str) -> Vec<String> {
    ["index", "settings", "journal", "editor"].map(|name| format!("/assets/{name}-{build}.js")).into()
}

/// One build: a page that loads its first chunk, and the others lazily.
fn build(folder: &Path, build: &str) {
    let dist = folder.join("dist");
    let _ = fs::remove_dir_all(&dist);
    fs::create_dir_all(dist.join("assets")).expect("the build's folder");
    let chunks = chunks(build);
    for chunk in &chunks {
        let text = format!("// {chunk}\n{}", "export const part = 1;\n".repeat(200));
        fs::write(dist.join(&chunk[1..]), text).expect("a chunk");
    }
    let page =
        format!("<!doctype html><title>build {build}</title><script type=module src={}></script>", chunks[0]);
    fs::write(dist.join("index.html"), page).expect("the page");
    fs::write(dist.join(".env"), "SECRET=1").expect("what is left lying about");
    fs::write(folder.join("mainstay.toml"), MANIFEST).expect("the manifest");
}

fn get(mainstay: &Mainstay, path: &str, head: &[&str]) -> Answer {
    http::ask(mainstay.http(), HOST, "GET", path, head, &[]).expect("an answer")
}

#[test]
fn every_lazy_chunk_of_an_open_page_loads_two_builds_later() {
    let mainstay = Mainstay::start();
    let folder = mainstay.folder().join("pages");
    let navigates = ["accept: text/html", "sec-fetch-dest: document"];
    build(&folder, "aaaa1111");
    mainstay.cli_in(&folder, &["deploy"]).expect_code(0);
    let page = get(&mainstay, "/", &navigates);
    assert!(page.text().contains("build aaaa1111"), "{}", page.text());
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let first: Vec<Answer> = chunks("aaaa1111").iter().map(|chunk| get(&mainstay, chunk, &[])).collect();
    for (number, digest) in [(2, "bbbb2222"), (3, "cccc3333")] {
        build(&folder, digest);
        mainstay.cli_in(&folder, &["deploy"]).expect_code(0);
        assert_eq!(mainstay.serving(SITE), number);
        assert!(get(&mainstay, "/", &navigates).text().contains(digest), "the new page is served");
        // The page of the first build is still open, and its reader goes to where it has not been yet.
        for (chunk, before) in chunks("aaaa1111").iter().zip(&first) {
            let now = get(&mainstay, chunk, &[]);
            assert_eq!((now.status, now.text()), (200, before.text()), "{chunk} after deploy {number}");
            assert_eq!(now.header("cache-control"), Some("public, max-age=31536000, immutable"));
        }
    }
    // What nobody built is no page given for a script.
    assert_eq!(get(&mainstay, "/assets/index-dddd4444.js", &["accept: */*"]).status, 404);
    assert!(
        get(&mainstay, "/journal/today", &navigates).text().contains("build cccc3333"),
        "it routes by itself"
    );
    for hidden in ["/.env", "/%2eenv", "/../mainstay.toml", "/..%2fmainstay.toml"] {
        assert!(matches!(get(&mainstay, hidden, &["accept: */*"]).status, 400 | 404), "{hidden}");
    }
    let chunk = &chunks("cccc3333")[1];
    let whole = get(&mainstay, chunk, &[]);
    let tag = format!("if-none-match: {}", whole.header("etag").expect("a tag"));
    assert_eq!(get(&mainstay, chunk, &[&tag]).status, 304);
    let part = get(&mainstay, chunk, &["range: bytes=3-10"]);
    assert_eq!((part.status, part.text()), (206, whole.text()[3..11].to_owned()));
    assert_eq!(get(&mainstay, chunk, &["accept-encoding: gzip"]).header("content-encoding"), Some("gzip"));
    // The process has an end like any other's.
    mainstay.cli_in(&folder, &["restart"]).expect_code(0);
    assert!(get(&mainstay, "/", &navigates).text().contains("build cccc3333"));
}

#[test]
fn a_maintenance_page_outlives_everything_lets_a_deploy_through_and_ends_by_itself() {
    let mut mainstay = Mainstay::start();
    let folder = mainstay.folder().join("pages");
    build(&folder, "aaaa1111");
    mainstay.cli_in(&folder, &["deploy"]).expect_code(0);
    let status = |mainstay: &Mainstay| get(mainstay, "/", &["accept: text/html"]).status;
    let on = ["maintenance", "page", "on", "--words", "Moving house"];
    mainstay.cli_in(&folder, &[&on[..], &["--dry-run"]].concat()).expect_code(0);
    assert_eq!(status(&mainstay), 200, "nothing was done");
    mainstay.cli_in(&folder, &on).expect_code(0);
    let page = get(&mainstay, "/", &["accept: text/html"]);
    assert_eq!((page.status, page.text().contains("Moving house")), (503, true), "{}", page.text());
    assert!(mainstay.status(SITE)["maintenance"]["since"].is_string(), "status says it");
    // A deploy goes on behind it, and everything starts anew with it.
    build(&folder, "bbbb2222");
    mainstay.cli_in(&folder, &["deploy"]).expect_code(0);
    assert_eq!((mainstay.serving(SITE), status(&mainstay)), (2, 503));
    mainstay.kill_keeper();
    wait::until("a keeper is there again", SOON, || mainstay.api("/v1/apps").is_some());
    assert_eq!(status(&mainstay), 503);
    mainstay.down();
    mainstay.up();
    wait::until("it is up again, with its page", SOON, || status(&mainstay) == 503);
    // Who is let in is served, and all are when its time is over.
    let allowed = ["maintenance", "page", "on", "--for", "4s", "--allow", "127.0.0.1"];
    mainstay.cli_in(&folder, &allowed).expect_code(0);
    wait::until("who is let in is served", SOON, || status(&mainstay) == 200);
    mainstay.cli_in(&folder, &["maintenance", "page", "on", "--for", "3s"]).expect_code(0);
    assert_eq!(status(&mainstay), 503);
    wait::until("it comes down by itself", SOON, || status(&mainstay) == 200);
    wait::until("and is forgotten", SOON, || mainstay.status(SITE).get("maintenance").is_none());
    mainstay.cli_in(&folder, &on).expect_code(0);
    assert_eq!(status(&mainstay), 503);
    mainstay.cli_in(&folder, &["maintenance", "page", "off"]).expect_code(0);
    assert_eq!(status(&mainstay), 200);
}
