//! What a sandbox keeps real processes from, and what its log and keeper learn of it.

use std::os::unix::fs::PermissionsExt as _;

use libtest_mimic::Trial;
use model::sandbox::{Allow, Sandbox};
use supervisor::{Cause, Enclosure, Order, Process};

use crate::{
    house::{House, until},
    trial,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial(
            "a_held_app_writes_its_own_folders_and_nothing_else",
            a_held_app_writes_its_own_folders_and_nothing_else,
        ),
        trial("a_path_that_is_not_there_is_said_in_the_log", a_path_that_is_not_there_is_said_in_the_log),
        trial("refused_calls_are_told_to_the_log_and_counted", refused_calls_are_told_to_the_log_and_counted),
        trial("a_word_opens_its_calls_and_no_others", a_word_opens_its_calls_and_no_others),
        trial(
            "threads_and_subprocesses_live_within_the_walls",
            threads_and_subprocesses_live_within_the_walls,
        ),
        trial("namespaces_are_opened_by_their_word_alone", namespaces_are_opened_by_their_word_alone),
        trial(
            "a_held_app_has_no_capability_and_cannot_signal_its_keeper",
            a_held_app_has_no_capability_and_cannot_signal_its_keeper,
        ),
        trial(
            "the_walls_outlive_the_keeper_and_its_successor_reads_the_counts",
            the_walls_outlive_the_keeper_and_its_successor_reads_the_counts,
        ),
    ]
}

fn held(house: &House, line: &str, sandbox: Sandbox) -> Order {
    let mut order = house.shell(line);
    order.sandbox = Some(Enclosure::of_app(sandbox, vec![house.path().join("shared")]));
    order
}

/// What the line wrote, without the shim's own words.
async fn said(house: &House, line: &str, sandbox: Sandbox) -> Vec<String> {
    std::fs::create_dir_all(house.path().join("shared")).expect("made");
    let before = house.texts().len();
    let process = house.spawn(&held(house, line, sandbox)).await;
    process.wait().await;
    house.texts().split_off(before)
}

async fn a_held_app_writes_its_own_folders_and_nothing_else() {
    let house = House::new();
    // Its account may: only the sandbox stands between.
    let open = house.path().join("open");
    std::fs::create_dir(&open).expect("made");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).expect("opened");
    let shared = house.path().join("shared");
    let line = format!(
        "echo x > {shared}/kept && echo shared; echo x > $TMPDIR/kept && echo tmp; echo x > {open}/lost && echo open; \
         echo x > /tmp/mainstay-lost && echo system; echo x > /dev/null && echo null; echo x > /dev/shm/$$ && rm /dev/shm/$$ && echo shm; \
         head -c1 /etc/passwd > /dev/null && echo read; mv $TMPDIR/kept {shared}/moved && echo moved",
        shared = shared.display(),
        open = open.display(),
    );
    let words = |said: &[String]| said.iter().filter(|line| !line.contains(' ')).cloned().collect::<Vec<_>>();
    let closed = said(&house, &line, Sandbox::default()).await;
    let kept = ["shared", "tmp", "null", "shm", "read", "moved"];
    assert_eq!(words(&closed), kept, "{closed:?}");
    assert!(!open.join("lost").exists());
    let loosened = Sandbox { write: vec![open.display().to_string()], ..Sandbox::default() };
    let opened = said(&house, &line, loosened).await;
    assert!(words(&opened).contains(&"open".to_owned()) && open.join("lost").exists(), "{opened:?}");
    assert!(!words(&opened).contains(&"system".to_owned()), "{opened:?}");
    let off = said(&house, &line, Sandbox { landlock: false, ..Sandbox::default() }).await;
    assert!(words(&off).contains(&"system".to_owned()), "{off:?}");
    std::fs::remove_file("/tmp/mainstay-lost").expect("it was written");
}

async fn a_path_that_is_not_there_is_said_in_the_log() {
    let house = House::new();
    let sandbox = Sandbox { write: vec!["/nowhere/at/all".to_owned()], ..Sandbox::default() };
    let said = said(&house, "true", sandbox).await;
    assert!(
        said.iter().any(|line| line.contains("/nowhere/at/all of `sandbox.write` is not there")),
        "{said:?}"
    );
}

/// Python calls what a shell cannot, by number.
fn calls(body: &str) -> String {
    format!(
        "exec python3 -c 'import ctypes, errno, threading, subprocess, signal\nc = ctypes.CDLL(None, use_errno=True)\n\
         def call(*a):\n  r = c.syscall(*a)\n  return 0 if r >= 0 else ctypes.get_errno()\n{body}'"
    )
}

async fn refused_calls_are_told_to_the_log_and_counted() {
    let house = House::new();
    // ptrace(PTRACE_TRACEME) is open to every process else; keyctl(KEYCTL_GET_KEYRING_ID) too.
    let body = "for i in range(3): print(\"ptrace\", call(101, 0, 0, 0, 0), flush=True)\n\
        print(\"keyctl\", call(250, 0, -3, 0), flush=True)\nsignal.pause()";
    let process = house.spawn(&held(&house, &calls(body), Sandbox::default())).await;
    let has = |word: &str| house.texts().iter().any(|line| line.starts_with(word));
    until("both were tried", || has("keyctl ")).await;
    assert_eq!(house.texts().iter().filter(|line| *line == "ptrace 1").count(), 3, "{:?}", house.texts());
    let refused = process.refused_calls().await;
    assert_eq!(
        refused.iter().map(|(name, n)| (name.as_str(), *n)).collect::<Vec<_>>(),
        [("keyctl", 1), ("ptrace", 3)]
    );
    let notes: Vec<String> =
        house.texts().into_iter().filter(|line| line.contains("the sandbox refused ptrace")).collect();
    assert_eq!(notes.len(), 1, "once is enough: {notes:?}");
    assert!(notes[0].contains("`allow = [\"ptrace\"]`"), "{notes:?}");
    end(process).await;
}

async fn a_word_opens_its_calls_and_no_others() {
    let house = House::new();
    let body = "print(\"ptrace\", call(101, 0, 0, 0, 0), flush=True)\nprint(\"keyctl\", call(250, 0, -3, 0), flush=True)";
    let sandbox = Sandbox { allow: vec![Allow::Ptrace], ..Sandbox::default() };
    let said = said(&house, &calls(body), sandbox).await;
    assert!(said.contains(&"ptrace 0".to_owned()), "{said:?}");
    assert!(said.contains(&"keyctl 1".to_owned()), "{said:?}");
}

/// What runtimes do all day: threads, processes, subprocesses, shared memory, semaphores.
async fn threads_and_subprocesses_live_within_the_walls() {
    let house = House::new();
    let body = "import multiprocessing as m, multiprocessing.shared_memory as s\n\
        t = threading.Thread(target=lambda: print(\"thread\", flush=True)); t.start(); t.join()\n\
        print(subprocess.run([\"/bin/echo\", \"child\"], capture_output=True, text=True).stdout.strip(), flush=True)\n\
        q = m.Queue(); p = m.Process(target=lambda: q.put(\"process\")); p.start(); print(q.get(), flush=True); p.join()\n\
        b = s.SharedMemory(create=True, size=16); b.buf[0] = 1; b.close(); b.unlink(); print(\"memory\", flush=True)";
    let said = said(&house, &calls(body), Sandbox::default()).await;
    assert_eq!(said, ["thread", "child", "process", "memory"]);
}

async fn namespaces_are_opened_by_their_word_alone() {
    let house = House::new();
    let line = "unshare --user /bin/echo within || echo closed";
    let closed = said(&house, line, Sandbox::default()).await;
    assert!(closed.contains(&"closed".to_owned()), "{closed:?}");
    let opened = Sandbox { allow: vec![Allow::UserNamespaces], ..Sandbox::default() };
    let opened = said(&house, line, opened).await;
    assert_eq!(opened, ["within"]);
}

async fn a_held_app_has_no_capability_and_cannot_signal_its_keeper() {
    let house = House::new();
    let line = format!(
        "grep ^Cap /proc/self/status | tr -s \"\\t\" \" \"; kill -0 {} && echo reached; kill -0 $PPID && echo shim; echo end",
        std::process::id()
    );
    let said = said(&house, &line, Sandbox::default()).await;
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(said.contains(&format!("{set}: 0000000000000000")), "{said:?}");
    }
    if machine::users::own_uid() == 0 {
        assert!(said.contains(&"CapBnd: 0000000000000000".to_owned()), "{said:?}");
    }
    assert!(said.contains(&"end".to_owned()), "{said:?}");
    assert!(!said.iter().any(|line| line == "reached" || line == "shim"), "{said:?}");
}

async fn the_walls_outlive_the_keeper_and_its_successor_reads_the_counts() {
    let house = House::new();
    let body = "print(\"ptrace\", call(101, 0, 0, 0, 0), flush=True)\nsignal.pause()";
    let process = house.spawn(&held(&house, &calls(body), Sandbox::default())).await;
    until("it was tried", || house.texts().iter().any(|line| line == "ptrace 1")).await;
    drop(process);
    let next = house.next_keeper();
    let found = next.observe().await.expect("looked");
    let adopted = crate::house::adopted(&found);
    let process = adopted.first().expect("it lives");
    assert_eq!(process.refused_calls().await.get("ptrace"), Some(&1));
    end((*process).clone()).await;
}

async fn end(process: Process) {
    process.stop().await.expect("told");
    assert_eq!(process.wait().await.cause, Cause::Signal(15));
}
