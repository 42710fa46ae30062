//! What is done for one name, and what is noted of it.

use std::{
    cell::RefCell,
    io,
    time::{Duration, SystemTime},
};

use instant_acme::{Account, Error};
use tokio::sync::Mutex;

use crate::{
    account,
    facts::Facts,
    folder::Folder,
    http::{Http, RetryAfter},
    order::{Failed, Ordering},
    plan,
    record::{Issued, Pending, Record, Records, Suggestion, seconds},
    settings::Settings,
};

/// When a CA is asked again that gave no answer, and the bounds of what it may say of that itself (RFC 9773, 4.3).
const SUGGESTION_AGE: Duration = Duration::from_secs(6 * 3_600);
const SUGGESTION_AGES: [Duration; 2] = [Duration::from_secs(3_600), Duration::from_secs(24 * 3_600)];
/// How long it is not asked again that suggests nothing.
const SILENCE: Duration = Duration::from_secs(24 * 3_600);

/// Bound: of what is asked anew because the CA refused nonces of its own. The library has asked three times each time.
const NONCES_REFUSED_MAX: u32 = 20;

/// When a CA suggests to renew, in seconds since 1970, and when it wants to be asked again.
struct Window {
    start_s: u64,
    end_s: u64,
    again_in: Duration,
}

/// Gets certificates.
pub(crate) struct Issuer {
    pub settings: Settings,
    pub folder: Folder,
    pub records: RefCell<Records>,
    /// Held while an account is opened: two names at once would make two of them at one CA.
    opening: Mutex<()>,
}

impl Issuer {
    pub(crate) fn new(settings: Settings, records: Records) -> Self {
        let folder = Folder::new(&settings.folder);
        Self { settings, folder, records: RefCell::new(records), opening: Mutex::default() }
    }

    /// Places an order for `name` or goes on with the one that there is, and notes how it ended.
    /// # Errors
    /// The disk's: the outcome is not noted.
    pub(crate) async fn order(&self, name: &str) -> io::Result<()> {
        let mut retry_after = None;
        let mut ended = self.try_order(name, &mut retry_after).await;
        for _ in 0..NONCES_REFUSED_MAX {
            if !matches!(&ended, Err(failed) if failed.is_nonce) {
                break;
            }
            ended = self.try_order(name, &mut retry_after).await;
        }
        let asked = retry_after.and_then(|said: RetryAfter| said.get());
        let mut record = self.record(name);
        match ended {
            Ok(issued) => {
                tracing::info!(
                    name,
                    serial = issued.serial,
                    issuer = issued.issuer,
                    "A certificate is issued."
                );
                record.issued(issued);
            }
            Err(failed) => self.note(&mut record, failed, asked),
        }
        self.keep(record)?;
        machine::failpoint::hit("certs-noted");
        Ok(())
    }

    fn note(&self, record: &mut Record, failed: Failed, asked: Option<Duration>) {
        let Failed { why, is_over, has_no_account, is_nonce: _ } = failed;
        if has_no_account {
            account::forget(&self.settings, &self.settings.directory);
        }
        if is_over || has_no_account {
            record.order = None;
        }
        let pause = plan::pause(record.failures + 1, asked, machine::entropy::roll());
        record.failed(why, pause, SystemTime::now());
        let (name, why) = (&record.name, record.last_error.as_ref().map(|last| &last.why));
        tracing::warn!(
            name,
            why,
            failures = record.failures,
            again_s = pause.as_secs(),
            "There is no certificate."
        );
    }

    async fn try_order(&self, name: &str, retry_after: &mut Option<RetryAfter>) -> Result<Issued, Failed> {
        if let Some(directory) =
            self.settings.rehearsal.as_deref().filter(|_| !self.record(name).is_rehearsed)
        {
            self.rehearse(name, directory, retry_after).await?;
        }
        let http = self.http(retry_after)?;
        let account = self.account(&self.settings.directory, http).await?;
        let record = self.record(name);
        // A CA that takes it ill is asked without it the next time.
        let replaced =
            record.suggestion.is_some_and(|said| said.renew_at_s.is_some()) && record.failures == 0;
        let ordering = Ordering {
            account: &account,
            settings: &self.settings,
            folder: &self.folder,
            name,
            replaces: replaced.then(|| self.facts(name)).flatten().and_then(|facts| facts.identifier()),
        };
        let mut keep = |pending: Option<&Pending>| self.keep_order(name, pending);
        let got = ordering.obtain(record.order, &mut keep).await?;
        let refused = |why: String| Failed { is_over: true, ..Failed::new(why) };
        let facts = Facts::checked(&got.chain, &got.key, name).map_err(|error| refused(error.to_string()))?;
        self.folder.install(name, &facts.serial, &got.chain, &got.key).map_err(|error| {
            Failed::new(format!("the certificate cannot be put into its folder: {error}"))
        })?;
        machine::failpoint::hit("certs-installed");
        Ok(issued(facts))
    }

    /// The same at another directory, of which nothing is kept but that it went well.
    async fn rehearse(
        &self,
        name: &str,
        directory: &str,
        retry_after: &mut Option<RetryAfter>,
    ) -> Result<(), Failed> {
        let http = self.http(retry_after)?;
        let rehearsal = |failed: Failed| {
            if failed.has_no_account {
                account::forget(&self.settings, directory);
            }
            // The account and the order of the directory that counts are another's.
            let why = format!("at the rehearsal {directory}: {}", failed.why);
            Failed { is_nonce: failed.is_nonce, ..Failed::new(why) }
        };
        let account = self.account(directory, http).await.map_err(rehearsal)?;
        let settings = Settings { profile: None, ..self.settings.clone() };
        let ordering =
            Ordering { account: &account, settings: &settings, folder: &self.folder, name, replaces: None };
        ordering.obtain(None, &mut |_| Ok(())).await.map_err(rehearsal)?;
        let record = Record { is_rehearsed: true, ..self.record(name) };
        self.keep(record).map_err(|error| not_kept(&error))?;
        tracing::info!(name, directory, "The rehearsal of an order went well.");
        Ok(())
    }

    /// Asks when the CA suggests to renew, and notes it.
    /// # Errors
    /// The disk's.
    pub(crate) async fn ask(&self, name: &str) -> io::Result<()> {
        let said = self.try_ask(name).await;
        let mut record = self.record(name);
        let (now_s, before) =
            (seconds(SystemTime::now()), record.suggestion.and_then(|known| known.renew_at_s));
        let until = |span: Duration| now_s + span.as_secs();
        record.suggestion = Some(match said {
            Ok(Some(said)) => Suggestion {
                renew_at_s: Some(within(said.start_s, said.end_s, before, machine::entropy::roll())),
                ask_at_s: until(said.again_in.clamp(SUGGESTION_AGES[0], SUGGESTION_AGES[1])),
            },
            Ok(None) => Suggestion { renew_at_s: None, ask_at_s: until(SILENCE) },
            Err(failed) => {
                tracing::debug!(name, why = failed.why, "The CA does not say when to renew.");
                Suggestion { renew_at_s: before, ask_at_s: until(SUGGESTION_AGE) }
            }
        });
        self.keep(record)
    }

    /// `None`: the CA suggests nothing.
    async fn try_ask(&self, name: &str) -> Result<Option<Window>, Failed> {
        let Some(identifier) = self.facts(name).and_then(|facts| facts.identifier()) else { return Ok(None) };
        let http = self.http(&mut None)?;
        let account = self.account(&self.settings.directory, http).await?;
        match account.renewal_info(&identifier).await {
            Ok((said, again_in)) => {
                let at = |moment: i64| u64::try_from(moment).unwrap_or(0);
                let window = said.suggested_window;
                let (start_s, end_s) = (at(window.start.unix_timestamp()), at(window.end.unix_timestamp()));
                Ok(Some(Window { start_s, end_s, again_in }))
            }
            Err(Error::Unsupported(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn account(&self, directory: &str, http: Http) -> Result<Account, Failed> {
        let _opening = self.opening.lock().await;
        account::open(&self.settings, directory, http).await
    }

    fn http(&self, retry_after: &mut Option<RetryAfter>) -> Result<Http, Failed> {
        let http =
            Http::new(self.settings.roots.as_deref()).map_err(|error| Failed::new(error.to_string()))?;
        *retry_after = Some(http.retry_after.clone());
        Ok(http)
    }

    /// Of the certificate that is in its place.
    fn facts(&self, name: &str) -> Option<Facts> {
        Facts::of(&self.folder.chain(name)?).ok()
    }

    fn keep_order(&self, name: &str, pending: Option<&Pending>) -> Result<(), Failed> {
        let record = Record { order: pending.cloned(), ..self.record(name) };
        self.keep(record).map_err(|error| not_kept(&error))
    }

    pub(crate) fn record(&self, name: &str) -> Record {
        self.records.borrow().get(name)
    }

    pub(crate) fn keep(&self, record: Record) -> io::Result<()> {
        self.records.borrow_mut().keep(record)
    }
}

fn not_kept(error: &io::Error) -> Failed {
    Failed::new(format!("what the order came to cannot be written down: {error}"))
}

fn issued(facts: Facts) -> Issued {
    let renew_at_s = plan::planned(facts.begins_s, facts.expires_s, machine::entropy::roll());
    let Facts { serial, issuer, begins_s, expires_s, .. } = facts;
    Issued { serial, issuer, begins_s, expires_s, renew_at_s }
}

/// A moment of a window; one that was drawn before stays while it is in it.
fn within(start: u64, end: u64, before: Option<u64>, roll: f64) -> u64 {
    let window = start..end.max(start + 1);
    before
        .filter(|known| window.contains(known))
        .unwrap_or_else(|| start + (end.saturating_sub(start) as f64 * roll) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_that_was_drawn_stays_until_the_window_has_moved() {
        assert_eq!(within(100, 200, None, 0.5), 150);
        assert_eq!(within(100, 200, Some(120), 0.5), 120);
        assert_eq!(within(100, 200, Some(99), 0.5), 150);
        assert_eq!(within(100, 90, None, 0.5), 100, "a window that is none");
    }
}
