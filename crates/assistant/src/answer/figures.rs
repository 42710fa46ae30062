//! What is counted of calls to models. Labels are fixed words: no name, no text, no account.

use std::time::Duration;

use kit::metrics::Metrics;

use crate::model::{Model, Used};

/// Calls to other people's services (METRIC-04).
const CALLS: &str = "external_api_calls_total";
const TOKENS: &str = "model_tokens_total";
const FIRST_TOKEN: &str = "model_first_token_seconds";

pub(crate) fn declare(metrics: &Metrics) {
    metrics.counter(CALLS, "Calls to other people's services", &["service", "endpoint", "status"]);
    metrics.counter(TOKENS, "Tokens that models read and wrote", &["service", "direction"]);
    metrics.histogram(FIRST_TOKEN, "Seconds from a question to a model's first token", &["service"]);
}

/// `outcome`: `ok`, `budget`, or the kind of a failure.
pub(super) fn call(metrics: &Metrics, model: &Model, outcome: &str) {
    metrics.add(CALLS, &[model.settings().kind.word(), "chat", outcome]);
}

pub(super) fn first_token(metrics: &Metrics, model: &Model, took: Duration) {
    metrics.observe(FIRST_TOKEN, &[model.settings().kind.word()], took);
}

pub(super) fn tokens(metrics: &Metrics, model: &Model, used: Used) {
    let service = model.settings().kind.word();
    metrics.add_many(TOKENS, &[service, "input"], used.input);
    metrics.add_many(TOKENS, &[service, "output"], used.output);
}
