//! Which encoding a client likes best (RFC 9110 12.5.3).

use http::{HeaderMap, header};
use model::manifest::Encoding;

use crate::headers;

/// As it is called in headers.
pub(super) fn word(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Zstd => "zstd",
        Encoding::Br => "br",
        Encoding::Gzip => "gzip",
    }
}

/// Of `ours` the one that the client weighs highest; of equals the first. `None`: it takes none of them, or would rather
/// have the answer as it is.
pub(super) fn best(asked: &HeaderMap, ours: &[Encoding]) -> Option<Encoding> {
    let said: Vec<(&str, u16)> = headers::words(asked, &header::ACCEPT_ENCODING).filter_map(member).collect();
    let of = |name: &str| {
        said.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, weight)| *weight)
    };
    let other = of("*").unwrap_or(0);
    let weight = |encoding: Encoding| {
        let old = if encoding == Encoding::Gzip { of("x-gzip") } else { None };
        of(word(encoding)).or(old).unwrap_or(other)
    };
    let plain = of("identity").unwrap_or(0);
    let mut best = None;
    for encoding in ours {
        let weight = weight(*encoding);
        if weight > 0 && weight >= plain && best.is_none_or(|(highest, _)| weight > highest) {
            best = Some((weight, *encoding));
        }
    }
    best.map(|(_, encoding)| encoding)
}

/// Name and weight in thousandths; `None`: nothing that can be read.
fn member(text: &str) -> Option<(&str, u16)> {
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    let weight = match parameters.trim().split_once('=') {
        None if parameters.trim().is_empty() => 1000,
        Some((q, weight)) if q.trim().eq_ignore_ascii_case("q") => thousandths(weight.trim())?,
        _ => return None,
    };
    Some((name.trim(), weight)).filter(|(name, _)| !name.is_empty())
}

/// RFC 9110 12.4.2: `0`, `0.5`, `1.000`.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_short = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let part: u16 = format!("{part:0<3}").parse().ok().filter(|_| is_short)?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const OURS: [Encoding; 3] = [Encoding::Zstd, Encoding::Br, Encoding::Gzip];

    fn best_of(lines: &[&str]) -> Option<Encoding> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        best(&headers, &OURS)
    }

    #[test]
    fn the_client_has_the_first_word_and_the_route_the_second() {
        use Encoding::{Br, Gzip, Zstd};
        for (lines, wanted) in [
            (&["gzip, deflate, br, zstd"][..], Some(Zstd)),
            (&["gzip, br"], Some(Br)),
            (&["GZIP"], Some(Gzip)),
            (&["x-gzip"], Some(Gzip)),
            (&["gzip", "br"], Some(Br)),
            (&["gzip;q=1.0, br;q=0.9, zstd;q=0.001"], Some(Gzip)),
            (&["zstd;q=0, *"], Some(Br)),
            (&["*;q=0.5"], Some(Zstd)),
            (&["identity, gzip;q=0.5"], None),
            (&["identity;q=0.5, gzip;q=0.5"], Some(Gzip)),
            (&["gzip;q=0"], None),
            (&["*;q=0"], None),
            (&["deflate"], None),
            (&[""], None),
            (&[], None),
            (&["gzip;q=2, br;q=0.0001, zstd;level=3"], None),
        ] {
            assert_eq!(best_of(lines), wanted, "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_client_says_it_gets_only_what_it_takes(line in "[a-z*;=., 0-9]{0,40}") {
            if let Some(encoding) = best_of(&[&line]) {
                prop_assert!(line.contains(word(encoding)) || line.contains('*'), "{line:?} {encoding:?}");
            }
        }
    }
}
