//! Ends on purpose: `down` drains for as long as it may, leaves nothing, and has nothing to complain of.

use std::{fs, os::unix::net::UnixListener, process::Stdio, time::Duration};

use rustix::process::Signal;
use testkit::{
    Mainstay, http,
    mainstay::processes::{is_alive, kill, signal},
    wait,
};

use crate::serving_fake;

/// Longer than the keeper's watchdog below.
const STREAM: &str = "/sse?n=60&ms=200";
const WATCHDOG: Duration = Duration::from_secs(5);

#[test]
fn a_stream_that_outlives_the_watchdog_reaches_its_end_while_everything_goes_down() {
    let (mut mainstay, app) = serving_fake();
    mainstay.kill_up();
    mainstay.watch_every(WATCHDOG);
    mainstay.up();
    let (to, host) = (mainstay.http(), app.host_name().to_owned());
    let reader = std::thread::spawn(move || {
        let accept = "accept: text/event-stream";
        http::ask(to, &host, "GET", STREAM, &[accept], &[])
    });
    wait::until("the stream is open", Duration::from_secs(15), || {
        mainstay.status(&app.site())["services"][0]["open"]["streams"] == 1
    });
    let keeper = mainstay.keeper_pid();
    mainstay.down_within(Duration::from_secs(60));
    let answer = reader.join().expect("no panic").expect("the stream was not cut");
    let events = answer.text().lines().filter(|line| line.starts_with("data:")).count();
    assert!(events >= 60, "all 60 events came, not {events}");
    assert!(!mainstay.log_text().contains("does not answer"), "the keeper {keeper} lived until its end");
    // An edge that has nothing to complain of writes nothing.
    let log = fs::read_to_string(mainstay.data().join("logs/edge/edge.log")).unwrap_or_default();
    assert!(!log.contains("nobody asked"), "a clean end leaves no complaint:\n{log}");
}

/// `down` says that everything has stopped a moment before its `up` is gone.
#[test]
fn mainstay_up_starts_directly_after_a_down() {
    let mut mainstay = Mainstay::start();
    for _ in 0..3 {
        let old = mainstay.keeper_pid();
        mainstay.cli(&["down"]).expect_code(0);
        assert!(
            mainstay.api("/v1/machine").is_none(),
            "with its last word the keeper answers nobody any more"
        );
        mainstay.up();
        assert_ne!(mainstay.keeper_pid(), old);
    }
    mainstay.down();
}

/// A shim that hangs is killed; what even that does not end still answers at its socket.
#[test]
fn a_down_that_something_outlives_names_it_and_ends_with_1() {
    let mut mainstay = Mainstay::start();
    let folder = mainstay.run_folder().join("i/survivor");
    fs::create_dir(&folder).expect("the folder of the instances is there");
    let survivor = UnixListener::bind(folder.join("ctl")).expect("a socket");
    let said = mainstay.cli(&["down", "--within", "0s"]).expect_code(1);
    assert!(said.out.contains(&format!("{} still lives", folder.display())), "{}", said.words);
    drop(survivor);
    mainstay.up();
    mainstay.down();
}

/// Nobody stands above the keeper that is told to end: what its parent would have removed, it removes.
#[test]
fn a_down_of_a_keeper_without_a_parent_leaves_no_run_folder_either() {
    let (mut mainstay, app) = serving_fake();
    let mut one_off = mainstay.command(&["run", "--app", "fake", "--", "sleep", "4245"]);
    let mut client = one_off.spawn().expect("the built binary starts");
    wait::until("a one-off runs", Duration::from_secs(15), || {
        mainstay.status(&app.site())["jobs"].as_array().is_some_and(|jobs| jobs.len() == 1)
    });
    mainstay.kill_up();
    mainstay.cli(&["down", "--within", "5s"]).expect_code(0);
    assert!(!mainstay.run_folder().exists(), "the last word is that nothing is left");
    wait::until("no process is left", Duration::from_secs(15), || mainstay.processes().is_empty());
    client.wait().expect("it ends");
    mainstay.up();
    wait::until("what was served is served again", Duration::from_secs(30), || {
        mainstay.get(app.host_name(), "/health").is_ok_and(|answer| answer.status == 200)
    });
    mainstay.down();
}

#[test]
fn who_asks_is_told_why_the_keeper_cannot_start_while_its_parent_tries() {
    let (mut mainstay, app) = serving_fake();
    let file = mainstay.data().join("machine.toml");
    let good = fs::read_to_string(&file).expect("it is there");
    fs::write(&file, format!("{good}\n[edge]\nworkerz = 1\n")).expect("written");
    // What a keeper comes back by is lost too.
    fs::remove_file(mainstay.run_folder().join("machine.last.toml")).expect("the keeper keeps it");
    kill(mainstay.keeper_pid());
    let said = wait::value("the cause is told", Duration::from_secs(30), || {
        let said = mainstay.cli(&["status", "--machine"]);
        assert!(!said.err.contains("no Mainstay is running"), "{said}");
        // Who asks while it dies is told that it broke.
        said.err.contains("[keeper-not-starting]").then_some(said)
    });
    for words in ["workerz", "machine.toml:", "served on"] {
        assert!(said.err.contains(words), "{words} is not told: {said}");
    }
    assert_eq!(mainstay.get(app.host_name(), "/health").expect("it serves").status, 200);
    fs::write(&file, good).expect("written");
    wait::until("the next keeper is up", Duration::from_secs(30), || mainstay.api("/v1/machine").is_some());
    mainstay.cli(&["status", "--machine"]).expect_code(0);
    mainstay.down();
}

/// A file that is being edited is no reason to leave apps without a keeper, nor to refuse their end.
#[test]
fn a_keeper_comes_back_by_what_held_before_and_can_end_everything_while_machine_toml_is_broken() {
    let (mut mainstay, app) = serving_fake();
    let file = mainstay.data().join("machine.toml");
    let good = fs::read_to_string(&file).expect("it is there");
    let unread = |mainstay: &Mainstay| Some(mainstay.api("/v1/machine")?["unread"]["code"].clone());
    for end in ["down", "ctrl-c"] {
        fs::write(&file, format!("{good}\n[edge]\nworkerz = 1\n")).expect("written");
        let said = mainstay.cli(&["status", "--machine"]).expect_code(0);
        assert!(said.out.contains("machine.toml: not used"), "the keeper that runs says it: {said}");
        mainstay.kill_keeper();
        wait::until("the next keeper says what is wrong", Duration::from_secs(30), || {
            unread(&mainstay).is_some_and(|code| code == "unknown-key")
        });
        let said = mainstay.cli(&["status", "--machine"]).expect_code(0);
        assert!(said.out.contains("machine.toml: not used") && said.out.contains("workerz"), "{said}");
        let second = mainstay.cli(&["up"]).expect_code(1);
        assert!(second.err.contains("[unknown-key]") && second.err.contains("is up for"), "{second}");
        // Mended, it is taken up by itself.
        fs::write(&file, &good).expect("written");
        wait::until("the file holds again", Duration::from_secs(30), || {
            unread(&mainstay).is_some_and(|code| code.is_null())
        });
        fs::write(&file, format!("{good}\n[edge]\nworkerz = 1\n")).expect("written");
        mainstay.kill_keeper();
        let up = mainstay.up_pid();
        match end {
            "down" => drop(mainstay.cli(&["down"]).expect_code(0)),
            _ => signal(up, Signal::INT),
        }
        wait::until("everything has ended", Duration::from_secs(30), || {
            !mainstay.run_folder().exists() && mainstay.processes().is_empty()
        });
        fs::write(&file, &good).expect("written");
        mainstay.up();
        wait::until("what was served is served again", Duration::from_secs(30), || {
            mainstay.get(app.host_name(), "/health").is_ok_and(|answer| answer.status == 200)
        });
    }
    mainstay.down();
}

#[test]
fn who_asks_where_up_and_keeper_are_gone_is_told_what_serves_on() {
    let (mut mainstay, app) = serving_fake();
    let keeper = mainstay.keeper_pid();
    mainstay.kill_up();
    kill(keeper);
    wait::until("the keeper is gone", Duration::from_secs(30), || !is_alive(keeper));
    let said = mainstay.cli(&["status", "--machine"]).expect_code(1);
    assert!(said.err.contains("[no-keeper]") && said.err.contains("serve on without one"), "{said}");
    assert!(said.err.contains("up` takes them over"), "{said}");
    assert_eq!(mainstay.get(app.host_name(), "/health").expect("it serves").status, 200);
    mainstay.up();
    mainstay.down();
}

/// They share a run folder, which the first to leave would take from under the others.
#[test]
fn of_several_at_the_same_moment_one_stays_and_the_others_say_why_not() {
    let mut mainstay = Mainstay::start();
    for _ in 0..3 {
        mainstay.down();
        let start = || {
            let mut up = mainstay.command(&["up"]);
            up.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            up.spawn().expect("the built binary starts")
        };
        let mut ups = vec![start(), start(), start()];
        let mut refused = Vec::new();
        wait::until("all but one have given up", Duration::from_secs(30), || {
            refused.extend(ups.extract_if(.., |up| matches!(up.try_wait(), Ok(Some(_)))));
            ups.len() <= 1
        });
        wait::until("the one that stays answers", Duration::from_secs(30), || {
            mainstay.api("/v1/machine").is_some()
        });
        for up in refused {
            let said = up.wait_with_output().expect("it has ended");
            let words = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(said.status.code() == Some(1) && words.contains("[already-up]"), "{words}");
        }
        mainstay.cli(&["down"]).expect_code(0);
        let stayed = ups.first_mut().expect("one stays");
        assert!(stayed.wait().expect("it ends").success());
        assert!(!mainstay.run_folder().exists());
        mainstay.up();
    }
}
