//! What runs and ends by itself, as `status` tells it: from the spec of its process, which every keeper can read.

use api::status::Job;
use supervisor::Process;

use super::{instances::rfc3339, oneoff, orders};

pub(crate) fn told(process: &Process) -> Job {
    let spec = process.spec();
    let label = |name: &str| spec.labels.get(name).filter(|value| !value.is_empty());
    let kind = match spec.labels.contains_key(oneoff::ONE_OFF) {
        true => label(oneoff::ONE_OFF).map_or(oneoff::RUN, String::as_str),
        false if spec.labels.contains_key(orders::SCHEDULED) => orders::SCHEDULED,
        false => &spec.name,
    };
    Job {
        kind: kind.to_owned(),
        process: process.id(),
        pid: process.pid(),
        release: spec.release,
        service: label(oneoff::SERVICE).and_then(|name| name.parse().ok()),
        instance: label(oneoff::INSTANCE).and_then(|name| name.parse().ok()),
        operator: label(oneoff::OPERATOR).cloned(),
        since: rfc3339(process.started()),
        command: spec.argv.clone(),
    }
}
