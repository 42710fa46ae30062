//! `mainstay up`: run this machine's Mainstay in front.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use model::Span;

/// Run this machine's Mainstay in front
///
/// Starts the keeper and the edge, and the last served release of each app. Ctrl-C drains and stops everything, for at
/// most `shutdown_timeout` of machine.toml; a second Ctrl-C stops at once. Killing it (SIGKILL) or sending SIGTERM to
/// the keeper leaves the apps serving: the next `mainstay up` takes them over.
///
/// As a plain user it listens on 127.0.0.1:8080 and 127.0.0.1:8443 and keeps its data in ~/.local/share/mainstay.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay up                          yours, or the machine's as root\n  \
    mainstay up --data /srv/try          a second one, which never meets the first\n  \
    mainstay up --deploy                 and deploy the app in this folder when it is up"
)]
pub struct Up {
    /// Addresses for plain HTTP, instead of machine.toml's
    #[arg(long, value_name = "ADDRESS:PORT", value_delimiter = ',')]
    pub listen: Vec<SocketAddr>,

    /// Addresses for HTTPS, instead of machine.toml's
    #[arg(long, value_name = "ADDRESS:PORT", value_delimiter = ',')]
    pub listen_tls: Vec<SocketAddr>,

    /// Deploy the mainstay.toml of this folder once it is up, if nothing of it serves yet
    #[arg(long)]
    pub deploy: bool,

    /// Write the addresses and the keeper's pid to this file when all is ready
    #[arg(long, value_name = "FILE", hide = true)]
    pub ready_file: Option<PathBuf>,

    /// Replace a keeper that is silent for this long, as `WatchdogSec=` of a unit does
    #[arg(long, value_name = "TIME", hide = true, default_value = "20s")]
    pub watchdog: Span,

    /// Drain for at most this long at the end, instead of machine.toml's `shutdown_timeout`
    #[arg(long, value_name = "TIME")]
    pub within: Option<Span>,
}
