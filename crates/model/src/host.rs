//! Names of hosts, as routes and certificates say them.

/// Whether `wide` stands for `host`: it is the same name, or `*.example.com`, which is one label more than `example.com`
/// (RFC 9525, 6.3). Both in lower case.
pub fn covers(wide: &str, host: &str) -> bool {
    let below = |domain| host.split_once('.').is_some_and(|(_, rest)| rest == domain);
    wide == host || wide.strip_prefix("*.").is_some_and(below)
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (wide, host, is_covered) in [
            ("a.test", "a.test", true),
            ("*.test", "a.test", true),
            ("*.test", "*.test", true),
            ("*.test", "test", false),
            ("*.test", "b.a.test", false),
            ("a.test", "*.test", false),
        ] {
            assert_eq!(covers(wide, host), is_covered, "{wide} {host}");
        }
    }
}
