//! Networks in a file: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    decode::{At, Section},
    problem::Problem,
};

/// Those of a list, each with its place.
pub(super) fn networks(section: &mut Section<'_, '_, '_>, key: &'static str) -> Vec<At<IpNet>> {
    let texts = section.strings(key).map(|texts| texts.value).unwrap_or_default();
    texts.into_iter().filter_map(|text| network(section, text)).collect()
}

fn network(section: &mut Section<'_, '_, '_>, At { value: text, span }: At<String>) -> Option<At<IpNet>> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    if let Ok(value) = network {
        return Some(At { value, span });
    }
    section.problem(
        Problem::new("bad-address", span, format!("`{text}` is no network"))
            .help("like `\"10.0.0.0/8\"` or `\"2001:db8::/32\"`"),
    );
    None
}
