//! What a process of a simulated world will do, known when it is born.

use std::time::Duration;

use testkit::worlds::Dice;

#[derive(Clone, Debug)]
pub(super) struct Life {
    /// Refuses before.
    pub binds: Duration,
    /// Answers 503 before; never less than `binds`.
    pub is_ready: Duration,
    /// Says `READY=1`.
    pub says_ready: Option<Duration>,
    /// Ends by itself.
    pub dies: Option<Duration>,
    /// Takes connections and answers nothing, from then on.
    pub hangs: Option<Duration>,
    /// From SIGTERM to its end; `None`: it takes no notice.
    pub stops: Option<Duration>,
    /// Listens on a port of its own choice too.
    pub is_public: bool,
    /// Its shim hears nothing from the start.
    pub is_deaf: bool,
}

/// A good one is ready by then.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(3);
/// Longer than any world.
const NEVER: Duration = Duration::from_secs(1 << 30);

impl Life {
    /// As any app of a good release.
    pub(super) fn good(dice: &mut Dice) -> Self {
        let binds = millis(dice, 2000);
        let is_ready = binds + millis(dice, 1000);
        Self {
            binds,
            is_ready,
            says_ready: Some(is_ready),
            dies: None,
            hangs: None,
            stops: Some(millis(dice, 1500)),
            is_public: false,
            is_deaf: false,
        }
    }

    /// One with something wrong.
    pub(super) fn bad(dice: &mut Dice) -> Self {
        let mut life = Self::good(dice);
        match dice.roll(11) {
            0 => life.dies = Some(millis(dice, 50)),
            1 => life.dies = Some(life.binds + millis(dice, 3000)),
            2 => life.dies = Some(millis(dice, 120_000)),
            3 => life.dies = Some(Duration::from_secs(300 + dice.roll(900))),
            4 => life.hangs = Some(life.is_ready + millis(dice, 60_000)),
            5 => life.slow(millis(dice, 90_000)),
            6 => (life.binds, life.is_ready, life.says_ready) = (NEVER, NEVER, None),
            7 => (life.is_ready, life.says_ready) = (NEVER, None),
            8 => life.stops = None,
            9 => life.is_public = true,
            _ => (life.is_deaf, life.stops) = (true, None),
        }
        life
    }

    fn slow(&mut self, by: Duration) {
        self.binds += by;
        self.is_ready += by;
        self.says_ready = Some(self.is_ready);
    }
}

pub(super) fn millis(dice: &mut Dice, below: u64) -> Duration {
    Duration::from_millis(dice.roll(below))
}
