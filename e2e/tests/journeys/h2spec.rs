//! HTTP/2 as h2spec reads RFC 9113 and RFC 7541: every one of its cases, over TLS and in the clear.

use std::{net::SocketAddr, process::Command};

use testkit::{FakeApp, Mainstay, registry};

/// With what its last release was built from; it names no versions itself.
const MODULES: [&str; 5] = [
    "github.com/summerwind/h2spec@v2.2.1+incompatible",
    "github.com/fatih/color@v1.16.0",
    "github.com/spf13/cobra@v1.8.0",
    "golang.org/x/net@v0.20.0",
    "gopkg.in/yaml.v2@v2.4.0",
];
const PACKAGE: &str = "github.com/summerwind/h2spec/cmd/h2spec";
/// Fewer cases mean that it ended early.
const CASES: usize = 145;
/// Seconds that it waits for an answer before it takes a case for failed.
const PATIENCE_S: &str = "5";
/// In the clear the first bytes tell the protocol: what is not HTTP/2's preface is HTTP/1.1, and answered as such.
const PREFACE: &str = "Sends invalid connection preface";

struct Verdict {
    passed: usize,
    failed: Vec<String>,
    text: String,
}

fn judged(to: SocketAddr, more: &[&str]) -> Verdict {
    let folder = registry::go("h2spec", PACKAGE, &MODULES);
    let mut h2spec = Command::new(folder.join("h2spec"));
    h2spec.args(["--host", &to.ip().to_string(), "--port", &to.port().to_string()]);
    let said =
        h2spec.args(["--path", "/health", "--timeout", PATIENCE_S]).args(more).output().expect("built");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let count = |word: &str| -> usize {
        let line =
            text.lines().find(|line| line.contains(" tests, ")).unwrap_or_else(|| panic!("no end:\n{text}"));
        let number = line.split(", ").find_map(|part| part.strip_suffix(word)).expect("a number of each");
        number.trim().parse().expect("a number")
    };
    assert_eq!(count(" skipped"), 0, "{text}");
    let failures = text.split("Failures:").nth(1).unwrap_or_default();
    let failed = failures.lines().filter_map(|line| line.split_once("× ")).map(|(_, case)| case.to_owned());
    let failed: Vec<_> = failed.collect();
    assert_eq!(failed.len(), count(" failed"), "{text}");
    Verdict { passed: count(" passed"), failed, text }
}

#[test]
fn http2_is_spoken_by_the_letter_over_tls_and_in_the_clear() {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake").any_host();
    app.deploy_to(&mainstay, &[]).expect_code(0);

    let tls = judged(mainstay.https(), &["--tls", "--insecure"]);
    assert_eq!((tls.failed, tls.passed), (vec![], CASES), "{}", tls.text);

    let clear = judged(mainstay.http(), &[]);
    let other: Vec<_> = clear.failed.iter().filter(|case| !case.contains(PREFACE)).collect();
    assert!(other.is_empty(), "{other:?}\n{}", clear.text);
    assert_eq!(clear.passed + clear.failed.len(), CASES, "{}", clear.text);
    let answer = mainstay.get("localhost", "/health").expect("it serves on");
    assert_eq!(answer.status, 200, "{}", answer.text());
}
