//! A folder of its own for each test, the binary in it, and a keeper that says what the test wants.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use mainstay::config::folders::{Folders, Surroundings};

pub(crate) struct Place {
    dir: tempfile::TempDir,
    /// What the keeper was asked: `METHOD path`, and the body of the last JSON.
    asked: Arc<Mutex<Vec<String>>>,
}

pub(crate) const SMALL: &str = r#"manifest = 1
[app]
name = "assistant"
[release]
dir = "app"
[service.web]
command = ["./serve"]
listen = "tcp"
[service.web.probes]
readiness = { http = "/ready" }
[[route]]
service = "web"
"#;

impl Place {
    pub(crate) fn empty() -> Self {
        // Short: a unix socket's path must fit into 107 bytes.
        let dir = tempfile::Builder::new().prefix("ms").tempdir_in("/tmp").unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        Self { dir, asked: Arc::default() }
    }

    /// With a small app.
    pub(crate) fn with_app() -> Self {
        let place = Self::empty();
        place.put("mainstay.toml", SMALL);
        place.put("app/serve", "#!/bin/sh\n");
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn folders(&self) -> Folders {
        let around = Surroundings {
            uid: 0,
            xdg_data_home: None,
            xdg_runtime_dir: Some(self.path().join("run").into_os_string()),
            home: None,
        };
        Folders::own(&self.path().join("data"), &around)
    }

    /// Runs `mainstay ARGS` here and gives `$ words -> code`, what it said, what it complained of; paths are `[dir]`.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let (code, out, err) = self.ran(args);
        let mut said = format!("$ mainstay {} -> {code}\n{out}", args.join(" "));
        if !err.is_empty() {
            said.push_str("--- stderr\n");
            said.push_str(&err);
        }
        said
    }

    pub(crate) fn code(&self, args: &[&str]) -> i32 {
        self.ran(args).0
    }

    fn ran(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_mainstay"))
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path())
            .env("TZ", "UTC")
            .env("COLUMNS", "100")
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            .env("MAINSTAY_DATA", self.path().join("data"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let run = self.folders().run.display().to_string();
        let here = self.path().display().to_string();
        let clean =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&run, "[run]").replace(&here, "[dir]");
        (output.status.code().unwrap_or(-1), clean(&output.stdout), clean(&output.stderr))
    }

    /// Answers on the API's socket: the first line whose `METHOD path` begins the request's, each time.
    pub(crate) fn keeper(&self, answers: &[(&str, u16, &str)]) {
        let socket = self.folders().api_socket();
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(socket).unwrap();
        let mut answers: Vec<(String, u16, String)> = answers
            .iter()
            .map(|(path, code, body)| ((*path).to_owned(), *code, (*body).to_owned()))
            .collect();
        answers.push(("GET /v1/machine".to_owned(), 200, MACHINE.to_owned()));
        let asked = Arc::clone(&self.asked);
        // Ends with the test's process: nobody joins it.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(&stream);
                let (line, body) = request(&mut reader);
                asked.lock().unwrap().push(format!("{line} {body}").trim().to_owned());
                let known = answers.iter().find(|(path, ..)| line.starts_with(path.as_str()));
                let (code, body) = known.map_or((404, NOT_FOUND), |(_, code, body)| (*code, body.as_str()));
                let head = match code {
                    101 => "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: mainstay-console\r\n\r\n"
                        .to_owned(),
                    _ => format!(
                        "HTTP/1.1 {code} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    ),
                };
                // A client that went away has what it wanted.
                let _ =
                    (&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(body.as_bytes()));
            }
        });
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn request(reader: &mut BufReader<&std::os::unix::net::UnixStream>) -> (String, String) {
    let mut first = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if first.is_empty() {
            first = line.rsplit_once(' ').unwrap().0.to_owned();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    // Bytes of an artifact are no words.
    let body =
        if first.starts_with("PUT") { String::new() } else { String::from_utf8_lossy(&body).into_owned() };
    (first, body)
}

const NOT_FOUND: &str = r#"{"code":"no-such-app","message":"this keeper knows no such app"}"#;

pub(crate) const MACHINE: &str = r#"{"version":"0.1.0","build":"test","api":[1,1],"host":"here","data":"/data","run":"/run","keeper":{"pid":7,"started":"2026-01-01T00:00:00.000Z","restarts":0},"edge":{"pid":8,"started":"2026-01-01T00:00:01.000Z","restarts":1},"has_parent":false,"listeners":[{"kind":"http","address":"127.0.0.1:8080","url":"http://127.0.0.1:8080/"}],"lost":["limits of memory"],"disk_free_bytes":53687091200,"inodes_free":1000000}"#;

pub(crate) const DEPLOY: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// `started` of a deploy of release 43.
pub(crate) fn started() -> String {
    format!(r#"{{"deploy":"{DEPLOY}","release":43}}"#)
}

/// The events of a deploy that went through `phases`, a second each, and ended so.
pub(crate) fn events(phases: &[&str], end: &str) -> String {
    let at = |n: usize| format!("2026-01-01T00:00:{n:02}.000Z");
    let mut lines = Vec::new();
    for (n, phase) in phases.iter().enumerate() {
        lines.push(format!(
            r#"{{"seq":{},"at":"{}","kind":{{"entered":{{"phase":"{phase}"}}}}}}"#,
            n + 1,
            at(n)
        ));
    }
    let n = phases.len();
    lines.push(format!(r#"{{"seq":{},"at":"{}","kind":{{"ended":{end}}}}}"#, n + 1, at(n)));
    lines.join("\n") + "\n"
}

pub(crate) const SERVED: &str =
    r#"{"outcome":"served","serving":43,"error":null,"report":["draining: 3 streams"]}"#;
pub(crate) const ABORTED: &str = r#"{"outcome":"aborted","serving":42,"error":{"code":"release-not-ready","message":"release 43 was not ready within 30 s","causes":["GET http://127.0.0.1:4107/up: connection refused"],"now":"release 42 still serves all traffic","help":"read `mainstay logs web --release 43`","details":[{"title":"the last lines of web.43.1","lines":["Error: no database","\u001b]0;title\u0007    at boot"]}]},"report":[]}"#;

pub(crate) const STATUS: &str = r#"{"site":{"app":"assistant","env":"production"},"serving":43,"last_stable":42,"urls":["http://127.0.0.1:8080/"],"services":[{"service":"web","release":43,"state":"live","wanted":2,"scaled":true,"instances":[{"name":"web.43.1","pid":101,"state":"up","ready":true,"address":"127.0.0.1:20001","since":"2026-01-01T00:00:05Z","restarts":0,"last_exit":null,"memory_bytes":52428800},{"name":"web.43.2","pid":null,"state":"backing off","ready":false,"address":null,"since":null,"restarts":4,"last_exit":"exit code 1","memory_bytes":null}],"open":{"http":1,"streams":2,"websockets":3}}],"deploy":null,"paused":"release 41 was taken back","held":null,"last":null,"jobs":[{"kind":"exec","process":"01ARZ3NDEKTSV4RRFFQ69G5FAV","pid":103,"release":43,"service":"web","instance":"web.43.1","operator":"ann","since":"2026-01-01T00:01:00Z","command":["sh","-c","echo \u001b[2J\n; sleep 60; echo 1234567890 1234567890 1234567890 1234567890"]},{"kind":"migrate","process":"01ARZ3NDEKTSV4RRFFQ69G5FAW","pid":104,"release":44,"service":null,"instance":null,"operator":"bob","since":"2026-01-01T00:02:00Z","command":["./migrate"]}]}"#;

/// What every command that needs a keeper says without one.
pub(crate) fn without_a_keeper(args: &[&str]) {
    let place = Place::with_app();
    let said = place.run(args);
    assert!(said.contains("-> 1\n"), "{said}");
    assert!(said.contains("error: no Mainstay is running here"), "{said}");
    assert!(said.contains("mainstay up"), "{said}");
}

/// A frame of an attached command: `channel` and what it carries.
pub(crate) fn frame(channel: u8, carried: &str) -> String {
    let length = u8::try_from(carried.len() + 1).unwrap();
    assert!(length < 128, "the fake keeper speaks text");
    format!("\0\0\0{}{}{carried}", char::from(length), char::from(channel))
}

/// The help of a command; `--help` tells all of it.
pub(crate) fn help(command: &str) -> String {
    Place::empty().run(&[command, "--help"])
}
