//! The conversation with the keeper: which names are wanted, and what became of them. Without a keeper the last word holds.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use api::certificates::{Report, State, Wanted};

use crate::{plan, record::Record, run::Certs};

/// After an answer that is no use: a keeper that ends, a disk that is full.
const PAUSE: Duration = Duration::from_secs(1);
/// Reports follow one another no faster.
const REPORT_PAUSE: Duration = Duration::from_millis(300);

/// Hears for ever which names are wanted, and keeps it before it asks again.
pub(crate) async fn follow(certs: &Rc<Certs>) {
    let mut seen = String::new();
    loop {
        match certs.keeper.certificates_wanted(&seen).await {
            Ok(wanted) => {
                let is_news = wanted.seen != seen;
                seen.clone_from(&wanted.seen);
                if !is_news {
                    continue;
                }
                if let Err(error) = take(certs, wanted) {
                    tracing::warn!(%error, "Which certificates are wanted cannot be kept for the moment.");
                    seen.clear();
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Err(failure) => {
                tracing::debug!(%failure, "Which certificates are wanted is not heard of for the moment.");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn take(certs: &Certs, wanted: Wanted) -> std::io::Result<()> {
    for (name, asked) in &wanted.renew {
        let record = certs.issuer.record(name);
        if record.asked.as_ref() != Some(asked) {
            // Who asks does not wait for the end of a pause; what failed is still told.
            certs.issuer.keep(Record { asked: Some(asked.clone()), is_due: true, next: None, ..record })?;
        }
    }
    certs.want(wanted.names)?;
    certs.changed.notify_one();
    certs.due.notify_one();
    Ok(())
}

/// Tells the keeper what became of names, whenever something did.
pub(crate) async fn report(certs: &Certs) {
    loop {
        certs.changed.notified().await;
        let all = all(certs);
        if let Err(failure) = certs.keeper.certificates_report(&Report { states: all }).await {
            tracing::debug!(%failure, "The keeper does not hear what became of certificates.");
            tokio::time::sleep(PAUSE).await;
            certs.changed.notify_one();
        }
        tokio::time::sleep(REPORT_PAUSE).await;
    }
}

/// By name: what is known of each, and of those that nothing was done for yet, when their turn comes.
fn all(certs: &Certs) -> BTreeMap<String, State> {
    let records = certs.issuer.records.borrow();
    let mut all: BTreeMap<_, _> =
        records.all().map(|record| (record.name.clone(), state(certs, record))).collect();
    if certs.firsts_pause().is_some() {
        for name in certs.wanted() {
            all.entry(name).or_insert_with_key(|name| state(certs, &Record::new(name)));
        }
    }
    all
}

fn state(certs: &Certs, record: &Record) -> State {
    let issued = record.issued.as_ref();
    let planned = issued.map(|issued| plan::renew_at(record, issued));
    let after_pause = record.next.map(|next| next.at_ms / 1_000);
    let turn = certs.firsts_pause().filter(|_| issued.is_none() && record.order.is_none());
    let turn = turn.map(|pause| crate::record::seconds(std::time::SystemTime::now() + pause));
    State {
        serial: issued.map(|issued| issued.serial.clone()),
        issuer: issued.map(|issued| issued.issuer.clone()),
        expires: issued.map(|issued| rfc3339(issued.expires_s)),
        next_order: after_pause.max(turn).or(planned).map(rfc3339),
        is_ordering: certs.is_ordering(&record.name),
        failures: record.failures,
        last_error: record.last_error.as_ref().map(|last| format!("{}: {}", rfc3339(last.at_s), last.why)),
        asked: record.asked.clone(),
    }
}

fn rfc3339(unix_s: u64) -> String {
    let second = i64::try_from(unix_s).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    second.unwrap_or(jiff::Timestamp::MAX).to_string()
}
