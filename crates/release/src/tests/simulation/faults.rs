//! What breaks: instances, the edge, the disk, the clock, the keeper, the machine.

use std::{io::ErrorKind, time::Duration};

use tokio::time::{Instant, sleep};

use super::story::Story;
use crate::tests::{
    failpoint::{self, Fault},
    trace,
};

impl Story {
    pub(super) async fn fault(&mut self) {
        match self.dice.roll(15) {
            0 | 1 => self.instance_fails(),
            2 => self.edge_dies(),
            3 => self.edge_errs(),
            4 | 5 => self.disk_refuses(),
            6..=8 => self.keeper_will_die(),
            9 => {
                trace::tell(|| "the keeper is killed".to_owned());
                self.rig().kill();
                sleep(Duration::from_millis(self.dice.roll(3000))).await;
            }
            10 => self.clock_jumps(),
            11 | 12 => self.streams_open(),
            13 => self.migrations_take(),
            _ => {
                trace::tell(|| "the supervisor is slow".to_owned());
                self.rig().machine.lock().stops_take = Duration::from_millis(self.dice.roll(20_000));
            }
        }
    }

    /// One of them, or all of a service's at once.
    fn instance_fails(&mut self) {
        let (crashes, all, which) = (self.dice.roll(3) > 0, self.dice.roll(4) == 0, self.dice.roll(8));
        let (roll, hung) = (self.dice.unit(), Duration::from_secs(self.dice.roll(40)));
        let mut inner = self.rig().machine.lock();
        let count = inner.instances.len() as u64;
        let port = inner.next_port + 1;
        inner.next_port += 8;
        for (at, ((_, name), instance)) in (0..).zip(&mut inner.instances) {
            if !(all || which % count == at) || instance.is_away() {
                continue;
            }
            trace::tell(|| format!("{name} {}", if crashes { "crashes" } else { "hangs" }));
            match crashes {
                // What is not used of the dice, so that every seed stays the world that it was.
                true if hung.as_secs().is_multiple_of(3) => instance.lose(roll, port + at as u16),
                true => instance.crash(roll, port + at as u16),
                false => instance.hang(hung),
            }
        }
        drop(inner);
        self.rig().machine.changes.send_modify(|n| *n += 1);
    }

    fn edge_dies(&mut self) {
        let away = Duration::from_millis(self.dice.roll(12_000));
        trace::tell(|| format!("the edge dies, for {away:?}"));
        self.rig().machine.lock().edge_dies(away);
    }

    fn edge_errs(&mut self) {
        let (lost, refused) = (self.dice.roll(3) as u32, self.dice.roll(3) as u32);
        let late = (self.dice.roll(2) == 0).then(|| Duration::from_millis(self.dice.roll(8000)));
        let dies = self.dice.roll(3) == 0;
        let silent = self.dice.roll(4) as u32;
        trace::tell(|| {
            format!(
                "{lost} lost answers, {refused} refused tables, late switch {late:?}, death at it: {dies}"
            )
        });
        let mut inner = self.rig().machine.lock();
        (inner.lose_answers, inner.refuse_tables, inner.silent_pools) = (lost, refused, silent);
        (inner.late_switch, inner.die_at_switch) = (late, dies);
    }

    fn disk_refuses(&mut self) {
        let kind = if self.dice.roll(3) == 0 { ErrorKind::Other } else { ErrorKind::StorageFull };
        let until = Instant::now() + Duration::from_millis(self.dice.roll(40_000));
        let (nth, once) = (self.dice.roll(40), self.dice.roll(2) == 0);
        trace::tell(|| format!("the disk will refuse, after {nth} writes, once: {once}"));
        let fault = if once { Fault::RefusedOnce(kind) } else { Fault::Refused(kind, until) };
        failpoint::plan(1 + nth, fault, self.rig().dead());
    }

    fn keeper_will_die(&mut self) {
        let faults = [Fault::DiesBefore, Fault::DiesWithin, Fault::DiesAfter];
        let fault = faults[usize::try_from(self.dice.roll(3)).unwrap()];
        failpoint::plan(1 + self.dice.roll(40), fault, self.rig().dead());
    }

    fn clock_jumps(&mut self) {
        let minutes = i64::try_from(self.dice.roll(600)).unwrap() - 300;
        let mut inner = self.rig().machine.lock();
        inner.clock_ahead += jiff::SignedDuration::from_mins(minutes);
        let now = inner.now();
        trace::tell(|| format!("the clock shows {now}"));
    }

    fn streams_open(&mut self) {
        let pools: Vec<_> =
            self.rig().machine.lock().pools_since.keys().map(|(_, pool)| pool.clone()).collect();
        for pool in pools {
            let until = Instant::now() + Duration::from_secs(self.dice.roll(900));
            self.rig().machine.lock().streams.insert(pool, until);
        }
    }

    fn migrations_take(&mut self) {
        let time = Duration::from_millis(self.dice.roll(60_000));
        self.rig().machine.lock().migration_time = time;
    }

    /// The end of all faults.
    pub(super) fn calm(&mut self) {
        trace::tell(|| "calm".to_owned());
        failpoint::clear();
        let mut inner = self.rig().machine.lock();
        (inner.lose_answers, inner.refuse_tables, inner.silent_pools) = (0, 0, 0);
        (inner.late_switch, inner.die_at_switch, inner.edge_away_until) = (None, false, None);
        (inner.migration_time, inner.stops_take) = (Duration::from_secs(2), Duration::from_millis(100));
    }
}
