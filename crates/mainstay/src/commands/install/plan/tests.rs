//! From every state to the one that is wanted, and no further.

use super::*;

fn wanted() -> Wanted {
    Wanted::of("/home/ana/mainstay".into(), true)
}

/// As a run leaves it.
fn installed(wanted: &Wanted) -> Found {
    Found {
        program_is_same: true,
        operators: true,
        edge: true,
        station: true,
        login: true,
        folders: wanted.folders.iter().map(|(_, mode)| Some(*mode)).collect(),
        units: wanted.units.iter().map(|(_, text)| Some(text.clone())).collect(),
        enabled: true,
        active: true,
        keeper_active: true,
    }
}

fn bare(wanted: &Wanted) -> Found {
    Found {
        folders: vec![None; wanted.folders.len()],
        units: vec![None; wanted.units.len()],
        ..Found::default()
    }
}

#[test]
fn a_bare_machine_gets_everything_and_the_start_comes_last() {
    let wanted = wanted();
    let steps = plan(&wanted, &bare(&wanted));
    assert_eq!(steps.last(), Some(&Step::Start));
    let at = |wanted: &Step| steps.iter().position(|step| step == wanted).expect("a step");
    assert!(at(&Step::Group("mainstay")) < at(&Step::Start));
    for account in ["mainstay-edge", "mainstay-station"] {
        assert!(at(&Step::Account(account)) < at(&Step::Start));
    }
    let login =
        Step::Login { home: "/var/lib/mainstay-login".into(), shell: "/usr/local/bin/mainstay".into() };
    assert!(at(&Step::Group("mainstay")) < at(&login) && at(&login) < at(&Step::Start));
    assert!(at(&Step::Reload) < at(&Step::Enable));
    assert_eq!(steps.iter().filter(|step| matches!(step, Step::Unit { .. })).count(), 2);
}

#[test]
fn what_is_installed_needs_nothing() {
    let wanted = wanted();
    assert_eq!(plan(&wanted, &installed(&wanted)), []);
}

#[test]
fn a_new_program_replaces_the_keeper_alone() {
    let wanted = wanted();
    let found = Found { program_is_same: false, ..installed(&wanted) };
    let steps = plan(&wanted, &found);
    assert!(matches!(steps.as_slice(), [Step::Program { .. }, Step::ReplaceKeeper]), "{steps:?}");
    let unstarted = plan(&Wanted { start: false, ..wanted }, &found);
    assert!(matches!(unstarted.as_slice(), [Step::Program { .. }]), "{unstarted:?}");
}

#[test]
fn a_changed_unit_is_written_anew_and_read_by_systemd() {
    let wanted = wanted();
    let mut found = installed(&wanted);
    found.units[1] = Some("an older one".to_owned());
    let steps = plan(&wanted, &found);
    assert!(matches!(steps.as_slice(), [Step::Unit { .. }, Step::Reload]), "{steps:?}");
}

#[test]
fn a_keeper_that_a_down_has_ended_is_started_again() {
    let wanted = wanted();
    let found = Found { keeper_active: false, ..installed(&wanted) };
    assert_eq!(plan(&wanted, &found), [Step::Start]);
}

#[test]
fn a_packages_program_stays_where_it_is() {
    let packaged = Wanted::of("/usr/bin/mainstay".into(), true);
    assert_eq!(packaged.program, packaged.source);
    assert!(packaged.units.iter().all(|(_, text)| text.contains("ExecStart=/usr/bin/mainstay ")));
    assert_eq!(wanted().program, Path::new("/usr/local/bin/mainstay"));
}
