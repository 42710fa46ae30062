//! Figures of an app that counts its notes, printed as a scraper would read them.
//!
//!     cargo run -p kit --no-default-features --features metrics --example metrics

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use kit::metrics::Metrics;

fn main() {
    let metrics = Metrics::for_http();
    metrics.counter("notes_added_total", "Notes that were added", &["kind"]);
    let waiting = Arc::new(AtomicI64::new(0));
    let asked = Arc::clone(&waiting);
    metrics.asked("notes_waiting", "Notes that wait for a disk", move || Some(asked.load(Ordering::Relaxed)));

    metrics.add("notes_added_total", &["short"]);
    metrics.add("notes_added_total", &["short"]);
    waiting.store(3, Ordering::Relaxed);
    metrics.observe_request("GET", "/notes/{id}", 200, Duration::from_millis(4));
    let open = metrics.hold("event_streams_active");
    print!("{}", metrics.render());
    drop(open);
    assert!(metrics.render().contains("event_streams_active 0"));
}
