//! Where a process can die: each phase of a deploy, and before it is answered that it has begun, each step of a spawn, each step of a shim. What is not killed in is not
//! shown, so the table has a cell for each of them and an empty one fails the run.

use std::{collections::BTreeMap, fmt};

/// The places of `machine::failpoint` at which a keeper or a shim dies.
pub(super) const CELLS: [&str; 26] = [
    "deploy-plan",
    "deploy-lock",
    "deploy-begun",
    "deploy-preflight",
    "deploy-stage",
    "deploy-migrate",
    "deploy-start",
    "deploy-gate",
    "deploy-switch",
    "deploy-bake",
    "deploy-drain",
    "deploy-stop",
    "deploy-commit",
    "spawn-folder",
    "spawn-spec",
    "spawn-cgroup",
    "spawn-payload",
    "spawn-shim",
    "spawn-told",
    "shim-begun",
    "shim-locked",
    "shim-ctl",
    "shim-forked",
    "shim-exited",
    "shim-family-ended",
    "shim-exit-written",
];

/// Kills by cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Coverage {
    aimed: BTreeMap<&'static str, usize>,
    /// Keepers that a random fault killed while a deploy was in that phase, by the word of `status`.
    by_chance: BTreeMap<String, usize>,
}

impl Coverage {
    /// One of the cells with the fewest aimed kills. Those by chance do not count here: the same seed must choose the same.
    pub(super) fn emptiest(&self, dice: &mut fastrand::Rng) -> &'static str {
        let fewest = CELLS.iter().map(|cell| self.aimed(cell)).min().unwrap_or(0);
        let emptiest: Vec<_> = CELLS.iter().filter(|cell| self.aimed(cell) == fewest).collect();
        emptiest[dice.usize(..emptiest.len())]
    }

    pub(super) fn hit(&mut self, cell: &'static str) {
        *self.aimed.entry(cell).or_default() += 1;
    }

    pub(super) fn hit_by_chance(&mut self, phase: &str) {
        *self.by_chance.entry(format!("deploy-{phase}")).or_default() += 1;
    }

    pub(super) fn fewest(&self) -> usize {
        CELLS.iter().map(|cell| self.aimed(cell) + self.chance(cell)).min().unwrap_or(0)
    }

    fn aimed(&self, cell: &str) -> usize {
        self.aimed.get(cell).copied().unwrap_or(0)
    }

    fn chance(&self, cell: &str) -> usize {
        self.by_chance.get(cell).copied().unwrap_or(0)
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    {:<20} {:>6} {:>10}", "kills at", "aimed", "by chance")?;
        for cell in CELLS {
            writeln!(f, "    {cell:<20} {:>6} {:>10}", self.aimed(cell), self.chance(cell))?;
        }
        let sum = |kills: &mut dyn Iterator<Item = &usize>| kills.sum::<usize>();
        let (aimed, chance) = (sum(&mut self.aimed.values()), sum(&mut self.by_chance.values()));
        writeln!(f, "    {:<20} {aimed:>6} {chance:>10}", "together")
    }
}

/// Those of an upgrade are the journey `upgrade_command`'s: no deploy comes by them.
#[test]
fn every_place_at_which_a_spawn_or_a_shim_can_die_has_a_cell() {
    let supervisor = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/supervisor/src");
    let mut places = Vec::new();
    let mut folders = vec![supervisor];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the sources").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).expect("a source");
            let after = text.split("failpoint::hit(\"").skip(1);
            let named = after.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
            places.extend(named.filter(|place| !place.starts_with("upgrade-")));
        }
    }
    places.sort();
    let mut cells: Vec<_> = CELLS.iter().filter(|cell| !cell.starts_with("deploy-")).copied().collect();
    cells.sort_unstable();
    assert_eq!(places, cells);
}

#[test]
fn the_emptiest_cell_is_next_and_the_same_seed_chooses_the_same() {
    let run = |seed| {
        let (mut coverage, mut dice) = (Coverage::default(), fastrand::Rng::with_seed(seed));
        let mut chosen = Vec::new();
        for _ in 0..2 * CELLS.len() {
            let cell = coverage.emptiest(&mut dice);
            coverage.hit(cell);
            chosen.push(cell);
        }
        assert_eq!(coverage.fewest(), 2, "none is left behind: {coverage}");
        chosen
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
