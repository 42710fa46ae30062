//! `mainstay freeze`: no deploys for a while.

use std::process::ExitCode;

use api::client::Failure;
use clap::Args;
use jiff::{Timestamp, civil, tz::TimeZone};
use model::{Explain, Freeze as Frozen, Site, Span};

use crate::{
    output::{self, json, line},
    session::{Session, block_on},
};

/// Bound: what whoever is refused reads is a sentence or two.
const REASON_CHARS_MAX: usize = 500;

/// Refuse deploys until a time
///
/// For holidays, a launch, an investigation. What serves serves on; `rollback`, `restart` and `scale` work meanwhile, and a
/// deploy that is at work goes on. It ends by itself, by the clock of the server.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay freeze --until 2027-01-02 --reason \"nobody is here\"\n  \
    mainstay freeze --until 90m --reason \"the sale\"\n  mainstay freeze --lift")]
pub struct Freeze {
    /// A day, a day and a time (of this machine's zone, or with an offset), or a time from now on, like 2h
    #[arg(long, value_name = "TIME", required_unless_present = "lift", requires = "reason", value_parser = until)]
    pub until: Option<Timestamp>,

    /// Why, for whoever is refused
    #[arg(long, value_name = "TEXT", requires = "until", value_parser = reason)]
    pub reason: Option<String>,

    /// End it now
    #[arg(long, conflicts_with = "until")]
    pub lift: bool,
}

fn until(text: &str) -> Result<Timestamp, String> {
    let unknown = || {
        "write a day like 2027-01-02, a day and a time like 2027-01-02T18:00, or a span like 2h".to_owned()
    };
    if let Ok(span) = text.parse::<Span>() {
        return Timestamp::now().checked_add(span.0).map_err(|_| unknown());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let here = |at: civil::DateTime| at.to_zoned(TimeZone::system()).map(|at| at.timestamp());
    text.parse::<civil::DateTime>().and_then(here).map_err(|_| unknown())
}

fn reason(text: &str) -> Result<String, String> {
    match (text.trim(), text.chars().count()) {
        ("", _) => Err("it is empty".to_owned()),
        (_, count) if count > REASON_CHARS_MAX => {
            Err(format!("it has {count} characters, and {REASON_CHARS_MAX} is the most"))
        }
        (text, _) => Ok(text.to_owned()),
    }
}

impl Freeze {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let freeze = self.until.zip(self.reason).map(|(until, reason)| Frozen {
            until_unix_ms: u64::try_from(until.as_millisecond()).unwrap_or_default(),
            reason,
        });
        let site = block_on(async {
            let site = session.site().await?;
            session.client.freeze(&site, freeze.as_ref()).await.map_err(Failure::explain)?;
            Ok(site)
        })?;
        if session.json() {
            json(&serde_json::json!({ "site": site, "frozen": freeze }));
        } else {
            line(told(&site, freeze.as_ref()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn told(site: &Site, freeze: Option<&Frozen>) -> String {
    match freeze {
        Some(freeze) => format!("Deploys of {site} are frozen {}.", output::until(freeze.until_unix_ms)),
        None => format!("Deploys of {site} are allowed."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_day_a_moment_or_a_span() {
        let zoned = |text: &str| until(text).unwrap().to_zoned(TimeZone::system()).datetime().to_string();
        assert_eq!(zoned("2027-01-02"), "2027-01-02T00:00:00");
        assert_eq!(zoned("2027-01-02T18:00"), "2027-01-02T18:00:00");
        assert_eq!(zoned("2027-01-02 18:00:05"), "2027-01-02T18:00:05");
        assert_eq!(until("2027-01-02T18:00:00+02:00").unwrap().to_string(), "2027-01-02T16:00:00Z");
        let in_two_hours = until("2h").unwrap().as_second() - Timestamp::now().as_second();
        assert!((7198..=7200).contains(&in_two_hours), "{in_two_hours}");
        for wrong in ["", "tomorrow", "2027-13-01", "18:00"] {
            assert!(until(wrong).unwrap_err().contains("write a day"), "{wrong}");
        }
        assert!(reason(" ").is_err() && reason(&"x".repeat(501)).is_err());
    }
}
