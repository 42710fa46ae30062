//! Lines as the runtimes print them.

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Python,
    Node,
    Ruby,
    Go,
    Rust,
}

use Of::{Go, Node, Python, Ruby, Rust};

const EVERY: [Of; 5] = [Python, Node, Ruby, Go, Rust];

type Lines = &'static [(Of, &'static str)];

const TAKEN: Lines = &[
    (Python, "OSError: [Errno 98] Address already in use"),
    (
        Python,
        "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use",
    ),
    (Python, "[2026-01-01 10:00:00 +0000] [7] [ERROR] Connection in use: ('127.0.0.1', 8000)"),
    (Python, "Error: That port is already in use."),
    (
        Python,
        "Port 5000 is in use by another program. Either identify and stop that program, or start the server",
    ),
    (Node, "Error: listen EADDRINUSE: address already in use 127.0.0.1:3000"),
    (Node, "  code: 'EADDRINUSE',"),
    (Ruby, "Address already in use - bind(2) for \"127.0.0.1\" port 3000 (Errno::EADDRINUSE)"),
    (Go, "listen tcp 127.0.0.1:8080: bind: address already in use"),
    (Rust, "Error: Os { code: 98, kind: AddrInUse, message: \"Address already in use\" }"),
];

const LOW: Lines = &[
    (
        Python,
        "ERROR: [Errno 13] error while attempting to bind on address ('127.0.0.1', 80): permission denied",
    ),
    (Node, "Error: listen EACCES: permission denied 127.0.0.1:80"),
    (Ruby, "Permission denied - bind(2) for \"127.0.0.1\" port 80 (Errno::EACCES)"),
    (Go, "listen tcp :80: bind: permission denied"),
];

const MODULE: Lines = &[
    (Python, "ModuleNotFoundError: No module named 'flask'"),
    (Python, "/usr/bin/python3: No module named uvicorn"),
    (Node, "Error: Cannot find module 'express'"),
    (Node, "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'nope' imported from /srv/app/x.mjs"),
    (
        Ruby,
        "<internal:rubygems/core_ext/kernel_require.rb>:85:in `require': cannot load such file -- sinatra (LoadError)",
    ),
    (Ruby, "Could not find rack-3.0.8, puma-6.4.0 in locally installed gems (Bundler::GemNotFound)"),
    (Go, "main.go:3:8: no required module provides package github.com/lib/pq; to add it:"),
];

const LIBRARY: Lines = &[
    (
        Rust,
        "./server: error while loading shared libraries: libpq.so.5: cannot open shared object file: No such file",
    ),
    (Go, "./server: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by ./server)"),
    (Python, "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"),
];

const VARIABLE: Lines = &[
    (Python, "KeyError: 'DATABASE_URL'"),
    (Python, "  Field required [type=missing, input_value={}, input_type=dict]"),
    (
        Python,
        "django.core.exceptions.ImproperlyConfigured: Set the SECRET_KEY environment variable (missing)",
    ),
    (Node, "Error: Missing required environment variable: DATABASE_URL"),
    (Ruby, "config.rb:2:in `fetch': key not found: \"DATABASE_URL\" (KeyError)"),
    (Go, "env: required environment variable \"DATABASE_URL\" is not set"),
    (Go, "required key DATABASE_URL missing value"),
    (Rust, "called `Result::unwrap()` on an `Err` value: NotPresent"),
    (Rust, "Error: environment variable not found"),
];

const DENIED: Lines = &[
    (Python, "PermissionError: [Errno 13] Permission denied: '/srv/app/cache'"),
    (Node, "Error: EACCES: permission denied, open '/srv/app/cache'"),
    (Ruby, "Permission denied @ rb_sysopen - /srv/app/log (Errno::EACCES)"),
    (Go, "open /srv/app/cache: permission denied"),
    (Rust, "Error: Os { code: 13, kind: PermissionDenied, message: \"Permission denied\" }"),
    (Rust, "Read-only file system (os error 30)"),
];

fn remedy(line: &str) -> Option<&'static str> {
    diagnose(&["starting".to_owned(), line.to_owned(), "    at main".to_owned()]).map(|found| found.remedy)
}

#[test]
fn what_each_runtime_says_has_its_remedy() {
    let all = [
        (&PORT_TAKEN, TAKEN),
        (&LOW_PORT, LOW),
        (&MODULE_MISSING, MODULE),
        (&LIBRARY_MISSING, LIBRARY),
        (&VARIABLE_MISSING, VARIABLE),
        (&NOT_ALLOWED, DENIED),
    ];
    for (symptom, lines) in all {
        for (of, line) in lines {
            assert_eq!(remedy(line), Some(symptom.remedy), "{of:?}: {line}");
        }
    }
}

/// A compiled program has no modules to miss; it misses libraries.
#[test]
fn every_runtime_is_understood_for_every_cause() {
    for (cause, lines) in [
        ("port", vec![TAKEN]),
        ("dependency", vec![MODULE, LIBRARY]),
        ("variable", vec![VARIABLE]),
        ("permission", vec![DENIED]),
    ] {
        let known: Vec<Of> = lines.concat().iter().map(|(of, _)| *of).collect();
        assert!(EVERY.iter().all(|of| known.contains(of)), "{cause}: {known:?}");
    }
}

#[test]
fn what_is_no_symptom_gets_no_remedy() {
    for line in [
        "KeyError: 'user_id'",
        "key not found: \"title\" (KeyError)",
        "KeyError: ''",
        "listening on 127.0.0.1:8000",
        "GET /ports 200 in use",
        "",
    ] {
        assert_eq!(remedy(line), None, "{line}");
    }
}

#[test]
fn the_last_cause_counts_and_is_told_by_its_first_line() {
    let lines = [
        "Error: Cannot find module 'x'",
        "Error: listen EADDRINUSE: address already in use",
        "code: 'EADDRINUSE'",
    ];
    let found = diagnose(&lines.map(str::to_owned)).unwrap();
    assert_eq!((found.line.as_str(), found.remedy), (lines[1], PORT_TAKEN.remedy));
    let long = format!("{}Address already in use", "é".repeat(300));
    assert_eq!(diagnose(&[long]).unwrap().line.chars().count(), LINE_MAX);
}

#[test]
fn the_port_is_read_where_a_runtime_writes_it_and_nowhere_else() {
    let port = |line: &str| taken_port(&[line.to_owned()]);
    let known: Vec<_> = TAKEN.iter().map(|(_, line)| port(line)).collect();
    let some = [Some(8000), Some(8000), Some(5000), Some(3000), Some(3000), Some(8080)];
    let known: Vec<_> = known.into_iter().filter(Option::is_some).collect();
    assert_eq!(known, some);
    assert_eq!(port("Error: listen EADDRINUSE: address already in use :::3000"), Some(3000));
    assert_eq!(port("10:15:30 OSError: [Errno 98] Address already in use"), None);
    assert_eq!(port("listening on 127.0.0.1:8000"), None);
}

#[test]
fn who_has_the_port_is_told_only_where_it_is_known() {
    let lines = ["Error: listen EADDRINUSE: address already in use :::3000".to_owned()];
    let told = |holder| told(Explain::new("a", "b"), &lines, holder).causes.join("\n");
    assert!(told(Some("nginx (pid 7)")).contains("nginx (pid 7) listens on that port now"));
    assert!(!told(None).contains("listens on that port"));
    let help = |holder| super::told(Explain::new("a", "b"), &lines, holder).help.unwrap();
    assert!(help(None).contains("or by another program") && !help(Some("nginx (pid 7)")).contains("another"));
}
