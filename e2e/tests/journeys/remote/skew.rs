//! A client of another version than the keeper's, on this machine and over ssh.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use testkit::{Mainstay, Sshd, binaries, http};

use super::reached;

/// Status and body of a request of `version`, asked on the socket.
fn ask(mainstay: &Mainstay, version: &str, method: &str, path: &str, body: &[u8]) -> http::Answer {
    let head = [format!("Mainstay-API: {version}")];
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    http::ask_unix_with(&mainstay.run_folder().join("api.sock"), method, path, &head, body).expect("answered")
}

/// The same over ssh and the proxy, as the client sends it.
fn ask_over_ssh(mainstay: &Mainstay, sshd: &Sshd, version: &str) -> String {
    let client = sshd.client("ana");
    let mut words = client.split(' ');
    let mut ssh = Command::new(words.next().expect("ssh"));
    let (program, data) = (binaries::path("mainstay"), mainstay.data().display());
    ssh.args(words).args(["-p", &sshd.address().port().to_string()]);
    ssh.arg(format!("{}@127.0.0.1", Sshd::account()));
    ssh.arg(format!("{} --data {data} proxy", program.display()));
    let mut child = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ssh");
    let request = format!(
        "GET /v1/machine HTTP/1.1\r\nhost: mainstay\r\nconnection: close\r\nmainstay-api: {version}\r\n\r\n"
    );
    // Open until the answer is there: a client that closes has gone.
    let mut input = child.stdin.take().expect("piped");
    input.write_all(request.as_bytes()).expect("sent");
    let output =
        child.wait_with_output().expect("the keeper closes, and so everything between here and there");
    drop(input);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_client_of_two_versions_away_is_refused_in_words_before_anything_is_done() {
    let (mut mainstay, app, sshd, _) = reached();
    let artifact = format!("/v1/artifacts/sha256:{}?offset=0&total=4", "0".repeat(64));
    let deploys = format!("/v1/apps/{}/restart", app.site());
    let files = |mainstay: &Mainstay| {
        let folder = fs::read_dir(mainstay.data().join("artifacts")).expect("the store");
        folder.map(|entry| entry.expect("read").file_name()).collect::<Vec<_>>()
    };
    let before = files(&mainstay);
    let runs = |mainstay: &Mainstay| {
        let told = mainstay.api(&format!("/v1/apps/{}/events", app.site())).expect("answered");
        told.as_array().expect("a list").len()
    };
    let runs_before = runs(&mainstay);
    for (method, path) in
        [("PUT", artifact.as_str()), ("POST", &deploys), ("GET", "/v1/machine"), ("GET", "/v3/new")]
    {
        let answer = ask(&mainstay, "3", method, path, b"abcd");
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (400, Some("version-skew")),
            "{method} {path}"
        );
        let told = answer.json();
        assert!(told["help"].as_str().is_some_and(|help| help.starts_with("upgrade the keeper")), "{told}");
    }
    assert_eq!((files(&mainstay), runs(&mainstay)), (before, runs_before), "nothing was written");
    for version in ["1", "2"] {
        assert_eq!(ask(&mainstay, version, "GET", "/v1/machine", b"").status, 200, "{version}");
    }
    assert_eq!(ask(&mainstay, "newest", "GET", "/v1/machine", b"").json()["code"], "bad-version");
    assert_eq!(mainstay.api("/v1/machine").expect("answered")["api"], serde_json::json!([1, 2]));
    for (version, expected) in [("1", " 200 "), ("2", " 200 "), ("3", " 400 ")] {
        let said = ask_over_ssh(&mainstay, &sshd, version);
        assert!(said.lines().nth(1).is_some_and(|line| line.contains(expected)), "{version}: {said}");
        assert_eq!(said.contains("version-skew"), version == "3", "{said}");
    }
    mainstay.down();
}
