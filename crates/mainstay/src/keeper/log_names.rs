//! What a question for logs may name: what runs, what is on the machine, and what wrote a log that is still there.

use std::collections::BTreeSet;

use api::{
    logs::Query,
    status::{Release, SiteStatus},
};
use model::{Explain, InstanceName, ServiceName, Site};

/// Bound: names that an error lists.
const LISTED_MAX: usize = 12;

#[derive(Default)]
pub(crate) struct Names {
    services: BTreeSet<String>,
    /// What wrote a log and is no service: `migrate`, `run`.
    jobs: BTreeSet<String>,
    instances: BTreeSet<InstanceName>,
    releases: BTreeSet<u64>,
}

impl Names {
    pub(crate) fn of(
        status: &SiteStatus,
        releases: &[Release],
        services: impl IntoIterator<Item = String>,
        (written, jobs): (Vec<InstanceName>, Vec<String>),
    ) -> Self {
        let running = status.services.iter().flat_map(|service| &service.instances);
        let instances: BTreeSet<_> = running.map(|instance| instance.name.clone()).chain(written).collect();
        let of_instances = || instances.iter();
        Self {
            services: of_instances()
                .map(|name| name.service.to_string())
                .chain(services)
                .chain(status.schedules.iter().map(|job| job.service.to_string()))
                .chain(status.services.iter().map(|service| service.service.to_string()))
                .collect(),
            jobs: jobs.into_iter().collect(),
            releases: of_instances()
                .map(|name| name.release.0)
                .chain(releases.iter().map(|release| release.number.0))
                .collect(),
            instances,
        }
    }

    /// # Errors
    /// The question names what is not there: nothing would be shown, as if all were quiet.
    pub(crate) fn check(&self, site: &Site, query: &Query) -> Result<(), Explain> {
        let has = |name: &str| self.services.contains(name) || self.jobs.contains(name);
        if let Some(service) = query.service.as_ref().filter(|name| !has(name.as_str())) {
            return Err(self.no_service(site, service));
        }
        if let Some(release) = query.release.filter(|release| !self.releases.contains(release)) {
            return Err(none("release", "releases", site, &release, &self.releases));
        }
        match query.instance.as_ref().filter(|name| !self.instances.contains(name)) {
            Some(instance) => Err(none("instance", "instances", site, instance, &self.instances)),
            None => Ok(()),
        }
    }

    fn no_service(&self, site: &Site, asked: &ServiceName) -> Explain {
        let mut explain = none("service", "services", site, asked, &self.services);
        if let (Some(help), false) = (&mut explain.help, self.jobs.is_empty()) {
            help.push_str(&format!("; jobs have logs too: {}", listed(&self.jobs)));
        }
        explain
    }
}

fn none(
    thing: &str,
    things: &str,
    site: &Site,
    asked: &dyn std::fmt::Display,
    there: &BTreeSet<impl ToString>,
) -> Explain {
    let explain = Explain::new(format!("no-such-{thing}"), format!("{site} has no {thing} {asked}"));
    if there.is_empty() {
        return explain.help(format!("it has no {things} yet: `mainstay deploy` makes the first"));
    }
    explain.help(format!("the {things} here are {}", listed(there)))
}

fn listed(there: &BTreeSet<impl ToString>) -> String {
    // The newest last, and those are what people ask for.
    let skipped = there.len().saturating_sub(LISTED_MAX);
    let names: Vec<String> = there.iter().skip(skipped).map(ToString::to_string).collect();
    let more = if skipped > 0 { format!("{skipped} older and ") } else { String::new() };
    format!("{more}{}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use model::Site;

    use super::*;

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        let site = Site { app: "shop".parse().expect("a name"), env: model::EnvName::production() };
        let status = SiteStatus {
            site: site.clone(),
            serving: None,
            unwritten: None,
            last_stable: None,
            urls: Vec::new(),
            services: Vec::new(),
            deploy: None,
            canary: None,
            maintenance: None,
            recess: None,
            frozen: None,
            paused: None,
            held: None,
            last: None,
            jobs: Vec::new(),
            schedules: Vec::new(),
        };
        let written: Vec<InstanceName> =
            ["web.1.1", "web.2.1"].iter().map(|name| name.parse().expect("a name")).collect();
        let names = Names::of(
            &status,
            &[],
            ["worker".to_owned()],
            (written, vec!["migrate".to_owned(), "run".to_owned()]),
        );
        let ask = |query: Query| names.check(&site, &query);
        let service = |name: &str| Query { service: name.parse().ok(), ..Query::default() };
        for there in ["web", "worker", "migrate"] {
            assert_eq!(ask(service(there)), Ok(()), "{there}");
        }
        let refused = ask(service("wbe")).expect_err("not there");
        assert_eq!(refused.code, "no-such-service");
        assert_eq!(
            refused.help.as_deref(),
            Some("the services here are web, worker; jobs have logs too: migrate, run")
        );
        let refused = ask(Query { release: Some(9), ..Query::default() }).expect_err("not there");
        assert_eq!(
            (refused.code.as_str(), refused.message.as_str()),
            ("no-such-release", "shop/production has no release 9")
        );
        let instance = "web.1.7".parse().ok();
        let refused = ask(Query { instance, ..Query::default() }).expect_err("not there");
        assert_eq!(refused.help.as_deref(), Some("the instances here are web.1.1, web.2.1"));
    }
}
