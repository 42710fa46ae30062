//! What runs inside the station: hears which names are wanted, does what is due for them, and reports.

use std::{
    cell::RefCell,
    collections::{BTreeSet, VecDeque},
    io,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, SystemTime},
};

use api::client::Client;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use model::Explain;
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, time::Instant};

use crate::{
    issue::Issuer,
    keeper,
    plan::{Step, step},
    record::{Record, Records, seconds},
    settings::Settings,
};

/// Bound: names for which something is done at once.
const AT_ONCE: usize = 4;
/// The clock is looked at again after so long, since it may have been set.
const IDLE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(5);
/// Bound: names without a certificate for which an order is begun within an hour, tries after failures too. Let's Encrypt
/// takes 300 orders of an account in three hours; renewals wait for none of this.
const FIRST_ORDERS_MAX: usize = 60;
const HOUR: Duration = Duration::from_secs(3_600);
/// The names that were wanted last, for the time without a keeper.
const WANTED: &str = "wanted";
/// Bound: of that file.
const WANTED_BYTES_MAX: usize = 1 << 20;

/// What the tasks share; all of them are on one thread.
pub(crate) struct Certs {
    pub issuer: Issuer,
    pub keeper: Client,
    wanted: RefCell<BTreeSet<String>>,
    wanted_file: PathBuf,
    ordering: RefCell<BTreeSet<String>>,
    firsts: RefCell<Firsts>,
    /// There is something to report.
    pub changed: Notify,
    /// Something may be due.
    pub due: Notify,
}

/// First orders of the last hour. A station that begins anew counts anew: each name's own pauses are kept.
#[derive(Default)]
struct Firsts {
    begun: VecDeque<Instant>,
}

impl Firsts {
    fn note(&mut self) {
        self.begun.push_back(Instant::now());
    }

    /// How many more may begin now, and after which time another one may.
    fn left(&mut self) -> (usize, Duration) {
        while self.begun.front().is_some_and(|begun| begun.elapsed() >= HOUR) {
            self.begun.pop_front();
        }
        let pause = self.begun.front().map_or(HOUR, |first| HOUR.saturating_sub(first.elapsed()));
        (FIRST_ORDERS_MAX.saturating_sub(self.begun.len()), pause)
    }
}

#[derive(Serialize, Deserialize)]
struct Wanted {
    names: BTreeSet<String>,
}

/// Opens what is kept; the future that is given does everything else and never ends.
/// # Errors
/// Its settings or its folder cannot be used, for its operator.
pub fn run(settings: &Path) -> Result<impl Future<Output = ()> + use<>, Explain> {
    let failed = |what: &str, error: &dyn std::error::Error| {
        Explain::new("certs-not-started", format!("the station cannot get certificates: {what}"))
            .caused_by(error.to_string())
            .help("its folder `station/acme` in the data folder is the station's to write: see its owner and the disk")
    };
    let settings = Settings::read(settings).map_err(|error| failed("its settings", &error))?;
    let records = Records::open(&settings.state).map_err(|error| failed("its records", &error))?;
    Ok(live(Rc::new(opened(settings, records))))
}

fn opened(settings: Settings, records: Records) -> Certs {
    let wanted_file = settings.state.join(WANTED);
    Certs {
        keeper: Client::new(settings.keeper.clone()),
        wanted: RefCell::new(read_wanted(&wanted_file)),
        wanted_file,
        issuer: Issuer::new(settings, records),
        ordering: RefCell::default(),
        firsts: RefCell::default(),
        changed: Notify::new(),
        due: Notify::new(),
    }
}

async fn live(certs: Rc<Certs>) {
    certs.issuer.folder.sweep(SystemTime::now());
    certs.changed.notify_one();
    tokio::join!(keeper::follow(&certs), keeper::report(&certs), work(&certs));
}

/// Does what is due, for ever. No name waits for what another takes, as long as there is a place.
async fn work(certs: &Certs) {
    let mut under_way = FuturesUnordered::new();
    loop {
        let woken = certs.due.notified();
        let now = SystemTime::now();
        certs.forget_unwanted(now);
        let (due, wait) = certs.due(now);
        for (name, step) in due.into_iter().take(AT_ONCE - under_way.len()) {
            if certs.is_first(&name, step) {
                certs.firsts.borrow_mut().note();
            }
            certs.ordering.borrow_mut().insert(name.clone());
            under_way.push(certs.take(name, step));
        }
        tokio::select! {
            Some(()) = under_way.next() => {}
            () = woken => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

impl Certs {
    /// What is due now and not under way, and how long nothing further will be.
    fn due(&self, now: SystemTime) -> (Vec<(String, Step)>, Duration) {
        let (mut due, mut wait) = (Vec::new(), IDLE);
        let ordering = self.ordering.borrow();
        for name in self.wanted.borrow().difference(&ordering) {
            match step(&self.issuer.record(name), now) {
                Step::Wait(left) => wait = wait.min(left),
                step => due.push((name.clone(), step)),
            }
        }
        // Who has a certificate is renewed first, and of the others those that failed least.
        due.sort_by_cached_key(|(name, step)| {
            (self.is_first(name, *step), self.issuer.record(name).failures)
        });
        let (left, pause) = self.firsts.borrow_mut().left();
        let renewals = due.partition_point(|(name, step)| !self.is_first(name, *step));
        if due.len() > renewals + left {
            due.truncate(renewals + left);
            wait = wait.min(pause);
        }
        (due, wait)
    }

    /// Whether this begins an order for a name that has no certificate.
    fn is_first(&self, name: &str, step: Step) -> bool {
        let record = self.issuer.record(name);
        step == Step::Order && record.issued.is_none() && record.order.is_none()
    }

    pub(crate) fn wanted(&self) -> BTreeSet<String> {
        self.wanted.borrow().clone()
    }

    /// When the next name without a certificate has its turn; `None`: at once.
    pub(crate) fn firsts_pause(&self) -> Option<Duration> {
        let (left, pause) = self.firsts.borrow_mut().left();
        (left == 0).then_some(pause)
    }

    /// Takes the step that is due for a name, which is under way until then.
    async fn take(&self, name: String, step: Step) {
        self.changed.notify_one();
        let ended = match step {
            Step::Order => self.issuer.order(&name).await,
            Step::Ask => self.issuer.ask(&name).await,
            Step::Wait(_) => Ok(()),
        };
        if let Err(error) = ended {
            tracing::error!(%error, name, "What became of a certificate cannot be written down; it is tried again.");
            tokio::time::sleep(PAUSE).await;
        }
        self.ordering.borrow_mut().remove(&name);
        self.changed.notify_one();
    }

    pub(crate) fn is_ordering(&self, name: &str) -> bool {
        self.ordering.borrow().contains(name)
    }

    /// From now on, and by whoever comes after this process, also while no keeper is there.
    pub(crate) fn want(&self, names: Vec<String>) -> io::Result<()> {
        let wanted = Wanted { names: names.into_iter().collect() };
        if wanted.names != *self.wanted.borrow() {
            machine::fs::write_atomic(&self.wanted_file, &serde_json::to_vec(&wanted)?, 0o600)?;
            *self.wanted.borrow_mut() = wanted.names;
        }
        Ok(())
    }

    /// A certificate that nobody wants any more stays until it has ended: its name may be wanted again.
    fn forget_unwanted(&self, now: SystemTime) {
        let is_over =
            |record: &Record| record.issued.as_ref().is_none_or(|issued| issued.expires_s <= seconds(now));
        let over: Vec<String> = {
            let (records, wanted) = (self.issuer.records.borrow(), self.wanted.borrow());
            let is_left = |name: &str| !wanted.contains(name) && !self.is_ordering(name);
            let unwanted = records.all().filter(|record| is_left(&record.name));
            unwanted.filter(|record| is_over(record)).map(|record| record.name.clone()).collect()
        };
        for name in over {
            let forgotten = self.issuer.folder.forget(&name);
            let forgotten = forgotten.and_then(|()| self.issuer.records.borrow_mut().forget(&name));
            match forgotten {
                Ok(()) => self.changed.notify_one(),
                Err(error) => tracing::debug!(%error, name, "What is wanted no more stays for the moment."),
            }
        }
    }
}

fn read_wanted(file: &Path) -> BTreeSet<String> {
    let read = machine::fs::read_regular(file, WANTED_BYTES_MAX).ok();
    read.and_then(|bytes| serde_json::from_slice::<Wanted>(&bytes).ok())
        .map(|wanted| wanted.names)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Issued;

    fn certs(folder: &Path) -> Certs {
        let settings = Settings {
            format: crate::settings::FORMAT,
            keeper: folder.join("keeper.sock"),
            state: folder.join("state"),
            folder: folder.join("certs"),
            directory: "https://ca.example/".to_owned(),
            rehearsal: None,
            contact: Vec::new(),
            roots: None,
            key: Default::default(),
            profile: None,
            challenge: Default::default(),
            dns_hook: Vec::new(),
        };
        let records = Records::open(&settings.state).expect("a folder");
        opened(settings, records)
    }

    fn names(due: &[(String, Step)]) -> Vec<&str> {
        due.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn names_without_a_certificate_have_a_bound_an_hour_and_renewals_go_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let certs = certs(folder.path());
        let old = Issued {
            serial: "1".to_owned(),
            issuer: "a CA".to_owned(),
            begins_s: 0,
            expires_s: 2,
            renew_at_s: 1,
        };
        certs.issuer.keep(Record { issued: Some(old), ..Record::new("z.example") }).expect("kept");
        let failed = Record { failures: 3, ..Record::new("a000.example") };
        certs.issuer.keep(failed).expect("kept");
        let invented = (0..300).map(|n| format!("a{n:03}.example"));
        certs.want(invented.chain(["z.example".to_owned()]).collect()).expect("kept");
        let now = SystemTime::now();
        let (due, _) = certs.due(now);
        assert_eq!(due.len(), 1 + FIRST_ORDERS_MAX);
        assert_eq!(names(&due)[..2], ["z.example", "a001.example"], "who failed comes last");
        assert_eq!(certs.firsts_pause(), None);
        (0..FIRST_ORDERS_MAX).for_each(|_| certs.firsts.borrow_mut().note());
        tokio::time::advance(HOUR / 2).await;
        let (due, _) = certs.due(now);
        assert_eq!(names(&due), ["z.example"]);
        assert_eq!(certs.firsts_pause(), Some(HOUR / 2));
        tokio::time::advance(HOUR / 2).await;
        assert_eq!(certs.due(now).0.len(), 1 + FIRST_ORDERS_MAX);
    }
}
