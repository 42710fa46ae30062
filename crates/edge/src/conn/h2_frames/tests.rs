use proptest::prelude::*;

use super::*;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const PING: u8 = 6;

fn opening() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[0; 6])].concat()
}

fn after(bytes: &[u8]) -> Inbound {
    let mut inbound = Inbound::default();
    inbound.feed(bytes, &mut Unclaimed::default());
    inbound
}

#[test]
fn a_head_is_open_until_its_last_frame_is_whole() {
    let opening = opening();
    for bytes in 1..opening.len() {
        assert!(after(&opening[..bytes]).is_in_head(), "{bytes} bytes of the opening");
    }
    assert!(!after(&opening).is_in_head());
    let begun = [&opening[..], &frame(HEADERS, 0, 1, b"head")].concat();
    assert!(after(&begun).is_in_head());
    let end = frame(CONTINUATION, END_HEADERS, 1, b"end");
    for bytes in 0..end.len() {
        assert!(after(&[&begun, &end[..bytes]].concat()).is_in_head(), "{bytes} bytes of the end");
    }
    assert!(!after(&[&begun[..], &end].concat()).is_in_head());
    let empty_end = frame(CONTINUATION, END_HEADERS, 1, b"");
    assert!(!after(&[&begun[..], &empty_end].concat()).is_in_head());
}

#[test]
fn what_is_no_head_may_take_its_time() {
    let half = &frame(DATA, 0, 1, b"a body that comes slowly")[..20];
    let bytes = [&opening()[..], &frame(HEADERS, END_HEADERS, 1, b"head"), half].concat();
    assert!(!after(&bytes).is_in_head());
}

/// A client that has much to ask is always in the middle of something when a read ends.
#[test]
fn one_head_after_another_is_not_one_long_head() {
    let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, b"head");
    let mut inbound = after(&[&opening()[..], &head[..11]].concat());
    let mut seen = Unclaimed::default();
    for _ in 0..3 {
        assert!(inbound.feed(&[&head[11..], &head[..11]].concat(), &mut seen).0, "a new one has begun");
        assert!(inbound.is_in_head());
    }
    assert!(!inbound.feed(&head[11..12], &mut seen).0, "still the same");
}

#[test]
fn a_stream_is_opened_by_its_first_head_once_that_is_whole() {
    let mut inbound = after(&opening());
    let mut feed = |bytes: Vec<u8>| {
        let mut seen = Unclaimed::default();
        inbound.feed(&bytes, &mut seen);
        seen.heads
    };
    assert_eq!(feed(frame(HEADERS, 0, 1, b"head")), 0);
    assert_eq!(feed(frame(CONTINUATION, END_HEADERS, 1, b"")), 1);
    assert_eq!(feed(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"trailers")), 0);
    let two = [3, 5].map(|stream| frame(HEADERS, END_HEADERS, stream, b"head"));
    assert_eq!(feed(two.concat()), 2);
}

#[test]
fn what_h2_answers_by_itself_is_counted() {
    let reset = |stream, reason: u32| frame(RST_STREAM, 0, stream, &reason.to_be_bytes());
    let ended = END_HEADERS | END_STREAM;
    let said = [
        frame(SETTINGS, 0, 0, &[]),
        reset(1, PROTOCOL_ERROR),
        frame(HEADERS, ended, 3, b"431"),
        frame(HEADERS, ended, 5, b"304, and the id of the request"),
        frame(HEADERS, END_HEADERS, 7, b"200"),
        frame(DATA, 0, 7, &reset(7, PROTOCOL_ERROR)),
        reset(7, 0),
        reset(9, PROTOCOL_ERROR),
    ]
    .concat();
    let mut seen = Unclaimed::default();
    Outbound::default().feed(&said, &mut seen);
    assert_eq!(seen, Unclaimed { heads: 0, malformed: 2, too_large: 1 });
}

/// Frames as they may come, nonsense too.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let kind =
        prop_oneof![Just(DATA), Just(HEADERS), Just(RST_STREAM), Just(PING), Just(CONTINUATION), any::<u8>()];
    let reset = prop_oneof![Just(vec![0, 0, 0, 1]), prop::collection::vec(any::<u8>(), 0..40)];
    let one = (kind, any::<u8>(), 0..4_u32, reset)
        .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload));
    prop::collection::vec(one, 0..20).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn it_is_all_one_in_which_pieces_it_comes(bytes in frames(), cuts in prop::collection::vec(1..30_usize, 1..40)) {
        let (mut inbound, mut outbound) = (after(&opening()), Outbound::default());
        let (mut seen, mut seen_at_once) = (Unclaimed::default(), Unclaimed::default());
        let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            inbound.feed(piece, &mut seen);
            outbound.feed(piece, &mut seen);
            rest = later;
        }
        let mut at_once = after(&opening());
        at_once.feed(&bytes, &mut seen_at_once);
        Outbound::default().feed(&bytes, &mut seen_at_once);
        prop_assert_eq!(seen, seen_at_once);
        prop_assert_eq!(inbound.is_in_head(), at_once.is_in_head());
        prop_assert!(inbound.frames.is_between());
    }
}
