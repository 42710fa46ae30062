use proptest::prelude::*;

use super::*;

const LINE: usize = 1 << 10;

/// Feeds `text` in pieces of `step` bytes; the refusal, if any.
fn check(text: &str, step: usize) -> Option<Refusal> {
    let mut guard = Guard::new(LINE);
    for piece in text.as_bytes().chunks(step) {
        if guard.feed(piece).is_err() {
            break;
        }
    }
    guard.refusal()
}

#[test]
fn what_is_ambiguous_is_refused_however_it_is_cut() {
    use Refusal::*;
    let cases = [
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", BareLf),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", BareLf),
        ("\nGET / HTTP/1.1\r\n\r\n", BareLf),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", BareLf),
        ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", ObsoleteFold),
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", SeveralContentLengths),
        ("POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", BadContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", BadContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n", BadContentLength),
        ("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", BadContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", BadContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n", BadContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", BadContentLength),
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", LengthAndEncoding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-length: 5\r\n\r\n", LengthAndEncoding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", BadTransferEncoding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", BadTransferEncoding),
        (
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            BadTransferEncoding,
        ),
        ("POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\n", LengthAndEncoding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\ng\r\n", BadChunk),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc", BadChunk),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\n", BadChunk),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n 3\r\n", BadChunk),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", BadChunk),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", BadChunk),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n", BareLf),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: y\n\r\n", BareLf),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\nGET / HTTP/1.1\r\n\r\n", BareLf),
    ];
    for (text, refusal) in cases {
        for step in [1, 2, 3, 7, text.len()] {
            assert_eq!(check(text, step), Some(refusal), "{text:?} by {step}");
        }
    }
}

#[test]
fn what_is_plain_passes_however_it_is_cut() {
    let cases = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n\n\n\n\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n4;x=y\r\n\n\n\n\n\r\n0\r\nt: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nCookie: content-length: 3\r\nTe: trailers\r\n\r\n",
    ];
    for text in cases {
        for step in [1, 2, 3, 7, text.len()] {
            assert_eq!(check(text, step), None, "{text:?} by {step}");
        }
    }
}

#[test]
fn nothing_after_the_refused_octet_gets_through() {
    let text = b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let passed = Guard::new(LINE).feed(text).unwrap_err();
    assert_eq!(&text[..passed], b"POST / HTTP/1.1\r\nContent-Length: 5\r\n");
}

proptest! {
    #[test]
    fn cutting_never_changes_the_verdict(text in "[a\r\n:0-9 ct]{0,80}", step in 1_usize..9) {
        let text = format!("POST / HTTP/1.1\r\n{text}");
        prop_assert_eq!(check(&text, step), check(&text, text.len()));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Guard::new(LINE).feed(&bytes);
    }
}
