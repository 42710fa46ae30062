//! Headers as bytes, built by hand from the specification.

use proptest::prelude::*;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::*;

fn parsed(bytes: &[u8]) -> Option<(Announced, usize)> {
    parse(&mut bytes.to_vec()).unwrap_or_else(|error| panic!("{error}: {bytes:?}"))
}

fn client(address: &str, port: u16, over_tls: bool) -> Announced {
    Announced::Client(Client { address: address.parse().unwrap(), port, over_tls })
}

/// Version 2: version and command, family and protocol, addresses and TLVs.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [V2_START, &[command, family], &length, rest].concat()
}

const V4: &[u8] = &[203, 0, 113, 7, 10, 0, 0, 1, 0xd4, 0x31, 0x01, 0xbb];

#[test]
fn version_1_names_the_client_and_the_port_it_asked() {
    let line = b"PROXY TCP4 203.0.113.7 10.0.0.1 54321 443\r\nGET / HTTP/1.1\r\n";
    assert_eq!(parsed(line), Some((client("203.0.113.7:54321", 443, false), 43)));
    let line = b"PROXY TCP6 2001:db8::7 2001:db8::1 54321 443\r\n";
    assert_eq!(parsed(line), Some((client("[2001:db8::7]:54321", 443, false), line.len())));
}

#[test]
fn unknown_names_nobody_whatever_follows() {
    for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"] {
        assert_eq!(parsed(line.as_bytes()), Some((Announced::Unnamed, line.len())));
    }
}

#[test]
fn version_2_names_the_client_and_passes_over_tlvs() {
    let header = v2(0x21, 0x11, V4);
    assert_eq!(parsed(&header), Some((client("203.0.113.7:54321", 443, false), header.len())));
    let with_tlvs = v2(0x21, 0x11, &[V4, &[0x04, 0, 2, 0, 0], &[0xe0, 0, 1, 9]].concat());
    assert_eq!(parsed(&with_tlvs), Some((client("203.0.113.7:54321", 443, false), with_tlvs.len())));
    let mut v6 = [0; 36];
    v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    v6[15] = 7;
    v6[32..].copy_from_slice(&[0xd4, 0x31, 0x01, 0xbb]);
    assert_eq!(parsed(&v2(0x21, 0x21, &v6)), Some((client("[2001:db8::7]:54321", 443, false), 52)));
}

/// PP2_TYPE_SSL: client bits, verify, sub-TLVs.
#[test]
fn a_proxy_that_ended_tls_says_so() {
    let said = |bits: u8| {
        let tlv = [0x20, 0, 5, bits, 0, 0, 0, 0];
        parsed(&v2(0x21, 0x11, &[V4, &tlv].concat())).map(|(announced, _)| announced)
    };
    assert_eq!(said(1), Some(client("203.0.113.7:54321", 443, true)));
    assert_eq!(said(0), Some(client("203.0.113.7:54321", 443, false)));
}

#[test]
fn local_and_unix_name_nobody() {
    for header in [
        v2(0x20, 0x00, &[]),
        v2(0x20, 0x11, V4),
        v2(0x20, 0x11, &[]),
        v2(0x20, 0xff, &[1, 2, 3]),
        v2(0x21, 0x00, &[1, 2, 3]),
        v2(0x21, 0x31, &[b'/'; 216]),
    ] {
        assert_eq!(parsed(&header), Some((Announced::Unnamed, header.len())), "{header:?}");
    }
}

#[test]
fn what_is_no_header_is_refused() {
    for line in [
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "POST / HTTP/1.1\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +1 80\r\n",
        "PROXY TCP4 ::1 ::2 1 2\r\n",
        "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
        "PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rX",
        "\x16\x03\x01\x02\x00",
    ] {
        assert!(matches!(parse(&mut line.as_bytes().to_vec()), Err(HeaderError::Malformed)), "{line}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    assert!(parse(&mut long.into_bytes()).is_err());
    for bytes in [v2(0x22, 0x11, V4), v2(0x11, 0x11, V4), v2(0x21, 0x11, &V4[..11]), v2(0x21, 0x41, V4)] {
        let mut bytes = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
        assert!(parse(&mut bytes).is_err(), "{bytes:?}");
    }
}

/// Writes each part by itself and gives what is read, and what is left on the connection.
async fn sent(parts: Vec<Vec<u8>>) -> (Result<Announced, HeaderError>, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let writing = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for part in parts {
            if stream.write_all(&part).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let reading = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let read = read(&mut stream).await;
        let mut rest = Vec::new();
        if read.is_ok() {
            stream.read_to_end(&mut rest).await.unwrap();
        }
        (read, rest)
    };
    tokio::join!(writing, reading).1
}

#[tokio::test]
async fn a_header_in_any_pieces_takes_its_own_bytes_only() {
    let tlv = [&[0xe0, 0x03, 0xe8][..], &[7; 1000]].concat();
    let headers = [
        b"PROXY TCP4 203.0.113.7 10.0.0.1 54321 443\r\n".to_vec(),
        v2(0x21, 0x11, V4),
        v2(0x21, 0x11, &[V4, &tlv].concat()),
    ];
    for header in headers {
        let bytes = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        for size in [1, 3, 15, 16, 17, bytes.len()] {
            let (read, rest) = sent(bytes.chunks(size).map(<[u8]>::to_vec).collect()).await;
            assert_eq!(read.unwrap(), client("203.0.113.7:54321", 443, false), "in pieces of {size}");
            assert_eq!(rest, b"GET / HTTP/1.1\r\n", "in pieces of {size}");
        }
    }
}

#[tokio::test]
async fn a_header_that_ends_early_or_never_is_an_error() {
    assert!(matches!(sent(vec![]).await.0, Err(HeaderError::Left)));
    assert!(matches!(sent(vec![b"PROXY TCP4 1.2".to_vec()]).await.0, Err(HeaderError::Cut(_))));
    let huge = v2(0x21, 0x11, &[V4, &[0; 5000]].concat());
    assert!(matches!(sent(vec![huge]).await.0, Err(HeaderError::TooLong)));
    let endless = vec![b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 5000]];
    assert!(matches!(sent(endless).await.0, Err(HeaderError::Malformed)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(version in 0..3_u8, tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let start: &[u8] = match version { 0 => b"", 1 => b"PROXY TCP", _ => V2_START };
        let mut bytes = [start, &tail[..]].concat();
        if let Ok(Some((_, length))) = parse(&mut bytes) {
            prop_assert!(length <= bytes.len());
        }
    }
}
