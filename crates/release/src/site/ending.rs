//! How a site ends, for now (`mainstay down`) or for good (`mainstay destroy`), and how it goes on where that failed.

use std::{sync::atomic::Ordering, time::Duration};

use model::Explain;

use super::{Actor, Lock};
use crate::{
    request::{Refused, RefusedKind},
    schedules::{self, Following},
    world::World,
};

impl<W: World> Actor<W> {
    pub(super) async fn end_schedules(&self) {
        if let Some(schedules) = &self.schedules {
            schedules.end(&self.at, Duration::ZERO).await;
        }
    }

    /// Nothing is at work afterwards, and nothing may begin. Again and again is no harm.
    pub(super) async fn settle(&mut self) {
        if let Some(schedules) = &self.schedules {
            schedules.begin_nothing();
        }
        self.end_run().await;
        self.lock = Lock::Down;
        self.jobs.shutdown().await;
    }

    /// Ends the run in flight, because the site ends, and waits for it.
    async fn end_run(&mut self) {
        self.at.ending.store(true, Ordering::Relaxed);
        if let Some(queued) = self.queued.take() {
            let _ = queued.reply.send(Err(self.refused_as_ending()));
        }
        while matches!(self.lock, Lock::Held(_) | Lock::Starting) {
            // What is taken up while the site opens is known only then.
            if let Lock::Held(held) = &self.lock {
                held.cancel.cancel();
            }
            match self.jobs.join_next().await {
                Some(done) => Box::pin(self.joined(done)).await,
                None => return,
            }
        }
    }

    pub(crate) fn refused_as_ending(&self) -> Refused {
        let explain = Explain::new("site-ending", format!("{} is being stopped", self.at.site))
            .help("`mainstay up` starts it again; then deploy once more");
        Refused::new(RefusedKind::Conflict, explain)
    }

    pub(super) async fn destroy(&mut self, with_data: bool) -> Result<(), Explain> {
        let was_down = matches!(self.lock, Lock::Down);
        self.settle().await;
        self.end_schedules().await;
        if let Err(error) = crate::down::withdraw(&self.at).await {
            if !was_down {
                self.serve_on();
            }
            return Err(error);
        }
        crate::down::destroy(&self.at, with_data).await?;
        schedules::forget_unwritten(&self.at).await;
        Ok(())
    }

    /// Takes back [`Actor::settle`]: the site did not end after all.
    fn serve_on(&mut self) {
        self.at.ending.store(false, Ordering::Relaxed);
        self.lock = Lock::Free;
        self.schedules = Some(Following::begin(&self.at, &self.shared));
        // The tasks that would have cleared these were ended.
        self.reconciling = false;
        self.retiring.clear();
        self.retire_what_drains();
        // The edge may have taken the empty table all the same: unknown addresses give it the whole one again.
        self.addresses.clear();
        self.reconcile();
    }

    /// Nobody holds the lock any more; where the site ends, nobody gets it either.
    pub(super) fn free_lock(&mut self) {
        self.lock = if self.is_ending() { Lock::Down } else { Lock::Free };
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.at.ending.load(Ordering::Relaxed)
    }
}
