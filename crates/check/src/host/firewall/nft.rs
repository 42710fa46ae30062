//! What `nft -j list ruleset` prints: libnftables-json(5).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Firewall,
    rules::{Rule, Table, Verdict, is_inner, is_of_few},
};
use crate::host::Known;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tables {
    All,
    /// Without those that iptables keeps here.
    NotOfIptables,
}

/// # Errors
/// It is not of that form.
pub(super) fn parse(text: &str, which: Tables) -> Known<Firewall> {
    let read: Value = serde_json::from_str(text).map_err(|error| format!("`nft` prints no JSON: {error}"))?;
    let objects = read["nftables"].as_array().ok_or("`nft` prints JSON of an unknown form")?;
    let mut tables: BTreeMap<(String, String), Table> = BTreeMap::new();
    for object in objects {
        add(&mut tables, object);
    }
    let mut firewall = Firewall { by: "nft", ..Firewall::default() };
    let is_foreign =
        |(family, name): &(String, String)| name == "filter" && matches!(family.as_str(), "ip" | "ip6");
    let wanted = tables.iter().filter(|(name, _)| which == Tables::All || !is_foreign(name));
    wanted.for_each(|(_, table)| table.add_to(&mut firewall));
    Ok(firewall)
}

fn word<'a>(of: &'a Value, key: &str) -> Option<&'a str> {
    of[key].as_str()
}

fn add(tables: &mut BTreeMap<(String, String), Table>, object: &Value) -> Option<()> {
    let (of, name) = match (&object["chain"], &object["rule"]) {
        (chain @ Value::Object(_), _) => (chain, word(chain, "name")?),
        (_, rule @ Value::Object(_)) => (rule, word(rule, "chain")?),
        _ => return None,
    };
    let family = word(of, "family")?;
    let table = tables.entry((family.to_owned(), word(of, "table")?.to_owned())).or_default();
    table.v4 = matches!(family, "ip" | "inet");
    table.v6 = matches!(family, "ip6" | "inet");
    let chain = table.chains.entry(name.to_owned()).or_default();
    match of["expr"].as_array() {
        Some(expressions) => chain.rules.push(rule(expressions)),
        None => {
            chain.is_input = word(of, "hook") == Some("input") && word(of, "type") == Some("filter");
            chain.drops_by_default = word(of, "policy") == Some("drop");
        }
    }
    Some(())
}

fn rule(expressions: &[Value]) -> Rule {
    let mut rule = Rule::new(Verdict::Other);
    for expression in expressions {
        let Some((kind, value)) = expression.as_object().and_then(|one| one.iter().next()) else { continue };
        match kind.as_str() {
            "match" => narrow(&mut rule, value),
            "accept" => rule.verdict = Verdict::Accept,
            "drop" | "reject" => rule.verdict = Verdict::Deny,
            "jump" | "goto" => {
                rule.verdict = Verdict::Jump(word(value, "target").unwrap_or_default().to_owned())
            }
            "counter" | "log" | "comment" | "limit" => {}
            "vmap" => by_map(&mut rule, value),
            // An extension of iptables, or what is newer than this.
            _ => (rule.is_conditional, rule.is_opaque) = (true, true),
        }
    }
    rule
}

fn narrow(rule: &mut Rule, condition: &Value) {
    rule.is_conditional = true;
    let (left, right) = (&condition["left"], &condition["right"]);
    let is_turned = word(condition, "op") == Some("!=");
    let payload = &left["payload"];
    match (word(payload, "protocol"), word(payload, "field")) {
        (Some(protocol), Some("dport")) if !is_turned => {
            if protocol != "th" {
                rule.protocol = Some(protocol.to_owned());
            }
            rule.ports.extend(ports(right));
        }
        (_, Some("protocol" | "nexthdr")) if !is_turned => {
            rule.protocol = word(condition, "right").map(str::to_owned)
        }
        (_, Some("daddr")) => rule.is_narrow |= !is_turned && is_of_few(address(right)),
        // Of the sender, or of another layer; all but one sender are anybody.
        (_, Some(_)) => rule.is_narrow |= !is_turned,
        (_, None) => match word(&left["meta"], "key") {
            Some("l4proto") if !is_turned => rule.protocol = Some(listed(right)),
            Some("nfproto" | "protocol") => {}
            Some("iif" | "iifname") => rule.is_narrow |= !is_turned && right.as_str().is_some_and(is_inner),
            Some(_) => rule.is_narrow = true,
            None if !left["ct"].is_null() => rule.is_narrow |= !names(right, "new"),
            None => rule.is_opaque = true,
        },
    }
}

/// Of one address, or of a network by its first.
fn address(right: &Value) -> &str {
    right.as_str().or_else(|| right["prefix"]["addr"].as_str()).unwrap_or_default()
}

/// By a map from the state of a connection, which opens nothing to who is new, or from something that is not read.
fn by_map(rule: &mut Rule, map: &Value) {
    rule.is_conditional = true;
    let pairs = map["data"]["set"].as_array().into_iter().flatten();
    let mut accepted = pairs.filter(|pair| pair[1].get("accept").is_some());
    let is_harmless = match map["key"]["ct"].is_null() {
        false => !accepted.any(|pair| names(&pair[0], "new")),
        true => map["data"].is_object() && accepted.next().is_none(),
    };
    if !is_harmless {
        (rule.verdict, rule.is_opaque) = (Verdict::Accept, true);
    }
}

/// `22`, `[22, 80]` of a set, `1000-2000` of a range; a named set is told by its name.
fn ports(right: &Value) -> Vec<String> {
    match right {
        Value::Number(port) => vec![port.to_string()],
        Value::String(name) => vec![format!("the ports of {name}")],
        Value::Array(all) => all.iter().flat_map(ports).collect(),
        Value::Object(one) => match (one.get("set"), one.get("range").and_then(Value::as_array)) {
            (Some(set), _) => ports(set),
            (_, Some(range)) => {
                vec![range.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")]
            }
            _ => vec![right.to_string()],
        },
        _ => Vec::new(),
    }
}

/// One protocol; of several the one that has ports.
fn listed(right: &Value) -> String {
    let several = right["set"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let all: Vec<&str> = right.as_str().into_iter().chain(several).collect();
    let with_ports = all.iter().find(|name| ["tcp", "udp"].contains(*name));
    (*with_ports.or(all.first()).unwrap_or(&"unknown")).to_owned()
}

fn names(right: &Value, wanted: &str) -> bool {
    match right {
        Value::String(one) => one == wanted,
        Value::Array(all) => all.iter().any(|one| names(one, wanted)),
        Value::Object(one) => one.values().any(|one| names(one, wanted)),
        _ => false,
    }
}
