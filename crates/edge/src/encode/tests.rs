use http::{Request, Response};

use super::*;

fn begun(answer: response::Builder) -> (Option<Encoder>, HeaderMap) {
    let asked = Request::get("/").header("accept-encoding", "gzip").body(()).unwrap().into_parts().0;
    let mut head = answer.body(()).unwrap().into_parts().0;
    let encoder = Compressor::new(&Compress::default()).begin(&Slots::default(), &asked, &mut head);
    (encoder, head.headers)
}

#[test]
fn kinds_are_told_by_their_type_alone() {
    for (kind, is_compressed) in [
        ("text/html", true),
        ("Text/HTML;charset=utf-8", true),
        ("application/json ; x=y", true),
        ("text/event-stream", false),
        ("text/event-stream; charset=utf-8", false),
        ("application/jsonp", false),
        ("textual/html", false),
        ("image/webp", false),
        ("", false),
    ] {
        let answer = Response::builder().header("content-type", kind);
        assert_eq!(begun(answer).0.is_some(), is_compressed, "{kind}");
    }
}

#[test]
fn what_varies_already_is_not_said_twice_and_weak_tags_stay() {
    for vary in ["*", "Cookie, accept-encoding"] {
        let answer = Response::builder().header("content-type", "text/css").header("vary", vary);
        let (_, headers) = begun(answer.header("etag", "W/\"x\""));
        assert_eq!(headers.get_all("vary").iter().count(), 1, "{vary}");
        assert_eq!(headers["etag"], "W/\"x\"");
    }
}

#[test]
fn a_worker_compresses_so_many_at_once_and_then_again() {
    let slots = Slots::default();
    let mut taken: Vec<Slot> = std::iter::from_fn(|| slots.take()).collect();
    assert_eq!(taken.len(), AT_ONCE_MAX);
    taken.pop();
    assert!(slots.take().is_some());
}

#[test]
fn what_was_written_comes_out_at_a_flush_and_the_end_once() {
    for encoding in Compress::default().encodings {
        let mut encoder = Encoder::new(encoding, Slots::default().take().unwrap()).unwrap();
        assert!(encoder.flush().unwrap().is_none(), "nothing was written");
        assert!(encoder.write(b"hello").unwrap().is_none());
        assert!(encoder.flush().unwrap().is_some());
        assert!(encoder.flush().unwrap().is_none(), "it came out already");
        assert!(encoder.finish().unwrap().is_some() && encoder.is_ended());
        assert!(encoder.finish().unwrap().is_none());
    }
}
