use super::*;

#[test]
fn every_word_opens_something_and_nothing_else() {
    let closed = |allow: &[Allow]| (calls::refused(allow), calls::unknown(allow));
    let (all, unknown) = closed(&[]);
    assert!(all.len() > 40 && unknown.len() == 1);
    for (word, allow) in Allow::WORDS {
        let (left, _) = closed(&[allow]);
        let opened: Vec<_> = all.iter().filter(|call| !left.contains(call)).collect();
        let is_landlocks = matches!(allow, Allow::Signals | Allow::AbstractSockets);
        assert_eq!(opened.is_empty(), is_landlocks, "{word}: {opened:?}");
        let by_word = |call: &&sandbox::Call| of_number(call.number).and_then(|known| known.opened_by);
        assert!(opened.iter().all(|call| by_word(call) == Some(allow)), "{word}: {opened:?}");
    }
    assert_eq!(closed(&[Allow::UserNamespaces]).1, []);
}

#[test]
fn the_walls_are_those_that_the_manifest_leaves() {
    let of =
        |sandbox: Sandbox| Enclosure::of_app(sandbox, vec!["/srv/own".into()]).around(&["/run/s".into()]);
    let usual = of(Sandbox::default());
    let reach = usual.files.as_ref().expect("held");
    assert_eq!(reach.read, [PathBuf::from("/")]);
    for own in ["/run/s", "/srv/own", "/dev/shm"] {
        assert!(reach.write.contains(&own.into()), "{own}");
    }
    assert!(!reach.write.iter().any(|path| ["/", "/tmp", "/etc"].map(PathBuf::from).contains(path)));
    let root =
        Enclosure { read: Some(vec!["/usr".into()]), ..Enclosure::of_app(Sandbox::default(), Vec::new()) };
    let reach = root.around(&["/run/s".into()]).files.expect("held");
    assert_eq!(reach.read, ["/usr", "/proc/self/exe"].map(PathBuf::from));
    assert_eq!(reach.write, [PathBuf::from("/run/s")]);
    let open = of(Sandbox::open());
    assert_eq!((open.files, open.seccomp), (None, false));
    let asked = of(Sandbox { write: vec!["/nowhere/at/all".into(), "/tmp".into()], ..Sandbox::default() });
    assert_eq!(asked.missing().collect::<Vec<_>>(), [&PathBuf::from("/nowhere/at/all")]);
}

#[test]
fn what_a_kernel_lacks_is_said() {
    assert_eq!(lost_of(7, true, true), Vec::<String>::new());
    let words = |landlock, seccomp, tells| lost_of(landlock, seccomp, tells).join("; ");
    assert!(words(0, true, true).contains("no landlock"));
    assert!(words(1, true, true).contains("not used"));
    assert!(words(2, true, true).contains("does not hold back signals"));
    assert!(words(7, false, false).contains("no seccomp"));
    assert!(words(7, true, false).contains("not counted"));
}
