use std::{fs, path::Path};

use http::{HeaderMap, Request, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::{answer::Answers, beneath::Beneath};

struct Served {
    folder: tempfile::TempDir,
    answers: Answers,
}

fn files(fallback: Option<&str>) -> Files {
    Files { root: "dist".into(), fallback: fallback.map(str::to_owned), immutable: vec!["/assets".into()] }
}

fn write(at: &Path, name: &str, text: &str) {
    let path = at.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A release: what is served in `dist`, what must not be beside it.
fn served(fallback: Option<&str>) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "secret.txt", "secret");
    for (name, text) in [
        ("index.html", "<h1>home</h1>"),
        ("docs/index.html", "<h1>docs</h1>"),
        ("app.3f9a1c07.js", "console.log(1)"),
        ("assets/chunk-XyZ_1.js", "chunk"),
        ("plain.txt", "0123456789"),
        ("big.css", "a{}"),
        ("big.css.br", "br"),
        ("big.css.gz", "gzip!"),
        ("na me.txt", "space"),
        (".env", "secret"),
        (".git/config", "secret"),
        (".well-known/security.txt", "Contact: x"),
        ("deep/.htpasswd", "secret"),
    ] {
        write(&at.join("dist"), name, text);
    }
    std::os::unix::fs::symlink("../secret.txt", at.join("dist/out.txt")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", at.join("dist/host.txt")).unwrap();
    std::os::unix::fs::symlink("/", at.join("dist/up")).unwrap();
    std::os::unix::fs::symlink("plain.txt", at.join("dist/in.txt")).unwrap();
    let site = Site { release: at.to_owned(), files: files(fallback) };
    let answers = Answers::new(&site, Beneath::open(&site.release, &site.files.root).unwrap());
    Served { folder, answers }
}

impl Served {
    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        let request =
            headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
        let (status, headers, body) = self.answers.whole(request).await;
        (status, headers, String::from_utf8(body).unwrap())
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path, &[]).await.0.as_u16()
    }
}

fn value<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn files_have_their_kind_and_caches_are_told_how_long() {
    let served = served(None);
    for (path, body, kind, cache) in [
        ("/", "<h1>home</h1>", "text/html; charset=utf-8", "no-cache"),
        ("/docs/", "<h1>docs</h1>", "text/html; charset=utf-8", "no-cache"),
        ("/plain.txt", "0123456789", "text/plain; charset=utf-8", "no-cache"),
        ("/in.txt", "0123456789", "text/plain; charset=utf-8", "no-cache"),
        ("/na%20me.txt", "space", "text/plain; charset=utf-8", "no-cache"),
        ("/.well-known/security.txt", "Contact: x", "text/plain; charset=utf-8", "no-cache"),
        (
            "/app.3f9a1c07.js",
            "console.log(1)",
            "text/javascript; charset=utf-8",
            "public, max-age=31536000, immutable",
        ),
        (
            "/assets/chunk-XyZ_1.js",
            "chunk",
            "text/javascript; charset=utf-8",
            "public, max-age=31536000, immutable",
        ),
    ] {
        let (status, headers, text) = served.get(path, &[]).await;
        assert_eq!((status.as_u16(), text.as_str()), (200, body), "{path}");
        assert_eq!(
            (value(&headers, "content-type"), value(&headers, "cache-control")),
            (kind, cache),
            "{path}"
        );
    }
    let (status, headers, _) = served.get("/docs?a=b", &[]).await;
    assert_eq!((status.as_u16(), value(&headers, "location")), (307, "/docs/?a=b"));
    assert_eq!(served.status("/.mainstay/ready").await, 200);
    let (status, ..) = served.answers.whole(Request::post("/plain.txt")).await;
    assert_eq!(status.as_u16(), 405);
}

#[tokio::test]
async fn nothing_outside_and_nothing_hidden_is_served() {
    let served = served(Some("index.html"));
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/docs/../../secret.txt",
        "/docs/..%2f..%2fsecret.txt",
        "/%2e%2e%2f%2e%2e%2fetc/hostname",
        "//etc/hostname",
        "/..%5csecret.txt",
        "/secret.txt%00.html",
        "/out.txt",
        "/host.txt",
        "/up/etc/hostname",
        "/up/",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/deep/.htpasswd",
        "/deep/%2ehtpasswd",
        "/docs/.well-known/x",
    ] {
        let Ok(uri) = path.parse::<http::Uri>() else { continue };
        let (status, _, body) = served.answers.whole(Request::get(uri).header("accept", "image/png")).await;
        let body = String::from_utf8(body).unwrap();
        assert!(matches!(status.as_u16(), 400 | 404) && !body.contains("secret"), "{path}: {status} {body}");
    }
}

#[tokio::test]
async fn a_part_and_what_has_not_changed_are_said_so() {
    let served = served(None);
    let (status, headers, body) = served.get("/plain.txt", &[("range", "bytes=2-4")]).await;
    assert_eq!(
        (status.as_u16(), body.as_str(), value(&headers, "content-range")),
        (206, "234", "bytes 2-4/10")
    );
    let (status, headers, _) = served.get("/plain.txt", &[("range", "bytes=20-")]).await;
    assert_eq!((status.as_u16(), value(&headers, "content-range")), (416, "bytes */10"));
    let (_, headers, _) = served.get("/plain.txt", &[]).await;
    let (tag, date) = (value(&headers, "etag").to_owned(), value(&headers, "last-modified").to_owned());
    assert!(!tag.is_empty() && !date.is_empty());
    for known in
        [("if-none-match", tag.as_str()), ("if-none-match", "*"), ("if-modified-since", date.as_str())]
    {
        let (status, headers, body) = served.get("/plain.txt", &[known]).await;
        assert_eq!(
            (status.as_u16(), body.as_str(), value(&headers, "etag")),
            (304, "", tag.as_str()),
            "{known:?}"
        );
    }
    // A part of what the client has another part of, else the whole.
    for (known, wanted) in [
        (tag.as_str(), 206),
        (date.as_str(), 206),
        ("\"other\"", 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
    ] {
        let (status, ..) = served.get("/plain.txt", &[("range", "bytes=2-4"), ("if-range", known)]).await;
        assert_eq!(status.as_u16(), wanted, "{known}");
    }
    let (status, headers, body) = served.answers.whole(Request::head("/plain.txt")).await;
    assert_eq!((status.as_u16(), value(&headers, "content-length"), body.len()), (200, "10", 0));
}

#[tokio::test]
async fn a_file_of_another_release_has_another_tag_though_it_looks_the_same() {
    let (one, other) = (served(None), served(None));
    let past = std::time::SystemTime::UNIX_EPOCH;
    for each in [&one, &other] {
        let file = fs::File::options().write(true).open(each.folder.path().join("dist/plain.txt")).unwrap();
        file.set_modified(past).unwrap();
    }
    let (_, first, _) = one.get("/plain.txt", &[]).await;
    let (_, second, _) = other.get("/plain.txt", &[]).await;
    assert_ne!(first["etag"], second["etag"], "archives often give all files one time");
}

#[tokio::test]
async fn what_was_compressed_before_is_sent_to_who_takes_it() {
    let served = served(None);
    for (accepted, body, encoding) in
        [("br, gzip", "br", "br"), ("gzip", "gzip!", "gzip"), ("zstd", "a{}", ""), ("", "a{}", "")]
    {
        let (_, headers, text) = served.get("/big.css", &[("accept-encoding", accepted)]).await;
        assert_eq!((text.as_str(), value(&headers, "content-encoding")), (body, encoding), "{accepted}");
        assert_eq!(value(&headers, "content-type"), "text/css; charset=utf-8");
        assert!(
            value(&headers, "vary").to_lowercase().contains("accept-encoding"),
            "{accepted}: {headers:?}"
        );
    }
}

#[tokio::test]
async fn an_app_that_routes_in_the_browser_gets_its_page_and_a_missing_script_is_an_error() {
    let page = [("accept", "text/html,application/xhtml+xml")];
    let served = served(Some("index.html"));
    for path in ["/users/7", "/users/john.doe", "/docs/none/"] {
        let (status, headers, body) = served.get(path, &page).await;
        assert_eq!((status.as_u16(), body.as_str()), (200, "<h1>home</h1>"), "{path}");
        assert_eq!(value(&headers, "cache-control"), "no-cache");
    }
    for (path, accept) in
        [("/assets/gone-1.js", "*/*"), ("/logo.png", "image/avif,*/*"), ("/users/7", "application/json")]
    {
        assert_eq!(served.get(path, &[("accept", accept)]).await.0.as_u16(), 404, "{path}");
    }
    let script = [("accept", "text/html"), ("sec-fetch-dest", "script")];
    assert_eq!(served.get("/users/7", &script).await.0.as_u16(), 404);
    write(&served.folder.path().join("dist"), "404.html", "<h1>lost</h1>");
    let plain = self::served(None);
    write(&plain.folder.path().join("dist"), "404.html", "<h1>lost</h1>");
    let (status, _, body) = plain.get("/nothing", &page).await;
    assert_eq!((status.as_u16(), body.as_str()), (404, "<h1>lost</h1>"));
}

#[test]
fn what_the_keeper_says_is_what_the_process_reads() {
    for wanted in [files(None), files(Some("app/index.html"))] {
        let words = arguments(&wanted);
        assert_eq!(words[0], "static");
        assert_eq!(parse(words[1..].iter().map(Into::into)), Some(wanted));
    }
    assert_eq!(parse(["--rot", "x"].map(Into::into)), None);
}

proptest! {
    #[test]
    fn no_path_leads_to_a_secret(path in "(/|\\.|%2[eEfF]|%5c|[a-z]|\\.\\.|secret\\.txt|\\.env|dist|up){1,12}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let served = served(None);
        if let Ok(uri) = format!("/{path}").parse::<http::Uri>() {
            let (_, _, body) = runtime.block_on(served.answers.whole(Request::get(uri)));
            prop_assert!(!String::from_utf8_lossy(&body).contains("secret"));
        }
    }
}
