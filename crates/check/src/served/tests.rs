//! Each thing that strangers should not get is found by its check.

use api::{
    checks::State,
    machine::{Listener, Machine},
};
use model::manifest::{Manifest, RouteTls};

use super::{Answer, Door, Name, Page, Served, Shown, served, unserved};
use crate::live::tests::{machine, manifest};

const HOST: &str = "chat.acme.dev";

fn site() -> Manifest {
    let mut manifest = manifest();
    let mut route = manifest.routes.first().cloned().unwrap();
    route.hosts = vec![HOST.to_owned()];
    route.path_prefix = "/".to_owned();
    route.tls = RouteTls::Required;
    manifest.routes = vec![route];
    manifest
}

fn here() -> Machine {
    let mut machine = machine();
    machine.addresses = vec!["203.0.113.5".parse().unwrap(), "2001:db8::5".parse().unwrap()];
    machine.certificates[0].fingerprint = Some("aa".to_owned());
    machine.listeners = vec![
        Listener { kind: "http".to_owned(), address: "0.0.0.0:80".to_owned(), url: String::new() },
        Listener { kind: "https".to_owned(), address: "0.0.0.0:443".to_owned(), url: String::new() },
    ];
    machine
}

fn answer(status: u16, headers: &[(&str, &str)]) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Answer { status, headers: headers.collect() }
}

const SAFE: [(&str, &str); 7] = [
    ("content-type", "text/html; charset=utf-8"),
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("set-cookie", "session=x; Secure; HttpOnly; SameSite=Lax"),
];

fn door(address: &str) -> Door {
    Door {
        address: address.parse().unwrap(),
        plain: Some(Ok(answer(308, &[("location", "https://chat.acme.dev/")]))),
        shown: Some(Ok(Shown {
            fingerprint: "aa".to_owned(),
            issuer: "a CA".to_owned(),
            days_left: 60,
            refused: None,
        })),
        pages: vec![Page { url: "https://chat.acme.dev/".to_owned(), answer: Ok(answer(200, &SAFE)) }],
    }
}

fn name() -> Name {
    let doors = vec![door("203.0.113.5"), door("2001:db8::5")];
    Name { host: HOST.to_owned(), addresses: Ok(doors.iter().map(|door| door.address).collect()), doors }
}

/// Ids of what is found after a change.
fn found(change: impl FnOnce(&mut Name, &mut Machine)) -> Vec<String> {
    let (mut name, mut machine, manifest) = (name(), here(), site());
    change(&mut name, &mut machine);
    let all = served(&Served { manifest: &manifest, machine: &machine, names: &[name], is_here: false });
    all.into_iter()
        .filter(|finding| matches!(finding.state, State::Found { .. }))
        .map(|finding| finding.id)
        .collect()
}

/// Changes one header of the page, or takes it away.
fn with_header(header: &str, value: Option<&str>) -> Vec<String> {
    found(|name, _| {
        for page in name.doors.iter_mut().flat_map(|door| &mut door.pages) {
            let headers = &mut page.answer.as_mut().unwrap().headers;
            headers.retain(|(known, _)| known != header);
            headers.extend(value.map(|value| (header.to_owned(), value.to_owned())));
        }
    })
}

#[test]
fn a_site_that_is_served_well_has_no_findings() {
    let (manifest, machine) = (site(), here());
    let all = served(&Served { manifest: &manifest, machine: &machine, names: &[name()], is_here: false });
    assert!(all.iter().all(|finding| matches!(finding.state, State::Passed { .. })), "{all:#?}");
}

#[test]
fn from_the_machine_itself_nobody_knows_whether_the_world_reaches_it() {
    let (manifest, machine) = (site(), here());
    let all = served(&Served { manifest: &manifest, machine: &machine, names: &[name()], is_here: true });
    let not_run: Vec<_> =
        all.iter().filter(|finding| !matches!(finding.state, State::Passed { .. })).collect();
    assert_eq!(not_run.len(), 1);
    assert!(not_run[0].id == "reachable" && matches!(not_run[0].state, State::NotRun { .. }), "{not_run:?}");
}

#[test]
fn a_name_that_leads_elsewhere_or_nowhere_is_found() {
    assert_eq!(
        found(|name, _| name.doors[0].shown.as_mut().unwrap().as_mut().unwrap().fingerprint = "bb".to_owned()),
        ["served-certificate"]
    );
    let elsewhere = |name: &mut Name| {
        name.doors[0].address = "198.51.100.1".parse().unwrap();
        name.doors[0].shown.as_mut().unwrap().as_mut().unwrap().fingerprint = "bb".to_owned();
    };
    assert_eq!(found(|name, _| elsewhere(name)), ["dns-points-here"]);
    // Behind a translated address the certificate says whose machine it is.
    assert_eq!(
        found(|name, machine| {
            machine.addresses.clear();
            name.doors[0].address = "198.51.100.1".parse().unwrap();
        }),
        [""; 0]
    );
    assert_eq!(
        found(|name, _| {
            name.addresses = Ok(Vec::new());
            name.doors.clear();
        }),
        ["dns-points-here", "dns-both-families"]
    );
    assert_eq!(
        found(|name, _| {
            name.addresses = Ok(vec!["203.0.113.5".parse().unwrap()]);
            name.doors.truncate(1);
        }),
        ["dns-both-families"]
    );
    assert_eq!(found(|name, _| name.doors[1].shown = Some(Err("refused".to_owned()))), ["reachable"]);
}

#[test]
fn what_browsers_refuse_or_should_is_found() {
    let shown = |change: fn(&mut Shown)| {
        found(|name, _| {
            name.doors.iter_mut().for_each(|door| change(door.shown.as_mut().unwrap().as_mut().unwrap()))
        })
    };
    assert_eq!(shown(|shown| shown.refused = Some("UnknownIssuer".to_owned())), ["served-certificate"]);
    assert_eq!(shown(|shown| shown.days_left = 1), ["served-certificate"]);
    let plain = |answer: Answer| found(|name, _| name.doors[0].plain = Some(Ok(answer)));
    assert_eq!(plain(answer(200, &[])), ["served-redirect"]);
    assert_eq!(plain(answer(302, &[("location", "https://chat.acme.dev/")])), ["served-redirect"]);
    assert_eq!(plain(answer(308, &[("location", "https://other.example/")])), ["served-redirect"]);
    assert_eq!(plain(answer(308, &[("location", "https://chat.acme.dev/"), SAFE[1]])), ["served-hsts"]);
}

#[test]
fn each_header_that_lacks_is_found() {
    assert_eq!(with_header("strict-transport-security", None), ["served-hsts"]);
    assert_eq!(with_header("strict-transport-security", Some("max-age=300")), ["served-hsts"]);
    assert_eq!(with_header("x-content-type-options", None), ["served-headers"]);
    assert_eq!(with_header("referrer-policy", None), ["served-headers"]);
    assert_eq!(with_header("x-xss-protection", Some("1; mode=block")), ["served-headers"]);
    assert_eq!(with_header("x-xss-protection", Some("0")), [""; 0]);
    // Who may frame a page is said by the policy, too.
    assert_eq!(with_header("x-frame-options", None), [""; 0]);
    assert_eq!(with_header("content-security-policy", None), ["served-policy"]);
    assert_eq!(with_header("set-cookie", Some("session=x")), ["served-cookies"]);
}

#[test]
fn where_nothing_was_answered_nothing_has_passed() {
    let (manifest, machine) = (site(), here());
    let all = served(&Served { manifest: &manifest, machine: &machine, names: &[], is_here: false });
    assert!(all.iter().all(|finding| matches!(finding.state, State::NotRun { .. })), "{all:#?}");
    assert!(unserved("why").iter().all(|finding| matches!(finding.state, State::NotRun { .. })));
    let unknown =
        Name { host: HOST.to_owned(), addresses: Err("no server answers".to_owned()), doors: Vec::new() };
    let all = served(&Served { manifest: &manifest, machine: &machine, names: &[unknown], is_here: false });
    assert!(all.iter().all(|finding| matches!(finding.state, State::NotRun { .. })), "{all:#?}");
}
