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
fn an_app_counts_seconds_and_amounts_of_its_own() {
    let metrics = Metrics::default();
    metrics.histogram("wait_seconds", "Waits", &["who"]);
    metrics.counter("tokens_total", "Tokens", &["who"]);
    metrics.observe("wait_seconds", &["a"], Duration::from_millis(400));
    metrics.add_many("tokens_total", &["a"], 120);
    metrics.add_many("tokens_total", &["a"], 1);
    let text = metrics.render();
    for line in [
        "wait_seconds_bucket{who=\"a\",le=\"0.3\"} 0",
        "wait_seconds_bucket{who=\"a\",le=\"0.5\"} 1",
        "wait_seconds_count{who=\"a\"} 1",
        "tokens_total{who=\"a\"} 121",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
}
