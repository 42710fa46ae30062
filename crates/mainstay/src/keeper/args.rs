//! The keeper's own arguments. `mainstay up` and the unit write them; people do not.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Parser;
use model::Span;

use crate::config::machine::Machine;

#[derive(Clone, Debug, Default, Parser)]
#[command(name = "mainstay keeper", disable_help_subcommand = true)]
pub(crate) struct KeeperArgs {
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    #[arg(long, value_delimiter = ',')]
    pub(crate) listen: Vec<SocketAddr>,
    #[arg(long, value_delimiter = ',')]
    pub(crate) listen_tls: Vec<SocketAddr>,
    #[arg(long)]
    pub(crate) ready_file: Option<PathBuf>,
    #[arg(long)]
    pub(crate) within: Option<Span>,
    /// Under systemd: begin when `mainstay start` gives the cgroup for everything that is started here.
    #[arg(long)]
    pub(crate) wait_for_start: bool,
}

impl KeeperArgs {
    /// Reads the process's arguments, its name and verb among them.
    pub(crate) fn parse(args: &[OsString]) -> Result<Self, ExitCode> {
        Self::try_parse_from(args.iter().skip(1)).map_err(|error| {
            // A closed standard error leaves nobody to tell.
            let _ = error.print();
            ExitCode::FAILURE
        })
    }

    /// What `mainstay up` was told holds over machine.toml.
    pub(crate) fn overrule(&self, machine: &mut Machine) {
        if !self.listen.is_empty() || !self.listen_tls.is_empty() {
            machine.listen.http.clone_from(&self.listen);
            machine.listen.https.clone_from(&self.listen_tls);
        }
        if let Some(within) = self.within {
            machine.shutdown_timeout = within;
        }
    }

    /// Those that hold over machine.toml, as a person typed them.
    pub(crate) fn given(&self) -> Vec<String> {
        let addresses = |flag: &str, all: &[SocketAddr]| {
            let all: Vec<_> = all.iter().map(ToString::to_string).collect();
            (!all.is_empty()).then(|| format!("{flag} {}", all.join(",")))
        };
        let listen = addresses("--listen", &self.listen);
        let listen_tls = addresses("--listen-tls", &self.listen_tls);
        let within = self.within.map(|within| format!("--within {within}"));
        [listen, listen_tls, within].into_iter().flatten().collect()
    }

    /// The same arguments, to be read by [`KeeperArgs::parse`] in another process.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["keeper".into()];
        let mut say = |flag: &str, value: OsString| words.extend([flag.into(), value]);
        if let Some(data) = &self.data {
            say("--data", data.into());
        }
        for address in &self.listen {
            say("--listen", address.to_string().into());
        }
        for address in &self.listen_tls {
            say("--listen-tls", address.to_string().into());
        }
        if let Some(file) = &self.ready_file {
            say("--ready-file", file.into());
        }
        if let Some(within) = self.within {
            say("--within", within.to_string().into());
        }
        if self.wait_for_start {
            words.push("--wait-for-start".into());
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_keeper_read_as_they_were_meant() {
        let meant = KeeperArgs {
            data: Some("/srv/a b".into()),
            listen: vec!["127.0.0.1:0".parse().expect("an address"), "[::1]:81".parse().expect("an address")],
            within: Some(Span::secs(5)),
            wait_for_start: true,
            ..KeeperArgs::default()
        };
        let words: Vec<OsString> = std::iter::once("mainstay".into()).chain(meant.words()).collect();
        let read = KeeperArgs::parse(&words).expect("readable");
        assert_eq!(meant.given(), ["--listen 127.0.0.1:0,[::1]:81", "--within 5s"]);
        assert_eq!((read.data, read.listen, read.within), (meant.data, meant.listen, meant.within));
        assert!(read.wait_for_start);
    }
}
