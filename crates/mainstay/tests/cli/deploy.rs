//! `mainstay deploy`.

use crate::support::{ABORTED, Place, SERVED, STATUS, events, help, started, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("deploy"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["deploy"]);
}

const ALL: [&str; 9] = ["plan", "lock", "preflight", "stage", "start", "gate", "switch", "bake", "commit"];
const HELD: &str =
    r#"{"outcome":"held","serving":42,"error":{"code":"migration-held","message":"x"},"report":[]}"#;
const ROLLED_BACK: &str =
    r#"{"outcome":"rolled_back","serving":42,"error":{"code":"crashed","message":"x"},"report":[]}"#;
const REFUSED: &str =
    r#"{"outcome":"aborted","serving":42,"error":{"code":"route-taken","message":"x"},"report":[]}"#;

/// A keeper that has no byte, takes all of them, and tells these events.
fn keeper(place: &Place, events: &str) {
    place.keeper(&[
        ("GET /v1/artifacts/", 404, ""),
        ("PUT /v1/artifacts/", 200, r#"{"offset":0,"complete":true}"#),
        ("POST /v1/apps/assistant/production/deploys", 200, &started()),
        ("GET /v1/apps/assistant/production/deploys/", 200, events),
        ("GET /v1/apps/assistant/production/status", 200, STATUS),
    ]);
}

/// Sizes of what zstd gives may change with its version; the words may not.
fn steady(said: &str) -> String {
    said.lines()
        .map(|line| if line.starts_with("Sent ") { "Sent [size]." } else { line })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_deploy_is_told_phase_by_phase_and_ends_with_what_serves() {
    let place = Place::with_app();
    keeper(&place, &events(&ALL, SERVED));
    insta::assert_snapshot!(steady(&place.run(&["deploy"])));
    let asked = place.asked();
    let put = asked.iter().find(|line| line.starts_with("PUT")).unwrap();
    assert!(put.starts_with("PUT /v1/artifacts/sha256:") && put.contains("offset=0&total="), "{put}");
    let post = asked.iter().find(|line| line.starts_with("POST")).unwrap();
    assert!(post.contains("manifest = 1") && post.contains("\"digest\":\"sha256:"), "{post}");
}

#[test]
fn a_failed_gate_says_why_and_what_still_serves() {
    let place = Place::with_app();
    keeper(&place, &events(&ALL[..6], ABORTED));
    insta::assert_snapshot!(steady(&place.run(&["deploy"])));
}

#[test]
fn what_was_killed_meanwhile_is_not_said_to_serve() {
    let place = Place::with_app();
    let status = STATUS.replace(r#""state":"up""#, r#""state":"backing off""#);
    place.keeper(&[
        ("GET /v1/artifacts/", 200, r#"{"offset":9,"complete":true}"#),
        ("POST /v1/apps/assistant/production/deploys", 200, &started()),
        ("GET /v1/apps/assistant/production/deploys/", 200, &events(&ALL, SERVED)),
        ("GET /v1/apps/assistant/production/status", 200, &status),
    ]);
    let said = place.run(&["deploy"]);
    assert!(said.contains("Requests for assistant/production go to release 43, and no instance"), "{said}");
    assert!(!said.contains("serves assistant"), "{said}");
}

#[test]
fn every_end_has_its_exit_code() {
    for (phases, end, code) in [
        (&ALL[..], SERVED, 0),
        (&ALL[..1], REFUSED, 1),
        (&ALL[..8], ROLLED_BACK, 3),
        (&ALL[..3], ABORTED, 4),
        (&ALL[..5], HELD, 5),
    ] {
        let place = Place::with_app();
        keeper(&place, &events(phases, end));
        assert_eq!(place.code(&["deploy"]), code, "{end}");
    }
    let place = Place::with_app();
    keeper(&place, "");
    assert_eq!(place.code(&["deploy", "--detach"]), 6);
}

#[test]
fn a_keeper_that_is_gone_for_a_while_is_waited_for() {
    let place = Place::with_app();
    // The first answer ends without the deploy's end, as one of a killed keeper does; the next one goes on.
    let half = events(&ALL[..6], SERVED);
    let half = half.lines().take(6).map(|line| format!("{line}\n")).collect::<String>();
    place.keeper(&[
        ("GET /v1/artifacts/", 200, r#"{"offset":9,"complete":true}"#),
        ("POST /v1/apps/assistant/production/deploys", 200, &started()),
        ("GET /v1/apps/assistant/production/deploys/01ARZ3NDEKTSV4RRFFQ69G5FAV/events?from=1", 200, &half),
        (
            "GET /v1/apps/assistant/production/deploys/01ARZ3NDEKTSV4RRFFQ69G5FAV/events?from=7",
            200,
            &events(&ALL, ABORTED),
        ),
        ("GET /v1/apps/assistant/production/status", 200, STATUS),
    ]);
    let said = place.run(&["deploy"]);
    assert!(said.contains("-> 4\n"), "{said}");
    assert!(said.contains("The keeper is back."), "{said}");
}

#[test]
fn json_tells_every_event_and_nothing_else() {
    let place = Place::with_app();
    let events = events(&ALL, SERVED);
    keeper(&place, &events);
    let said = place.run(&["deploy", "--json"]);
    let lines: Vec<&str> = said.lines().skip(1).collect();
    assert_eq!(lines[0], format!("{{\"started\":{}}}", started()));
    assert_eq!(lines.len(), events.lines().count() + 1, "{said}");
    assert!(lines.iter().all(|line| line.starts_with('{')), "{said}");
}

#[test]
fn a_dry_run_shows_the_plan_and_ends_with_2() {
    let place = Place::with_app();
    let plan = r#"{"site":{"app":"assistant","env":"production"},"from":42,"to":43,"changes":[{"subject":"artifact","before":"sha256:aa","after":"sha256:bb"},{"subject":"secret OPENAI_API_KEY","before":null,"after":"set"},{"subject":"service.old","before":"2 instances","after":null}],"warnings":[],"errors":[]}"#;
    place.keeper(&[
        ("GET /v1/artifacts/", 200, r#"{"offset":9,"complete":true}"#),
        ("POST /v1/apps/assistant/production/plan", 200, plan),
    ]);
    insta::assert_snapshot!(place.run(&["deploy", "--dry-run"]));
}

#[test]
fn a_plan_without_changes_is_0_and_one_that_would_be_refused_is_1() {
    for (errors, code) in [("", 0), (r#"{"code":"route-taken","message":"another app has this route"}"#, 1)] {
        let place = Place::with_app();
        place.keeper(&[
            ("GET /v1/artifacts/", 200, r#"{"offset":9,"complete":true}"#),
            ("POST /v1/apps/assistant/production/plan", 200, &plan(errors, "")),
        ]);
        assert_eq!(place.code(&["deploy", "--dry-run"]), code);
    }
}

#[test]
fn a_dry_run_sends_nothing() {
    let place = Place::with_app();
    place.keeper(&[("POST /v1/apps/assistant/production/plan", 200, &plan("", ""))]);
    assert_eq!(place.code(&["deploy", "--dry-run"]), 0);
    assert!(!place.asked().iter().any(|line| line.contains("/v1/artifacts/")), "{:?}", place.asked());
}

#[test]
fn a_keeper_that_plans_only_what_it_has_is_sent_the_artifact() {
    let place = Place::with_app();
    place.keeper(&[
        ("GET /v1/artifacts/", 404, ""),
        ("PUT /v1/artifacts/", 200, r#"{"offset":0,"complete":true}"#),
        (
            "POST /v1/apps/assistant/production/plan",
            200,
            &plan(r#"{"code":"artifact-missing","message":"x"}"#, ""),
        ),
    ]);
    let said = place.run(&["deploy", "--dry-run"]);
    assert!(said.contains("-> 1\n") && said.contains("of an earlier version"), "{said}");
    let asked: Vec<String> = place.asked().iter().map(|line| line[..5].to_owned()).collect();
    assert_eq!(asked, ["GET /", "POST ", "GET /", "PUT /", "POST "]);
}

#[test]
fn what_would_be_refused_is_refused_before_a_large_artifact_is_sent() {
    let locked = r#","closed":{"code":"locked","message":"a deploy is under way"}"#;
    let paused = r#","closed":{"code":"paused","message":"deploys are paused"}"#;
    let taken = r#"{"code":"route-taken","message":"another app has this route"}"#;
    for (errors, closed, words, code) in [
        ("", locked, &["deploy"][..], 75),
        ("", paused, &["deploy"], 1),
        ("", paused, &["deploy", "--wait", "1s"], 1),
        (taken, "", &["deploy"], 1),
    ] {
        let place = large(&plan(errors, closed));
        let said = place.run(words);
        assert!(said.contains(&format!("-> {code}\n")), "{said}");
        let asked = place.asked();
        assert!(!asked.iter().any(|line| line.starts_with("PUT") || line.contains("/deploys")), "{asked:?}");
    }
    // A lock is waited for, and an artifact is sent meanwhile; what may begin is sent.
    for (closed, words) in [(locked, &["deploy", "--wait", "1s"][..]), ("", &["deploy"])] {
        let place = large(&plan("", closed));
        assert_eq!(place.code(words), 0);
        assert!(place.asked().iter().any(|line| line.starts_with("PUT")), "{:?}", place.asked());
    }
}

/// An app of some MiB that no packing makes small, and a keeper that has this plan for it.
fn large(plan: &str) -> Place {
    let place = Place::with_app();
    let mut noise = 1_u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (noise >> 56) as u8
    })
    .take(5 << 20)
    .collect();
    std::fs::write(place.path().join("app/noise"), bytes).unwrap();
    place.keeper(&[
        ("POST /v1/apps/assistant/production/plan", 200, plan),
        ("GET /v1/artifacts/", 404, ""),
        ("PUT /v1/artifacts/", 200, r#"{"offset":0,"complete":true}"#),
        ("POST /v1/apps/assistant/production/deploys", 200, &started()),
        ("GET /v1/apps/assistant/production/deploys/", 200, &events(&ALL, SERVED)),
        ("GET /v1/apps/assistant/production/status", 200, STATUS),
    ]);
    place
}

fn plan(errors: &str, closed: &str) -> String {
    format!(
        r#"{{"site":{{"app":"assistant","env":"production"}},"from":42,"to":42,"changes":[],"warnings":[],"errors":[{errors}]{closed}}}"#
    )
}

#[test]
fn every_mistake_of_the_manifest_is_told_before_anything_is_sent() {
    let place = Place::with_app();
    place.put(
        "mainstay.toml",
        &crate::support::SMALL.replace("listen =", "lisen =").replace("dir =", "dri ="),
    );
    place.keeper(&[]);
    insta::assert_snapshot!(place.run(&["deploy"]));
    assert_eq!(place.asked(), ["GET /v1/machine"]);
}

#[test]
fn what_is_not_built_is_told() {
    let place = Place::with_app();
    std::fs::remove_dir_all(place.path().join("app")).unwrap();
    place.keeper(&[]);
    insta::assert_snapshot!(place.run(&["deploy"]));
}

#[test]
fn without_a_manifest_it_says_how_to_get_one() {
    let place = Place::empty();
    place.keeper(&[]);
    insta::assert_snapshot!(place.run(&["deploy"]));
}

#[test]
fn a_release_that_is_there_is_deployed_by_its_number() {
    let place = Place::with_app();
    keeper(&place, &events(&ALL, SERVED));
    assert_eq!(place.code(&["deploy", "--release", "41", "--wait", "5m", "--drain-now"]), 0);
    let post = r#"POST /v1/apps/assistant/production/deploys {"what":{"existing":{"release":41}},"wait":"5m","drain_now":true}"#;
    assert!(place.asked().iter().any(|line| line == post), "{:?}", place.asked());
}
