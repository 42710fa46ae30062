//! What stands in front of a machine: a balancer that passes bytes on, and whoever renews certificates.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use serde_json::Value;
use testkit::{FakeApp, Mainstay, mainstay::processes, wait};

const PATIENCE: Duration = Duration::from_secs(30);

/// What comes back on a connection of its own that begins with `bytes`.
fn raw(mainstay: &Mainstay, bytes: &str) -> String {
    let mut stream = TcpStream::connect(mainstay.http()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a bound");
    stream.write_all(bytes.as_bytes()).expect("written");
    let mut answer = Vec::new();
    // What is cut may be reset.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_balancer_names_its_clients_and_one_that_does_not_is_told_to_the_operator() {
    let trusts = "trusted_proxies = [\"127.0.0.1/32\"]\nclient_ip = \"proxy-protocol\"";
    let mainstay = Mainstay::start_with(trusts);
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let ask = format!("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", app.host_name());
    let answer = raw(&mainstay, &format!("PROXY TCP4 203.0.113.7 10.0.0.1 54321 80\r\n{ask}"));
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    let access = mainstay.data().join("logs/access/access.log");
    wait::until("the access log names the client", PATIENCE, || {
        text_of(&access).contains("\"client\":\"203.0.113.7\"")
    });
    assert_eq!(raw(&mainstay, &ask), "", "nothing is guessed");
    let log = mainstay.data().join("logs/edge/edge.log");
    wait::until("the log of the edge says what to do", PATIENCE, || {
        text_of(&log).contains("a trusted proxy sent no PROXY header")
    });
}

#[test]
fn an_edge_whose_access_log_cannot_be_opened_says_so_and_comes_back() {
    let (mainstay, app) = crate::serving_fake();
    let access = mainstay.data().join("logs/access/access.log");
    fs::rename(&access, access.with_extension("moved")).expect("moved away");
    fs::create_dir(&access).expect("what is no file in its place");
    processes::signal(mainstay.edge_pid(), Signal::KILL);
    let said = format!("cannot open the access log {}", access.display());
    wait::until("status says why there is no edge", PATIENCE, || {
        mainstay.cli(&["status", "--machine"]).out.contains(&said)
    });
    fs::remove_dir(&access).expect("moved away as it is told");
    wait::until("the next edge serves", PATIENCE, || {
        mainstay.get(app.host_name(), "/health").is_ok_and(|answer| answer.status == 200)
    });
    wait::until("status has nothing to say of it any more", PATIENCE, || {
        !mainstay.cli(&["status", "--machine"]).out.contains(&said)
    });
}

/// The first of the machine's certificates, as an operator is told.
pub(crate) fn told(mainstay: &Mainstay) -> Value {
    mainstay.api("/v1/machine").map_or(Value::Null, |machine| machine["certificates"][0].clone())
}

pub(crate) fn put_pair(folder: &Path, until_year: i32) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["chat.example.com".to_owned()]).expect("a name");
    params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
    let made = params.self_signed(&key).expect("a certificate");
    for (name, text) in [("chat.key", key.serialize_pem()), ("chat.pem", made.pem())] {
        fs::write(folder.join("new"), text).expect("written");
        fs::rename(folder.join("new"), folder.join(name)).expect("in its place");
    }
}

#[test]
fn a_certificate_is_put_and_renewed_while_the_edge_runs() {
    let names = "[[certificate]]\nnames = [\"chat.example.com\"]\ncert = \"chat.pem\"\nkey = \"chat.key\"";
    let mainstay = Mainstay::start_with(names);
    let edge = mainstay.edge_pid();
    assert_eq!(told(&mainstay)["served"], false, "there is none yet, and the machine is up");
    assert!(mainstay.log_text().contains("A certificate of machine.toml cannot be used"));
    for year in [2090, 2091] {
        put_pair(mainstay.data(), year);
        wait::until("it is served", PATIENCE, || {
            let now = told(&mainstay);
            let is_of_the_year = now["expires"].as_str().is_some_and(|at| at.starts_with(&year.to_string()));
            now["served"] == true && now["problem"].is_null() && is_of_the_year
        });
    }
    let said = mainstay.cli(&["status", "--machine"]).expect_code(0).all();
    assert!(said.contains("certificate chat.example.com: until 2091-01-01"), "{said}");
    assert_eq!(mainstay.edge_pid(), edge, "nothing was restarted");
}
