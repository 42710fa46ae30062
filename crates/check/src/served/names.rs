//! The names lead to this machine, by both families of addresses.

use std::net::IpAddr;

use api::checks::{Severity, State};
use model::Explain;

use super::{Door, FromOutside, Name, Served};
use crate::{
    finding::{Check, count, found_if, not_run},
    host::is_public,
};

pub(super) const HERE: Check<FromOutside> = Check {
    id: "dns-points-here",
    title: "the domain names point to this machine",
    severity: Severity::Error,
    sources: &["CHK-03h", "CHK-06d"],
    run: here,
};

pub(super) const FAMILIES: Check<FromOutside> = Check {
    id: "dns-both-families",
    title: "the names have an address of each family that this machine has",
    severity: Severity::Info,
    sources: &["CHK-06d", "CHK-12d"],
    run: families,
};

fn here(context: &Served<'_>) -> State {
    if context.names.is_empty() {
        return not_run("no route of the release that serves names a host");
    }
    let unknown: Vec<_> =
        context.names.iter().filter_map(|name| Some((&name.host, name.addresses.as_ref().err()?))).collect();
    let wrong: Vec<String> = context.names.iter().flat_map(|name| elsewhere(context, name)).collect();
    if let (Some((host, why)), true) = (unknown.first(), wrong.is_empty()) {
        return not_run(format!("not known: the DNS does not say where {host} leads: {why}"));
    }
    let mut own: Vec<String> = context.machine.addresses.iter().map(ToString::to_string).collect();
    if own.is_empty() {
        own.push("none that is known".to_owned());
    }
    let explain = Explain::new("dns-elsewhere", "a name of the app does not lead to this machine")
        .now(format!("the addresses of this machine: {}", own.join(", ")))
        .help(
            "put its A and AAAA records to the addresses of this machine, and remove others; where a proxy in front is meant, attest \
             `dns-points-here`",
        );
    found_if(wrong, explain, count(context.names.len(), "name"))
}

/// By an address of this machine, or by its certificate, which a machine behind a translated address shows too.
fn elsewhere(context: &Served<'_>, name: &Name) -> Vec<String> {
    let host = &name.host;
    match &name.addresses {
        Ok(none) if none.is_empty() => vec![format!("{host} has no address")],
        Ok(_) => {
            let others = name.doors.iter().filter(|door| !leads_here(context, door));
            others
                .map(|door| format!("{host} leads to {}, which is not this machine", door.address))
                .collect()
        }
        Err(_) => Vec::new(),
    }
}

fn leads_here(context: &Served<'_>, door: &Door) -> bool {
    let shows_ours = matches!(&door.shown, Some(Ok(shown)) if context.is_installed(shown));
    context.is_own(door.address) || shows_ours
}

fn families(context: &Served<'_>) -> State {
    // Of addresses that strangers can reach; a private one is nobody's business.
    let own = &context.machine.addresses;
    let has = |is_v6: bool| own.iter().any(|ip| is_public(*ip) && ip.is_ipv6() == is_v6);
    let known: Vec<(&String, &Vec<IpAddr>)> =
        context.names.iter().filter_map(|name| Some((&name.host, name.addresses.as_ref().ok()?))).collect();
    if known.is_empty() {
        return not_run("no name is known to the DNS");
    }
    if !has(false) && !has(true) {
        return not_run(
            "not known: this machine has no public address of its own; what stands in front of it may have both",
        );
    }
    let mut wrong = Vec::new();
    for (is_v6, record) in [(false, "A (IPv4)"), (true, "AAAA (IPv6)")] {
        let lacking =
            known.iter().filter(|(_, all)| has(is_v6) && !all.iter().any(|ip| ip.is_ipv6() == is_v6));
        wrong.extend(
            lacking.map(|(host, _)| {
                format!("{host} has no {record} record, and this machine has such an address")
            }),
        );
    }
    let explain = Explain::new("dns-one-family", "clients of one family do not reach a name")
        .help("add the record, with an address of this machine");
    found_if(wrong, explain, count(known.len(), "name"))
}
