//! One world from its first moment to its rest.

use std::time::Duration;

use model::{DeployId, Site};
use testkit::worlds::Dice;
use tokio::time::{Instant, sleep};
use ulid::Ulid;

use super::promises::Promises;
use crate::{
    Refused, RefusedKind,
    tests::{
        failpoint,
        rig::{Rig, site},
        trace,
    },
};

/// A command that is not answered within this is never answered.
const PATIENCE: Duration = Duration::from_secs(600);
/// Faults over, a site must be at rest after this: the longest drain, and a deploy that came to its own limits.
const REST_WITHIN: Duration = Duration::from_secs(2 * 3600);
/// The longest that a deploy whose client went away waits for the lock.
pub(super) const QUEUED_MAX: Duration = Duration::from_secs(120);
/// Looks at what happens are this far apart; the real keeper looks more often, and sees no more.
pub(super) const TICK: Duration = Duration::from_secs(1);

pub(super) struct Story {
    /// Always there but while one keeper follows another.
    rig: Option<Rig>,
    pub dice: Dice,
    /// Apart from the other dice, whose worlds stay what they are; `None`: nobody has to approve anything.
    pub approvals: Option<Dice>,
    pub shop: Site,
    pub promises: Promises,
    /// The schema that the newest manifest asked for; `None`: a site without a database.
    pub schema: Option<u64>,
    pub step: u64,
}

impl Story {
    pub(super) async fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        failpoint::clear();
        let rig = Rig::ticking(TICK).await;
        let schema = (dice.roll(3) == 0).then_some(1);
        let approvals = (seed % 7 == 6).then(|| Dice(seed.rotate_left(32)));
        Self {
            rig: Some(rig),
            dice,
            approvals,
            shop: site("shop/production"),
            promises: Promises::default(),
            schema,
            step: 0,
        }
    }

    pub(super) fn rig(&self) -> &Rig {
        self.rig.as_ref().expect("a keeper")
    }

    /// # Errors
    /// The promise that was broken.
    pub(super) async fn run(mut self) -> Result<(), String> {
        let steps = 4 + self.dice.roll(7);
        for step in 0..steps {
            self.step = step;
            match self.dice.roll(5) {
                0 | 1 => self.fault().await,
                _ => self.act().await?,
            }
            let pause = if self.dice.roll(3) == 0 { 900 } else { 25_000 };
            sleep(Duration::from_millis(self.dice.roll(pause))).await;
            self.answer_what_waits(4).await?;
            self.look().await?;
        }
        self.comes_to_rest().await
    }

    /// What must hold after every step; a dead keeper is followed by another one.
    async fn look(&mut self) -> Result<(), String> {
        if self.rig().is_dead() {
            // Nothing looks after anything meanwhile.
            sleep(Duration::from_millis(self.dice.roll(4000))).await;
            self.next_keeper().await;
        }
        let (machine, data) = (self.rig().machine.clone(), self.rig().data.path().to_owned());
        self.promises.check(&machine, &data, &self.shop)
    }

    pub(super) async fn next_keeper(&mut self) {
        let rig = self.rig.take().expect("a keeper");
        let reboots = self.dice.roll(4) == 0;
        trace::tell(|| if reboots { "the machine loses power" } else { "the next keeper" }.to_owned());
        self.rig = Some(if reboots { rig.reboot().await } else { rig.next_keeper().await });
    }

    /// The keeper's answer; `None`: it died before.
    pub(super) async fn ask<T>(
        &self,
        asked: impl Future<Output = Result<T, Refused>>,
    ) -> Result<Option<Result<T, Refused>>, String> {
        tokio::select! {
            biased;
            () = self.rig().died() => Ok(None),
            answer = asked => Ok(Some(answer)),
            () = sleep(PATIENCE) => Err(format!("a command was not answered within {PATIENCE:?}")),
        }
    }

    /// The faults are over. Whatever happened, what serves is what the books say, and a good release can be deployed.
    async fn comes_to_rest(&mut self) -> Result<(), String> {
        self.calm();
        if self.rig().is_dead() {
            self.next_keeper().await;
        }
        // What an edge was too far away to be told is told again within seconds.
        sleep(Duration::from_secs(10)).await;
        self.rest().await?;
        // Who went away waits no longer than this for the lock.
        sleep(QUEUED_MAX).await;
        self.rest().await?;
        self.pick_up().await?;
        self.rest().await?;
        let ended = self.last_deploy().await?;
        self.rest().await?;
        let serving = self.rig().serving(&self.shop).await;
        if serving != ended {
            return Err(format!("{serving:?} serves at rest, and the last deploy ended with {ended:?}"));
        }
        Ok(())
    }

    async fn rest(&mut self) -> Result<(), String> {
        let until = Instant::now() + REST_WITHIN;
        loop {
            self.answer_what_waits(1).await?;
            let handle = self.rig().handle(&self.shop);
            // Answered only by a keeper that knows what the one before it left.
            let nobody = self.ask(handle.events(DeployId(Ulid::nil()), 0)).await?;
            let is_open = matches!(nobody, Some(Err(refused)) if refused.kind == RefusedKind::NotFound);
            let status = match self.ask(handle.status()).await? {
                Some(Ok(status)) => status,
                Some(Err(refused)) => return Err(format!("no status at rest: {refused}")),
                None => return Err("a keeper died without a fault".to_owned()),
            };
            let settled = status.services.iter().all(|s| s.state == "live");
            let (machine, data) = (self.rig().machine.clone(), self.rig().data.path().to_owned());
            if status.deploy.is_none() && settled && is_open {
                let kept = self.promises.at_rest(&machine, &data, &self.shop);
                // A recycling that began between the answer and the look is no unrest of its own.
                let now = self.ask(handle.status()).await?;
                if matches!(now, Some(Ok(status)) if status.deploy.is_none()) {
                    return kept;
                }
            }
            if Instant::now() >= until {
                let states: Vec<_> = status.services.iter().map(|s| (&s.service, &s.state)).collect();
                return Err(format!("no rest after {REST_WITHIN:?}: {:?}, {states:?}", status.deploy));
            }
            sleep(Duration::from_secs(5)).await;
        }
    }

    /// Errors that no fault explains are surprises.
    pub(super) fn surprise(&self, refused: &Refused) -> Result<(), String> {
        // A disk that refuses writes, an edge that is away, a keeper on its way out: said as they are.
        let explained =
            ["journal-unwritable", "state-unwritable", "site-unwritable", "edge-away", "site-gone"];
        if refused.kind != RefusedKind::Failed || explained.contains(&refused.explain.code.as_str()) {
            return Ok(());
        }
        Err(format!("a surprising refusal: {refused}"))
    }
}
