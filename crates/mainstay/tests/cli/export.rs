//! `mainstay export`.

use crate::support::{Place, SMALL, help};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("export"));
}

#[test]
fn a_pipeline_is_written_once_and_replaced_where_that_is_asked_for() {
    let place = Place::with_app();
    let said = place.run(&["export", "ci", "gitlab", "--test", "make test", "--branch", "trunk"]);
    assert!(
        said.contains("-> 0\n")
            && said.contains("Wrote .gitlab-ci.yml")
            && said.contains("Wrote ci/mainstay.sh"),
        "{said}"
    );
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap();
    assert!(read(".gitlab-ci.yml").contains("$CI_COMMIT_BRANCH == \"trunk\""));
    assert!(read("ci/mainstay.sh").contains("\tmake test\n"));
    let said = place.run(&["export", "ci", "gitlab"]);
    assert!(said.contains("-> 1\n") && said.contains("already-there"), "{said}");
    assert!(read("ci/mainstay.sh").contains("make test"), "nothing was changed");
    assert_eq!(place.code(&["export", "ci", "gitlab", "--force", "--test", "make check"]), 0);
    assert!(read("ci/mainstay.sh").contains("make check"));
}

#[test]
fn what_cannot_be_a_pipeline_is_refused_and_nothing_is_written() {
    let place = Place::with_app();
    for (words, code) in
        [(&["--branch", "${{ evil }}"][..], "bad-branch"), (&["--staging", "production"], "one-environment")]
    {
        let said = place.run(&[&["export", "ci", "github"], words].concat());
        assert!(said.contains("-> 1\n") && said.contains(code), "{said}");
    }
    place.put("mainstay.toml", &SMALL.replace("listen =", "lisen ="));
    assert_eq!(place.code(&["export", "ci", "github"]), 1);
    assert!(!place.path().join(".github").exists() && !place.path().join("ci").exists());
    let printed = Place::with_app();
    let said = printed.run(&["export", "ci", "forgejo", "--print"]);
    assert!(
        said.contains("# .forgejo/workflows/mainstay.yml") && !printed.path().join(".forgejo").exists(),
        "{said}"
    );
}
