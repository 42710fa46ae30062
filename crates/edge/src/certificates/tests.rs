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
    assert!(serves(&pair, &first) && pair.status(false).served && pair.status(false).problem.is_some());
    put(folder.path(), &first);
    assert_eq!([pair.look(), pair.look(), pair.look()], [false, true, false]);
    assert_eq!(pair.status(false).problem, None);
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
    assert_eq!(pair.status(false).problem, None);
}

fn place(folder: &Path, name: &str, serial: &str, made: &Made<rcgen::KeyPair>) {
    let own = folder.join(name).join(serial);
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("chain.pem"), made.cert.pem()).unwrap();
    fs::write(own.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let _ = fs::remove_file(folder.join(name).join("now"));
    std::os::unix::fs::symlink(serial, folder.join(name).join("now")).unwrap();
}

#[test]
fn what_the_station_places_is_served_at_the_first_look_and_gone_with_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (made(), made());
    fs::create_dir(folder.path().join("challenges")).unwrap();
    let mut placed = Placed::begin(folder.path());
    assert!(placed.pairs.is_empty() && !placed.look());
    place(folder.path(), "_.a.example", "01", &first);
    assert!(placed.look() && serves(&placed.pairs["*.a.example"], &first));
    assert!(!placed.look(), "nothing changed");
    place(folder.path(), "_.a.example", "02", &second);
    assert!(placed.look() && serves(&placed.pairs["*.a.example"], &second));
    fs::remove_dir_all(folder.path().join("_.a.example")).unwrap();
    assert!(placed.look() && placed.pairs.is_empty());
}

#[test]
fn half_a_certificate_takes_none_away_and_a_link_that_leads_elsewhere_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (made(), made());
    place(folder.path(), "a.example", "01", &first);
    let mut placed = Placed::begin(folder.path());
    place(folder.path(), "a.example", "02", &second);
    fs::write(folder.path().join("a.example/02/chain.pem"), "half").unwrap();
    assert!(placed.look() && serves(&placed.pairs["a.example"], &first));
    assert!(placed.pairs["a.example"].status(true).problem.is_some());
    fs::remove_file(folder.path().join("a.example/now")).unwrap();
    std::os::unix::fs::symlink("../other/01", folder.path().join("a.example/now")).unwrap();
    place(folder.path(), "other", "01", &second);
    assert!(placed.look() && !placed.pairs.contains_key("a.example"), "it is not followed");
}
