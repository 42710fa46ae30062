//! From what is there to nothing, in an order in which each step can still be done.

use super::*;

fn installed() -> Found {
    let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
    Found {
        runs: true,
        enabled: true,
        units: paths(&[
            "/etc/systemd/system/mainstay.service",
            "/etc/systemd/system/mainstay-keeper.service",
        ]),
        drop_ins: paths(&["/etc/systemd/system/mainstay.service.d"]),
        completions: paths(&["/usr/local/share/bash-completion/completions/mainstay"]),
        pages: paths(&["/usr/local/share/man/man1/mainstay.1", "/usr/local/share/man/man1/mainstay-up.1"]),
        programs: paths(&["/usr/local/bin/mainstay", "/usr/local/bin/mainstay.previous"]),
        others_program: None,
        data: "/srv/mainstay".into(),
        folders: paths(&["/srv/mainstay", "/var/lib/mainstay-login", "/etc/mainstay", "/run/mainstay"]),
        accounts: vec!["mainstay-edge".to_owned(), "mainstay_login".to_owned()],
        operators: true,
    }
}

/// What is left of it after a plain uninstall.
fn uninstalled() -> Found {
    let none = Vec::new;
    Found {
        runs: false,
        enabled: false,
        units: none(),
        completions: none(),
        pages: none(),
        programs: none(),
        ..installed()
    }
}

fn is_kept(step: &Step) -> bool {
    matches!(step, Step::Folder(_) | Step::DropIns(_) | Step::Account(_) | Step::Group(_))
}

#[test]
fn without_purge_no_data_and_no_account_is_touched_and_each_is_told() {
    let steps = plan(&installed(), false);
    assert!(!steps.iter().any(is_kept), "{steps:?}");
    assert_eq!(steps.first(), Some(&Step::Stop));
    let told = stays(&installed(), false).join("\n");
    for kept in [
        "/srv/mainstay: all apps",
        "/etc/mainstay",
        "mainstay-login",
        "mainstay_login",
        "group mainstay",
        "service.d",
    ] {
        assert!(told.contains(kept), "{kept} is not told:\n{told}");
    }
    assert!(!told.contains("/run"), "{told}");
}

#[test]
fn run_again_it_has_nothing_to_do() {
    assert_eq!(plan(&uninstalled(), false), []);
    assert_eq!(plan(&Found::default(), true), []);
    assert_eq!(stays(&Found::default(), true), Vec::<String>::new());
}

#[test]
fn a_purge_removes_all_and_what_it_needs_goes_last() {
    let steps = plan(&installed(), true);
    let at = |wanted: &Step| steps.iter().position(|step| step == wanted).expect("a step");
    assert_eq!(at(&Step::Stop), 0);
    assert!(at(&Step::Folder("/srv/mainstay".into())) < at(&Step::Account("mainstay-edge".to_owned())));
    // A group that is somebody's first cannot go before them.
    assert!(at(&Step::Account("mainstay_login".to_owned())) < at(&Step::Group("mainstay")));
    assert_eq!(steps.last(), Some(&Step::Program("/usr/local/bin/mainstay.previous".into())));
    assert_eq!(stays(&installed(), true), Vec::<String>::new());
    // Also after an uninstall.
    assert!(plan(&uninstalled(), true).iter().filter(|step| is_kept(step)).count() > 6);
}

#[test]
fn a_program_that_was_found_in_its_place_stays_there() {
    let found = Found { programs: Vec::new(), others_program: Some("/opt/m/mainstay".into()), ..installed() };
    assert!(!plan(&found, true).iter().any(|step| matches!(step, Step::Program(_))));
    assert!(stays(&found, true).iter().any(|what| what.starts_with("/opt/m/mainstay,")));
}
