//! `mainstay upgrade`: another binary under load, refused ones, ones that do not come up, and deaths in the middle.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use minisign::KeyPair;
use serde_json::Value;
use testkit::{
    FakeApp, Judge, Load, Mainstay, binaries,
    hollow::Tail,
    mainstay::{
        Said,
        processes::{is_alive, signal},
    },
    receiver::Receiver,
    wait,
};

use crate::{disk::Disk, held::stream};

const PATIENCE: Duration = Duration::from_secs(60);

/// A machine that trusts one key, with an app under load.
struct Machine {
    mainstay: Mainstay,
    app: FakeApp,
    pair: KeyPair,
}

impl Machine {
    fn start() -> Self {
        Self::start_on("", |_| {})
    }

    /// With `tables` in machine.toml; `prepare` gets the folder of the binary.
    fn start_on(tables: &str, prepare: impl FnOnce(&Path)) -> Self {
        let pair = KeyPair::generate_unencrypted_keypair().expect("a pair");
        let keys = format!("upgrade_keys = [\"{}\"]\n{tables}", pair.pk.to_base64());
        let mainstay = Mainstay::start_from_a_copy(&keys, prepare);
        let app = FakeApp::new(&mainstay, "fake");
        app.deploy_to(&mainstay, &[]).expect_code(0);
        Self { mainstay, app, pair }
    }

    fn judge(&self) -> Judge {
        crate::judge(&self.mainstay, &self.app, Load::mixed())
    }

    /// `from` with bytes behind it, which no loader looks at: another file that does the same. Signed.
    fn made(&self, name: &str, from: &Path, behind: &[u8]) -> PathBuf {
        let file = self.mainstay.folder().join(name);
        fs::copy(from, &file).expect("a copy");
        OpenOptions::new().append(true).open(&file).expect("own file").write_all(behind).expect("written");
        sign(&self.pair, &file);
        file
    }

    fn next(&self, name: &str) -> PathBuf {
        self.made(name, &binaries::path("mainstay"), name.as_bytes())
    }

    /// A program that says what a Mainstay says, and is none.
    fn hollow(&self, name: &str, says: &Value, hangs: bool) -> PathBuf {
        let tail = Tail { says: says.to_string(), hangs };
        self.made(name, &binaries::path("hollow"), &tail.bytes())
    }

    fn upgrade(&self, file: &Path) -> Said {
        self.mainstay.cli(&["upgrade", &file.display().to_string()])
    }

    /// Of the binary that the keeper is of.
    fn digest(&self) -> String {
        let told = || Some(self.mainstay.api("/v1/machine")?["digest"].as_str()?.to_owned());
        wait::value("the keeper says of which binary it is", PATIENCE, told)
    }

    fn previous(&self) -> PathBuf {
        self.mainstay.program().with_extension("previous")
    }

    /// What lies in the folder of the binary.
    fn beside(&self) -> Vec<String> {
        let folder = self.mainstay.program().parent().expect("a folder");
        let entries = fs::read_dir(folder).expect("own folder").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// The newest record.
    fn newest(&self) -> Value {
        wait::value("the keeper tells its upgrades", PATIENCE, || {
            Some(self.mainstay.api("/v1/machine/upgrades")?[0].clone())
        })
    }

    fn finish(mut self, judge: Judge) {
        judge.wait_answers(100);
        judge.finish(Some(&self.app.ledger(&self.mainstay))).assert_nothing_failed();
        self.mainstay.down();
    }
}

fn sign(pair: &KeyPair, file: &Path) {
    let bytes = fs::File::open(file).expect("own file");
    let made = minisign::sign(None, &pair.sk, bytes, Some("a test's build"), None).expect("signed");
    fs::write(beside(file), made.into_string()).expect("written");
}

fn beside(file: &Path) -> PathBuf {
    file.with_extension("minisig")
}

/// What the built binary says of itself.
fn about(machine: &Machine) -> Value {
    machine.mainstay.cli(&["version", "--json"]).json_lines()[0].clone()
}

/// Whether that process is of the binary in `file`.
fn runs(pid: u32, file: &Path) -> bool {
    is_same(Path::new(&format!("/proc/{pid}/exe")), file)
}

fn is_same(one: &Path, other: &Path) -> bool {
    fs::read(one).expect("readable") == fs::read(other).expect("readable")
}

#[test]
fn another_binary_is_taken_up_and_back_under_load_and_nothing_fails() {
    let receiver = Receiver::start(b"a key");
    let hook =
        format!("[[webhook]]\nurl = \"{}\"\nsecret = \"HOOK\"\nevents = [\"deploy.*\"]\n", receiver.url());
    let machine = Machine::start_on(&hook, |bin| {
        let data = bin.with_file_name("data");
        fs::create_dir(&data).expect("the data folder");
        crate::webhooks::keep_secret(&data, &receiver.secret());
    });
    let mainstay = &machine.mainstay;
    let stream = stream(mainstay, &machine.app, 50);
    let judge = machine.judge();
    let (first, keeper, up) = (machine.digest(), mainstay.keeper_pid(), mainstay.up_pid());
    let instances = mainstay.instances(&machine.app.site());
    let (edge, station) = (mainstay.edge_pid(), mainstay.station_pid());
    let next = machine.next("next");
    let file = next.display().to_string();
    let said = mainstay.cli(&["upgrade", &file, "--dry-run"]).expect_code(2);
    assert!(said.out.contains("Would replace") && said.out.contains("Signed: a test's build"), "{said}");
    assert_eq!((machine.digest(), mainstay.keeper_pid()), (first.clone(), keeper), "a dry run does nothing");

    let said = machine.upgrade(&next).expect_code(0);
    assert!(said.out.contains("Replaced") && said.out.contains("what was served is served on"), "{said}");
    let second = machine.digest();
    assert!(second != first && !is_alive(keeper), "{second}");
    assert!(is_same(mainstay.program(), &next));
    wait::until("`mainstay up` is of the new binary, with its pid", PATIENCE, || runs(up, &next));
    assert_eq!(mainstay.instances(&machine.app.site()), instances, "no instance was touched");
    assert!(runs(mainstay.edge_pid(), &next), "another edge serves");
    assert!(is_alive(edge), "the one before drains");
    assert!(said.out.contains("Its edge serves"), "{said}");
    wait::until("the station is of the new binary", PATIENCE, || {
        let now = mainstay.api("/v1/machine").unwrap_or_default()["station"]["pid"].as_u64();
        now.and_then(|pid| u32::try_from(pid).ok()).is_some_and(|pid| runs(pid, &next))
    });
    assert!(!is_alive(station), "the one before has ended");
    stream.whole();
    wait::until("the edge of before has drained and ended", PATIENCE, || !is_alive(edge));
    let said = machine.upgrade(&next).expect_code(0);
    assert!(said.out.contains("nothing to do"), "{said}");

    // What this process has become still is a parent: of a keeper that dies, and of the end.
    mainstay.kill_keeper();
    assert_eq!(machine.digest(), second);
    mainstay.cli(&["upgrade", "--back"]).expect_code(0);
    assert_eq!(machine.digest(), first);
    assert!(is_same(mainstay.program(), &binaries::path("mainstay")));
    assert!(runs(mainstay.edge_pid(), &binaries::path("mainstay")), "the edge too is of the one before");
    let said = mainstay.cli(&["events", "--machine"]).expect_code(0);
    assert_eq!(said.out.matches(" done ").count(), 2, "{said}");
    assert!(said.out.contains("upgrade --back"), "{said}");
    machine.finish(judge);
}

#[test]
fn what_may_not_be_taken_up_is_refused_in_its_own_words_and_changes_nothing() {
    let machine = Machine::start();
    let (first, keeper) = (machine.digest(), machine.mainstay.keeper_pid());
    let refused = |file: &Path, code: &str| {
        let said = machine.upgrade(file).expect_code(1);
        assert!(said.err.contains(&format!("[{code}]")), "{said}");
    };
    let next = machine.next("next");
    let text = fs::read_to_string(beside(&next)).expect("a signature");
    fs::write(beside(&next), text.replace("a test's build", "a test's lie")).expect("written");
    refused(&next, "signature-wrong");
    sign(&KeyPair::generate_unencrypted_keypair().expect("a pair"), &next);
    refused(&next, "signature-untrusted");
    fs::write(beside(&next), "nothing of the kind\n").expect("written");
    refused(&next, "signature-unreadable");
    fs::remove_file(beside(&next)).expect("there");
    refused(&next, "upgrade-unsigned");
    sign(&machine.pair, &next);
    OpenOptions::new().append(true).open(&next).expect("own file").write_all(b"!").expect("written");
    refused(&next, "signature-wrong");
    refused(&machine.made("text", Path::new("/etc/passwd"), b""), "upgrade-not-mainstay");
    refused(&machine.hollow("other", &serde_json::json!({ "version": "9" }), false), "upgrade-not-mainstay");
    let mut older = about(&machine);
    older["formats"]["journal"] = serde_json::json!({ "reads": [7, 8], "writes": 8 });
    refused(&machine.hollow("far", &older, false), "upgrade-formats");
    let said = machine.mainstay.cli(&["upgrade", "--back"]).expect_code(1);
    assert!(said.err.contains("[upgrade-no-previous]"), "{said}");

    assert_eq!((machine.digest(), machine.mainstay.keeper_pid()), (first, keeper));
    assert!(is_same(machine.mainstay.program(), &binaries::path("mainstay")));
    assert_eq!(machine.beside(), ["mainstay"], "no copy is left");
    assert!(machine.mainstay.api("/v1/machine/upgrades").is_some_and(|all| all == serde_json::json!([])));
}

#[test]
fn a_machine_that_trusts_nobody_says_where_to_name_a_key() {
    let machine = Mainstay::start_from_a_copy("", |_| {});
    let file = machine.folder().join("next");
    fs::write(&file, "bytes").expect("written");
    sign(&KeyPair::generate_unencrypted_keypair().expect("a pair"), &file);
    let said = machine.cli(&["upgrade", &file.display().to_string()]).expect_code(1);
    assert!(said.err.contains("[upgrade-no-key]") && said.err.contains("upgrade_keys"), "{said}");
    assert!(!said.out.contains("Sent "), "{said}");
}

#[test]
fn a_binary_whose_keeper_dies_or_hangs_is_returned_from_by_itself() {
    let mut machine = Machine::start();
    machine.mainstay.down();
    machine.mainstay.watch_every(Duration::from_secs(2));
    machine.mainstay.up();
    wait::until("what was served is served again", PATIENCE, || {
        machine.mainstay.get(machine.app.host_name(), "/health").is_ok_and(|answer| answer.status == 200)
    });
    let judge = machine.judge();
    let (first, up) = (machine.digest(), machine.mainstay.up_pid());
    for (name, hangs, why) in [("dies", false, "ended with status 9"), ("hangs", true, "SIGABRT")] {
        let said = machine.upgrade(&machine.hollow(name, &about(&machine), hangs)).expect_code(3);
        assert!(said.err.contains("[upgrade-returned]") && said.err.contains(why), "{said}");
        assert_eq!((machine.digest(), machine.mainstay.up_pid()), (first.clone(), up));
        assert!(is_same(machine.mainstay.program(), &binaries::path("mainstay")));
        let told = machine.mainstay.cli(&["status", "--machine"]).expect_code(0);
        assert!(told.out.contains("was returned from") && told.out.contains(why), "{told}");
        assert_eq!(machine.newest()["outcome"], "returned");
    }
    machine.upgrade(&machine.next("next")).expect_code(0);
    assert_ne!(machine.digest(), first, "a good one is taken up after bad ones");
    machine.finish(judge);
}

#[test]
fn a_full_or_read_only_disk_is_told_and_nothing_changes() {
    let mut disk = None;
    // Room for the copy that runs and one more, and not for a third.
    let size = fs::metadata(binaries::path("mainstay")).expect("it was built").len() / 10 * 25;
    let machine =
        Machine::start_on("", |bin| disk = Some(Disk::mount(bin, &format!("size={size},mode=755"))));
    let (first, keeper) = (machine.digest(), machine.mainstay.keeper_pid());
    let next = machine.next("next");
    let refused = |code: &str| {
        let said = machine.upgrade(&next).expect_code(1);
        assert!(
            said.err.contains(&format!("[{code}]")) && said.err.contains("nothing was changed"),
            "{said}"
        );
        assert_eq!((machine.digest(), machine.mainstay.keeper_pid()), (first.clone(), keeper));
        assert_eq!(machine.beside(), ["mainstay"], "no copy is left");
    };
    refused("upgrade-no-room");
    let mut mount = std::process::Command::new("mount");
    mount.args(["-o", "remount,ro"]).arg(machine.mainstay.program().parent().expect("a folder"));
    assert!(mount.status().is_ok_and(|status| status.success()), "root can mount");
    refused("upgrade-unwritable");
    drop(machine);
}

/// Dies while it puts the new one in place: whatever is in place then is undone by the next keeper, which is of the old one.
#[test]
fn a_keeper_that_dies_in_the_middle_leaves_the_old_binary_and_says_so() {
    let machine = Machine::start();
    let (first, judge) = (machine.digest(), machine.judge());
    let next = machine.next("next");
    let dies = |place: &str, running: &Path| {
        machine.mainstay.die_at(place);
        let said = machine.upgrade(&next).expect_code(3);
        assert!(!machine.mainstay.is_deadly(place) && said.err.contains("[upgrade-returned]"), "{said}");
        assert!(is_same(machine.mainstay.program(), running), "{place}");
    };
    for place in ["upgrade-recorded", "upgrade-kept", "upgrade-placed"] {
        dies(place, &binaries::path("mainstay"));
        assert_eq!(machine.digest(), first);
    }
    // With one before it to go back to: whatever dies, that one stays what `--back` goes to.
    let between = machine.next("between");
    machine.upgrade(&between).expect_code(0);
    for place in ["upgrade-recorded", "upgrade-former", "upgrade-kept", "upgrade-placed"] {
        dies(place, &between);
        assert!(is_same(&machine.previous(), &binaries::path("mainstay")), "{place}");
    }
    machine.upgrade(&next).expect_code(0);
    assert!(is_same(&machine.previous(), &between));
    let mut beside = machine.beside();
    beside.sort();
    assert_eq!(beside, ["mainstay", "mainstay.previous"]);
    machine.finish(judge);
}

/// The keeper and the site go on without it; the next `mainstay up` is of what lies in its place.
#[test]
fn a_mainstay_up_that_dies_in_the_middle_is_followed_by_one_of_the_new_binary() {
    for place in ["upgrade-tried", "upgrade-taken-up", "upgrade-resumed"] {
        let mut machine = Machine::start();
        let (first, judge) = (machine.digest(), machine.judge());
        let next = machine.next("next");
        machine.mainstay.die_at(place);
        machine.upgrade(&next).expect_code(0);
        wait::until("it has died", PATIENCE, || !machine.mainstay.is_deadly(place));
        machine.mainstay.kill_up();
        machine.mainstay.up();
        assert_ne!(machine.digest(), first, "{place}");
        assert_eq!(machine.newest()["outcome"], "done", "{place}");
        machine.finish(judge);
    }
}

/// What systemd does with a unit of `Restart=always`: it starts what lies there, again and again.
#[test]
fn a_binary_that_only_crashes_puts_the_one_before_back_without_a_parent_that_knows() {
    let mut machine = Machine::start();
    let program = machine.mainstay.program().to_owned();
    machine.upgrade(&machine.next("next")).expect_code(0);
    let second = machine.digest();
    machine.mainstay.down();
    let data = machine.mainstay.data().to_owned();
    let file = data.join("machine.toml");
    let good = fs::read(&file).expect("readable");
    fs::write(&file, "no = TOML").expect("written");
    fs::write(data.join("upgrade.starts"), "0").expect("written");
    let keeper = || {
        let mut keeper = std::process::Command::new(&program);
        keeper.args(["keeper", "--data"]).arg(&data).env_remove("XDG_RUNTIME_DIR").spawn().expect("it starts")
    };
    for n in 1..=3 {
        assert_eq!(keeper().wait().expect("own child").code(), Some(1), "start {n}");
    }
    assert!(!is_same(&program, &binaries::path("mainstay")), "three are let off");
    fs::write(&file, good).expect("written");
    let mut fourth = keeper();
    assert_ne!(machine.digest(), second, "the fourth is of the one before");
    assert!(is_same(&program, &binaries::path("mainstay")));
    signal(fourth.id(), rustix::process::Signal::INT);
    fourth.wait().expect("own child");
}

/// Both are the same program here: the one that runs counts its formats one higher, the one before does not.
#[test]
fn a_way_back_to_a_binary_that_cannot_read_what_this_one_writes_is_refused_before_anything_is_written() {
    if !cfg!(debug_assertions) {
        println!("a release build has no next version: nothing to refuse");
        return;
    }
    let mut machine = Machine::start();
    let next = machine.next("next");
    machine.upgrade(&next).expect_code(0);
    machine.mainstay.down();
    machine.mainstay.run_with(Some(("MAINSTAY_FORMATS_PLUS", "1")));
    machine.mainstay.up();
    let (digest, keeper) = (machine.digest(), machine.mainstay.keeper_pid());
    let records = fs::read(machine.mainstay.data().join("upgrades.json")).expect("the records");
    let said = machine.mainstay.cli(&["upgrade", "--back"]).expect_code(1);
    let says = |text: &str| assert!(said.err.contains(text), "{text}\n{said}");
    says("[upgrade-formats]");
    says("that binary cannot read what this one has written");
    ["journal", "routes", "served", "upgrades", "webhooks-queue"].into_iter().for_each(says);
    says("nothing was changed");
    assert_eq!((machine.digest(), machine.mainstay.keeper_pid()), (digest, keeper));
    assert_eq!(fs::read(machine.mainstay.data().join("upgrades.json")).expect("the records"), records);
    assert!(is_same(machine.mainstay.program(), &next));
    machine.mainstay.down();
}
