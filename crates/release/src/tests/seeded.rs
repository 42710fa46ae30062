//! Random worlds from a seed: what people do, what breaks, when keepers die. Any failure is replayed by its seed.

use std::time::Duration;

use api::{
    deploy::{Outcome, Rollback},
    jobs::{Restart, Scale},
};
use tokio::time::sleep;

use super::{
    dice::Dice,
    rig::{Rig, caller, manifest, site},
};
use crate::RefusedKind;

/// Bound: keeps the whole run in seconds; `MAINSTAY_SEEDS` runs more.
const SEEDS: u64 = 24;
const STEPS: u64 = 12;

const BEHAVIOURS: [&str; 12] = [
    "good",
    "good",
    "good",
    "slow:8",
    "throws",
    "never-up",
    "never-ready",
    "crashes-after:12",
    "unready-after:12",
    "elsewhere",
    "errs:30",
    "lags:300",
];

/// One thing that happens; refusals are part of life.
async fn step(rig: Rig, dice: &mut Dice, n: u64) -> Rig {
    let shop = site("shop/production");
    let handle = rig.handle(&shop);
    let refused = match dice.roll(12) {
        0..=4 => {
            let behaviour = BEHAVIOURS[dice.roll(BEHAVIOURS.len() as u64) as usize];
            let mut wanted = rig.wanted(&manifest(&shop, behaviour), &format!("step {n}"));
            wanted.drain_now = dice.roll(3) == 0;
            handle.deploy(wanted, caller()).await.err()
        }
        5 => handle.rollback(Rollback::default(), caller()).await.err(),
        6 => handle.restart(Restart::default(), caller()).await.err(),
        7 => {
            let scale = Scale { service: "web".parse().unwrap(), instances: 1 + dice.roll(4) as u32 };
            handle.scale(scale, caller()).await.err()
        }
        8 => handle.cancel(caller()).await.err(),
        9 => {
            let (lost, refused) = (dice.roll(3) as u32, dice.roll(3) as u32);
            let mut inner = rig.machine.lock();
            (inner.lose_answers, inner.refuse_tables) = (lost, refused);
            inner.die_at_switch = dice.roll(4) == 0;
            inner.late_switch = (dice.roll(4) == 0).then(|| Duration::from_millis(dice.roll(8000)));
            None
        }
        10 => return rig.next_keeper().await,
        _ => {
            let pools: Vec<_> = rig.machine.lock().pools_since.keys().map(|(_, pool)| pool.clone()).collect();
            for pool in pools {
                let until = tokio::time::Instant::now() + Duration::from_secs(dice.roll(100));
                rig.machine.lock().streams.insert(pool, until);
            }
            None
        }
    };
    let surprise = refused.filter(|r| r.kind == RefusedKind::Failed);
    assert!(surprise.is_none(), "{surprise:?}");
    rig
}

async fn world(seed: u64) {
    let mut dice = Dice(seed);
    let shop = site("shop/production");
    let mut rig = Rig::new().await;
    for n in 0..STEPS {
        rig = step(rig, &mut dice, n).await;
        sleep(Duration::from_millis(dice.roll(30_000))).await;
        if rig.is_dead() {
            rig = rig.next_keeper().await;
        }
        assert_eq!(rig.machine.promises(), Vec::<String>::new(), "seed {seed}, step {n}");
    }
    // Calm again: whatever happened, the site comes to rest, and the next good release serves.
    {
        let mut inner = rig.machine.lock();
        (inner.lose_answers, inner.refuse_tables, inner.die_at_switch) = (0, 0, false);
        inner.late_switch = None;
    }
    let handle = rig.handle(&shop);
    // Also waits until a new keeper knows what runs.
    handle.resume(caller()).await.unwrap();
    for _ in 0..5000 {
        if handle.status().await.unwrap().deploy.is_none() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    handle.resume(caller()).await.unwrap();
    let ended = rig.deploy(&manifest(&shop, "good"), "the last").await;
    assert_eq!(ended.outcome, Outcome::Served, "seed {seed}: {:?}", ended.error);
    rig.settled(&shop).await;
    assert_eq!(rig.serving(&shop).await, ended.serving, "seed {seed}");
    rig.check(&shop).await;
}

#[tokio::test(start_paused = true)]
async fn random_worlds_keep_every_promise_and_come_to_rest() {
    let seeds = std::env::var("MAINSTAY_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        world(seed).await;
    }
}
