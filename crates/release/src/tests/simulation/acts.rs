//! What operators do, at any moment, whatever is under way.

use std::time::Duration;

use api::{
    deploy::{Outcome, Rollback, Started},
    jobs::{Restart, Scale},
};
use model::{
    ReleaseNumber, Span,
    manifest::{Canary, Manifest, Migrate, OnCrashLoop, Overlap, Recycle, Smoke, Strategy},
};

use tokio::time::sleep;

use super::story::{QUEUED_MAX, Story, TICK};
use crate::{
    Caller, MigrateVerb, Refused,
    tests::{
        rig::{caller, manifest, migration},
        trace,
    },
};

const BEHAVIOURS: [&str; 16] = [
    "good",
    "good",
    "good",
    "good",
    "good",
    "slow:8",
    "throws",
    "never-up",
    "never-ready",
    "500",
    "crashes-after:12",
    "unready-after:12",
    "loops-after:60",
    "elsewhere",
    "errs:30",
    "lags:300",
];

impl Story {
    pub(super) async fn act(&mut self) -> Result<(), String> {
        let handle = self.rig().handle(&self.shop);
        let (roll, who) = (self.dice.roll(20), caller());
        let told = |what: String| trace::tell(|| format!("operator: {what}"));
        match roll {
            0..=9 => return self.deploy().await,
            10 | 11 => {
                let to = (self.dice.roll(3) == 0).then(|| ReleaseNumber(1 + self.dice.roll(4)));
                told(format!("rollback to {to:?}"));
                let asked =
                    self.ask(handle.rollback(Rollback { release: to, with_secrets: false }, who)).await?;
                self.answered(asked)
            }
            12 => {
                let service = (self.dice.roll(2) == 0).then(|| "web".parse().unwrap());
                told(format!("restart of {service:?}"));
                let asked = self.ask(handle.restart(Restart { service }, who)).await?;
                self.answered(asked)
            }
            13 | 14 => {
                let instances = 1 + u32::try_from(self.dice.roll(4)).unwrap();
                told(format!("scale to {instances}"));
                let scale = Scale { service: "web".parse().unwrap(), instances };
                let asked = self.ask(handle.scale(scale, who)).await?;
                self.answered(asked)
            }
            15 | 16 => {
                let asked = self.ask(handle.cancel(who)).await?;
                if let Some(Ok(cancelled)) = &asked {
                    told(format!("it is cancelled in {}", cancelled.phase.name()));
                }
                self.answered(asked)
            }
            17 => {
                let asked = self.ask(handle.resume(who)).await?;
                self.answered(asked)
            }
            _ => {
                let verbs = [MigrateVerb::Retry, MigrateVerb::Down, MigrateVerb::Contract];
                let verb = verbs[usize::try_from(self.dice.roll(3)).unwrap()];
                told(format!("migrate {verb:?}"));
                let asked = self.ask(handle.migrate(verb, who)).await?;
                self.migrated(asked)
            }
        }
    }

    /// Begun, or who knows: what is held is let go by that run.
    fn migrated<T>(&mut self, asked: Option<Result<T, Refused>>) -> Result<(), String> {
        if !matches!(asked, Some(Err(_))) {
            self.promises.may_be_let_go();
        }
        self.answered(asked)
    }

    fn answered<T>(&mut self, asked: Option<Result<T, Refused>>) -> Result<(), String> {
        self.promises.somebody_acted();
        let Some(Err(refused)) = asked else { return Ok(()) };
        trace::tell(|| format!("    refused: {}", refused.explain.code));
        self.surprise(&refused)
    }

    async fn deploy(&mut self) -> Result<(), String> {
        let manifest = self.manifest();
        let behaviour = manifest.services.values().next().unwrap().command[0].clone();
        // The same bytes once more, now and then.
        let text = format!("step {}", if self.dice.roll(6) == 0 { 0 } else { self.step });
        let mut wanted = self.rig().wanted(&manifest, &text);
        wanted.drain_now = self.dice.roll(3) == 0;
        let handle = self.rig().handle(&self.shop);
        let migration = manifest.migrate.map(|migrate| migrate.command[0].clone());
        trace::tell(|| format!("operator: deploy {behaviour}, migration {migration:?}"));
        if self.dice.roll(4) == 0 {
            // Waits for the lock, and does not stay to hear the end.
            wanted.wait = Duration::from_secs(self.dice.roll(QUEUED_MAX.as_secs()));
            trace::tell(|| "operator: goes away".to_owned());
            drop(tokio::spawn(async move { handle.deploy(wanted, caller()).await.map(drop) }));
            self.promises.may_be_let_go();
            self.promises.somebody_acted();
            return Ok(());
        }
        // A release whose migration leads on ends what is held.
        let asked = self.ask(handle.deploy(wanted, caller())).await?;
        self.migrated(asked)
    }

    fn manifest(&mut self) -> Manifest {
        let behaviour = BEHAVIOURS[usize::try_from(self.dice.roll(16)).unwrap()];
        let mut manifest = manifest(&self.shop, behaviour);
        if self.dice.roll(6) == 0 {
            manifest.deploy.strategy = Strategy::Recreate;
        } else if self.dice.roll(4) == 0 {
            manifest.deploy.canary = Some(Canary { weight: 10, duration: Span::secs(15) });
        }
        if self.dice.roll(6) == 0 {
            // One whose twin would do harm: its predecessor ends first.
            manifest.services.get_mut(&"worker".parse().unwrap()).unwrap().overlap = Overlap::Never;
        }
        if self.dice.roll(4) == 0 {
            // Old within the story, and young for most of it: else it would never be at rest.
            let recycle = Recycle { after: Some(Span::secs(150)), ..Recycle::default() };
            for service in manifest.services.values_mut() {
                service.recycle = Some(recycle);
            }
        }
        if self.dice.roll(2) == 0 {
            for service in manifest.services.values_mut() {
                service.restart.on_crash_loop = OnCrashLoop::Rollback;
            }
        }
        if self.dice.roll(2) == 0 {
            manifest.deploy.smoke = vec![Smoke {
                get: "/".to_owned(),
                host: None,
                status: 200,
                contains: None,
                first_event_within: None,
            }];
        }
        manifest.migrate = self.migration();
        manifest.deploy.approval = self.approvals.as_mut().is_some_and(|dice| dice.roll(3) > 0);
        manifest
    }

    /// Most deploys change nothing of the schema; some migrations fail, some stop between two.
    fn migration(&mut self) -> Option<Migrate> {
        let at = self.schema?;
        let target = at + u64::from(self.dice.roll(2) == 0);
        self.schema = Some(target);
        let command = match self.dice.roll(6) {
            0 => "fail".to_owned(),
            1 => format!("half:{at}"),
            _ => format!("to:{target}"),
        };
        let contract_command = (self.dice.roll(2) == 0).then(|| vec![format!("to:{target}")]);
        Some(Migrate { contract_command, ..migration(target, &command, Some(1)) })
    }

    /// Another operator looks at what waits for an approval; one time in `of` something comes of it.
    pub(super) async fn answer_what_waits(&mut self, of: u64) -> Result<(), String> {
        let Some(dice) = &mut self.approvals else { return Ok(()) };
        let (acts, approves) = (dice.roll(of) == 0, dice.roll(5) > 0);
        let handle = self.rig().handle(&self.shop);
        let Some(Ok(status)) = self.ask(handle.status()).await? else { return Ok(()) };
        let Some(waiting) = status.deploy.filter(|deploy| acts && deploy.approval.is_some()) else {
            return Ok(());
        };
        let who = Caller { operator: "berta".into(), ..caller() };
        trace::tell(|| format!("another operator: approves {approves}"));
        let asked = match approves {
            true => self.ask(handle.approve(waiting.deploy, who)).await?,
            false => self.ask(handle.cancel(who)).await?.map(|asked| asked.map(drop)),
        };
        self.answered(asked)
    }

    /// What a person does after a night like that: looks what is held, lets deploys begin again.
    pub(super) async fn pick_up(&mut self) -> Result<(), String> {
        let handle = self.rig().handle(&self.shop);
        if let Some(Ok(status)) = self.ask(handle.migrate_status()).await?
            && status.held.is_some()
        {
            trace::tell(|| "operator: takes the migration back".to_owned());
            let asked = self.ask(handle.migrate(MigrateVerb::Down, caller())).await?;
            let has_no_way_down = matches!(asked, Some(Err(_)));
            self.migrated(asked)?;
            if has_no_way_down {
                trace::tell(|| "operator: has it tried again".to_owned());
                let asked = self.ask(handle.migrate(MigrateVerb::Retry, caller())).await?;
                self.migrated(asked)?;
            }
        }
        self.ask(handle.resume(caller())).await?;
        self.promises.somebody_acted();
        Ok(())
    }

    /// A good release, after all faults; which release serves then.
    pub(super) async fn last_deploy(&mut self) -> Result<Option<u64>, String> {
        let mut good = manifest(&self.shop, "good");
        if let Some(at) = self.schema {
            good.migrate = Some(migration(at + 1, &format!("to:{}", at + 1), Some(1)));
        }
        let handle = self.rig().handle(&self.shop);
        trace::tell(|| "operator: the last deploy".to_owned());
        let wanted = self.rig().wanted(&good, "the last");
        let begun = self.ask(handle.deploy(wanted, caller())).await?;
        self.promises.somebody_acted();
        let Some(Ok(Started { .. })) = &begun else {
            return Err(format!("the last deploy did not begin: {begun:?}"));
        };
        let started = begun.and_then(Result::ok).expect("it began");
        // What serves may ask for an approval of what follows it.
        let waits =
            |status: &api::status::SiteStatus| status.deploy.as_ref().is_some_and(|d| d.approval.is_some());
        while let Ok(status) = handle.status().await
            && status.deploy.is_some()
            && self.approvals.is_some()
        {
            let who = Caller { operator: "berta".into(), ..caller() };
            if waits(&status) && handle.approve(started.deploy, who).await.is_ok() {
                break;
            }
            sleep(TICK).await;
        }
        let ended = self.rig().follow(&self.shop, &started).await;
        match ended.outcome {
            Outcome::Served => Ok(ended.serving),
            other => Err(format!("the last deploy ended {}: {:?}", other.name(), ended.error)),
        }
    }
}
