//! How a process begins: its environment, its user, its descriptors; and how it fails to.

use std::{io::Write, sync::Arc};

use libtest_mimic::Trial;
use model::{Address, Secret, manifest::Listen};
use supervisor::{Cause, Inherited, Program, SpawnError, User, spec::Ids};

use crate::{
    house::{House, until},
    root_trial, trial,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("a_process_has_a_clean_environment_and_its_secrets", clean_environment),
        trial("an_app_gets_descriptors_with_their_names_and_its_own_pid", inherited_descriptors),
        trial("a_program_that_is_not_there_is_told_and_nothing_is_left", exec_error),
        trial("the_spec_on_disk_holds_no_secret", no_secret_on_disk),
        trial("an_app_that_says_ready_is_ready_also_for_the_next_keeper", ready),
        trial("two_processes_never_get_one_port", ports),
        trial("a_replaced_binary_never_mixes_versions", replaced),
        root_trial("an_app_runs_as_its_user_without_the_keepers_groups", user),
        root_trial("an_app_cannot_touch_its_own_control_files", owned),
    ]
}

async fn clean_environment() {
    let house = House::new();
    let mut order =
        house.shell("/usr/bin/env -u PWD -u _ -u SHLVL -u OLDPWD | sort; test -d $TMPDIR && echo has tmp");
    order.env.insert("MODE".to_owned(), "{instance}".to_owned());
    order.secrets.insert("KEY".to_owned(), Secret::new("k"));
    order.listen = Some(Listen::Tcp);
    let process = house.spawn(&order).await;
    let Some(Address::Tcp(address)) = process.address().cloned() else { panic!("no address") };
    assert_eq!(process.wait().await.cause, Cause::Code(0));
    let texts = house.texts();
    let port = format!("PORT={}", address.port());
    for wanted in
        ["KEY=k", "MODE=web.1.1", "HOST=127.0.0.1", "TZ=UTC", "MAINSTAY_RELEASE=1", &port, "has tmp"]
    {
        assert!(texts.iter().any(|text| text == wanted), "{wanted} in {texts:?}");
    }
    let names: Vec<_> = texts.iter().filter_map(|text| Some(text.split_once('=')?.0)).collect();
    assert_eq!(names.len(), 12, "{names:?}");
}

async fn inherited_descriptors() {
    let house = House::new();
    let mut order = house.app(&["inherit"]);
    for (name, text) in [("first", "one"), ("second", "two")] {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        std::io::Seek::rewind(&mut file).expect("rewound");
        order.fds.push(Inherited { name: name.to_owned(), fd: Arc::new(file.into()) });
    }
    let process = house.spawn(&order).await;
    process.wait().await;
    assert_eq!(house.texts(), ["mine=true fds=2 names=first:second", "holds=one", "holds=two"]);
}

async fn exec_error() {
    let house = House::new();
    let error = house.supervisor.spawn(&house.order(&["./nowhere"])).await.expect_err("it is not there");
    let SpawnError::Exec { program, why } = error else { panic!("{error}") };
    assert!(program.ends_with("nowhere"), "{program}");
    assert!(why.contains("No such file"), "{why}");
    let error = house.supervisor.spawn(&house.order(&["no-such-program"])).await.expect_err("in no PATH");
    assert!(matches!(error, SpawnError::Exec { .. }), "{error}");
    let mut order = house.shell("true");
    order.cwd = "/nowhere".into();
    let error = house.supervisor.spawn(&order).await.expect_err("no such folder");
    assert!(error.to_string().contains("working folder"), "{error}");
    assert_eq!(house.folders(), 0);
}

async fn no_secret_on_disk() {
    let house = House::new();
    let mut order = house.shell("sleep 1000");
    order.secrets.insert("KEY".to_owned(), Secret::new("a-secret-value"));
    let process = house.spawn(&order).await;
    let spec = std::fs::read_to_string(process.dir().join("spec.json")).expect("there");
    assert!(!spec.contains("a-secret-value"));
    process.stop().await.expect("stopped");
    process.wait().await;
    process.forget().await.expect("forgotten");
    assert_eq!(house.folders(), 0);
}

async fn ready() {
    let house = House::new();
    let mut order = house.app(&["notify"]);
    order.notify = true;
    let process = house.spawn(&order).await;
    assert!(process.ready().await);
    let found = house.next_keeper().observe().await.expect("readable");
    let [again] = crate::house::adopted(&found)[..] else { panic!("{found:?}") };
    assert!(again.ready().await, "it was said while another keeper listened");
    process.stop().await.expect("stopped");
    process.wait().await;
}

async fn ports() {
    let house = House::new();
    let mut order = house.shell("sleep 1000");
    order.listen = Some(Listen::Tcp);
    let (one, two) = (house.spawn(&order).await, house.spawn(&order).await);
    assert_ne!(one.address(), two.address());
    for process in [one, two] {
        process.stop().await.expect("stopped");
        process.wait().await;
    }
}

/// The keeper's file is replaced while it lives: its shims and its own children are still what it is.
async fn replaced() {
    let house = House::new();
    let file = house.path().join("mainstay");
    std::fs::copy(std::env::current_exe().expect("a path"), &file).expect("copied");
    let supervisor = house.supervisor_of(&file);
    std::fs::remove_file(&file).expect("removed");
    std::fs::write(&file, "another version").expect("replaced");
    let mut order = house.shell("unused");
    order.program = Program::Own(vec!["app".to_owned(), "lines".to_owned(), "1".to_owned()]);
    let process = supervisor.spawn(&order).await.expect("it starts");
    assert_eq!(process.wait().await.cause, Cause::Code(0));
    assert_eq!(house.texts(), [format!("{:099}", 0)]);
    process.forget().await.expect("forgotten");
}

fn nobody() -> User {
    let account = machine::users::by_name("nobody").expect("NSS").expect("nobody is everywhere");
    let ids = Ids { uid: account.uid, gid: account.gid, groups: account.groups };
    User { name: account.name, ids, home: "/nonexistent".into() }
}

async fn user() {
    let house = House::new();
    let mut order =
        house.shell("id -u; id -G; grep NoNewPrivs /proc/$$/status; touch $TMPDIR/mine && echo wrote");
    order.user = Some(nobody());
    let process = house.spawn(&order).await;
    process.wait().await;
    let uid = nobody().ids.uid.to_string();
    let groups = nobody().ids.groups.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(house.texts(), [uid.as_str(), &groups, "NoNewPrivs:\t1", "wrote"]);
}

async fn owned() {
    let house = House::new();
    let mut order = house.shell(
        "cd {release_dir}/run/i/*/ 2>/dev/null || cd $(dirname $S)/..; \
         for f in ctl exit.json x; do touch $f 2>/dev/null && echo made $f; done; cat spec.json 2>/dev/null; \
         touch s/mine && echo made s/mine; ls -ld s | cut -c1-10; sleep 1000",
    );
    order.listen = Some(Listen::Unix);
    order.env.insert("S".to_owned(), "{socket}".to_owned());
    order.user = Some(nobody());
    let process = house.spawn(&order).await;
    until("the app has tried", || house.texts().len() >= 2).await;
    assert_eq!(house.texts(), ["made s/mine", "drwxr-s---"]);
    process.stop().await.expect("stopped");
    process.wait().await;
}
