//! Which of the kept listeners serve on when machine.toml has changed.

use rustix::fs::fstat;

use super::*;

/// By name, the socket that stands behind it.
type Sockets = BTreeMap<String, u64>;

fn listen(http: &[SocketAddr], https: &[SocketAddr]) -> Listen {
    Listen { http: http.to_vec(), https: https.to_vec() }
}

fn sockets(listeners: &Listeners) -> Sockets {
    let named = listeners.fds.iter().filter(|inherited| number_of(&inherited.name).is_some());
    named.map(|inherited| (inherited.name.clone(), fstat(&inherited.fd).unwrap().st_ino)).collect()
}

/// As the store gives them back to the next keeper.
fn kept(listeners: &Listeners) -> Named {
    listeners.fds.iter().map(|one| (one.name.clone(), one.fd.try_clone().unwrap())).collect()
}

fn address_of(listeners: &Listeners, n: usize) -> SocketAddr {
    listeners.bound[n].1
}

#[test]
fn a_further_address_leaves_every_other_its_listeners() {
    let state = tempfile::tempdir().unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let first = open(&listen(&[any], &[any]), state.path(), None, Vec::new()).unwrap();
    let (http, https) = (address_of(&first, 0), address_of(&first, 1));
    let second: SocketAddr = "127.0.0.2:0".parse().unwrap();

    let before = sockets(&first);
    let more = open(&listen(&[second, http], &[https]), state.path(), None, kept(&first)).unwrap();
    let after = sockets(&more);
    assert!(
        before.iter().all(|(name, socket)| after.get(name) == Some(socket)),
        "{before:?}, then {after:?}"
    );
    assert!(after.len() > before.len(), "{after:?}");
    assert_eq!(more.doors.http, Some(address_of(&more, 0).port()), "the first one that is asked for");
    assert_eq!(more.pending(&listen(&[http, second], &[https])), None, "their order says nothing");
    assert!(more.pending(&listen(&[http], &[https])).is_some());

    let fewer = open(&listen(&[http], &[https]), state.path(), None, kept(&more)).unwrap();
    assert_eq!(sockets(&fewer), before, "what nobody asks for is let go");
}

#[test]
fn two_addresses_of_any_port_are_two_sets() {
    let state = tempfile::tempdir().unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let asked = listen(&[any, any], &[]);
    let first = open(&asked, state.path(), None, Vec::new()).unwrap();
    let again = open(&asked, state.path(), None, kept(&first)).unwrap();
    assert_eq!((sockets(&again), &again.bound), (sockets(&first), &first.bound));
    assert_ne!(address_of(&again, 0), address_of(&again, 1));
}

#[test]
fn who_asks_for_any_port_leaves_the_one_that_another_names() {
    let state = tempfile::tempdir().unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let first = open(&listen(&[any], &[]), state.path(), None, Vec::new()).unwrap();
    let named = address_of(&first, 0);
    let before = sockets(&first);

    let both = listen(&[any, named], &[]);
    let more = open(&both, state.path(), None, kept(&first)).unwrap();
    let after = sockets(&more);
    assert!(
        before.iter().all(|(name, socket)| after.get(name) == Some(socket)),
        "{before:?}, then {after:?}"
    );
    assert_eq!(address_of(&more, 1), named, "in the order of machine.toml");
    assert_eq!(more.pending(&both), None);
}
