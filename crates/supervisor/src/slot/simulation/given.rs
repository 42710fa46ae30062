//! What the slot of a simulated world is given: its order and its settings, from the world's dice.

use std::{sync::Arc, time::Duration};

use model::{
    Span,
    manifest::{Limits, Listen, LivenessProbe, Logs, ProbeRequest, Restart, StartupProbe},
};
use testkit::worlds::{Dice, tell};
use tokio::time::sleep;

use super::{
    life::{self, millis},
    machine::Machine,
    story::SIGTERM,
};
use crate::{
    Kind, LogTo, Order, Program, SlotSettings, StopPlan,
    slot::{Asking, Orders},
};

pub(super) fn settings(dice: &mut Dice) -> SlotSettings {
    let request = ProbeRequest {
        http: "/health".to_owned(),
        host: None,
        period: Span::millis(500 + dice.roll(4000)),
        timeout: Span::millis(500 + dice.roll(4000)),
    };
    let order = order(dice);
    let probed = order.listen.is_some();
    let startup = (probed && dice.roll(3) > 0)
        .then(|| StartupProbe { request: request.clone(), deadline: Span::secs(15 + dice.roll(45)) });
    let liveness = (probed && dice.roll(3) > 0)
        .then(|| LivenessProbe { request, failure_threshold: u32::try_from(dice.roll(4)).unwrap() });
    // Without a startup probe it is this time alone that keeps a good one from being killed before it is ready.
    let is_watched_early = startup.is_none() && liveness.is_some();
    let healthy_least = if is_watched_early { life::READY_WITHIN } else { Duration::ZERO };
    SlotSettings {
        order: order.into(),
        restart: Restart {
            backoff_initial: Span::millis(200 + dice.roll(3000)),
            backoff_factor: 1.0 + dice.unit() * 2.0,
            backoff_max: Span::secs(10 + dice.roll(50)),
            jitter: [0.0, 0.1, 0.5][dice.roll(3) as usize],
            max_restarts: [2, 5, 10][dice.roll(3) as usize],
            ..Restart::default()
        },
        startup,
        liveness,
        host: "localhost".to_owned(),
        min_healthy_time: Duration::from_millis(500 + dice.roll(10_000)).max(healthy_least),
    }
}

pub(super) fn order(dice: &mut Dice) -> Order {
    let listen = [None, Some(Listen::Tcp), Some(Listen::Tcp), Some(Listen::Unix)][dice.roll(4) as usize];
    Order {
        site: None,
        name: "web.1.1".to_owned(),
        kind: Kind::Instance,
        release: None,
        labels: Default::default(),
        program: Program::Command(vec!["app".to_owned()]),
        cwd: "/nowhere".into(),
        shared_dir: None,
        user: None,
        env: Default::default(),
        told: Default::default(),
        secrets: Default::default(),
        redact: Vec::new(),
        listen,
        notify: listen.is_none() && dice.roll(2) == 0,
        fds: Vec::new(),
        limits: Limits::default(),
        sandbox: None,
        stop: StopPlan { signal: SIGTERM, grace: millis(dice, 30_000) },
        log: LogTo { path: "/nowhere".into(), limits: Logs::default() },
    }
}

/// An order that has to be asked for, and may be refused for a while.
pub(super) fn asked(machine: Machine, order: Order) -> Orders {
    let ask = move || -> Asking {
        let (machine, order) = (machine.clone(), order.clone());
        Box::pin(async move {
            let is_given = {
                let mut inner = machine.lock();
                let is_given = inner.orders_refused == 0;
                inner.orders_refused = inner.orders_refused.saturating_sub(1);
                inner.promises.asked(is_given);
                is_given
            };
            sleep(Duration::from_millis(250)).await;
            if is_given {
                return Ok(order);
            }
            tell(|| "its order is refused".to_owned());
            Err("the vault is shut".to_owned())
        })
    };
    Orders::Asked(Arc::new(ask))
}
