//! Each check of what runs finds what it is for.

use api::{
    checks::State,
    machine::{Certificate, Listener, Machine, Process},
    schedule::{Run, Scheduled},
    status::{Instance, ServiceStatus, SiteStatus},
};
use model::{Explain, ReleaseNumber, manifest::Manifest};

use super::{Live, live};

pub(crate) fn manifest() -> Manifest {
    serde_json::from_str(include_str!("testdata/manifest.json")).unwrap()
}

fn instance(n: u32) -> Instance {
    Instance {
        name: format!("web.7.{n}").parse().unwrap(),
        pid: Some(100 + n),
        state: "up".to_owned(),
        ready: Some(true),
        address: None,
        since: None,
        restarts: 0,
        restarts_last_hour: 0,
        last_exit: None,
        memory_bytes: None,
        refused_calls: Default::default(),
    }
}

fn status() -> SiteStatus {
    SiteStatus {
        site: "assistant/production".parse().unwrap(),
        serving: Some(ReleaseNumber(7)),
        unwritten: None,
        last_stable: None,
        urls: Vec::new(),
        services: vec![ServiceStatus {
            service: "web".parse().unwrap(),
            release: ReleaseNumber(7),
            state: "live".to_owned(),
            wanted: 2,
            scaled: false,
            instances: vec![instance(1), instance(2)],
            open: None,
            recycled: None,
        }],
        deploy: None,
        canary: None,
        maintenance: None,
        recess: None,
        frozen: None,
        paused: None,
        held: None,
        last: None,
        jobs: Vec::new(),
        schedules: Vec::new(),
    }
}

fn job(outcomes: &[&str]) -> Scheduled {
    let run = |outcome: &&str| Run {
        due: "2026-11-29T02:00:00.000Z".to_owned(),
        release: None,
        process: None,
        began: None,
        ended: None,
        outcome: (*outcome).to_owned(),
        missed: 0,
        why: None,
    };
    Scheduled {
        service: "digest".parse().unwrap(),
        release: Some(ReleaseNumber(7)),
        schedule: "0 2 * * *".to_owned(),
        timezone: "UTC".to_owned(),
        next: None,
        running: None,
        waiting: None,
        past: outcomes.iter().map(run).collect(),
        problem: None,
    }
}

#[test]
fn a_scheduled_job_that_did_not_go_well_last_is_found_until_it_does() {
    let found = |job: Scheduled| found_after(|status, _| status.schedules = vec![job]);
    for outcome in ["failed", "lost", "missed", "skipped"] {
        assert_eq!(found(job(&[outcome, "succeeded"])), ["schedules"], "{outcome}");
        assert_eq!(found(job(&["succeeded", outcome])), Vec::<String>::new(), "{outcome}");
    }
    assert_eq!(found(job(&[])), Vec::<String>::new());
    // What no release wants any more troubles nobody.
    assert_eq!(found(Scheduled { release: None, ..job(&["failed"]) }), Vec::<String>::new());
    let problem = Some(Explain::new("schedule-not-followed", "no such zone"));
    assert_eq!(found(Scheduled { problem, ..job(&[]) }), ["schedules"]);
}

fn certificate(days_left: i64) -> Certificate {
    Certificate {
        source: "file".to_owned(),
        names: vec!["chat.example.com".to_owned()],
        file: "/chat.pem".to_owned(),
        fingerprint: None,
        served: true,
        expires: None,
        days_left: Some(days_left),
        problem: None,
    }
}

pub(crate) fn machine() -> Machine {
    let process = Process { pid: 9, started: String::new(), restarts: 0 };
    let listener =
        |kind: &str| Listener { kind: kind.to_owned(), address: String::new(), url: String::new() };
    Machine {
        version: String::new(),
        build: String::new(),
        digest: String::new(),
        returned: None,
        api: [1, 1],
        host: String::new(),
        data: "/data".to_owned(),
        run: String::new(),
        keeper: process.clone(),
        edge: Some(process),
        edges_draining: Vec::new(),
        edge_hung: 0,
        edge_said: Vec::new(),
        station: None,
        station_wanted: false,
        station_refused: Default::default(),
        station_said: Vec::new(),
        webhooks_unusable: Vec::new(),
        has_parent: true,
        listeners: vec![listener("http"), listener("https")],
        addresses: Vec::new(),
        certificates: vec![certificate(60)],
        lost: Vec::new(),
        unheld: Vec::new(),
        missing_controllers: Vec::new(),
        pending: Vec::new(),
        unread: None,
        given: Vec::new(),
        disk_free_bytes: 10 << 30,
        inodes_free: 1_000_000,
    }
}

fn found_after(change: impl FnOnce(&mut SiteStatus, &mut Machine)) -> Vec<String> {
    let (mut status, mut machine) = (status(), machine());
    change(&mut status, &mut machine);
    let manifest = manifest();
    let findings = live(&Live {
        manifest: &manifest,
        status: &status,
        machine: &machine,
        way_back: Some(ReleaseNumber(6)),
    });
    findings.into_iter().filter(|f| matches!(f.state, State::Found { .. })).map(|f| f.id).collect()
}

#[test]
fn a_site_that_is_well_has_no_findings() {
    assert_eq!(found_after(|_, _| {}), Vec::<String>::new());
}

#[test]
fn a_station_that_is_wanted_must_run_and_a_webhook_must_have_its_secret() {
    assert_eq!(found_after(|_, machine| machine.station_wanted = true), ["webhooks"]);
    let unusable =
        |_: &mut SiteStatus, machine: &mut Machine| machine.webhooks_unusable.push("no secret".into());
    assert_eq!(found_after(unusable), ["webhooks"]);
    let refused =
        |_: &mut SiteStatus, machine: &mut Machine| machine.station_refused = [("ptrace".into(), 1)].into();
    assert_eq!(found_after(refused), ["webhooks"]);
}

#[test]
fn each_thing_that_goes_wrong_is_found_by_its_check() {
    assert_eq!(found_after(|status, _| status.serving = None), ["serving"]);
    assert_eq!(found_after(|status, _| status.services.clear()), ["serving"]);
    let why = Explain::new("served-not-written", "the edge cannot write down what it serves");
    let unwritten = api::status::Unwritten { since: String::new(), why };
    assert_eq!(found_after(|status, _| status.unwritten = Some(unwritten.clone())), ["serving"]);
    assert_eq!(found_after(|status, _| status.services[0].wanted = 3), ["instances-up"]);
    assert_eq!(found_after(|status, _| status.services[0].instances[0].ready = Some(false)), ["readiness"]);
    assert_eq!(found_after(|status, _| status.services[0].instances[0].restarts_last_hour = 9), ["restarts"]);
    // A crash loop that is over is not told for ever.
    assert!(found_after(|status, _| status.services[0].instances[0].restarts = 9).is_empty());
    assert_eq!(found_after(|status, _| status.paused = Some("it flapped".to_owned())), ["deploys"]);
    assert_eq!(found_after(|_, machine| machine.edge = None), ["edge"]);
    assert_eq!(found_after(|_, machine| machine.listeners.truncate(1)), ["tls-served"]);
    assert_eq!(found_after(|_, machine| machine.has_parent = false), ["keeper-parent"]);
    assert_eq!(
        found_after(|_, machine| machine.pending.push("other listeners".to_owned())),
        ["edge-current"]
    );
    let mistake = || Explain::new("unknown-key", "`x` is no key of the file");
    assert_eq!(found_after(|_, machine| machine.unread = Some(mistake())), ["machine-toml"]);
    assert_eq!(found_after(|_, machine| machine.disk_free_bytes = 1), ["disk"]);
    assert_eq!(found_after(|_, machine| machine.inodes_free = 10), ["disk"]);
}

#[test]
fn a_release_without_one_before_it_has_no_way_back() {
    let (manifest, status, machine) = (manifest(), status(), machine());
    let found = live(&Live { manifest: &manifest, status: &status, machine: &machine, way_back: None });
    let found: Vec<_> =
        found.into_iter().filter(|f| matches!(f.state, State::Found { .. })).map(|f| f.id).collect();
    assert_eq!(found, ["way-back"]);
}

#[test]
fn what_the_sandbox_refused_is_told_with_what_would_open_it() {
    let mut status = status();
    status.services[0].instances[0].refused_calls =
        [("ptrace".to_owned(), 3), ("reboot".to_owned(), 1)].into();
    let findings = live(&Live {
        manifest: &manifest(),
        status: &status,
        machine: &machine(),
        way_back: Some(ReleaseNumber(6)),
    });
    let found = findings.iter().find(|finding| finding.id == "refused-calls").unwrap();
    let State::Found { explain } = &found.state else { panic!("{found:?}") };
    assert_eq!(explain.causes, ["web.7.1: ptrace 3 times, reboot once"]);
}

#[test]
fn whose_refusals_nobody_counts_is_said_where_none_is_found() {
    let (manifest, status, machine) = (manifest(), status(), machine());
    let findings = live(&Live { manifest: &manifest, status: &status, machine: &machine, way_back: None });
    let passed = findings.iter().find(|finding| finding.id == "refused-calls").unwrap();
    let State::Passed { seen } = &passed.state else { panic!("{passed:?}") };
    assert!(seen.contains("`mainstay run`") && passed.title.contains("instance"), "{passed:?}");
}

#[test]
fn a_sandbox_that_is_off_or_cannot_be_is_found() {
    let found = |sandbox: model::Sandbox, unheld: &[&str]| {
        let (mut manifest, mut machine) = (manifest(), machine());
        manifest.sandbox = sandbox;
        machine.unheld = unheld.iter().map(|text| (*text).to_owned()).collect();
        let findings = live(&Live {
            manifest: &manifest,
            status: &status(),
            machine: &machine,
            way_back: Some(ReleaseNumber(6)),
        });
        let found = findings.into_iter().filter(|f| matches!(f.state, State::Found { .. }));
        found.map(|f| f.id).collect::<Vec<_>>()
    };
    assert_eq!(found(model::Sandbox::default(), &[]), Vec::<String>::new());
    assert_eq!(found(model::Sandbox::open(), &[]), ["sandbox"]);
    assert_eq!(found(model::Sandbox { seccomp: false, ..Default::default() }, &[]), ["sandbox"]);
    assert_eq!(found(model::Sandbox::default(), &["the kernel has no landlock"]), ["sandbox"]);
}

#[test]
fn limits_that_this_machine_does_not_hold_are_found_if_somebody_wants_them() {
    let found = |change: &dyn Fn(&mut model::manifest::Limits), missing: &str| {
        let (mut manifest, mut machine) = (manifest(), machine());
        manifest.services.values_mut().for_each(|service| change(&mut service.limits));
        machine.missing_controllers = vec![missing.to_owned()];
        let findings = live(&Live {
            manifest: &manifest,
            status: &status(),
            machine: &machine,
            way_back: Some(ReleaseNumber(6)),
        });
        findings.iter().any(|f| f.id == "limits" && matches!(f.state, State::Found { .. }))
    };
    assert!(!found(&|_| {}, "memory"), "nobody asked for one");
    assert!(found(&|limits| limits.memory_max = Some(model::ByteSize::mib(64)), "memory"));
    assert!(found(&|limits| limits.tasks_max = Some(64), "pids"));
    assert!(found(&|limits| limits.cpu_weight = Some(50), "cpu"));
    assert!(!found(&|limits| limits.cpu_weight = Some(50), "memory"));
}

#[test]
fn an_edge_that_does_not_run_is_found_with_its_own_words() {
    let (status, mut machine) = (status(), machine());
    machine.edge = None;
    machine.edge_said = vec!["error: cannot open the access log /data/access.log".to_owned()];
    let findings = live(&Live {
        manifest: &manifest(),
        status: &status,
        machine: &machine,
        way_back: Some(ReleaseNumber(6)),
    });
    let told =
        findings.iter().find(|finding| finding.id == "edge").map(|finding| format!("{:?}", finding.state));
    assert!(told.is_some_and(|told| told.contains("/data/access.log")));
}

#[test]
fn a_certificate_that_ends_or_is_not_taken_is_found_with_its_days() {
    let with = |known: Certificate| found_after(|_, machine| machine.certificates = vec![known]);
    assert_eq!(with(certificate(14)), [""; 0]);
    assert_eq!(with(certificate(13)), ["certificates-renewed"]);
    assert_eq!(with(certificate(3)), ["certificates-renewed"]);
    assert_eq!(with(certificate(2)), ["certificates"]);
    assert_eq!(with(certificate(-1)), ["certificates"]);
    let problem = Some("the key does not belong to it".to_owned());
    assert_eq!(with(Certificate { problem: problem.clone(), ..certificate(60) }), ["certificates-renewed"]);
    let unserved = Certificate { served: false, days_left: None, problem, ..certificate(0) };
    assert_eq!(with(unserved), ["certificates"]);
    let (status, mut machine, manifest) = (status(), machine(), manifest());
    machine.certificates = vec![certificate(13)];
    let said = live(&Live {
        manifest: &manifest,
        status: &status,
        machine: &machine,
        way_back: Some(ReleaseNumber(6)),
    });
    let said = serde_json::to_string(&said).unwrap();
    assert!(said.contains("the certificate of chat.example.com (/chat.pem) has 13 days left"), "{said}");
}

#[test]
fn an_instance_that_backs_off_is_told_with_its_last_exit() {
    let (mut status, machine, manifest) = (status(), machine(), manifest());
    status.services[0].instances[1].state = "backing off".to_owned();
    status.services[0].instances[1].last_exit = Some("exit code 1".to_owned());
    let findings = live(&Live {
        manifest: &manifest,
        status: &status,
        machine: &machine,
        way_back: Some(ReleaseNumber(6)),
    });
    let said = serde_json::to_string(&findings).unwrap();
    assert!(said.contains("web.7.2 is backing off, last exit: exit code 1"), "{said}");
}
