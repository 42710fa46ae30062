//! The version of the API that a request is of: the header `Mainstay-API`.
//!
//! A keeper answers clients of its own version, one version older and one newer; it looks before anything else of a request, and
//! refuses others (400, `version-skew`), whichever of the two is the older one. A request without the header is of version 1.

use model::Explain;

/// The header's name, in lower case.
pub const HEADER: &str = "mainstay-api";
/// Of a client from before there was a header.
pub const UNSAID: u32 = 1;

/// The lowest and the highest version that a keeper of version `own` answers.
pub const fn answered_by(own: u32) -> [u32; 2] {
    [if own > 1 { own - 1 } else { own }, own + 1]
}

/// Why a keeper of version `own` does not answer a client of version `theirs`; `None`: it does.
pub fn refusal(own: u32, theirs: u32) -> Option<Explain> {
    let [lowest, highest] = answered_by(own);
    if (lowest..=highest).contains(&theirs) {
        return None;
    }
    let (older, newer) = if theirs < own { ("client", "keeper") } else { ("keeper", "client") };
    let explain = Explain::new("version-skew", "client and keeper are of versions too far apart")
        .caused_by(format!(
            "the client speaks version {theirs} of the API, the keeper version {own} and those beside it"
        ))
        .now("nothing was done")
        .help(format!(
            "upgrade the {older}: `mainstay version` says of which version a mainstay is; or use a {newer} of one version before"
        ));
    Some(explain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_older_and_newer_is_answered_and_two_are_not() {
        for own in [1_u32, 2, 7] {
            for theirs in 0..=own + 3 {
                let is_answered = theirs > 0 && theirs.abs_diff(own) <= 1;
                assert_eq!(refusal(own, theirs).is_none(), is_answered, "{own} and {theirs}");
            }
        }
    }

    #[test]
    fn the_older_side_is_the_one_to_upgrade() {
        let help = |own, theirs| refusal(own, theirs).expect("too far").help.expect("a remedy");
        assert!(help(5, 3).starts_with("upgrade the client"), "{}", help(5, 3));
        assert!(help(3, 5).starts_with("upgrade the keeper"), "{}", help(3, 5));
    }
}
