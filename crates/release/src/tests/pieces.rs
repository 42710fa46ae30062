//! The parts that need no world: journal, books, claims, uploads, pruning.

use std::fs;

use api::deploy::Phase;
use model::{Explain, ReleaseId, ReleaseNumber};
use proptest::prelude::*;
use ulid::Ulid;

use super::rig::{manifest, site};

fn clock() -> Clock {
    std::sync::Arc::new(jiff::Timestamp::now)
}
use crate::{
    ArtifactStore, RefusedKind,
    claims::Claims,
    journal::{self, Body, Clock, Course, Journal, JournalError, Kind},
    prune::surplus,
    request::MigrateVerb,
    state::{Fate, ReleaseRecord},
};

fn kinds() -> Vec<Kind> {
    vec![
        Kind::Began {
            verb: "deploy".into(),
            course: Course::New { digest: "sha256:00".into(), bytes: 7 },
            from: Some(ReleaseNumber(1)),
            to: ReleaseNumber(2),
            release: Some(ReleaseId(Ulid::generate())),
            generation: 9,
            drain_now: false,
            secrets_of: Some(4),
            request_key: Some("01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap()),
        },
        Kind::Entered { phase: Phase::Gate },
        Kind::Note { phase: Phase::Gate, message: "web.2.1 is ready".into() },
        Kind::Warned { warning: Explain::new("a", "b").detail("c", vec!["d".into()]) },
        Kind::SwitchIntent { generation: 9, release: ReleaseNumber(2) },
        Kind::SwitchDone { epoch: 4 },
        Kind::Ended {
            outcome: api::deploy::Outcome::Served,
            serving: Some(ReleaseNumber(2)),
            error: None,
            report: vec![],
        },
    ]
}

fn written(dir: &tempfile::TempDir) -> (std::path::PathBuf, Vec<usize>) {
    let path = dir.path().join("x.journal");
    let mut journal = Journal::create(&path, "anna", "desk", clock()).unwrap();
    let mut ends = vec![0];
    for kind in kinds() {
        journal.append(kind).unwrap();
        ends.push(fs::metadata(&path).unwrap().len() as usize);
    }
    (path, ends)
}

#[test]
fn every_prefix_of_a_journal_reads_to_its_last_whole_record_and_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let (path, ends) = written(&dir);
    let whole = fs::read(&path).unwrap();
    let torn = dir.path().join("torn.journal");
    for cut in 0..=whole.len() {
        fs::write(&torn, &whole[..cut]).unwrap();
        let records = ends.iter().filter(|end| **end <= cut).count() - 1;
        let (mut journal, read) = Journal::open(&torn, clock()).unwrap();
        assert_eq!(read.len(), records, "cut at {cut}");
        assert!(
            read.iter()
                .zip(kinds())
                .all(|(r, k)| std::mem::discriminant(r.kind().unwrap()) == std::mem::discriminant(&k))
        );
        journal.append(Kind::Baked).unwrap();
        assert_eq!(journal::read(&torn).unwrap().0.len(), records + 1, "cut at {cut}");
    }
}

#[test]
fn every_course_is_read_back_from_its_first_record() {
    let service = "web".parse().unwrap();
    let courses = [
        Course::New { digest: "sha256:00".into(), bytes: 7 },
        Course::Existing,
        Course::Warm,
        Course::Restart { service: None, instances: Some(2) },
        Course::Grow { service, instances: 3 },
        Course::Migrate { verb: MigrateVerb::Down },
        Course::Nothing,
    ];
    for course in courses {
        let began = Kind::Began {
            verb: "migrate".into(),
            course,
            from: None,
            to: ReleaseNumber(2),
            release: None,
            generation: 9,
            drain_now: false,
            secrets_of: None,
            request_key: None,
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.journal");
        Journal::create(&path, "anna", "desk", clock()).unwrap().append(began.clone()).unwrap();
        assert_eq!(journal::read(&path).unwrap().0[0].kind(), Some(&began));
    }
}

#[test]
fn kinds_of_a_later_version_are_kept_and_formats_of_a_later_one_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = written(&dir);
    let rewrite = |from: &str, to: &str, format: u16| {
        let record = journal::read(&path).unwrap().0.remove(5);
        let json =
            serde_json::to_string(&record).unwrap().replace(from, to).replace("\"seq\":6", "\"seq\":8");
        let payload = [&format.to_le_bytes()[..], json.as_bytes()].concat();
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(crc32fast::hash(&payload).to_le_bytes());
        bytes.extend(payload);
        let other = dir.path().join("other.journal");
        fs::write(&other, bytes).unwrap();
        other
    };
    let (records, _) = journal::read(&rewrite("switch_done", "teleported", 1)).unwrap();
    let Body::Unknown(fields) = &records[7].body else { panic!("{:?}", records[7]) };
    assert_eq!((fields["kind"].as_str(), fields["epoch"].as_u64()), (Some("teleported"), Some(4)));
    let newer = journal::read(&rewrite("x", "x", 2)).unwrap_err();
    assert!(matches!(newer, JournalError::Newer { format: 2, .. }));
}

proptest! {
    #[test]
    fn damage_before_the_last_record_is_named_and_never_read_over(at in 0usize..600, flip in 1u8..) {
        let dir = tempfile::tempdir().unwrap();
        let (path, ends) = written(&dir);
        let mut bytes = fs::read(&path).unwrap();
        let last_but_one = ends[ends.len() - 2];
        let at = at % last_but_one;
        bytes[at] ^= flip;
        fs::write(&path, &bytes).unwrap();
        match journal::read(&path) {
            Err(JournalError::Damaged { offset, .. }) => prop_assert!(ends.contains(&offset) && offset <= at),
            Err(JournalError::Newer { .. }) => prop_assert!(false, "the checksum covers the format"),
            Err(JournalError::Read { .. }) => prop_assert!(false, "it is readable"),
            // A length that reaches beyond the end looks like a torn tail: what is before it stays.
            Ok((records, length)) => {
                prop_assert!(ends.contains(&(length as usize)) && length as usize <= at);
                prop_assert!(records.len() < kinds().len());
            }
        }
    }

    #[test]
    fn pruning_never_takes_what_is_needed_and_keeps_the_newest(
        bytes in proptest::collection::vec(0u64..100, 1..20),
        needed in proptest::collection::btree_set(1u64..20, 0..6),
        keep in 0u32..6,
        max in 0u64..500,
    ) {
        let record = |bytes| ReleaseRecord {
            id: ReleaseId(Ulid::nil()), digest: String::new(), created: String::new(), operator: String::new(),
            bytes, fate: Fate::Staged, schema: None, secrets: Default::default(), secrets_taken: None,
            secrets_kept: None, secrets_settled: None, secrets_of: None,
        };
        let releases: std::collections::BTreeMap<_, _> =
            bytes.iter().zip(1..).map(|(b, n)| (ReleaseNumber(n), record(*b))).collect();
        let needed: std::collections::BTreeSet<_> = needed.into_iter().map(ReleaseNumber).collect();
        let gone = surplus(&releases, &needed, keep, max);
        prop_assert!(gone.iter().all(|n| !needed.contains(n)));
        let kept: Vec<_> = releases.keys().filter(|n| !gone.contains(n) && !needed.contains(n)).collect();
        prop_assert!(kept.len() <= keep as usize);
        let total: u64 = releases.iter().filter(|(n, _)| !gone.contains(n)).map(|(_, r)| r.bytes).sum();
        let of_needed: u64 = releases.iter().filter(|(n, _)| needed.contains(n)).map(|(_, r)| r.bytes).sum();
        prop_assert!(total <= max.max(of_needed));
    }
}

#[test]
fn claims_are_all_or_nothing_and_given_back() {
    let (shop, blog) = (site("shop/production"), site("blog/production"));
    let claims = Claims::default();
    let mut routes = manifest(&shop, "good").routes;
    claims.add(&shop, &routes).unwrap();
    claims.add(&shop, &routes).unwrap();
    routes[0].hosts.push("free.test".into());
    assert_eq!(claims.add(&blog, &routes).unwrap_err().len(), 1);
    routes[0].hosts = vec!["FREE.test".into()];
    claims.add(&blog, &routes).unwrap();
    assert_eq!(claims.conflicts(&shop, &routes).len(), 1);
    claims.release(&blog);
    assert!(claims.conflicts(&shop, &routes).is_empty());
}

/// A host and whom it is asked for, one path; the route of one service.
fn at(host: &str, path: &str) -> Vec<model::manifest::Route> {
    let hosts = if host.is_empty() { Vec::new() } else { vec![host.to_owned()] };
    let route = model::manifest::Route::to("web".parse().unwrap());
    vec![model::manifest::Route { hosts, path_prefix: path.into(), ..route }]
}

#[test]
fn a_host_belongs_to_who_serves_it_first_below_every_path() {
    let (shop, staging, blog) = (site("shop/production"), site("shop/staging"), site("blog/production"));
    for (held, wanted, is_free) in [
        ("shop.test", "shop.test", false),
        ("shop.test", "*.test", false),
        ("*.shop.test", "wild.shop.test", false),
        ("*.shop.test", "*.shop.test", false),
        ("*.shop.test", "a.wild.shop.test", true),
        ("*.shop.test", "shop.test", true),
        ("shop.test", "blog.test", true),
        ("shop.test", "", true),
        ("", "shop.test", true),
        ("", "", true),
    ] {
        let claims = Claims::default();
        claims.add(&shop, &at(held, "/")).unwrap();
        for other in [&blog, &staging] {
            let conflicts = claims.conflicts(other, &at(wanted, "/login"));
            assert_eq!(conflicts.is_empty(), is_free, "{wanted} beside {held}: {conflicts:?}");
            assert!(
                conflicts.iter().all(|told| told.code == "route-taken" && told.message.contains("shop/"))
            );
        }
        claims.add(&shop, &at(wanted, "/login")).unwrap();
    }
}

#[test]
fn a_host_that_the_machine_shares_is_taken_by_its_paths() {
    let (shop, blog) = (site("shop/production"), site("blog/production"));
    let claims = Claims::new(vec!["shop.test".into(), "*.wide.test".into()]);
    claims.add(&shop, &at("SHOP.test", "/")).unwrap();
    claims.add(&shop, &at("*.wide.test", "/")).unwrap();
    claims.add(&blog, &at("shop.test", "/blog/")).unwrap();
    claims.add(&blog, &at("a.wide.test", "/")).unwrap();
    assert_eq!(claims.conflicts(&blog, &at("shop.test", "/")).len(), 1);
    assert_eq!(claims.conflicts(&shop, &at("shop.test", "/blog")).len(), 1);
}

#[test]
fn what_serves_on_a_host_of_another_keeps_it_and_gets_no_more() {
    let (shop, blog) = (site("shop/production"), site("blog/production"));
    let claims = Claims::default();
    assert_eq!(claims.found(&shop, &at("shop.test", "/")).len(), 0);
    assert_eq!(claims.found(&blog, &at("shop.test", "/blog")).len(), 0);
    assert_eq!(claims.found(&blog, &at("shop.test", "/")).len(), 1);
    claims.add(&blog, &at("shop.test", "/blog")).unwrap();
    assert_eq!(claims.conflicts(&blog, &at("shop.test", "/login")).len(), 1);
    assert_eq!(claims.conflicts(&shop, &at("shop.test", "/blog/inner")).len(), 1);
    claims.add(&shop, &at("shop.test", "/")).unwrap();
}

#[test]
fn uploads_resume_are_checked_and_refuse_what_is_too_long() {
    let dir = tempfile::tempdir().unwrap();
    let store = ArtifactStore::open(dir.path().join("artifacts"), 100, 1 << 20).unwrap();
    let bytes = b"0123456789".repeat(5);
    let digest = format!("sha256:{}", crate::artifact::hex(&<sha2::Sha256 as sha2::Digest>::digest(&bytes)));
    assert_eq!(store.received(&digest).unwrap(), None);
    assert_eq!(store.append(&digest, 50, 0, &bytes[..20]).unwrap().offset, 20);
    // A chunk that came twice changes nothing and says where to go on.
    let again = store.append(&digest, 50, 0, &bytes[..20]).unwrap();
    assert_eq!((again.offset, again.complete), (20, false));
    let done = store.append(&digest, 50, 20, &bytes[20..]).unwrap();
    assert!(done.complete);
    let found = store.find(&api::artifact::Artifact { digest: digest.clone(), bytes: 50 }).unwrap();
    assert_eq!(fs::read(found).unwrap(), bytes);
    let other = format!("sha256:{}", "0".repeat(64));
    let changed = store.append(&other, 50, 0, &bytes).unwrap_err();
    assert_eq!(changed.explain.code, "artifact-changed");
    assert_eq!(store.received(&other).unwrap(), None);
    assert_eq!(store.append(&other, 101, 0, &bytes).unwrap_err().explain.code, "artifact-too-long");
    assert_eq!(store.received("sha256:../../etc/passwd").unwrap_err().explain.code, "bad-digest");
}

#[test]
fn an_upload_leaves_the_reserve_of_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let free = machine::fs::disk_space(dir.path()).unwrap().bytes_free;
    let digest = format!("sha256:{}", "0".repeat(64));
    let open = |reserve| ArtifactStore::open(dir.path().join("artifacts"), u64::MAX, reserve).unwrap();
    // The length that is announced counts, before its first byte is taken.
    for (reserve, total) in [(free + (1 << 40), 50), (0, free + (1 << 40))] {
        let refused = open(reserve).append(&digest, total, 0, b"0123456789").unwrap_err();
        assert_eq!((refused.kind, refused.explain.code.as_str()), (RefusedKind::Conflict, "disk-space"));
        assert!(refused.explain.causes[0].contains("disk_reserve"), "{}", refused.explain);
    }
    assert_eq!(open(0).received(&digest).unwrap(), None);
    assert_eq!(open(0).append(&digest, 50, 0, b"0123456789").unwrap().offset, 10);
}

#[test]
fn what_a_key_has_sent_is_no_beginning_of_anybody_elses_upload() {
    let dir = tempfile::tempdir().unwrap();
    let store = ArtifactStore::open(dir.path().join("artifacts"), 100, 1 << 20).unwrap();
    let bytes = b"0123456789".repeat(5);
    let digest = format!("sha256:{}", crate::artifact::hex(&<sha2::Sha256 as sha2::Digest>::digest(&bytes)));
    let key = "ci".parse().unwrap();
    let of_key = store.sent_by(Some(&key));
    assert_eq!(of_key.append(&digest, 50, 0, b"garbage").unwrap().offset, 7);
    assert_eq!(store.received(&digest).unwrap(), None, "it is a key's alone");
    assert!(store.append(&digest, 50, 0, &bytes).unwrap().complete);
    assert!(of_key.received(&digest).unwrap().unwrap().complete, "what is whole is checked, and everybody's");
}

#[test]
fn a_smoke_request_finds_its_pool_as_a_client_would() {
    use crate::{state::Group, table::pool_for};
    let shop = site("shop/production");
    let mut manifest = manifest(&shop, "good");
    let api: model::ServiceName = "api".parse().unwrap();
    manifest.services.insert(api.clone(), manifest.services.values().next().unwrap().clone());
    let mut any_host = manifest.routes[0].clone();
    any_host.hosts.clear();
    any_host.path_prefix = "/api/".into();
    any_host.service = api.clone();
    let mut exact = any_host.clone();
    exact.hosts = vec!["production.shop.test".into()];
    manifest.routes.extend([any_host, exact]);
    let group = |service: &model::ServiceName, generation| Group {
        service: service.clone(),
        release: ReleaseNumber(1),
        generation,
        members: Vec::new(),
        secrets_of: None,
    };
    let groups = [group(&"web".parse().unwrap(), 1), group(&api, 2)];
    let generation = |host, path| pool_for(&manifest, &groups, host, path).map(|pool| pool.generation);
    assert_eq!(generation("production.shop.test", "/"), Some(1));
    assert_eq!(generation("Production.Shop.Test", "/api?x=1"), Some(2));
    assert_eq!(generation("production.shop.test", "/api/v1"), Some(2));
    assert_eq!(generation("production.shop.test", "/apiary"), Some(1), "whole segments only");
    assert_eq!(generation("elsewhere.test", "/api/v1"), Some(2));
    assert_eq!(generation("elsewhere.test", "/"), None);
}
