//! Chains of rules, however they were told, and what they let in.

use std::collections::BTreeMap;

use super::Firewall;

/// Bound: of chains that lead to each other; the kernel has 16 (`NFT_JUMP_STACK_SIZE` of its net/netfilter/nf_tables.h).
const JUMPS_MAX: usize = 16;

/// What a rule does with a packet that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Deny,
    /// To another chain of its table.
    Jump(String),
    /// Counts, logs, or hands on.
    Other,
}

/// One rule, as far as it says who may come in.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) verdict: Verdict,
    /// It is for some packets alone.
    pub(super) is_conditional: bool,
    /// It is for certain senders, interfaces or connections, not for anybody new.
    pub(super) is_narrow: bool,
    /// It has a condition that was not told.
    pub(super) is_opaque: bool,
    /// `tcp`, `udp`; `None`: no condition on it.
    pub(super) protocol: Option<String>,
    /// Ports and ranges, as they are written.
    pub(super) ports: Vec<String>,
}

impl Rule {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            is_conditional: false,
            is_narrow: false,
            is_opaque: false,
            protocol: None,
            ports: Vec::new(),
        }
    }

    /// What it is for where only packets that `other` is for come to it.
    fn within(&self, other: &Self) -> Self {
        let ports = if self.ports.is_empty() { &other.ports } else { &self.ports };
        Self {
            verdict: self.verdict.clone(),
            is_conditional: self.is_conditional || other.is_conditional,
            is_narrow: self.is_narrow || other.is_narrow,
            is_opaque: self.is_opaque || other.is_opaque,
            protocol: self.protocol.clone().or_else(|| other.protocol.clone()),
            ports: ports.clone(),
        }
    }

    /// ICMP and the like have no ports, and a machine should answer them.
    fn has_ports(&self) -> bool {
        self.protocol.as_deref().is_none_or(|protocol| matches!(protocol, "tcp" | "udp" | "sctp" | "dccp"))
    }

    /// What anybody may reach by it.
    fn opens(&self) -> Vec<String> {
        let protocol = self.protocol.as_deref().unwrap_or("tcp");
        match () {
            () if self.is_narrow || self.is_opaque || !self.has_ports() => Vec::new(),
            () if self.ports.is_empty() => vec![format!("all {protocol}")],
            () => self.ports.iter().map(|port| format!("{protocol} {port}")).collect(),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    /// The kernel begins here with what comes in for this machine.
    pub(super) is_input: bool,
    pub(super) drops_by_default: bool,
    pub(super) rules: Vec<Rule>,
}

/// Chains that may jump to each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) v4: bool,
    pub(super) v6: bool,
    pub(super) chains: BTreeMap<String, Chain>,
}

impl Table {
    /// Adds what this table closes and opens.
    pub(super) fn add_to(&self, firewall: &mut Firewall) {
        for chain in self.chains.values().filter(|chain| chain.is_input) {
            if !is_closed(chain) {
                continue;
            }
            firewall.closed_v4 |= self.v4;
            firewall.closed_v6 |= self.v6;
            self.walk(chain, &Rule::new(Verdict::Other), firewall, &mut Vec::new());
        }
    }

    /// `way`: what has led here, and `by` which conditions.
    fn walk<'a>(&'a self, chain: &'a Chain, by: &Rule, firewall: &mut Firewall, way: &mut Vec<&'a str>) {
        for rule in &chain.rules {
            let rule = rule.within(by);
            match &rule.verdict {
                Verdict::Accept if rule.is_opaque && !rule.is_narrow && rule.has_ports() => {
                    firewall.opaque += 1;
                }
                Verdict::Accept => firewall.open.extend(rule.opens()),
                // One that is for certain senders opens nothing to anybody, wherever it leads.
                Verdict::Jump(to) if !rule.is_narrow && way.len() < JUMPS_MAX => {
                    let next =
                        self.chains.get_key_value(to).filter(|(name, _)| !way.contains(&name.as_str()));
                    if let Some((name, next)) = next {
                        way.push(name);
                        self.walk(next, &rule, firewall, way);
                        way.pop();
                    }
                }
                Verdict::Jump(_) | Verdict::Deny | Verdict::Other => {}
            }
        }
    }
}

/// Whether a packet that no rule is for is dropped: by the chain's policy, or by a last rule that is for all.
fn is_closed(chain: &Chain) -> bool {
    let decides =
        |rule: &&Rule| !rule.is_conditional && matches!(rule.verdict, Verdict::Accept | Verdict::Deny);
    match chain.rules.iter().find(decides) {
        Some(rule) => rule.verdict == Verdict::Deny,
        None => chain.drops_by_default,
    }
}

/// Whether an interface leads to no stranger: this machine itself, its containers, a private network.
pub(super) fn is_inner(interface: &str) -> bool {
    ["lo", "docker", "br-", "virbr", "veth", "wg", "tun", "tailscale"]
        .iter()
        .any(|begin| interface.starts_with(begin))
}

/// Whether a destination, as it is written, is no address of this machine that strangers reach: of multicast, of one link, of itself.
pub(super) fn is_of_few(destination: &str) -> bool {
    let begin = destination.trim_start_matches(|c: char| !c.is_ascii_hexdigit());
    ["22", "23", "255.", "127.", "ff0", "fe80"].iter().any(|few| match few.len() {
        2 => begin.starts_with(few) && begin.get(3..4) == Some("."),
        _ => begin.starts_with(few),
    })
}
