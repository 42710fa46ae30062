use std::time::Duration;

use model::{ReleaseNumber, Secret, manifest::Limits, manifest::Logs};

use super::*;
use crate::{Kind, LogTo, StopPlan};

fn order(words: &[&str]) -> Order {
    Order {
        site: None,
        name: "web.42.1".to_owned(),
        kind: Kind::Instance,
        release: Some(ReleaseNumber(42)),
        labels: BTreeMap::new(),
        program: Program::Command(words.iter().map(|word| (*word).to_owned()).collect()),
        cwd: "/srv/r42".into(),
        shared_dir: None,
        user: None,
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        told: BTreeMap::new(),
        redact: Vec::new(),
        listen: None,
        notify: false,
        fds: Vec::new(),
        limits: Limits::default(),
        sandbox: None,
        stop: StopPlan { signal: 15, grace: Duration::from_secs(1) },
        log: LogTo { path: "/l".into(), limits: Logs::default() },
    }
}

fn at<'a>(order: &'a Order, address: Option<&'a Address>) -> Place<'a> {
    Place { order, address, tmp: Path::new("/t"), notify: None, own_home: Path::new("/home/me") }
}

#[test]
fn every_placeholder_gets_its_value() {
    let mut order =
        order(&["serve", "--port={port}", "{host}", "{release_dir}/x", "{shared_dir}", "{instance}"]);
    order.shared_dir = Some("/srv/shared".into());
    let address = Address::Tcp("127.0.0.1:4107".parse().expect("an address"));
    let argv = at(&order, Some(&address)).argv().expect("argv");
    assert_eq!(argv, ["serve", "--port=4107", "127.0.0.1", "/srv/r42/x", "/srv/shared", "web.42.1"]);
}

#[test]
fn an_unknown_placeholder_and_one_without_a_value_are_errors_but_json_passes() {
    let said =
        |word: &str| at(&order(&[word]), None).argv().map(|argv| argv.concat()).map_err(|e| e.to_string());
    assert!(said("{prot}").expect_err("unknown").contains("`{prot}` is no placeholder"));
    assert!(said("{port}").expect_err("no port").contains("listen = \"tcp\""));
    assert!(said("{socket}").expect_err("no socket").contains("listen = \"unix\""));
    assert!(said("{shared_dir}").expect_err("no folder").contains("no shared folder"));
    assert_eq!(said(r#"{"a": {"b": 1}} {} { x"#), Ok(r#"{"a": {"b": 1}} {} { x"#.to_owned()));
}

#[test]
fn the_environment_is_clean_and_complete() {
    let mut order = order(&["serve"]);
    order.env.insert("NODE_ENV".to_owned(), "production".to_owned());
    order.env.insert("TZ".to_owned(), "Europe/Paris".to_owned());
    order.secrets.insert("KEY".to_owned(), Secret::new("{port} as it is"));
    let address = Address::Tcp("127.0.0.1:4107".parse().expect("an address"));
    let env = at(&order, Some(&address)).env().expect("env");
    let lines: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let expected = [
        "HOME=/home/me",
        "HOST=127.0.0.1",
        "HOSTNAME=127.0.0.1",
        "KEY={port} as it is",
        "LANG=C.UTF-8",
        "MAINSTAY_INSTANCE=web.42.1",
        "MAINSTAY_RELEASE=42",
        "NODE_ENV=production",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PORT=4107",
        "TMPDIR=/t",
        "TZ=Europe/Paris",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_mainstay_says_cannot_be_said_otherwise() {
    let address = Address::Tcp("127.0.0.1:4107".parse().expect("an address"));
    for name in ["PORT", "HOST", "MAINSTAY_RELEASE", "LISTEN_FDS", "NOTIFY_SOCKET", "A=B", ""] {
        let mut order = order(&["serve"]);
        order.env.insert(name.to_owned(), "1".to_owned());
        assert!(matches!(at(&order, Some(&address)).env(), Err(SpawnError::Variable { .. })), "{name}");
    }
    let mut twice = order(&["serve"]);
    twice.env.insert("KEY".to_owned(), "1".to_owned());
    twice.secrets.insert("KEY".to_owned(), Secret::new("2"));
    assert!(at(&twice, None).env().is_err());
}
