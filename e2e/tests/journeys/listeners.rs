//! Each address is a set of listeners that the kernel shares connections among: one that nobody serves would swallow its
//! share without a refusal.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::serving_fake;

/// Connections of each address: with two listeners one in 2^64 runs would leave one of them out.
const CONNECTIONS: usize = 64;
/// A listener that is served answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn every_listener_of_a_set_is_served() {
    let (mainstay, app) = serving_fake();
    let answered = [mainstay.http(), mainstay.https()].map(|address| {
        let open: Vec<_> = (0..CONNECTIONS).map(|_| ask(address, app.host_name())).collect();
        open.into_iter().filter_map(heard).count()
    });
    assert_eq!(answered, [CONNECTIONS; 2], "connections that somebody served, plain and TLS");
}

fn ask(address: SocketAddr, host: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the kernel takes every connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let head = format!("GET /version HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    stream
}

/// `None`: nobody has looked at the connection. An answer, and TLS's word that this was none of its own, are both one.
fn heard(mut stream: TcpStream) -> Option<usize> {
    match stream.read(&mut [0; 64]) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Some(0),
        Err(_) => None,
    }
}
