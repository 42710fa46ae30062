//! The text form, as a scraper reads it.

use super::*;

#[test]
fn requests_show_as_histogram_and_counter_with_the_catalogues_names() {
    let metrics = Metrics::for_http();
    metrics.observe_request("GET", "/tasks/{id}", 200, Duration::from_millis(4));
    metrics.observe_request("GET", "/tasks/{id}", 200, Duration::from_secs(2));
    let text = metrics.render();
    let series = "method=\"GET\",route=\"/tasks/{id}\",status_code=\"200\"";
    for line in [
        format!("http_requests_total{{{series}}} 2"),
        format!("http_request_duration_seconds_bucket{{{series},le=\"0.005\"}} 1"),
        format!("http_request_duration_seconds_bucket{{{series},le=\"3\"}} 2"),
        format!("http_request_duration_seconds_count{{{series}}} 2"),
        "# TYPE http_request_duration_seconds histogram".to_owned(),
        "websocket_active_connections 0".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
    }
}

#[test]
fn a_held_gauge_falls_when_its_holder_goes() {
    let metrics = Metrics::for_http();
    let held = metrics.hold("websocket_active_connections");
    assert!(metrics.render().contains("websocket_active_connections 1"));
    drop(held);
    assert!(metrics.render().contains("websocket_active_connections 0"));
}

#[test]
fn labels_without_end_stay_bounded_and_escaped() {
    let metrics = Metrics::for_http();
    metrics.counter("things_total", "things", &["name"]);
    (0..SERIES_MAX + 50).for_each(|n| metrics.add("things_total", &[&format!("a\"{n}")]));
    let text = metrics.render();
    assert!(text.contains("things_total{name=\"other\"} 50"));
    assert!(text.contains("things_total{name=\"a\\\"7\"} 1"));
}

#[test]
fn this_process_shows_its_memory_and_what_is_asked_is_asked_each_time() {
    let metrics = Metrics::for_http();
    let asked = Arc::new(std::sync::atomic::AtomicI64::new(1));
    let answers = Arc::clone(&asked);
    metrics.asked("things_waiting", "things", move || Some(answers.load(Ordering::Relaxed)));
    let of = |name: &str| -> i64 {
        let text = metrics.render();
        let line =
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().expect("a number")
    };
    assert_eq!(of("things_waiting"), 1);
    asked.store(7, Ordering::Relaxed);
    assert_eq!(of("things_waiting"), 7);
    assert!(of("process_resident_memory_bytes") > 1 << 20);
    assert!(of("process_open_fds") >= 3);
    assert!(of("process_start_time_seconds") > 1_700_000_000);
}

#[test]
fn sums_tell_failures_and_refusals_apart() {
    let metrics = Metrics::for_http();
    for status in [200, 401, 404, 429, 500, 503] {
        metrics.observe_request("GET", "/", status, Duration::from_millis(10));
    }
    let took = Duration::from_millis(60);
    assert_eq!(metrics.sums(), Sums { answered: 6, failed: 2, refused: 2, took });
}

#[test]
fn a_request_through_a_proxy_did_not_come_directly() {
    assert!(came_directly(["host", "accept"]));
    assert!(!came_directly(["host", "X-Forwarded-For"]));
    assert!(!came_directly(["forwarded"]));
}

#[test]
fn an_app_counts_many_at_once_and_times_what_it_wants() {
    let metrics = Metrics::default();
    metrics.counter("tokens_total", "tokens", &["direction"]);
    metrics.histogram("first_token_seconds", "waiting", &["service"]);
    metrics.add_many("tokens_total", &["input"], 900);
    metrics.add_many("tokens_total", &["input"], 100);
    metrics.observe("first_token_seconds", &["ollama"], Duration::from_millis(400));
    let text = metrics.render();
    for line in [
        "tokens_total{direction=\"input\"} 1000",
        "first_token_seconds_bucket{service=\"ollama\",le=\"0.3\"} 0",
        "first_token_seconds_bucket{service=\"ollama\",le=\"0.5\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
    }
}
