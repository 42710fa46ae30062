//! The end of the whole site, asked for by Ctrl-C or `mainstay down`: drain by class, stop every instance, then the
//! edge, then this keeper, which tells its parent by its exit status not to start another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use admin::{Refusal, Why, operations::Lines};
use api::machine::DownStep;
use futures_util::{StreamExt as _, stream};
use model::Explain;
use tokio::sync::watch;

/// Who may end this keeper, and how far the end has come. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ending {
    begun: Arc<AtomicBool>,
    within: watch::Sender<Option<Duration>>,
    /// All that was said. Bound: a few per site.
    steps: watch::Sender<Vec<DownStep>>,
}

impl Ending {
    pub(crate) fn new() -> Self {
        Self {
            begun: Arc::new(AtomicBool::new(false)),
            within: watch::channel(None).0,
            steps: watch::channel(Vec::new()).0,
        }
    }

    /// Begins the end, or shortens the one that has begun; the steps follow until the last.
    pub(crate) fn begin(&self, within: Duration) -> Lines<DownStep> {
        self.begun.store(true, Ordering::SeqCst);
        self.within.send_modify(|limit| *limit = Some(limit.map_or(within, |known| known.min(within))));
        let steps = self.steps.subscribe();
        stream::unfold((steps, 0, false), |(mut steps, next, done)| async move {
            if done {
                return None;
            }
            let said = steps.wait_for(|steps| steps.len() > next).await.ok()?;
            let step = said.get(next)?.clone();
            drop(said);
            let last = step.done;
            Some((step, (steps, next + 1, last)))
        })
        .boxed()
    }

    /// Deploys and uploads that come now would be cut.
    pub(crate) fn refuse_new_work(&self) -> Result<(), Refusal> {
        if !self.begun.load(Ordering::SeqCst) {
            return Ok(());
        }
        let explain = Explain::new("going-down", "Mainstay is draining and stopping here")
            .help("wait for its end and start it again: what was served comes back");
        Err(Refusal::new(Why::Unavailable, explain))
    }

    /// Waits until somebody wants the end; how long it may take changes when they ask again.
    pub(crate) fn wanted(&self) -> watch::Receiver<Option<Duration>> {
        self.within.subscribe()
    }

    pub(crate) fn step(&self, message: impl Into<String>) {
        self.say(DownStep { message: message.into(), done: false, left: Vec::new() });
    }

    /// `left`: names of what has outlived its stop.
    pub(crate) fn last_step(&self, message: impl Into<String>, left: Vec<String>) {
        self.say(DownStep { message: message.into(), done: true, left });
    }

    fn say(&self, step: DownStep) {
        tracing::info!("{}", step.message);
        self.steps.send_modify(|steps| steps.push(step));
    }
}
