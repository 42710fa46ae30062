//! The headers that keep browsers safe are on every answer, errors too.

use api::checks::{Severity, State};
use model::Explain;

use super::{Answer, FromOutside, Served, wrong_answers};
use crate::finding::{Check, count, found_if, not_run};

pub(super) const HSTS: Check<FromOutside> = Check {
    id: "served-hsts",
    title: "browsers are told to come by TLS alone",
    severity: Severity::Warning,
    sources: &["HDR-01", "CHK-07a", "CHK-09f", "W-E19"],
    run: hsts,
};

pub(super) const SECURITY: Check<FromOutside> = Check {
    id: "served-headers",
    title: "every answer has the headers that keep browsers safe",
    severity: Severity::Warning,
    sources: &["HDR-02", "HDR-03", "HDR-04", "HDR-05", "HDR-12", "CHK-07a", "CHK-09f", "W-E2", "W-E20"],
    run: security,
};

/// A year, as the lists for preloading ask (HDR-01).
const AGE_S_MIN: u64 = 31_536_000;

fn hsts(context: &Served<'_>) -> State {
    if let Some(why) = context.unanswered() {
        return why;
    }
    let is_taken = |host: &str| {
        let shown = context
            .doors()
            .filter(|(known, _)| *known == host)
            .filter_map(|(_, door)| door.shown.as_ref()?.as_ref().ok());
        shown.into_iter().all(|shown| shown.refused.is_none())
    };
    let over_tls = |url: &str| {
        url.strip_prefix("https://").and_then(|rest| rest.split(['/', ':']).next()).is_some_and(is_taken)
    };
    let mut wrong = wrong_answers(context, |url, answer| {
        let why = over_tls(url).then(|| lacking(answer)).flatten();
        why.map(|why| format!("{url}: {why}")).into_iter().collect()
    });
    let plain = context.doors().filter_map(|(host, door)| Some((host, door.plain.as_ref()?.as_ref().ok()?)));
    let said = plain.filter(|(_, answer)| answer.header("strict-transport-security").is_some());
    wrong.extend(
        said.map(|(host, _)| format!("http://{host}/ says it, where it counts for nothing (RFC 6797, 7.2)")),
    );
    let seen = context.answers().filter(|(url, _)| over_tls(url)).count();
    if seen == 0 && wrong.is_empty() {
        return not_run("nothing was answered over TLS with a certificate that browsers take");
    }
    let explain = Explain::new("no-hsts", "browsers are not told to come by TLS alone, for a year").help(
        "`hsts = \"365d\"` in [tls] of machine.toml: said once a name has a certificate that a CA has signed",
    );
    found_if(wrong, explain, count(seen, "answer"))
}

fn lacking(answer: &Answer) -> Option<String> {
    let Some(said) = answer.header("strict-transport-security") else {
        return Some("no Strict-Transport-Security".to_owned());
    };
    let ages = said
        .split(';')
        .filter_map(|part| part.trim().to_ascii_lowercase().strip_prefix("max-age=").map(str::to_owned));
    let age = ages.filter_map(|age| age.trim_matches('"').parse::<u64>().ok()).next();
    (age.unwrap_or(0) < AGE_S_MIN).then(|| format!("`{said}` is for less than a year"))
}

fn security(context: &Served<'_>) -> State {
    if let Some(why) = context.unanswered() {
        return why;
    }
    let wrong = wrong_answers(context, |url, answer| {
        missing(answer).into_iter().map(|what| format!("{url} ({}): {what}", answer.status)).collect()
    });
    let explain = Explain::new("unsafe-headers", "answers lack headers that keep browsers safe")
        .help("`profile = \"pages\"` in [route.headers] (`\"api\"` for an API) has the edge put them on every answer; docs/guide/headers.md");
    found_if(wrong, explain, count(context.answers().count(), "answer"))
}

fn missing(answer: &Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    if answer.header("x-content-type-options") != Some("nosniff") {
        wrong.push("no `X-Content-Type-Options: nosniff`".to_owned());
    }
    // 0 switches off what is harmful where it is still there.
    if let Some(said) = answer.header("x-xss-protection").filter(|said| *said != "0") {
        wrong.push(format!("`X-XSS-Protection: {said}` does harm: leave it out, or say 0"));
    }
    if answer.is_html() {
        let framed = answer.header("x-frame-options").is_some()
            || answer
                .header("content-security-policy")
                .is_some_and(|policy| policy.contains("frame-ancestors"));
        if !framed {
            wrong.push(
                "others may put it into a frame: neither X-Frame-Options nor frame-ancestors".to_owned(),
            );
        }
        if answer.header("referrer-policy").is_none() {
            wrong.push("no Referrer-Policy".to_owned());
        }
    }
    wrong
}
