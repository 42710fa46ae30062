//! `mainstay maintenance`: a page in place of the site, for a while.

use std::{net::IpAddr, process::ExitCode, time::SystemTime};

use api::client::Failure;
use clap::{Args, Subcommand};
use ipnet::IpNet;
use model::{Explain, Notice, Site, Span};

use crate::{
    output::{self, json, line},
    session::{Session, block_on},
};

/// Bound: what people read in place of a site is a sentence or two.
const WORDS_CHARS_MAX: usize = 500;

/// Show people a page in place of the site while somebody works on it
///
/// Requests that are open go on, the app runs on, and deploys go on too: only new requests get the page, with the status 503
/// and the time after which to come back. It stays up over restarts of everything, and comes down by itself where `--for` says when.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay maintenance page on --for 10m --allow 198.51.100.7\n  mainstay maintenance page off"
)]
pub struct Maintenance {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Put the page up, or take it down
    Page {
        #[command(subcommand)]
        verb: Verb,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Put it up, or change the one that is up
    On(On),
    /// Take it down
    Off,
}

#[derive(Clone, Debug, Args)]
pub struct On {
    /// Take it down by itself after this time, like 10m
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub within: Option<Span>,

    /// Serve this client as ever: an address or a network, more than once for several
    #[arg(long, value_name = "ADDRESS", value_parser = network)]
    pub allow: Vec<IpNet>,

    /// What people read; without it that the service is being maintained
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub words: Option<String>,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

fn time(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|_| "write a time with its unit, like 10m or 2h".to_owned())?;
    if span < Span::secs(1) {
        return Err("it must be at least 1s".to_owned());
    }
    Ok(span)
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse()).map_err(|_| {
        format!("`{text}` is neither an address nor a network: like 198.51.100.7 or 2001:db8::/32")
    })
}

fn words(text: &str) -> Result<String, String> {
    let count = text.chars().count();
    match text.trim() {
        "" => Err("it is empty: leave it out for the usual words".to_owned()),
        _ if count > WORDS_CHARS_MAX => {
            Err(format!("it has {count} characters, and {WORDS_CHARS_MAX} is the most"))
        }
        text => Ok(text.to_owned()),
    }
}

impl Maintenance {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let What::Page { verb } = self.what;
        let (notice, is_tried) = match verb {
            Verb::On(on) => (Some(on.notice()?), on.dry_run),
            Verb::Off => (None, false),
        };
        let site = block_on(async {
            let site = session.site().await?;
            if !is_tried {
                session.client.post_notice(&site, notice.as_ref()).await.map_err(Failure::explain)?;
            }
            Ok(site)
        })?;
        if session.json() {
            json(&serde_json::json!({ "site": site, "maintenance": notice, "dry_run": is_tried }));
        } else {
            line(told(&site, notice.as_ref(), is_tried));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl On {
    fn notice(&self) -> Result<Notice, Explain> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(|error| {
            Explain::new("no-clock", "the clock of this machine is before 1970")
                .because(&error)
                .help("set it, or leave out `--for`")
        })?;
        let until = self.within.map(|within| now.saturating_add(within.0).as_millis());
        Ok(Notice {
            words: self.words.clone(),
            until_unix_ms: until.map(|until| u64::try_from(until).unwrap_or(u64::MAX)),
            allow: self.allow.clone(),
        })
    }
}

fn told(site: &Site, notice: Option<&Notice>, is_tried: bool) -> String {
    let Some(notice) = notice else { return format!("{site} is served again.") };
    let verb = if is_tried { "would show" } else { "shows" };
    format!("{site} {verb} its maintenance page {}.", extent(notice))
}

/// For how long, and to whom not: `until 14:30, not to 198.51.100.7/32`.
pub(super) fn extent(notice: &Notice) -> String {
    let until = notice
        .until_unix_ms
        .map_or_else(|| "until `mainstay maintenance page off`".to_owned(), output::until);
    let allowed: Vec<String> = notice.allow.iter().map(ToString::to_string).collect();
    if allowed.is_empty() { until } else { format!("{until}, but not to {}", allowed.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_network_of_one() {
        assert_eq!(network("198.51.100.7").unwrap().to_string(), "198.51.100.7/32");
        assert_eq!(network("2001:db8::/32").unwrap().to_string(), "2001:db8::/32");
        assert!(network("my-laptop").unwrap_err().contains("neither an address"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(time("10").is_err() && time("0s").is_err() && time("500ms").is_err());
        assert_eq!(time("10m").unwrap(), Span::secs(600));
        assert!(words("  ").is_err() && words(&"x".repeat(501)).is_err());
    }
}
