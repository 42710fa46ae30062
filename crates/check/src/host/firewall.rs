//! Strangers reach the ports that are meant for them, and no other: what nftables or iptables let in, by both families.

mod iptables;
mod nft;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use api::checks::{Severity, State};
use model::Explain;

use super::{Host, Known, OnHost, judged, program};
use crate::finding::{Check, found_if, not_run};

pub(super) const CHECK: Check<OnHost> = Check {
    id: "firewall",
    title: "only the ports that are meant to be open are open",
    severity: Severity::Warning,
    sources: &["CHK-09g", "SEC-01", "W-S3"],
    run,
};

/// What a machine's packet filter lets in.
#[derive(Debug, Default)]
pub(crate) struct Firewall {
    /// The program that told it.
    by: &'static str,
    /// Whether what no rule names is dropped, for IPv4 and for IPv6.
    closed_v4: bool,
    closed_v6: bool,
    /// What anybody may reach: `tcp 22`, `udp 1000-2000`, `all tcp`.
    open: BTreeSet<String>,
    /// Rules that let something in by a condition that cannot be read.
    opaque: usize,
}

impl Firewall {
    fn and(mut self, other: Self) -> Self {
        self.by = if self.by.is_empty() { other.by } else { self.by };
        self.closed_v4 |= other.closed_v4;
        self.closed_v6 |= other.closed_v6;
        self.open.extend(other.open);
        self.opaque += other.opaque;
        self
    }
}

/// What the kernel's rules are, by `nft` and `iptables-save`.
pub(super) fn read() -> Known<Firewall> {
    let has_iptables = program::is_there("iptables-save");
    let mut told = match program::is_there("nft") {
        true if has_iptables => told(&nft_says()?, || by_iptables("iptables-save", "ip6tables-save"))?,
        true => nft::parse(&nft_says()?, nft::Tables::All)?,
        false if has_iptables => by_iptables("iptables-save", "ip6tables-save")?,
        false => {
            return Err("neither `nft` nor `iptables-save` is here to tell the kernel's rules".to_owned());
        }
    };
    // The older iptables keeps its rules where nobody else sees them.
    if !(told.closed_v4 && told.closed_v6) && program::is_there("iptables-legacy-save") {
        told = told.and(by_iptables("iptables-legacy-save", "ip6tables-legacy-save")?);
    }
    Ok(told)
}

fn nft_says() -> Known<String> {
    program::printed("nft", &["-j", "list", "ruleset"])
}

/// Rules that iptables made have conditions that only it can tell.
fn told(by_nft: &str, by_iptables: impl FnOnce() -> Known<Firewall>) -> Known<Firewall> {
    let all = nft::parse(by_nft, nft::Tables::All)?;
    if all.opaque == 0 {
        return Ok(all);
    }
    Ok(nft::parse(by_nft, nft::Tables::NotOfIptables)?.and(by_iptables()?))
}

fn by_iptables(four: &str, six: &str) -> Known<Firewall> {
    let told = |name| program::printed(name, &["-t", "filter"]);
    Ok(iptables::parse(&told(four)?, &told(six)?))
}

fn run(context: &Host<'_>) -> State {
    judged(&context.facts.firewall, |firewall| {
        let mut wrong = Vec::new();
        for (is_closed, family) in [(firewall.closed_v4, "IPv4"), (firewall.closed_v6, "IPv6")] {
            if !is_closed {
                wrong.push(format!("over {family} every port is open that no rule closes"));
            }
        }
        if wrong.is_empty() {
            let meant = [context.served(), context.ssh_ports()].concat();
            let extra = surplus(firewall, &meant);
            wrong.extend(extra.map(|port| format!("anybody may reach {port}")));
        }
        if wrong.is_empty() && firewall.opaque > 0 {
            return not_run(format!(
                "not known: what no rule names is dropped, but {} let something in by conditions that {} does not tell",
                crate::finding::count(firewall.opaque, "rule"),
                firewall.by
            ));
        }
        let explain = Explain::new("firewall-open", "the packet filter of this machine lets in more than is served")
            .now("a filter in front of the machine, of its provider, cannot be seen from here")
            .help(
                "drop what no rule names and accept the ports of ssh and of the edge, for both families (`ufw default deny incoming`, \
                 or `policy drop` in /etc/nftables.conf); where the provider's filter does it, attest `firewall`",
            );
        let open: Vec<&str> = firewall.open.iter().map(String::as_str).collect();
        found_if(wrong, explain, format!("by {}: all is dropped but {}", firewall.by, open.join(", ")))
    })
}

/// What is open without being meant.
fn surplus<'a>(firewall: &'a Firewall, meant: &'a [u16]) -> impl Iterator<Item = &'a String> {
    firewall.open.iter().filter(|open| {
        let port = open.split_once(' ').and_then(|(_, port)| port.parse::<u16>().ok());
        !port.is_some_and(|port| meant.contains(&port) || [80, 443].contains(&port))
    })
}
