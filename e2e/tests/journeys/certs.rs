//! Certificates by ACME, from a real CA: a name that is served gets one, it is renewed in time, and whoever dies meanwhile costs
//! neither an order nor a handshake.

use std::{fs, net::Ipv4Addr, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use testkit::{
    FakeApp, Mainstay,
    mainstay::processes::kill,
    pebble::{Manner, Pebble, Shown},
    wait,
};

const SOON: Duration = Duration::from_secs(60);

/// A machine that gets its certificates from `pebble`, which runs.
fn machine(pebble: &mut Pebble, more: &str, manner: Manner) -> Mainstay {
    let mainstay = Mainstay::start_with(&format!("{}{more}", pebble.acme()));
    pebble.start(&mainstay, manner);
    mainstay
}

/// What `mainstay certs list` says of a name.
fn told(mainstay: &Mainstay, name: &str) -> Value {
    let all = mainstay.api("/v1/certificates").unwrap_or_default();
    let all = all["certificates"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|one| one["names"][0] == name).unwrap_or_default()
}

fn shown(pebble: &Pebble, mainstay: &Mainstay, name: &str) -> Result<Shown, String> {
    pebble.shown(mainstay.https(), name)
}

/// Waits until a client that trusts the CA alone is content, and is shown another certificate than `before`.
fn served(pebble: &Pebble, mainstay: &Mainstay, name: &str, before: Option<&Shown>) -> Shown {
    wait::value(&format!("{name} is shown a certificate of the CA"), SOON, || {
        shown(pebble, mainstay, name).ok().filter(|now| Some(now) != before)
    })
}

/// EDGE-01, TLS-07, TLS-08, W-E17.
#[test]
fn a_name_that_is_served_gets_a_certificate_and_the_edge_shows_it_without_a_restart() {
    let mut pebble = Pebble::new();
    let mut mainstay = machine(&mut pebble, "", Manner::default());
    let edge = mainstay.edge_pid();
    let app = FakeApp::new(&mainstay, "shop").tls("required");
    let why = shown(&pebble, &mainstay, app.host_name()).expect_err("nobody trusts what is shown until then");
    assert!(why.contains("UnknownIssuer") || why.contains("invalid peer certificate"), "{why}");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    served(&pebble, &mainstay, app.host_name(), None);
    assert_eq!(mainstay.edge_pid(), edge, "nothing was restarted");

    wait::until("the list says so", SOON, || told(&mainstay, app.host_name())["state"]["issuer"].is_string());
    let said = mainstay.cli(&["certs", "list"]).expect_code(0).out;
    assert!(said.contains("shop.test") && said.contains("acme") && said.contains("Pebble"), "{said}");
    let known = told(&mainstay, app.host_name());
    assert!(known["served"] == true && known["days_left"].as_i64().is_some_and(|days| days > 80), "{known}");
    let renews = known["state"]["next_order"].as_str().expect("when it is renewed").to_owned();
    assert!(renews.as_str() < known["expires"].as_str().expect("its end"), "{known}");
    let said = mainstay.cli(&["status", "--machine"]).expect_code(0).out;
    assert!(said.contains("certificate shop.test: until "), "{said}");

    // Everything but a CA's question is sent to HTTPS, also a question for a token that nobody has.
    for path in ["/", "/.well-known/acme-challenge/unknown"] {
        let answer = mainstay.get(app.host_name(), path).expect("an answer");
        assert_eq!((answer.status, answer.header("location").is_some()), (301, true), "{path}");
    }
    files_are_closed(&mainstay, app.host_name());
    let said = mainstay.cli(&["certs", "renew", "nobody.test"]).expect_code(1).all();
    assert!(said.contains("no certificate for nobody.test is got by ACME"), "{said}");
    mainstay.down();
}

/// The key is for the station and the edge alone, and no account or answer of an order lies about.
fn files_are_closed(mainstay: &Mainstay, name: &str) {
    let place = mainstay.data().join("certs").join(name);
    let link = fs::read_link(place.join("now")).expect("a link");
    let mode =
        |file: &str| fs::metadata(place.join(&link).join(file)).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("key.pem"), mode("chain.pem")), (0o640, 0o640));
    let left = fs::read_dir(mainstay.data().join("certs/challenges")).expect("listed").count();
    assert_eq!(left, 0, "answers to challenges stay");
    for entry in fs::read_dir(mainstay.data().join("station/acme")).expect("listed") {
        let found = entry.expect("an entry").metadata().expect("of a file");
        assert_eq!(found.permissions().mode() & 0o077, 0, "only the station's");
    }
}

/// RFC 8737.
#[test]
fn a_name_is_shown_to_the_ca_on_the_port_of_tls_where_that_is_asked_for() {
    let mut pebble = Pebble::new();
    let mut mainstay =
        machine(&mut pebble, "challenge = \"tls-alpn-01\"\nkey = \"rsa-2048\"\n", Manner::default());
    let app = FakeApp::new(&mainstay, "shop");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    served(&pebble, &mainstay, app.host_name(), None);
    mainstay.down();
}

/// What the operator's program is in this test: it tells pebble's DNS.
const HOOK: &str = r#"#!/usr/bin/python3
import json, sys, time, urllib.request
verb, name, value = sys.argv[3:]
token, waits = (open(file).read().strip() for file in sys.argv[1:3])
while waits and waits in name:
    time.sleep(0.2)
    waits = open(sys.argv[2]).read().strip()
said = {"host": name + ".", "value": value}
urllib.request.urlopen(f"http://{token}/{verb}-txt", json.dumps(said).encode()).read()
"#;

/// A DNS that an operator's program writes to. Of names with the word in the file `waits` it does so once that is empty.
struct Zone {
    folder: TempDir,
}

impl Zone {
    fn new(pebble: &Pebble, waits: &str) -> Self {
        let zone = Self { folder: tempfile::Builder::new().prefix("hook-").tempdir().expect("a folder") };
        fs::set_permissions(zone.folder.path(), fs::Permissions::from_mode(0o755)).expect("open");
        fs::write(zone.file("dns-hook"), HOOK).expect("written");
        fs::set_permissions(zone.file("dns-hook"), fs::Permissions::from_mode(0o755)).expect("a program");
        fs::write(zone.file("token"), pebble.dns_at().to_string()).expect("written");
        zone.wait_for(waits);
        zone
    }

    fn wait_for(&self, waits: &str) {
        fs::write(self.file("waits"), waits).expect("written");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What belongs into `[acme]`.
    fn acme(&self, names: &[&str]) -> String {
        let [hook, token, waits] = ["dns-hook", "token", "waits"].map(|name| self.file(name));
        format!(
            "challenge = \"dns-01\"\ndns_hook = [{hook:?}, {token:?}, {waits:?}]\ndns_hook_reads = [{token:?}, {waits:?}]\nnames = {names:?}\n"
        )
    }
}

/// RFC 8555, 8.4.
#[test]
fn a_wildcard_is_got_by_a_record_that_the_operators_program_writes() {
    let mut pebble = Pebble::new();
    let zone = Zone::new(&pebble, "");
    let mut mainstay = machine(&mut pebble, &zone.acme(&["*.shop.test"]), Manner::default());
    // The CA was not there when the machine began.
    mainstay.cli(&["certs", "renew", "*.shop.test"]).expect_code(0);
    served(&pebble, &mainstay, "any.shop.test", None);
    assert!(shown(&pebble, &mainstay, "one.any.shop.test").is_err(), "it covers one label");
    mainstay.down();
}

/// A name whose proof takes its time keeps no other waiting, and names that begin together share one account.
#[test]
fn no_name_waits_for_another_and_all_of_them_have_one_account() {
    let mut pebble = Pebble::new();
    let zone = Zone::new(&pebble, "slow.test");
    let said = zone.acme(&["*.quick.test", "*.slow.test"]);
    let mut mainstay = machine(&mut pebble, &said, Manner { reused: 0, ..Manner::default() });
    for name in ["*.quick.test", "*.slow.test"] {
        mainstay.cli(&["certs", "renew", name]).expect_code(0);
    }
    let first = served(&pebble, &mainstay, "one.quick.test", None);
    wait::until("the slow one is under way", SOON, || {
        told(&mainstay, "*.slow.test")["state"]["is_ordering"] == true
    });
    mainstay.cli(&["certs", "renew", "*.quick.test"]).expect_code(0);
    served(&pebble, &mainstay, "one.quick.test", Some(&first));
    assert!(shown(&pebble, &mainstay, "one.slow.test").is_err(), "it still waits");
    zone.wait_for("");
    served(&pebble, &mainstay, "one.slow.test", None);
    assert_eq!(pebble.accounts(), 1);
    mainstay.down();
}

/// TLS-06, W-E16.
#[test]
fn a_certificate_is_renewed_in_time_also_while_no_keeper_is_there() {
    let mut pebble = Pebble::new();
    // A third of 45 s is left when it is renewed. Of 100 nonces 40 are refused on the way: some request of nearly every order
    // is refused three times, after which the library gives up.
    let manner = Manner { valid_s: 45, nonces_refused: 40, ..Manner::default() };
    let mut mainstay = machine(&mut pebble, "", manner);
    let app = FakeApp::new(&mainstay, "shop");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let first = served(&pebble, &mainstay, app.host_name(), None);
    mainstay.kill_up();
    kill(mainstay.keeper_pid());
    let second = served(&pebble, &mainstay, app.host_name(), Some(&first));
    mainstay.up();
    let third = served(&pebble, &mainstay, app.host_name(), Some(&second));
    assert_ne!(first, third);
    mainstay.down();
}

/// W-E17: what failed is told in words and remembered, and nothing is asked before its time.
#[test]
fn a_name_that_leads_elsewhere_is_told_in_words_and_not_tried_before_its_pause_is_over() {
    let mut pebble = Pebble::new();
    let mut mainstay = machine(&mut pebble, "", Manner::default());
    // Nobody listens there.
    pebble.lead("shop.test", Ipv4Addr::new(127, 0, 0, 77));
    let app = FakeApp::new(&mainstay, "shop");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let failed = || told(&mainstay, "shop.test")["state"]["failures"].as_u64();
    wait::until("it failed once", SOON, || failed() == Some(1));
    let said = mainstay.cli(&["certs", "list"]).expect_code(0).out;
    assert!(
        said.contains("self-signed") && said.contains("could not see that the name leads here"),
        "{said}"
    );
    let orders = pebble.orders();
    mainstay.kill_station();
    mainstay.kill_keeper();
    wait::until("the next station has told what the one before knew", SOON, || failed() == Some(1));
    assert_eq!(pebble.orders(), orders, "the pause holds for whoever comes next");

    pebble.lead("shop.test", Ipv4Addr::LOCALHOST);
    mainstay.cli(&["certs", "renew", "shop.test"]).expect_code(0);
    served(&pebble, &mainstay, "shop.test", None);
    wait::until("what failed is forgotten", SOON, || failed() == Some(0));
    mainstay.down();
}

/// Each step of an order that a death may cut, with the number of orders that it costs.
const STEPS: [(&str, usize); 10] = [
    ("certs-ordered", 2),
    ("certs-order-kept", 1),
    ("certs-challenge-placed", 1),
    ("certs-challenge-ready", 1),
    ("certs-key-kept", 1),
    ("certs-finalized", 1),
    ("certs-fetched", 1),
    ("certs-written", 1),
    ("certs-placed", 1),
    ("certs-installed", 1),
];

#[test]
fn a_station_that_dies_at_any_step_of_an_order_loses_none_and_nobody_is_shown_half_a_certificate() {
    let mut pebble = Pebble::new();
    let manner = Manner { nonces_refused: 0, reused: 0, ..Manner::default() };
    let mut mainstay = machine(&mut pebble, "", manner);
    let app = FakeApp::new(&mainstay, "shop");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let name = app.host_name();
    let mut last = served(&pebble, &mainstay, name, None);
    let watch = pebble.watch(mainstay.https(), name);
    for (step, costs) in STEPS {
        let before = pebble.orders();
        mainstay.die_at(step);
        mainstay.cli(&["certs", "renew", name]).expect_code(0);
        wait::until(&format!("it dies at {step}"), SOON, || !mainstay.is_deadly(step));
        // The next one is begun at once, and not after the pauses of one that dies again and again.
        mainstay.kill_keeper();
        last = served(&pebble, &mainstay, name, Some(&last));
        assert_eq!(pebble.orders() - before, costs, "orders of one that died at {step}");
    }
    let (looks, refused) = watch.finish();
    println!("{looks} handshakes while the station died {} times", STEPS.len());
    assert!(looks > 100 && refused.is_empty(), "{looks} handshakes, refused: {refused:?}");
    mainstay.down();
}

/// Where a CA's limits are low, another directory is asked first, and again after a failure.
#[test]
fn an_order_is_rehearsed_before_the_first_and_after_a_failure_and_never_else() {
    let mut pebble = Pebble::new();
    let rehearsal = pebble.rehearsal();
    let mut mainstay = machine(&mut pebble, &rehearsal, Manner { reused: 0, ..Manner::default() });
    pebble.lead("shop.test", Ipv4Addr::new(127, 0, 0, 77));
    let app = FakeApp::new(&mainstay, "shop");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let error = || told(&mainstay, "shop.test")["state"]["last_error"].as_str().map(str::to_owned);
    let why = wait::value("it fails at the rehearsal", SOON, error);
    assert!(why.contains("at the rehearsal https://127.0.0.1:"), "{why}");
    assert_eq!(pebble.orders(), 1, "nothing was asked for in earnest");

    pebble.lead("shop.test", Ipv4Addr::LOCALHOST);
    mainstay.cli(&["certs", "renew", "shop.test"]).expect_code(0);
    let first = served(&pebble, &mainstay, "shop.test", None);
    assert_eq!(pebble.orders(), 3, "once more there, and then in earnest");
    mainstay.cli(&["certs", "renew", "shop.test"]).expect_code(0);
    served(&pebble, &mainstay, "shop.test", Some(&first));
    wait::until("it is noted", SOON, || told(&mainstay, "shop.test")["state"]["is_ordering"] == false);
    assert_eq!(pebble.orders(), 4, "a renewal is no reason to rehearse");
    mainstay.down();
}

/// A CA that has forgotten the account, the order and its root is begun anew with.
#[test]
fn a_ca_that_has_lost_what_it_knew_is_begun_anew_with() {
    let mut pebble = Pebble::new();
    let mut mainstay = machine(&mut pebble, "", Manner::default());
    let app = FakeApp::new(&mainstay, "shop");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    served(&pebble, &mainstay, app.host_name(), None);
    pebble.start(&mainstay, Manner::default());
    mainstay.cli(&["certs", "renew", app.host_name()]).expect_code(0);
    let failed = |mainstay: &Mainstay| told(mainstay, app.host_name())["state"]["failures"].as_u64();
    wait::until("the account is not known", SOON, || failed(&mainstay) == Some(1));
    mainstay.cli(&["certs", "renew", app.host_name()]).expect_code(0);
    served(&pebble, &mainstay, app.host_name(), None);
    mainstay.down();
}
