//! When a pair of files is taken, look by look.

use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

use super::*;

fn put(folder: &Path, made: &Made<rcgen::KeyPair>) {
    fs::write(folder.join("cert"), made.cert.pem()).unwrap();
    fs::write(folder.join("key"), made.signing_key.serialize_pem()).unwrap();
}

fn made() -> Made<rcgen::KeyPair> {
    generate_simple_self_signed(["a".to_owned()]).unwrap()
}

fn pair_in(folder: &Path) -> Pair {
    Pair::begin(&Certificate {
        names: vec!["a".to_owned()],
        cert: folder.join("cert"),
        key: folder.join("key"),
    })
}

fn serves(pair: &Pair, made: &Made<rcgen::KeyPair>) -> bool {
    pair.served.as_ref().is_some_and(|served| served.cert[0] == *made.cert.der())
}

#[test]
fn a_pair_that_is_still_written_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (made(), made());
    put(folder.path(), &first);
    let mut pair = pair_in(folder.path());
    assert!(serves(&pair, &first) && !pair.look(), "nothing changed");
    put(folder.path(), &second);
    assert!(!pair.look() && serves(&pair, &first), "it may be half-written");
    // The rest of a chain comes: whole as what is there may look, it is not all.
    fs::write(folder.path().join("cert"), second.cert.pem() + &first.cert.pem()).unwrap();
    assert!(!pair.look() && serves(&pair, &first), "it changed again");
    assert!(pair.look() && serves(&pair, &second), "it kept still");
    assert_eq!(pair.served.as_ref().unwrap().cert.len(), 2);
    assert!(!pair.look(), "nothing changed");
}

#[test]
fn what_is_refused_is_read_and_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (made(), made());
    put(folder.path(), &first);
    let mut pair = pair_in(folder.path());
    fs::write(folder.path().join("key"), second.signing_key.serialize_pem()).unwrap();
    assert_eq!([pair.look(), pair.look(), pair.look()], [false, true, false]);
    assert!(serves(&pair, &first) && pair.status().served && pair.status().problem.is_some());
    put(folder.path(), &first);
    assert_eq!([pair.look(), pair.look(), pair.look()], [false, true, false]);
    assert_eq!(pair.status().problem, None);
}

#[test]
fn a_file_that_is_gone_is_told_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let made = made();
    put(folder.path(), &made);
    let mut pair = pair_in(folder.path());
    fs::remove_file(folder.path().join("cert")).unwrap();
    assert_eq!([pair.look(), pair.look()], [true, false]);
    assert!(serves(&pair, &made));
    put(folder.path(), &made);
    assert_eq!([pair.look(), pair.look()], [false, true]);
    assert_eq!(pair.status().problem, None);
}
