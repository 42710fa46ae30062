use std::{net::TcpListener, os::unix::net::UnixListener};

use super::*;

fn own() -> Vec<Listening> {
    let pid = i32::try_from(std::process::id()).expect("a pid");
    listening(&[pid]).expect("own descriptors can be read")
}

#[test]
fn a_listener_is_found_with_its_address_and_gone_when_closed() {
    let four = TcpListener::bind("127.0.0.1:0").expect("bind");
    let any = TcpListener::bind("[::]:0").expect("bind");
    let wanted = [four.local_addr().expect("address"), any.local_addr().expect("address")];
    for address in wanted {
        assert!(own().contains(&Listening::Tcp(address)), "{address} in {:?}", own());
    }
    drop((four, any));
    for address in wanted {
        assert!(!own().contains(&Listening::Tcp(address)));
    }
}

#[test]
fn a_unix_socket_is_found_though_its_path_holds_a_space() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("an app.sock");
    let _listener = UnixListener::bind(&path).expect("bind");
    assert!(own().contains(&Listening::Unix(path)));
}

#[test]
fn addresses_are_read_in_the_machines_byte_order() {
    let loopback = u32::from_ne_bytes([127, 0, 0, 1]);
    assert_eq!(address(&format!("{loopback:08X}")), Some("127.0.0.1".parse().expect("ip")));
    let words = [0, 0, 0, u32::from_ne_bytes([0, 0, 0, 1])].map(|w: u32| format!("{w:08X}")).concat();
    assert_eq!(address(&words), Some("::1".parse().expect("ip")));
    assert_eq!(address("xyz"), None);
}

#[test]
fn who_holds_a_port_is_found_and_nobody_where_it_is_free() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port();
    let own = i32::try_from(std::process::id()).expect("a pid");
    // Not alone: a child of another test has it too until it has become its program.
    assert!(holders(port).contains(&own));
    drop(listener);
    assert!(!holders(port).contains(&own));
}
