//! Webhooks as the keeper sees them: which there are, what has happened that they are to be told, and what the station says
//! became of it. The station asks; nothing here waits for it.

pub(crate) mod dead;
mod event;
pub(crate) mod feed;
pub(super) mod usable;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use admin::{Refusal, Reply, Why};
use api::{
    station::{Cursor, News, Report, TestAsked, TestEnded, WAIT_MAX},
    webhooks::{State, TEST_WITHIN, Tested, Webhook, Webhooks as Told},
};
use model::Explain;
use tokio::sync::{Notify, oneshot};
use ulid::Ulid;

use crate::config::folders::Folders;

use self::{dead::DeadLog, feed::Feed, usable::Usable};

/// How often the journals are looked at while the station waits for news.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Bound: tests that operators wait for at once.
const TESTS_MAX: usize = 16;
/// What the station has longer than its own bound of a try.
const TEST_LIMIT: Duration = TEST_WITHIN.saturating_sub(Duration::from_secs(5));

pub(crate) struct Webhooks {
    /// Swapped as a whole when their file of secrets has changed.
    hooks: RwLock<Arc<[Usable]>>,
    feed: Arc<Mutex<Feed>>,
    tests: Mutex<Tests>,
    test_asked: Notify,
    /// By the webhook's key.
    states: Mutex<BTreeMap<String, State>>,
    dead: DeadLog,
    heard: Mutex<Instant>,
}

#[derive(Default)]
struct Tests {
    /// Those that no station has heard of.
    asked: Vec<TestAsked>,
    waiting: HashMap<String, (TestAsked, oneshot::Sender<Tested>)>,
    /// Stations that have ended. A question of one of them may still be open, and its answer would reach nobody.
    ended: u64,
}

impl Tests {
    /// Those whose operators still wait, for a station before which so many have ended.
    fn take(&mut self, ended: u64) -> Vec<TestAsked> {
        if ended != self.ended {
            return Vec::new();
        }
        let asked = std::mem::take(&mut self.asked);
        asked.into_iter().filter(|test| self.waiting.contains_key(&test.id)).collect()
    }

    fn station_ended(&mut self) {
        self.ended += 1;
        self.asked = self.waiting.values().map(|(asked, _)| asked.clone()).collect();
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Webhooks {
    /// To be called before anything new can happen: what is there now, at the first webhook of all, is told to nobody.
    pub(crate) fn open(data: &Path, hooks: Vec<Usable>) -> Self {
        Self {
            feed: Arc::new(Mutex::new(Feed::open(data, !hooks.is_empty()))),
            hooks: RwLock::new(hooks.into()),
            tests: Mutex::default(),
            test_asked: Notify::new(),
            states: Mutex::default(),
            dead: DeadLog::open(data),
            heard: Mutex::new(Instant::now()),
        }
    }

    pub(crate) fn hooks(&self) -> Arc<[Usable]> {
        Arc::clone(&self.hooks.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads their secrets again; whether one of them signs with another now.
    pub(crate) fn read_again(&self, folders: &Folders) -> bool {
        let before = self.hooks();
        let now = usable::read_again(folders, &before);
        for (hook, before) in now.iter().zip(&*before) {
            if let Some(error) = hook.unread.as_ref().filter(|_| hook.unread != before.unread) {
                tracing::error!(url = %hook.place, %error, "A webhook's secret is no longer in its file. The one before is used, until that is mended.");
            }
        }
        let is_another = now.iter().zip(&*before).any(|(now, before)| now.secret != before.secret);
        *self.hooks.write().unwrap_or_else(PoisonError::into_inner) = now.into();
        is_another
    }

    /// How long the station has said nothing.
    pub(crate) fn silent_for(&self) -> Duration {
        lock(&self.heard).elapsed()
    }

    pub(crate) fn told(&self) -> Told {
        let states = lock(&self.states);
        let hook = |(n, hook): (usize, &Usable)| Webhook {
            number: n + 1,
            url: hook.place.to_string(),
            events: hook.said.events.clone(),
            apps: hook.said.apps.iter().map(ToString::to_string).collect(),
            problem: hook.secret.as_ref().err().cloned(),
            unread: hook.unread.clone(),
            state: states.get(&hook.place.key()).cloned(),
        };
        Told { hooks: self.hooks().iter().enumerate().map(hook).collect(), dead: self.dead.read() }
    }

    /// Waits for the answer of the receiver.
    pub(crate) async fn test(&self, wanted: &str) -> Reply<Tested> {
        let hook = self.find(wanted)?;
        if let Err(problem) = &hook.secret {
            return Err(Refusal::new(Why::Conflict, problem.clone()));
        }
        let (id, answer) = self.ask(&hook)?;
        let answered = tokio::time::timeout(TEST_LIMIT, answer).await;
        lock(&self.tests).waiting.remove(&id);
        answered.ok().and_then(Result::ok).ok_or_else(|| {
            let explain = Explain::new("station-silent", "the station has not said how the test ended")
                .help("`mainstay status --machine` says whether it runs; its log lies in logs/station of the data folder");
            Refusal::new(Why::Unavailable, explain)
        })
    }

    fn ask(&self, hook: &Usable) -> Reply<(String, oneshot::Receiver<Tested>)> {
        let id = format!("test_{}", Ulid::generate());
        let (end, answer) = oneshot::channel();
        let mut tests = lock(&self.tests);
        if tests.waiting.len() >= TESTS_MAX {
            let explain =
                Explain::new("too-many-tests", format!("{TESTS_MAX} tests of webhooks are under way"));
            return Err(Refusal::new(Why::Unavailable, explain.help("ask again in a moment")));
        }
        let asked = TestAsked { id: id.clone(), hook: hook.place.key() };
        tests.asked.push(asked.clone());
        tests.waiting.insert(id.clone(), (asked, end));
        self.test_asked.notify_one();
        Ok((id, answer))
    }

    fn find(&self, wanted: &str) -> Reply<Usable> {
        let hooks = self.hooks();
        let by_number = || hooks.get(wanted.parse::<usize>().ok()?.checked_sub(1)?);
        let by_url = hooks.iter().find(|hook| hook.place.url() == wanted || hook.place.to_string() == wanted);
        by_url.or_else(by_number).cloned().ok_or_else(|| {
            let explain = Explain::new("no-such-webhook", format!("machine.toml has no webhook {wanted}"))
                .help("`mainstay webhook list` shows them; a change of machine.toml is taken up by the next keeper");
            Refusal::new(Why::Unknown, explain)
        })
    }

    /// The next one is asked for the tests that the one before was asked for and has not ended.
    pub(crate) fn station_ended(&self) {
        lock(&self.tests).station_ended();
        self.test_asked.notify_one();
    }

    async fn look(&self, cursor: &Cursor) -> Reply<feed::Page> {
        let (feed, cursor) = (Arc::clone(&self.feed), cursor.clone());
        let looked = tokio::task::spawn_blocking(move || lock(&feed).page(&cursor)).await;
        let looked = looked.map_err(std::io::Error::other).flatten();
        looked.map_err(|error| {
            let explain = Explain::new("data-unreadable", "what has happened cannot be read")
                .help("the journals lie below `apps` of the data folder: see their owner and the disk");
            Refusal::new(Why::Failed, explain.because(&error))
        })
    }
}

/// What the station asks.
impl Webhooks {
    pub(crate) async fn news(&self, cursor: Cursor) -> Reply<News> {
        let until = Instant::now() + WAIT_MAX;
        let ended = lock(&self.tests).ended;
        loop {
            *lock(&self.heard) = Instant::now();
            let page = self.look(&cursor).await?;
            let tests = lock(&self.tests).take(ended);
            let is_news = !page.events.is_empty() || !tests.is_empty() || page.cursor.keeper != cursor.keeper;
            // Who asks may be the next station already, which then asks once more.
            let is_over = Instant::now() >= until || lock(&self.tests).ended != ended;
            if is_news || is_over {
                return Ok(News { cursor: page.cursor, complete: page.complete, events: page.events, tests });
            }
            let _ = tokio::time::timeout(LOOK_EVERY, self.test_asked.notified()).await;
        }
    }

    pub(crate) async fn report(&self, report: Report) -> Reply<()> {
        *lock(&self.states) = report.hooks;
        self.dead.add(report.dead).map_err(|error| {
            let explain = Explain::new("data-unwritable", "what was given up cannot be written down")
                .help("make room on the disk of the data folder; the station says it again");
            Refusal::new(Why::Failed, explain.because(&error))
        })
    }

    pub(crate) fn tested(&self, ended: TestEnded) {
        if let Some((_, end)) = lock(&self.tests).waiting.remove(&ended.id) {
            // Whoever asked may have gone.
            let _ = end.send(ended.tested);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(asked: Vec<TestAsked>) -> Vec<String> {
        asked.into_iter().map(|test| test.id).collect()
    }

    fn ask(tests: &mut Tests, id: &str) -> oneshot::Receiver<Tested> {
        let (end, answer) = oneshot::channel();
        let asked = TestAsked { id: id.to_owned(), hook: "a hook".to_owned() };
        tests.asked.push(asked.clone());
        tests.waiting.insert(id.to_owned(), (asked, end));
        answer
    }

    #[test]
    fn a_test_that_a_station_took_with_it_is_asked_of_the_next_one() {
        let mut tests = Tests::default();
        let _waits = ask(&mut tests, "a");
        assert_eq!(ids(tests.take(0)), ["a"]);
        assert!(tests.take(0).is_empty(), "once of each station");
        tests.station_ended();
        assert!(tests.take(0).is_empty(), "nobody hears the answer to a question of the one that has ended");
        assert_eq!(ids(tests.take(1)), ["a"]);
        tests.waiting.remove("a");
        tests.station_ended();
        assert!(tests.take(2).is_empty(), "what has ended is not asked again");
    }
}
