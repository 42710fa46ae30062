//! What `iptables-save -t filter` prints: iptables(8), one rule a line.

use super::{
    Firewall,
    rules::{Rule, Table, Verdict, is_inner, is_of_few},
};

/// Of IPv4 and of IPv6.
pub(super) fn parse(four: &str, six: &str) -> Firewall {
    let mut firewall = Firewall { by: "iptables", ..Firewall::default() };
    for (text, v4) in [(four, true), (six, false)] {
        let mut table = Table { v4, v6: !v4, ..Table::default() };
        text.lines().for_each(|line| _ = add(&mut table, line.trim()));
        table.add_to(&mut firewall);
    }
    firewall
}

fn add(table: &mut Table, line: &str) -> Option<()> {
    if let Some(chain) = line.strip_prefix(':') {
        let mut words = chain.split_whitespace();
        let (name, policy) = (words.next()?, words.next()?);
        let chain = table.chains.entry(name.to_owned()).or_default();
        (chain.is_input, chain.drops_by_default) = (name == "INPUT", policy == "DROP");
        return Some(());
    }
    let mut words = line.strip_prefix("-A ")?.split_whitespace();
    let chain = table.chains.entry(words.next()?.to_owned()).or_default();
    chain.rules.push(rule(words));
    Some(())
}

fn rule<'a>(mut words: impl Iterator<Item = &'a str>) -> Rule {
    let mut rule = Rule::new(Verdict::Other);
    let mut is_turned = false;
    while let Some(word) = words.next() {
        match word {
            "-j" | "-g" => {
                rule.verdict = match words.next() {
                    Some("ACCEPT") => Verdict::Accept,
                    Some("DROP" | "REJECT") => Verdict::Deny,
                    Some(chain) => Verdict::Jump(chain.to_owned()),
                    None => Verdict::Other,
                };
                // What follows are words to the target.
                return rule;
            }
            "-p" => rule.protocol = words.next().map(str::to_owned),
            "--dport" | "--dports" => {
                let told = words.next().unwrap_or_default();
                rule.ports.extend(told.split(',').map(|port| port.replace(':', "-")));
            }
            "-i" => rule.is_narrow |= !is_turned && words.next().is_some_and(is_inner),
            "-d" => rule.is_narrow |= !is_turned && words.next().is_some_and(is_of_few),
            // All but one sender are anybody.
            "-s" | "--sport" | "--sports" => {
                rule.is_narrow |= !is_turned;
                words.next();
            }
            "--ctstate" | "--state" => {
                rule.is_narrow |= !words.next().unwrap_or_default().split(',').any(|state| state == "NEW");
            }
            "-m" => {
                let known = ["tcp", "udp", "multiport", "conntrack", "state", "comment", "limit"];
                rule.is_opaque |= !words.next().is_some_and(|name| known.contains(&name));
            }
            _ => {}
        }
        is_turned = word == "!";
        rule.is_conditional = true;
    }
    rule
}
