//! Why a program was not executed: the kernel says "permission denied", and not of which folder.

use std::{collections::BTreeMap, path::Path};

use check::programs::{Look, Obstacle, obstacle};
use model::{Explain, Site, manifest::PATH};
use release::world::{JobOrder, StartOrder};

use super::{ground::Ground, users::account_of};

/// `instance-not-started` with what stands in the way, as far as it can be seen.
pub(crate) fn of_instance(ground: &Ground, order: &StartOrder, why: String) -> Explain {
    let explain =
        Explain::new("instance-not-started", format!("{} could not be started", order.name)).caused_by(why);
    let found = order.manifest.services.get(&order.name.service).and_then(|service| {
        let place = Place { site: &order.site, release: &order.release_dir, shared: &order.shared_dir };
        place.find(ground, &service.env, service.command.first()?)
    });
    told(explain, found)
}

/// The same of a job.
pub(crate) fn of_job(ground: &Ground, order: &JobOrder, explain: Explain) -> Explain {
    let place = Place { site: &order.site, release: &order.release_dir, shared: &order.shared_dir };
    let found = order.argv.first().and_then(|program| place.find(ground, &order.env, program));
    told(explain, found)
}

fn told(explain: Explain, found: Option<Obstacle>) -> Explain {
    match found {
        Some(Obstacle { why, help: Some(help) }) => explain.caused_by(why).help(help),
        Some(Obstacle { why, help: None }) => {
            explain.caused_by(why).help("build it into the release, or install it on this machine")
        }
        None => explain.help(
            "`mainstay check` looks at commands, accounts, ports and secrets; `mainstay run -- COMMAND` tries one as the \
             app will",
        ),
    }
}

struct Place<'a> {
    site: &'a Site,
    release: &'a Path,
    shared: &'a Path,
}

impl Place<'_> {
    fn find(&self, ground: &Ground, env: &BTreeMap<String, String>, program: &str) -> Option<Obstacle> {
        let account = match ground.user(self.site).ok()? {
            Some(user) => account_of(&user),
            None => machine::users::by_uid(machine::users::own_uid()).ok().flatten()?,
        };
        let filled = |text: &str| text.replace("{shared_dir}", &self.shared.to_string_lossy());
        let path = filled(env.get("PATH").map_or(PATH, String::as_str));
        let look = Look { dir: self.release, is_copied: false, path: &path, account: &account };
        obstacle(&look, &filled(program))
    }
}
