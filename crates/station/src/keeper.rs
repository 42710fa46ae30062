//! The conversation with the keeper: what has happened, and what became of it. Its death is nothing but a pause.

use std::{rc::Rc, time::Duration};

use api::station::{News, TestAsked, TestEnded};

use crate::{queue::Moment, run::Station};

/// After an answer that is no use: a keeper that ends, a disk that is full.
const PAUSE: Duration = Duration::from_secs(1);
/// Reports follow one another no faster.
const REPORT_PAUSE: Duration = Duration::from_millis(300);

/// Reads what happens for ever, and keeps it before it asks for more.
pub(crate) async fn follow(station: &Rc<Station>) {
    let mut heard = String::new();
    loop {
        match next(station).await {
            Ok(news) => {
                // A new keeper knows nothing of what this station has said.
                if heard != news.cursor.keeper {
                    heard.clone_from(&news.cursor.keeper);
                    station.changed.notify_one();
                }
                for test in news.tests {
                    tokio::task::spawn_local(answer(Rc::clone(station), test));
                }
            }
            Err(why) => {
                tracing::warn!(why, "What happens is not heard of for the moment.");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn next(station: &Station) -> Result<News, String> {
    let unread = |error: rusqlite::Error| format!("the queue cannot be used: {error}");
    let cursor = station.queue.borrow().cursor().map_err(unread)?;
    let news = station.keeper.news(&cursor).await.map_err(|failure| failure.to_string())?;
    let queued = station.queue.borrow_mut().take(&news, &station.hooks, &Moment::now()).map_err(unread)?;
    if queued > 0 {
        tracing::info!(queued, "Something happened that webhooks are told of.");
        station.queued.notify_waiters();
        station.changed.notify_one();
    }
    Ok(news)
}

async fn answer(station: Rc<Station>, asked: TestAsked) {
    let Some(hook) = station.hooks.iter().find(|hook| hook.key == asked.hook) else { return };
    let tested = station.sender.test(hook, &asked.id).await;
    // An operator who is gone by then has the answer in the receiver's log.
    let told = station.keeper.tested(&TestEnded { id: asked.id, tested }).await;
    if let Err(error) = told {
        tracing::debug!(%error, "The end of a test is told to nobody.");
    }
}

/// Tells the keeper what became of deliveries, whenever something did.
pub(crate) async fn report(station: &Station) {
    loop {
        station.changed.notified().await;
        if let Err(why) = report_once(station).await {
            tracing::debug!(why, "The keeper does not hear what became of deliveries.");
            tokio::time::sleep(PAUSE).await;
            station.changed.notify_one();
        }
        tokio::time::sleep(REPORT_PAUSE).await;
    }
}

async fn report_once(station: &Station) -> Result<(), String> {
    let (report, mark) = station.queue.borrow().report(&station.hooks).map_err(|error| error.to_string())?;
    station.keeper.report(&report).await.map_err(|failure| failure.to_string())?;
    // Crash: told and not marked, it is told again; the keeper knows it by its id.
    station.queue.borrow_mut().told(mark).map_err(|error| error.to_string())
}
