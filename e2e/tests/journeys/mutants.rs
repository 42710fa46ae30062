//! Planted defects: each test named here must fail when the program has the defect that it is there for. The short form
//! plants the one whose test is a journey of this file's binary; `cargo xtask test --long mutants` plants them all.

use std::process::Command;

/// One way to be wrong (`machine::planted`, debug builds only), and the test that notices.
struct Planted {
    defect: &'static str,
    caught_by: CaughtBy,
}

enum CaughtBy {
    /// A journey of this binary.
    Journey(&'static str),
    /// One that takes minutes: planted in the long form alone.
    LongJourney(&'static str),
    /// A test of a room: package, target, name.
    Test(&'static str, &'static [&'static str], &'static str),
}

use CaughtBy::{Journey, LongJourney, Test};

const PLANTED: [Planted; 14] = [
    Planted {
        defect: "unserved-listener",
        caught_by: Journey("listeners::every_listener_of_a_set_is_served"),
    },
    Planted {
        defect: "signals-by-pid",
        caught_by: Test(
            "supervisor",
            &["--test", "processes"],
            "a_pid_that_came_again_is_never_signalled_or_adopted",
        ),
    },
    Planted {
        defect: "adopts-any-spec",
        caught_by: Test("supervisor", &["--test", "processes"], "another_spec_in_the_folder_is_not_adopted"),
    },
    Planted {
        defect: "writes-secrets",
        caught_by: Test(
            "supervisor",
            &["--test", "processes"],
            "a_secret_is_struck_before_the_disk_also_across_writes",
        ),
    },
    Planted {
        defect: "sends-a-post-twice",
        caught_by: Test(
            "edge",
            &["--test", "edge"],
            "retries::a_post_is_never_sent_twice_once_a_byte_was_sent",
        ),
    },
    Planted {
        defect: "sends-a-post-twice",
        caught_by: LongJourney("chaos::whatever_dies_fails_only_what_it_held"),
    },
    Planted {
        defect: "switches-before-the-gate",
        caught_by: Test(
            "release",
            &["--lib"],
            "tests::faults::broken_releases_are_aborted_with_their_reason",
        ),
    },
    Planted {
        defect: "writes-without-fsync",
        caught_by: Test(
            "release",
            &["--lib"],
            "tests::simulation::every_seeded_world_keeps_every_promise_and_comes_to_rest",
        ),
    },
    Planted {
        defect: "ends-what-is-undone",
        caught_by: Test(
            "release",
            &["--lib"],
            "tests::faults::a_full_disk_under_the_journal_aborts_and_the_old_release_serves",
        ),
    },
    Planted {
        defect: "leaves-candidates-at-the-edge",
        caught_by: Test(
            "release",
            &["--lib"],
            "tests::simulation::every_seeded_world_keeps_every_promise_and_comes_to_rest",
        ),
    },
    Planted {
        defect: "forgets-what-is-held",
        caught_by: Test("release", &["--lib"], "tests::faults::migrations_move_the_schema_or_abort_or_hold"),
    },
    Planted {
        defect: "leaves-the-switch-on-its-way",
        caught_by: Test(
            "release",
            &["--lib"],
            "tests::crashes::a_switch_that_is_still_on_its_way_cannot_arrive_after_the_old_release_was_made_final",
        ),
    },
    Planted {
        defect: "recovers-without-the-edge",
        caught_by: Test(
            "release",
            &["--lib"],
            "tests::crashes::a_switch_that_the_edge_has_and_the_books_have_not_is_completed",
        ),
    },
    Planted {
        defect: "restarts-at-once",
        caught_by: Test(
            "supervisor",
            &["--lib"],
            "restart::tests::delays_double_to_the_longest_and_begin_anew_after_a_long_life",
        ),
    },
];

#[test]
fn mutants_are_caught() {
    if !cfg!(debug_assertions) {
        println!("a release build has no planted defects: nothing to catch");
        return;
    }
    let long = crate::is_long();
    let wanted = PLANTED.iter().filter(|planted| long || matches!(planted.caught_by, Journey(_)));
    let survived: Vec<_> =
        wanted.filter(|planted| !is_caught(planted)).map(|planted| planted.defect).collect();
    assert!(survived.is_empty(), "no test noticed {survived:?}");
}

/// The test runs and passes without the defect, else its failure would say nothing; and fails with it.
fn is_caught(planted: &Planted) -> bool {
    let with = |defect: &str| {
        let mut test = command(&planted.caught_by);
        // The worlds of the short form are many enough, and each defect is looked for twice.
        test.env_remove("MAINSTAY_TEST_LONG").env("MAINSTAY_SEEDS", "500");
        let said = test.env("PLANTED_DEFECT", defect).output().expect("the test starts");
        let words = String::from_utf8_lossy(&said.stdout).into_owned();
        let ran = words.contains("1 passed") || words.contains("1 failed");
        assert!(ran, "{} did not run:\n{words}{}", planted.defect, String::from_utf8_lossy(&said.stderr));
        said.status.success()
    };
    let (sound, defective) = (with(""), with(planted.defect));
    println!("{}: passes without: {sound}, with: {defective}", planted.defect);
    sound && !defective
}

fn command(caught_by: &CaughtBy) -> Command {
    match caught_by {
        Journey(name) | LongJourney(name) => {
            let mut own = Command::new(std::env::current_exe().expect("a path"));
            own.args([name, "--exact"]);
            own
        }
        Test(package, target, name) => {
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["test", "--locked", "--package", package]).args(*target);
            cargo.args(["--", name, "--exact"]).current_dir(env!("CARGO_MANIFEST_DIR"));
            cargo
        }
    }
}
