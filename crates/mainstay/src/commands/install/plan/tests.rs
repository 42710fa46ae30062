//! From every state to the one that is wanted, and no further.

use super::*;

fn wanted() -> Wanted {
    Wanted::of("/home/ana/mainstay".into())
}

/// As a run leaves it.
fn installed(wanted: &Wanted) -> Found {
    Found {
        program_is_same: true,
        operators: true,
        edge: true,
        station: true,
        login: Some(wanted.program.clone()),
        folders: wanted.folders.iter().map(|(_, mode)| Some(*mode)).collect(),
        units: wanted.units.iter().map(|(_, text)| Some(text.clone())).collect(),
        completions: vec![true; wanted.completions.len()],
        pages: vec![true; wanted.pages.len()],
        machine_toml: true,
        is_member: true,
        enabled: true,
        active: true,
        keeper_active: true,
    }
}

fn bare(wanted: &Wanted) -> Found {
    Found {
        folders: vec![None; wanted.folders.len()],
        units: vec![None; wanted.units.len()],
        completions: vec![false; wanted.completions.len()],
        pages: vec![false; wanted.pages.len()],
        is_member: wanted.operator.is_none(),
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
    let unstarted = plan(&Wanted { service: Service::Enabled, ..wanted }, &found);
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
fn a_program_of_the_systems_stays_where_it_is() {
    let own = Wanted::of("/opt/mainstay/mainstay".into());
    assert_eq!(own.program, own.source);
    assert!(own.units.iter().all(|(_, text)| text.contains("ExecStart=/opt/mainstay/mainstay ")));
    assert_eq!(wanted().program, Path::new("/usr/local/bin/mainstay"));
}

#[test]
fn a_package_brings_its_files_and_its_script_leaves_the_service_alone() {
    let wanted = Wanted { service: Service::LeftAlone, ..Wanted::of_package("/usr/bin/mainstay".into()) };
    let steps = plan(&wanted, &Found { program_is_same: true, ..bare(&wanted) });
    let expected = |step: &Step| match step {
        Step::Group(_)
        | Step::Account(_)
        | Step::Login { .. }
        | Step::Folder { .. }
        | Step::MachineToml(_) => true,
        Step::Program { .. }
        | Step::Shell(_)
        | Step::Unit { .. }
        | Step::Completions { .. }
        | Step::Pages(_)
        | Step::Member(_)
        | Step::Reload
        | Step::Enable
        | Step::Start
        | Step::ReplaceKeeper => false,
    };
    assert!(steps.len() > 5 && steps.iter().all(expected), "{steps:?}");
    // By hand, on the same machine, the service is wanted too.
    let by_hand = Wanted { service: Service::Runs, ..wanted };
    let found = Found { program_is_same: true, ..bare(&by_hand) };
    assert!(plan(&by_hand, &found).ends_with(&[Step::Enable, Step::Start]));
}

#[test]
fn only_what_is_stale_is_written_and_a_machine_toml_that_is_there_stays() {
    let wanted = wanted();
    let mut found = Found { machine_toml: true, ..installed(&wanted) };
    found.pages[1] = false;
    found.completions[2] = false;
    let [Step::Completions { shell, .. }, Step::Pages(pages)] = &plan(&wanted, &found)[..] else {
        panic!("{:?}", plan(&wanted, &found));
    };
    assert_eq!((shell.as_str(), pages.as_slice()), ("fish", &wanted.pages[1..2]));
    let steps = plan(&wanted, &Found { machine_toml: false, ..installed(&wanted) });
    assert_eq!(steps, [Step::MachineToml("/etc/mainstay/machine.toml".into())]);
}

#[test]
fn keys_lead_to_the_program_that_is_installed_now() {
    let packaged = Wanted::of_package("/usr/bin/mainstay".into());
    let found = Found { login: Some("/usr/local/bin/mainstay".into()), ..installed(&packaged) };
    assert_eq!(plan(&packaged, &found), [Step::Shell("/usr/bin/mainstay".into())]);
}

#[test]
fn who_shall_deploy_is_put_into_the_group_once() {
    let wanted = Wanted { operator: Some("ana".to_owned()), ..wanted() };
    let found = Found { is_member: false, ..installed(&wanted) };
    assert_eq!(plan(&wanted, &found), [Step::Member("ana".to_owned())]);
    assert_eq!(plan(&wanted, &installed(&wanted)), []);
    // The group is there before.
    let steps = plan(&wanted, &bare(&wanted));
    let at = |wanted: &Step| steps.iter().position(|step| step == wanted).expect("a step");
    assert!(at(&Step::Group("mainstay")) < at(&Step::Member("ana".to_owned())));
}
