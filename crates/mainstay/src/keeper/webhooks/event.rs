//! What is told of something that happened: what `mainstay events --json` shows of it, without the lines of logs that an
//! error may carry, since those are for this machine's operators.

use api::{deploy::Record, station::Event};
use model::Explain;
use release::{Happened, NewsWhat};
use serde_json::{Value, json};

/// `past`: it is told to nobody, so that nothing is told of it.
pub(super) fn event(happened: &Happened, past: bool) -> Event {
    let (name, data) = match &happened.what {
        NewsWhat::Started(record) => (format!("{}.started", record.verb), told(record)),
        NewsWhat::Waits(record) => (format!("{}.waiting", record.verb), told(record)),
        NewsWhat::Ended(outcome, record) => {
            let outcome = json!(outcome);
            (format!("{}.{}", record.verb, outcome.as_str().unwrap_or_default()), told(record))
        }
        NewsWhat::Run(service, run) => {
            let mut run = run.clone();
            run.why = run.why.as_ref().map(without_details);
            let mut data = json!(run);
            data["site"] = json!(happened.site);
            data["scheduled"] = json!(service);
            (format!("run.{}", run.outcome), data)
        }
    };
    Event {
        id: happened.id.clone(),
        name,
        at: happened.at.clone(),
        site: Some(happened.site.clone()),
        past,
        data: if past { Value::Null } else { data },
    }
}

fn told(record: &Record) -> Value {
    let mut record = record.clone();
    record.error = record.error.as_ref().map(without_details);
    record.reason = record.reason.as_ref().map(without_details);
    json!(record)
}

fn without_details(explain: &Explain) -> Explain {
    Explain { details: Vec::new(), ..explain.clone() }
}
