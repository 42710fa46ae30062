//! `mainstay check`.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Place, SMALL, help};

fn built() -> Place {
    let place = Place::with_app();
    std::fs::set_permissions(place.path().join("app/serve"), std::fs::Permissions::from_mode(0o755)).unwrap();
    // Ports that the defaults name may be taken where this runs.
    place.put("data/machine.toml", "disk_reserve = \"1MiB\"\n[listen]\nhttp = []\nhttps = []\n");
    place
}

/// Free bytes and inodes differ from machine to machine.
fn steady(said: &str) -> String {
    let shown = |line: &str| {
        let cut = ["the disk has room for the release", "the disk has room for many small files"]
            .iter()
            .find_map(|title| line.find(title).map(|at| at + title.len()));
        cut.map_or_else(|| line.trim_end().to_owned(), |cut| format!("{} [n]", &line[..cut]))
    };
    said.lines().map(shown).collect::<Vec<_>>().join("\n")
}

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("check"));
}

#[test]
fn a_small_app_is_told_what_production_wants() {
    insta::assert_snapshot!(steady(&built().run(&["check"])));
}

#[test]
fn staging_wants_less_and_without_errors_and_warnings_it_ends_with_0() {
    let place = built();
    assert_eq!(place.code(&["check", "--env", "staging"]), 0);
    assert_eq!(place.code(&["check"]), 2);
}

/// Somebody who counts what is listed must find what the last line says.
#[test]
fn the_count_is_of_what_is_listed() {
    for env in ["production", "staging"] {
        let said = built().run(&["check", "--env", env]);
        let counted = |what: &str| said.lines().filter(|line| line.starts_with(&format!("{what}: "))).count();
        let plural = |n: usize, thing: &str| format!("{n} {thing}{}", if n == 1 { "" } else { "s" });
        let sum = ["error", "warning", "note"].map(|what| plural(counted(what), what)).join(", ");
        assert!(said.contains(&sum), "{sum} are listed:\n{said}");
    }
    let said = built().run(&["check"]);
    assert!(said.lines().any(|line| line.starts_with("note: ")), "{said}");
}

#[test]
fn mistakes_of_both_files_are_findings() {
    let place = built();
    place.put("data/machine.toml", "disk_reserv = \"1MiB\"\n");
    place.put("mainstay.toml", &SMALL.replace("listen =", "lisen ="));
    insta::assert_snapshot!(place.run(&["check"]));
}

#[test]
fn secrets_are_looked_at_and_never_shown() {
    let place = built();
    place.put(
        "mainstay.toml",
        &SMALL.replace("listen =", "env_secrets = [\"JWT_SECRET\", \"GONE\"]\nlisten ="),
    );
    let file = place.put("data/apps/assistant/staging/secrets.env", "JWT_SECRET=your_jwt_secret_key_here\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = place.run(&["check", "--env", "staging"]);
    assert!(open.contains("can be read by others"), "{open}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let said = place.run(&["check", "--env", "staging"]);
    assert!(said.contains("GONE is not set") && said.contains("JWT_SECRET holds a placeholder"), "{said}");
    assert!(!said.contains("your_jwt"), "{said}");
}

#[test]
fn somebody_vouches_until_a_date() {
    let place = built();
    let until = jiff::Zoned::now().date().saturating_add(jiff::Span::new().days(100)).to_string();
    for refused in ["soon", "9999-12-31"] {
        assert_eq!(place.code(&["check", "--attest", "firewall", "--until", refused]), 1);
    }
    for id in ["firewall", "route-tls", "route-hosts", "rate-limits"] {
        assert_eq!(place.code(&["check", "--attest", id, "--until", &until, "--note", "seen"]), 0);
    }
    let said = place.run(&["check"]);
    assert!(said.contains("-> 0\n"), "{said}");
    assert!(said.contains(&format!("until {until}: seen")), "{said}");
    let file = std::fs::read_to_string(place.path().join("mainstay.attest.toml")).unwrap();
    assert_eq!(file.matches("[[attest]]").count(), 4, "{file}");
}

#[test]
fn json_is_a_finding_a_line() {
    let said = built().run(&["check", "--json"]);
    assert!(said.lines().skip(1).all(|line| line.starts_with("{\"id\":")), "{said}");
}

#[test]
fn what_ends_with_2_is_said_by_fail_on() {
    let place = built();
    let code = |words: &[&str]| place.code(&[&["check"], words].concat());
    assert_eq!((code(&[]), code(&["--fail-on", "warning"]), code(&["--fail-on", "error"])), (2, 2, 0));
    place.put("mainstay.toml", &SMALL.replace("listen =", "lisen ="));
    assert_eq!(code(&["--fail-on", "error"]), 2);
}

#[test]
fn sarif_is_one_log_and_a_mistake_has_its_place() {
    let place = built();
    place.put("mainstay.toml", &SMALL.replace("listen =", "lisen ="));
    let said = place.run(&["check", "--format", "sarif"]);
    let log = said.lines().find(|line| line.starts_with('{')).expect("a log");
    let log: serde_json::Value = serde_json::from_str(log).expect("JSON");
    assert_eq!(log["version"], "2.1.0");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(
        (&place["artifactLocation"]["uri"], &place["region"]["startLine"]),
        (&"mainstay.toml".into(), &8.into()),
        "{log}"
    );
}

#[test]
fn a_checkout_is_looked_at_without_this_machine() {
    let place = built();
    let said = place.run(&["check", "--checkout", "--env", "staging"]);
    assert!(said.contains("-> 0\n") && said.contains("it is of the machine that the app runs on"), "{said}");
    assert_eq!(place.code(&["check", "--checkout", "--live"]), 1);
}

#[test]
fn a_profile_is_told_item_by_item_and_an_unknown_one_is_refused() {
    let place = built();
    let said = place.run(&["check", "--profile", "s0"]);
    assert!(
        said.contains("CHK-02d") && said.contains("0 seen by a program, 0 attested, 9 open, of 9 items"),
        "{said}"
    );
    assert!(said.contains("-> 0\n"), "{said}");
    assert_eq!(place.code(&["check", "--profile", "s0", "--fail-on", "open"]), 2);
    let said = place.run(&["check", "--profile", "s9"]);
    assert!(
        said.contains("-> 1\n")
            && said.contains("no-such-profile")
            && said.contains("s4 (Node and Kubernetes"),
        "{said}"
    );
}

#[test]
fn live_needs_a_keeper_and_adds_its_findings() {
    let place = built();
    assert_eq!(place.code(&["check", "--live", "--env", "staging"]), 1);
    let live = r#"[{"id":"readiness","title":"t","severity":"error","sources":["HEALTH-08"],"state":"found","explain":{"code":"not-ready","message":"requests do not reach every instance"}}]"#;
    let none = r#"{"code":"no-such-endpoint","message":"none"}"#;
    place.keeper(&[
        ("GET /v1/machine/checks", 404, none),
        ("GET /v1/apps/assistant/staging/checks", 200, live),
    ]);
    let said = place.run(&["check", "--live", "--env", "staging"]);
    assert!(said.contains("-> 2\n") && said.contains("requests do not reach every instance"), "{said}");
    // What an older server does not look at has not passed.
    assert!(said.contains("not known: the Mainstay there is older"), "{said}");
}

#[test]
fn what_is_no_file_is_told_at_once_wherever_a_file_is_wanted() {
    for (name, words) in [
        ("mainstay.toml", &["check"][..]),
        ("mainstay.toml", &["deploy"]),
        ("mainstay.attest.toml", &["check"]),
        ("data/machine.toml", &["up"]),
        ("app/.mainstayignore", &["deploy"]),
        ("app/deep/.mainstayignore", &["deploy"]),
    ] {
        let place = Place::with_app();
        place.keeper(&[]);
        let path = place.put(name, "");
        std::fs::remove_file(&path).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let said = place.run(words);
        assert!(said.contains("-> 1\n") && said.contains("it is a pipe, where a file is wanted"), "{said}");
    }
    let place = Place::with_app();
    place.put("mainstay.toml", &"# long\n".repeat(50_000));
    let said = place.run(&["check"]);
    assert!(said.contains("longer than 256 KiB"), "{said}");
    place.put("mainstay.toml", &SMALL.replace("dir = \"app\"", "artifact = \"app\""));
    place.keeper(&[]);
    let said = place.run(&["deploy"]);
    assert!(said.contains("it is a folder, where a file is wanted"), "{said}");
}
