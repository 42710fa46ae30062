//! Webhooks: what happens is told, signed, to whoever machine.toml names, whoever dies meanwhile; and nothing of the
//! traffic waits for it.

mod https;
mod station;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use testkit::{
    FakeApp, Load, Mainstay, http,
    mainstay::processes::kill,
    receiver::{Manner, Receiver},
    wait,
};

const SOON: Duration = Duration::from_secs(30);
const KEY: &[u8] = b"a key that nobody else has";

/// A machine that tells `receiver` what is done to apps.
fn machine(receiver: &Receiver) -> Mainstay {
    machine_with(&[receiver])
}

fn machine_with(receivers: &[&Receiver]) -> Mainstay {
    let folder = tempfile::Builder::new().prefix("ms-").tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("own folder");
    let data = folder.path().join("data");
    fs::create_dir_all(&data).expect("the data folder");
    keep_secret(&data, &receivers[0].secret());
    let tables = receivers.iter().map(|receiver| {
        let url = receiver.url();
        format!(
            "[[webhook]]\nurl = \"{url}\"\nsecret = \"HOOK\"\nevents = [\"deploy.*\", \"restart.served\"]\n"
        )
    });
    Mainstay::start_in(folder, data.clone(), &tables.collect::<String>())
}

/// Into webhooks.env beside machine.toml.
pub(crate) fn keep_secret(data: &Path, secret: &str) {
    let file = data.join("webhooks.env");
    fs::write(&file, format!("HOOK={secret}\n")).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("closed");
}

fn of(receiver: &Receiver, event: &str) -> usize {
    receiver.events().values().filter(|known| *known == event).count()
}

fn told(receiver: &Receiver, event: &str, times: usize) {
    wait::until(&format!("{event} is told {times} times"), SOON, || of(receiver, event) == times);
}

fn waiting(mainstay: &Mainstay) -> u64 {
    let told = mainstay.api("/v1/webhooks").unwrap_or_default();
    let hooks = told["hooks"].as_array().cloned().unwrap_or_default();
    hooks.iter().filter_map(|hook| hook["state"]["queued"].as_u64()).sum()
}

#[test]
fn a_deploy_is_told_once_it_begins_and_once_it_ends_and_the_signature_is_right() {
    let receiver = Receiver::start(KEY);
    let mut mainstay = machine(&receiver);
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    told(&receiver, "deploy.started", 1);
    told(&receiver, "deploy.served", 1);
    refuses_all_else(&mainstay);
    mainstay.cli_in(app.folder(), &["restart"]).expect_code(0);
    told(&receiver, "restart.served", 1);
    let all = receiver.taken();
    let names: Vec<&str> = all.iter().map(|delivery| delivery.event.as_str()).collect();
    assert_eq!(
        names,
        ["deploy.started", "deploy.served", "restart.served"],
        "restart.started is not asked for"
    );
    let served = &all[1].body["data"];
    assert_eq!((served["site"]["app"].as_str(), served["outcome"].as_str()), (Some("fake"), Some("served")));
    assert_eq!(receiver.wrong(), Vec::<String>::new());

    let said = mainstay.cli(&["webhook", "test"]).expect_code(0).out;
    assert!(said.contains("answered 204"), "{said}");
    told(&receiver, "webhook.test", 1);
    receiver.behave(Manner::Redirect);
    let said = mainstay.cli(&["webhook", "test", &receiver.url()]).expect_code(1).out;
    assert!(said.contains("answered 307") && !said.contains("in-the-url"), "{said}");
    wait::until("the station has reported", SOON, || {
        mainstay.cli(&["webhook", "list"]).expect_code(0).out.lines().nth(1).is_some_and(|row| {
            row.contains("deploy.* restart.served") && row.split_whitespace().any(|word| word == "3")
        })
    });
    let said = mainstay.cli(&["status", "--machine"]).expect_code(0).out;
    assert!(said.contains("station: pid "), "{said}");
    println!("the station: {:?}", memory_of(mainstay.station_pid()));
    nowhere_but_in_its_file(&mainstay, &receiver);
    mainstay.down();
}

/// On the station's socket there is nothing but what the station needs, even for root.
fn refuses_all_else(mainstay: &Mainstay) {
    let socket = mainstay.run_folder().join("station/keeper.sock");
    let is_root = rustix::process::geteuid().is_root();
    let site = "/v1/apps/fake/production";
    let asked = [
        "plan",
        "deploys",
        "rollback",
        "restart",
        "scale",
        "destroy",
        "run",
        "secrets/A",
        "cancel",
        "resume",
    ];
    let posts = asked.map(|verb| ("POST", format!("{site}/{verb}")));
    let gets = ["/v1/machine", "/v1/apps", "/v1/webhooks"].map(|path| ("GET", path.to_owned()));
    let others = [("GET", format!("{site}/status")), ("POST", "/v1/machine/down".to_owned())];
    let all = posts.into_iter().chain(gets).chain(others);
    for (method, path) in all.chain([("POST", "/v1/webhooks/test".to_owned())]) {
        // Root is not the station's account: its connection is closed before it can ask.
        match (http::ask_unix(&socket, method, &path, b"{}"), is_root) {
            (Err(_), true) => {}
            (Ok(answer), false) => assert_eq!(answer.status, 404, "{method} {path}"),
            (answer, _) => panic!("{method} {path}: {answer:?}"),
        }
    }
}

/// PSS and anonymous memory, as the kernel says them.
fn memory_of(pid: u32) -> Vec<String> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    rollup
        .lines()
        .filter(|line| line.starts_with("Pss:") || line.starts_with("Pss_Anon:"))
        .map(str::to_owned)
        .collect()
}

/// The secret is in no file of the data or run folder but its own, and in nobody's arguments.
fn nowhere_but_in_its_file(mainstay: &Mainstay, receiver: &Receiver) {
    let secret = receiver.secret();
    let encoded = secret.trim_start_matches("whsec_");
    let mut folders = vec![mainstay.data().to_owned(), mainstay.run_folder().to_owned()];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.file_name().is_none_or(|name| name != "webhooks.env") {
                looked += 1;
                let bytes = fs::read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains(encoded), "the secret is in {}", path.display());
            }
        }
    }
    assert!(looked > 10 && mainstay.data().join("station/queue.sqlite").exists(), "{looked} files");
    for (pid, line) in mainstay.processes() {
        assert!(!line.contains(encoded), "the secret is in the arguments of {pid}: {line}");
    }
    assert!(!mainstay.log_text().contains(encoded), "the secret is in the keeper's log");
}

#[test]
fn every_event_arrives_under_one_id_whoever_is_down_or_killed_meanwhile() {
    let mut receiver = Receiver::start(KEY);
    let mut mainstay = machine(&receiver);
    let app = FakeApp::new(&mainstay, "fake");
    receiver.down();
    app.deploy_to(&mainstay, &[]).expect_code(0);
    wait::until("two deliveries wait", SOON, || waiting(&mainstay) == 2);
    mainstay.kill_station();
    mainstay.kill_keeper();
    receiver.up();
    told(&receiver, "deploy.served", 1);
    let first = receiver.events();

    receiver.behave(Manner::Status(500));
    kill(mainstay.station_pid());
    let mut deploy = app.clone().next().start_deploy(&mainstay, &["--json"]);
    deploy.wait_for_phase("bake");
    mainstay.kill_keeper();
    deploy.wait().expect_code(0);
    wait::until("it is refused", SOON, || receiver.refused().iter().any(|one| one.event == "deploy.served"));
    mainstay.kill_station();
    receiver.behave(Manner::Status(200));
    told(&receiver, "deploy.started", 2);
    told(&receiver, "deploy.served", 2);

    let refused = receiver.refused();
    let events = receiver.events();
    assert!(
        refused.iter().all(|one| events.get(&one.id) == Some(&one.event)),
        "another id: {refused:?} {events:?}"
    );
    assert!(first.iter().all(|(id, event)| events.get(id) == Some(event)), "{first:?} {events:?}");
    assert_eq!((events.len(), receiver.wrong().len()), (4, 0), "{events:?}");

    // A deploy that the power's loss cuts is ended by the next keeper, which tells it as any other.
    let mut deploy = app.clone().next().next().start_deploy(&mainstay, &["--json"]);
    deploy.wait_for_phase("gate");
    mainstay.lose_power();
    mainstay.up();
    deploy.kill();
    wait::until("its beginning and its end are told", SOON, || receiver.events().len() == 6);
    told(&receiver, "deploy.started", 3);
    mainstay.down();
}

#[test]
fn a_receiver_that_is_slow_holds_neither_the_others_nor_the_traffic() {
    let (slow, endless) = (Receiver::start(KEY), Receiver::start(KEY));
    slow.behave(Manner::Silent);
    endless.behave(Manner::Endless);
    let mainstay = machine_with(&[&slow, &endless]);
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let judge = crate::judge(&mainstay, &app, Load::mixed());
    told(&endless, "deploy.served", 1);
    wait::until("the slow one is asked", SOON, || !slow.refused().is_empty());
    mainstay.kill_station();
    judge.wait_answers(300);
    let told_once = endless.taken().len();
    let report = judge.finish(Some(&app.ledger(&mainstay)));
    assert!(report.failures.is_empty(), "{report}");
    wait::until("one waits for the slow one", SOON, || waiting(&mainstay) >= 2);
    assert_eq!(endless.taken().len(), told_once, "what was answered is not sent again");
}
