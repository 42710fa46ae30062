//! Cookies go over TLS alone, are no script's business, and do not travel with others' requests.

use api::checks::{Severity, State};
use model::Explain;

use super::{FromOutside, Served, wrong_answers};
use crate::finding::{Check, count, found_if};

pub(super) const CHECK: Check<FromOutside> = Check {
    id: "served-cookies",
    title: "cookies are Secure, HttpOnly and SameSite",
    severity: Severity::Warning,
    sources: &["CHK-13f"],
    run,
};

fn run(context: &Served<'_>) -> State {
    if let Some(why) = context.unanswered() {
        return why;
    }
    let wrong = wrong_answers(context, |url, answer| {
        let lacking = answer.cookies().filter_map(lacking);
        lacking.map(|why| format!("{url}: {why}")).collect()
    });
    let explain = Explain::new("open-cookies", "a cookie can be read or sent where it should not be")
        .help("let the app set it with `Secure; HttpOnly; SameSite=Lax`; one that a script must read has no HttpOnly: attest `served-cookies` then");
    let seen = context.answers().map(|(_, answer)| answer.cookies().count()).sum();
    found_if(
        wrong,
        explain,
        match seen {
            0 => "no cookie was set on these pages".to_owned(),
            seen => count(seen, "cookie"),
        },
    )
}

/// RFC 6265, 5.2: a name, then attributes apart by `;`, whose case does not count.
fn lacking(cookie: &str) -> Option<String> {
    let mut parts = cookie.split(';').map(str::trim);
    let name = parts.next()?.split('=').next()?.to_owned();
    let attributes: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
    let has =
        |wanted: &str| attributes.iter().any(|one| one.split('=').next().map(str::trim) == Some(wanted));
    // One that is taken away holds nothing.
    if attributes.iter().any(|one| one == "max-age=0") {
        return None;
    }
    let wanted = [("secure", "Secure"), ("httponly", "HttpOnly"), ("samesite", "SameSite")];
    let missing: Vec<&str> =
        wanted.into_iter().filter(|(word, _)| !has(word)).map(|(_, shown)| shown).collect();
    (!missing.is_empty()).then(|| format!("the cookie {name} is not {}", missing.join(", not ")))
}

#[cfg(test)]
mod tests {
    use super::lacking;

    #[test]
    fn what_a_cookie_lacks_is_told_and_its_value_is_not() {
        assert_eq!(lacking("session=abc; Path=/; secure; HTTPONLY; SameSite=Lax"), None);
        assert_eq!(
            lacking("session=abc; Secure").as_deref(),
            Some("the cookie session is not HttpOnly, not SameSite")
        );
        assert_eq!(lacking("session=; Max-Age=0"), None);
        assert!(lacking("a=Secure; HttpOnly; SameSite=None").is_some_and(|why| why.contains("not Secure")));
    }
}
