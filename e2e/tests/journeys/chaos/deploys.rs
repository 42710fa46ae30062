//! The deploys that go on, and the aimed half of the kills: each deploy comes by a place where a process dies by itself.

use std::{collections::BTreeMap, path::PathBuf, sync::Mutex, time::Duration};

use testkit::{
    FakeApp,
    mainstay::{Running, Said},
    wait,
};

use super::{
    bag::Bag,
    cells::Coverage,
    world::{BACK_LIMIT, World},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Good,
    Migrates,
    FailsToMigrate,
    ThrowsAtBoot,
    Answers500,
    /// One of its instances, in its bake.
    FallsIll,
    /// In this phase.
    Cancelled(&'static str),
    Rollback,
}

use Kind::{Answers500, Cancelled, FailsToMigrate, FallsIll, Good, Migrates, Rollback, ThrowsAtBoot};

const KINDS: [Kind; 12] = [
    Good,
    Good,
    Good,
    Migrates,
    Migrates,
    FailsToMigrate,
    ThrowsAtBoot,
    Answers500,
    FallsIll,
    Cancelled("gate"),
    Cancelled("bake"),
    Rollback,
];

impl Kind {
    /// Whether a deploy of this kind comes by `cell` if nothing comes between.
    fn reaches(self, cell: &str) -> bool {
        match (self, cell) {
            (Rollback, "deploy-stage" | "deploy-migrate") => false,
            (Good | Migrates, _) | (Rollback, _) => true,
            (FallsIll, "deploy-switch" | "deploy-bake") => true,
            (_, "deploy-switch" | "deploy-bake" | "deploy-drain" | "deploy-stop" | "deploy-commit") => false,
            (FailsToMigrate, "deploy-start" | "deploy-gate") | (ThrowsAtBoot, "deploy-gate") => false,
            _ => true,
        }
    }

    /// How it ends where nothing comes between.
    fn ends(self) -> &'static [i32] {
        match self {
            Good | Migrates | Rollback => &[0],
            FailsToMigrate | ThrowsAtBoot | Answers500 => &[4],
            FallsIll => &[3],
            // Asked a moment too late it is done.
            Cancelled(_) => &[0, 3, 4],
        }
    }
}

/// The place where somebody dies next.
struct Aim {
    cell: &'static str,
    /// Once the candidates are started: not the unpacking of the release, which passes by the same places, but they.
    from_start: bool,
    armed: bool,
}

struct Deploys<'a> {
    world: &'a World,
    app: FakeApp,
    bag: Bag<Kind>,
    /// What the database has become, if every migration went well.
    schema: u64,
    ends: BTreeMap<(Kind, i32), usize>,
}

/// One after the other until the round is over.
pub(super) fn go_on(world: &World, mut dice: fastrand::Rng, coverage: &Mutex<Coverage>) {
    let bag = Bag::new(KINDS.to_vec(), dice.fork());
    let mut deploys = Deploys { world, app: world.app.clone(), bag, schema: 0, ends: BTreeMap::new() };
    let mut aim: Option<Aim> = None;
    while !world.is_over() {
        let aimed = aim.get_or_insert_with(|| {
            let cell = coverage.lock().expect("no panic holds it").emptiest(&mut dice);
            Aim { cell, from_start: !cell.starts_with("deploy-") && dice.bool(), armed: false }
        });
        deploys.one(aimed);
        if aimed.armed && !world.mainstay().is_deadly(aimed.cell) {
            println!("    {:>8.3} s  died at {}", world.judge.now().as_secs_f64(), aimed.cell);
            coverage.lock().expect("no panic holds it").hit(aimed.cell);
            aim = None;
        }
    }
    println!("    deploys by kind, exit code: {:?}", deploys.ends);
}

impl Deploys<'_> {
    fn one(&mut self, aim: &mut Aim) {
        let world = self.world;
        let (calm, was_armed) = (world.calm(), aim.armed);
        let before = world.serving();
        let kind = self.bag.draw(|kind| kind.reaches(aim.cell));
        world.judge.expect_any();
        if !aim.from_start {
            self.arm(aim);
        }
        let running = self.start(kind);
        let said = self.attend(running, kind, aim);
        self.cure();
        let serving = self.settled(&said);
        *self.ends.entry((kind, said.code)).or_default() += 1;
        let told = format!("{kind:?}: {before} before, now {serving}, aimed at {}\n{said}", aim.cell);
        assert_eq!(serving != before, said.code == 0, "the exit code says what serves; {told}");
        let nobody_died = !was_armed && (!aim.armed || world.mainstay().is_deadly(aim.cell));
        if nobody_died && calm.is_some() && calm == world.calm() {
            let nowhere_to_go = kind == Rollback && said.all().contains("no-stable-release");
            assert!(nowhere_to_go || kind.ends().contains(&said.code), "nothing was in its way; {told}");
        }
        world.judge.expect_release(serving);
        world.judge.wait_answers(30);
        self.clear_the_way();
    }

    fn arm(&self, aim: &mut Aim) {
        if !aim.armed {
            self.world.mainstay().die_at(aim.cell);
            aim.armed = true;
        }
    }

    fn start(&mut self, kind: Kind) -> Running {
        self.app = self.app.clone().next();
        if kind == Migrates {
            self.schema += 1;
        }
        let app = match kind {
            FailsToMigrate => self.app.clone().tables(&migration(self.schema + 1, "exit 1")),
            _ if self.schema == 0 => self.app.clone(),
            _ => self.app.clone().tables(&migration(self.schema, MOVE)),
        };
        let app = match kind {
            ThrowsAtBoot => app.env("FAKE_BOOT", "throw"),
            Answers500 => app.env("FAKE_STATUS", "500").deploy("health_timeout", "\"3s\""),
            FallsIll => app.env("FAKE_SICK", ILLNESS).deploy("bake_time", "\"10s\""),
            Cancelled(_) => app.env("FAKE_READY_AFTER_MS", "1500").deploy("bake_time", "\"4s\""),
            _ => app,
        };
        let mainstay = self.world.mainstay();
        match kind {
            Rollback => mainstay.spawn_in(app.folder(), &["rollback", "--json"]),
            _ => app.start_deploy(&mainstay, &["--json"]),
        }
    }

    /// To its end; does on the way what is due in a phase.
    fn attend(&self, mut running: Running, kind: Kind, aim: &mut Aim) -> Said {
        let mut done = false;
        while !running.has_ended() {
            if running.has_entered("start") {
                self.arm(aim);
            }
            match kind {
                Cancelled(phase) if !done && running.has_entered(phase) => {
                    done = true;
                    self.say(&["cancel"]);
                }
                FallsIll if !done && running.has_entered("bake") => done = self.make_ill(),
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        running.wait()
    }

    /// One instance of what bakes; the other one takes its requests. `false`: status does not name it yet.
    fn make_ill(&self) -> bool {
        let Some(status) = self.world.status() else { return false };
        let services = status["services"].as_array().cloned().unwrap_or_default();
        let live = services.iter().find(|service| service["state"] == "live");
        let Some(name) = live.and_then(|live| live["instances"][0]["name"].as_str()) else { return false };
        std::fs::write(self.state().join(format!("ill-{name}")), "unready").is_ok()
    }

    /// However it ended: an instance that serves after all must be whole again.
    fn cure(&self) {
        let files = std::fs::read_dir(self.state()).into_iter().flatten().flatten();
        for file in files.filter(|file| file.file_name().to_string_lossy().starts_with("ill-")) {
            std::fs::remove_file(file.path()).expect("what this journey wrote");
        }
    }

    fn state(&self) -> PathBuf {
        self.world.mainstay().shared(&self.app.site()).join("state")
    }

    /// The release that serves once nothing is under way: a dead keeper's deploy is ended by the next one.
    fn settled(&self, said: &Said) -> u64 {
        wait::until(&format!("nothing is under way after\n{said}"), BACK_LIMIT * 2, || {
            self.world.status().is_some_and(|status| status["deploy"].is_null())
        });
        self.world.serving()
    }

    /// What an operator does where status says so.
    fn clear_the_way(&self) {
        let status = self.world.status().unwrap_or_default();
        if !status["held"].is_null() {
            self.say(&["migrate", "retry"]);
        }
        if !status["paused"].is_null() {
            self.say(&["resume"]);
        }
    }

    /// No keeper may be there to hear it: the next look at the status says it again.
    fn say(&self, words: &[&str]) {
        let said = self.world.mainstay().spawn_in(self.app.folder(), words).wait();
        println!("    {:>8.3} s  {} -> {}", self.world.judge.now().as_secs_f64(), said.words, said.code);
    }
}

/// Of each instance, a file of its own.
const ILLNESS: &str = "{shared_dir}/state/ill-{instance}";

/// By a rename: a disk that fills in between leaves the schema as it was.
const MOVE: &str = "echo $TO > $STATE/schema.new && mv $STATE/schema.new $STATE/schema";

fn migration(schema: u64, command: &str) -> String {
    format!(
        r#"
[migrate]
command = ["/bin/sh", "-c", "{command}"]
status_command = ["/bin/sh", "-c", "cat $STATE/schema 2>/dev/null || echo 0"]
schema = {schema}
schema_min = 0
compatible_with = 0
env = {{ STATE = "{{shared_dir}}/state", TO = "{schema}" }}
"#
    )
}
