//! What machine.toml says and what is refused.

use std::path::Path;

use model::Site;
use proptest::prelude::*;

use super::{ClientIp, Machine, SecretSource, load, parse};
use crate::{
    config::folders::{Folders, Kind, Surroundings},
    report,
};

fn own() -> Folders {
    Folders {
        kind: Kind::Own,
        data: "/srv/try".into(),
        run: "/run/user/1000/mainstay/01234567".into(),
        machine_toml: "/srv/try/machine.toml".into(),
    }
}

fn refused(text: &str, folders: &Folders) -> String {
    let errors = parse(text, "machine.toml", folders).expect_err("it was taken");
    errors.explains().iter().map(report::plain).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn a_bracket_that_is_missing_is_one_mistake() {
    let tables = [
        "[listen\nhttp = [\"127.0.0.1:8080\"]\n\n",
        "[listen]\nhttp = [\"127.0.0.1:8080\"\nhttps = [\"127.0.0.1:8443\"]\n\n",
    ];
    for table in tables {
        let text = format!("{table}[edge]\nworkers = 2\n");
        let problems = parse(&text, "machine.toml", &own()).expect_err("it was taken").problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].code == "bad-syntax" && problems[0].span.start < table.len(), "{problems:?}");
    }
}

#[test]
fn an_empty_file_is_all_defaults() {
    assert_eq!(parse("", "machine.toml", &own()).unwrap(), Machine::default_in(&own()));
    insta::assert_snapshot!(serde_json::to_string_pretty(&Machine::default_in(&own())).unwrap());
}

#[test]
fn a_service_listens_on_the_real_ports_and_a_user_on_loopback() {
    let service = Machine::default_in(&Folders::service());
    assert_eq!(service.listen.http, ["[::]:80".parse().unwrap()]);
    assert_eq!(Machine::default_in(&own()).listen.https, ["127.0.0.1:8443".parse().unwrap()]);
}

#[test]
fn every_key_is_read() {
    let machine = parse(include_str!("testdata/full.toml"), "machine.toml", &Folders::service()).unwrap();
    assert_eq!(machine.client_ip, ClientIp::XForwardedFor);
    assert!(!machine.tls.session_tickets);
    assert_eq!(machine.user_of(&"assistant".parse().unwrap()), Some("chat"));
    assert_eq!(machine.certificates[0].cert, Path::new("/etc/mainstay/chat.pem"));
    insta::assert_snapshot!(serde_json::to_string_pretty(&machine).unwrap());
}

#[test]
fn a_key_for_upgrades_is_one_of_minisigns() {
    let key = minisign::KeyPair::generate_unencrypted_keypair().unwrap().pk.to_base64();
    let machine = parse(&format!("upgrade_keys = [\"{key}\"]\n"), "m", &own()).unwrap();
    assert_eq!(machine.upgrade_keys, std::slice::from_ref(&key));
    let slip = refused("upgrade_keys = [\"RWabc\"]\n", &own());
    assert!(slip.contains("bad-upgrade-key") && slip.contains("minisign.pub"), "{slip}");
    let twice = refused(&format!("upgrade_keys = [\"{key}\", \"{key}\"]\n"), &own());
    assert!(twice.contains("upgrade-key-twice"), "{twice}");
    assert!(refused("[edge]\nupgrade_keys = []\n", &own()).contains("at the top of the file"));
}

#[test]
fn a_balancers_word_is_taken_from_named_proxies_only() {
    let text = "client_ip = \"proxy-protocol\"\n";
    let machine = parse(&format!("{text}trusted_proxies = [\"10.0.0.5\"]\n"), "m", &own()).unwrap();
    assert_eq!(machine.client_ip, ClientIp::ProxyProtocol);
    assert!(refused(text, &own()).contains("trusted_proxies"));
}

#[test]
fn secrets_come_from_the_sites_own_file_unless_said() {
    let machine = parse(include_str!("testdata/full.toml"), "machine.toml", &own()).err();
    assert!(machine.is_some(), "`data` in a data folder's own file is refused");
    let machine = parse("[app.assistant.staging]\nsecrets = { env = true }\n", "m", &own()).unwrap();
    let at = |text: &str| machine.secrets_of(&text.parse::<Site>().unwrap(), &own());
    assert_eq!(at("assistant/staging"), SecretSource::Env);
    assert_eq!(
        at("assistant/production"),
        SecretSource::File("/srv/try/apps/assistant/production/secrets.env".into())
    );
}

#[test]
fn a_file_of_age_is_named_with_its_identity() {
    let text = |source: &str| format!("[app.assistant.production]\nsecrets = {source}\n");
    let machine = parse(&text("{ age = \"chat.age\", identity = \"/etc/age.key\" }"), "m", &own()).unwrap();
    let source = machine.secrets_of(&"assistant/production".parse::<Site>().unwrap(), &own());
    let SecretSource::Age { file, identity } = source else { panic!("{source:?}") };
    assert!(file.ends_with("chat.age") && file.is_absolute(), "beside machine.toml: {file:?}");
    assert_eq!(identity, Path::new("/etc/age.key"));
    for half in ["{ age = \"chat.age\" }", "{ identity = \"/etc/age.key\" }"] {
        assert!(refused(&text(half), &own()).contains("[age-half]"), "{half}");
    }
    let both = "{ age = \"chat.age\", identity = \"/k\", env = true }";
    assert!(refused(&text(both), &own()).contains("[one-source]"));
}

#[test]
fn every_kind_of_mistake_is_told_at_once() {
    insta::assert_snapshot!(refused(include_str!("testdata/mistakes.toml"), &own()));
}

#[test]
fn a_file_that_is_not_there_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let around = Surroundings { uid: 1000, xdg_data_home: None, xdg_runtime_dir: None, home: None };
    let folders = Folders::own(dir.path(), &around);
    assert_eq!(load(&folders).unwrap(), Machine::default_in(&folders));
    std::fs::write(&folders.machine_toml, "shutdown_timeout = 5").unwrap();
    assert_eq!(load(&folders).unwrap_err().code, "wrong-type");
}

#[test]
fn a_data_folder_has_one_run_folder_however_it_is_spelled() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("a")).unwrap();
    let around = Surroundings {
        uid: 1000,
        xdg_data_home: None,
        xdg_runtime_dir: Some("/run/user/1000".into()),
        home: None,
    };
    let straight = Folders::own(&dir.path().join("a"), &around);
    assert_eq!(straight, Folders::own(&dir.path().join("a/../a/."), &around));
    assert_ne!(straight.run, Folders::own(dir.path(), &around).run);
    assert!(straight.api_socket().as_os_str().len() < 107, "a socket's path must fit into its address");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]\"'={}\\.,\n#é a-z0-9_-]{0,200}") {
        let _ = parse(&text, "m", &own());
    }
}

#[test]
fn a_key_that_belongs_elsewhere_is_told_its_place() {
    let top = refused("[edge]\ntrusted_proxies = [\"10.0.0.1\"]\n", &own());
    assert!(top.contains("`trusted_proxies` belongs at the top of the file"), "{top}");
    let edge = refused("access_log = true\nhttp = []\n", &own());
    assert!(
        edge.contains("`access_log` belongs in [edge]") && edge.contains("`http` belongs in [listen]"),
        "{edge}"
    );
    let slip = refused("[edge]\nworkerz = 1\n", &own());
    assert!(slip.contains("did you mean `workers`?"), "{slip}");
}

#[test]
fn a_key_that_would_be_refused_is_not_offered() {
    let offered = |folders: &Folders| refused("x = 1\n", folders);
    assert!(!offered(&own()).contains("data,"), "{}", offered(&own()));
    assert!(offered(&Folders::service()).contains("keys of the file: data, "));
    assert!(refused("data = \"/srv/other\"\n", &own()).contains("fixed-key"));
}

const WEBHOOK: &str =
    "[[webhook]]\nurl = \"https://a.example/\"\nsecret = \"HOOK\"\nevents = [\"deploy.*\"]\n";

#[test]
fn a_webhook_is_read_and_every_slip_in_one_is_told() {
    let machine = parse(&format!("{WEBHOOK}apps = [\"shop\"]\n"), "machine.toml", &own()).expect("good");
    let hook = &machine.webhooks[0];
    assert_eq!((hook.secret.as_str(), hook.apps.len(), hook.allow_plain), ("HOOK", 1, false));
    let with = |from: &str, to: &str| refused(&WEBHOOK.replace(from, to), &own());
    for (from, to, code, words) in [
        ("https://a.example/", "http://a.example/", "plain-webhook", "allow_plain = true"),
        ("https://a.example/", "ftp://a.example/", "bad-url", "https://"),
        ("\"HOOK\"", "\"whsec_MfKQ9r8GKYqrTwjUPD8I\"", "secret-in-file", "webhooks.env"),
        ("deploy.*", "deploy.servd", "unknown-event", "did you mean `deploy.served`"),
        ("\"deploy.*\"", "", "empty-list", "all of them"),
        ("secret = \"HOOK\"", "", "missing-key", "secret = \"HOOK_SECRET\""),
        ("secret", "sekret", "unknown-key", "secret"),
    ] {
        let said = with(from, to);
        assert!(said.contains(code) && said.contains(words), "{code}: {said}");
    }
    for good in ["http://127.0.0.1:9000/", "http://[::1]/", "http://localhost/"] {
        assert!(
            parse(&WEBHOOK.replace("https://a.example/", good), "machine.toml", &own()).is_ok(),
            "{good}"
        );
    }
    let plain = WEBHOOK.replace("https", "http") + "allow_plain = true\n";
    assert!(parse(&plain, "machine.toml", &own()).expect("wanted").webhooks[0].allow_plain);
    assert!(refused(&[WEBHOOK, WEBHOOK].concat(), &own()).contains("url-twice"));
}

const ACME: &str = "[acme]\nterms_agreed = true\n";

/// TLS-07.
#[test]
fn from_whom_certificates_come_is_read_and_every_slip_is_told() {
    let read =
        |more: &str| parse(&format!("{ACME}{more}"), "machine.toml", &own()).expect("good").acme.unwrap();
    let plain = read("");
    assert!(plain.directory.contains("acme-v02.api.letsencrypt.org") && plain.routes, "{plain:?}");
    assert!(plain.rehearsal.is_some_and(|first| first.contains("staging")), "staging is tried first");
    assert_eq!(read("directory = \"https://ca.example/dir\"\n").rehearsal, None);
    assert_eq!(read("rehearsal = \"none\"\n").rehearsal, None);
    assert_eq!(read("ca_file = \"root.pem\"\n").ca_file.as_deref(), Some(Path::new("/srv/try/root.pem")));
    let by_dns = "challenge = \"dns-01\"\ndns_hook = [\"/hook\"]\nnames = [\"*.A.example\"]\n";
    assert_eq!(read(by_dns).names, ["*.a.example"]);
    for (more, code, words) in [
        ("terms_agreed = false", "terms-not-agreed", "terms_agreed = true"),
        ("directory = \"http://ca.example/\"", "bad-directory", "letsencrypt-staging"),
        ("contact = [\"mailto:ops\"]", "bad-contact", "ops@example.com"),
        ("names = [\"*.a.example\"]", "acme-wildcard", "dns-01"),
        ("names = [\"localhost\"]", "bad-name", "chat.example.com"),
        ("names = [\"a.example\", \"A.example\"]", "name-twice", "leave one"),
        ("challenge = \"dns-01\"", "missing-key", "dns_hook"),
        ("dns_hook = [\"/hook\"]", "unused-hook", "dns-01"),
        ("challenge = \"dns-01\"\ndns_hook = [\"hook\"]", "bad-hook", "absolute"),
        ("key = \"rsa\"", "unknown-value", "rsa-2048"),
        ("keys = 1", "unknown-key", "key"),
    ] {
        let text = format!("{}{more}\n", if more.starts_with("terms") { "[acme]\n" } else { ACME });
        let said = refused(&text, &own());
        assert!(said.contains(code) && said.contains(words), "{code}: {said}");
    }
    assert!(refused("[acme]\n", &own()).contains("terms-not-agreed"));
}
