//! The process: reads its settings and its secrets, opens the queue, and does three things side by side until it is told
//! to end. Nothing is drained: what it has is on the disk.

use std::{cell::RefCell, collections::HashMap, path::Path, rc::Rc, time::Duration};

use api::client::Client;
use futures_util::future::join_all;
use model::{Explain, Secret};
use tokio::{
    runtime::{Builder, LocalRuntime},
    signal::unix::{SignalKind, signal},
    sync::Notify,
};

use crate::{
    hook::Hook,
    keeper,
    queue::{Delivery, Moment, Queue},
    retry,
    send::{Answer, Sender},
    settings::Settings,
};

/// Bound: tries at once for one webhook, so that one answer that is slow does not hold the others.
const AT_ONCE: usize = 4;
/// A queue that cannot be read is asked again after this, and one that is empty looked at once in so long.
const PAUSE: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(3_600);
/// A receiver that has gone for good says so (RFC 9110, 15.5.11).
const GONE: u16 = 410;

/// What its tasks share; all of them are on one thread.
pub(crate) struct Station {
    pub hooks: Vec<Hook>,
    pub queue: RefCell<Queue>,
    pub keeper: Client,
    pub sender: Sender,
    /// There is something to deliver.
    pub queued: Notify,
    /// There is something to report.
    pub changed: Notify,
}

/// The whole life of the process: `mainstay station --settings FILE`. `Ok`: it was asked to end. `beside`: what else speaks
/// to others, and never ends by itself.
/// # Errors
/// Why it cannot run, for its operator.
pub fn main(settings: &Path, beside: impl Future<Output = ()>) -> Result<(), Explain> {
    let failed = |what: &str, error: &dyn std::error::Error| {
        Explain::new("station-not-started", format!("the station cannot start: {what}"))
            .caused_by(error.to_string())
    };
    let settings = Settings::read(settings).map_err(|error| failed("its settings", &error))?;
    let secrets = settings.hooks.iter().filter_map(|hook| {
        let name = hook.secret.clone()?;
        let value = std::env::var(&name).ok()?;
        Some((name, Secret::new(value)))
    });
    let secrets: HashMap<String, Secret> = secrets.collect();
    let hooks: Vec<Hook> = settings.hooks.iter().filter_map(|hook| Hook::new(hook, &secrets)).collect();
    let file = settings.state.join("queue.sqlite");
    let mut queue = Queue::open(&file).map_err(|error| {
        failed("its queue", &error).help(format!(
            "move {} away: what waits in it is not delivered then, all else begins anew",
            file.display()
        ))
    })?;
    queue.keep_only(&hooks).map_err(|error| failed("its queue", &error))?;
    let station = Rc::new(Station {
        hooks,
        queue: RefCell::new(queue),
        keeper: Client::new(settings.keeper),
        sender: Sender::default(),
        queued: Notify::new(),
        changed: Notify::new(),
    });
    let runtime: LocalRuntime = Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())
        .map_err(|error| failed("its runtime", &error))?;
    runtime.block_on(live(&station, beside)).map_err(|error| failed("its signals", &error))
}

async fn live(station: &Rc<Station>, beside: impl Future<Output = ()>) -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    machine::notify::ready()?;
    tracing::info!(webhooks = station.hooks.len(), "The station runs.");
    let workers = deliver_all(station);
    tokio::select! {
        _ = term.recv() => {}
        () = keeper::follow(station) => {}
        () = keeper::report(station) => {}
        () = workers => {}
        () = beside => {}
    }
    Ok(())
}

/// For ever, also where there is no webhook.
async fn deliver_all(station: &Station) {
    join_all(station.hooks.iter().map(|hook| deliver(station, hook))).await;
    std::future::pending().await
}

/// Delivers to one webhook, for ever.
async fn deliver(station: &Station, hook: &Hook) {
    if hook.secret.is_none() {
        // Its deliveries wait, until a station is started that has it.
        return std::future::pending().await;
    }
    loop {
        let woken = station.queued.notified();
        match round(station, hook).await {
            Ok(Some(wait)) => {
                let _ = tokio::time::timeout(wait, woken).await;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, url = %hook.place, "The queue cannot be used.");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Tries what is due; gives how long there is nothing to do, if there was nothing.
async fn round(station: &Station, hook: &Hook) -> rusqlite::Result<Option<Duration>> {
    let now = Moment::now();
    let due = station.queue.borrow().due(&hook.key, &now, AT_ONCE)?;
    if due.is_empty() {
        let next = station.queue.borrow().next_in(&hook.key, &now)?;
        return Ok(Some(next.unwrap_or(IDLE).min(IDLE)));
    }
    let tried = join_all(due.iter().map(async |delivery| {
        let answer = station.sender.send(hook, &delivery.id, &delivery.body).await;
        let ended = ended(&mut station.queue.borrow_mut(), hook, delivery, answer);
        station.changed.notify_one();
        ended
    }));
    tried.await.into_iter().collect::<rusqlite::Result<()>>()?;
    Ok(None)
}

fn ended(queue: &mut Queue, hook: &Hook, delivery: &Delivery, answer: Answer) -> rusqlite::Result<()> {
    let now = Moment::now();
    let (why, for_good) = match answer {
        Ok((200..=299, _)) => {
            tracing::info!(id = delivery.id, event = delivery.name, url = %hook.place, "Delivered.");
            return queue.delivered(delivery, &now);
        }
        Ok((status, _)) => (format!("it answered {status}"), status == GONE),
        Err(error) => (error, false),
    };
    let tries = delivery.tries + 1;
    tracing::warn!(id = delivery.id, event = delivery.name, url = %hook.place, tries, why, "Not delivered.");
    match retry::delay(tries, machine::entropy::roll()).filter(|_| !for_good) {
        Some(delay) => queue.failed(delivery, &why, delay, &now),
        None => queue.gave_up(delivery, hook, &format!("{why}, at the {}", ordinal(tries)), &now),
    }
}

fn ordinal(tries: u32) -> String {
    if tries == 1 { "first try".to_owned() } else { format!("last of {tries} tries") }
}
