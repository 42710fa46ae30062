//! `[route.cors]`, `[route.headers]`, `[route.access]`, `[[route.redirect]]`, `[[route.rewrite]]`: what the edge does itself.

use std::collections::BTreeMap;

use model::{
    Span,
    manifest::{Access, Cors, Headers, Redirect, Rewrite},
};

use super::text;
use crate::config::{
    decode::{At, Section},
    network::networks,
    problem::Problem,
};

/// RATE-04, with PATCH and HEAD besides (W-E24).
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
const HEADERS: [&str; 3] = ["Content-Type", "Authorization", "X-Requested-With"];
const MAX_AGE: Span = Span::secs(600);
/// Browsers keep it no longer.
const MAX_AGE_MAX: Span = Span::secs(24 * 3600);

/// What nobody but the two neighbours of a connection may say, or what frames a message.
const FRAMING: [&str; 10] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// And what only the edge may say to an app.
const OURS: [&str; 5] = ["host", "expect", "forwarded", "x-real-ip", "x-request-id"];

/// HDR-01 to HDR-10 as W-E19 to W-E25 leave them: no HSTS for subdomains unasked, no `X-XSS-Protection`, nothing that a page
/// which works today needs.
const PAGES: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];
/// HDR-13: answers that are no pages.
const API: [(&str, &str); 5] = [
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];
/// What `profile` may say.
const PROFILES: [(&str, &[(&str, &str)]); 2] = [("pages", &PAGES), ("api", &API)];

pub(super) fn cors(section: &mut Section<'_, '_, '_>) -> Option<Cors> {
    let origins = section.strings("origins");
    if !section.has("origins") {
        section.missing("origins", "origins = [\"https://shop.example.com\"]");
    }
    let methods = text::methods(section, "methods");
    let headers = tokens(section, "headers");
    let expose = tokens(section, "expose").unwrap_or_default();
    let credentials = section.boolean("credentials").unwrap_or(false);
    let max_age = section.duration("max_age").unwrap_or(MAX_AGE);
    if max_age > MAX_AGE_MAX {
        let span = section.span_of("max_age");
        section.problem(Problem::new(
            "out-of-range",
            span,
            format!("`max_age` must be at most {MAX_AGE_MAX}"),
        ));
    }
    let origins: Vec<String> = origins?.value.into_iter().filter_map(|at| origin(section, at)).collect();
    let is_any = origins.iter().any(|origin| origin == "*");
    if is_any && (credentials || origins.len() > 1) {
        section.problem(
            Problem::new(
                "cors-open",
                section.span_of("origins"),
                "`*` stands alone and without `credentials`",
            )
            .help("browsers refuse both: name the origins whose pages may come with cookies"),
        );
    }
    let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Some(Cors {
        origins,
        methods: methods.unwrap_or_else(|| all(&METHODS)),
        headers: headers.unwrap_or_else(|| all(&HEADERS)),
        expose,
        credentials,
        max_age,
    })
}

/// As a browser sends it: scheme, host, and a port that is not the scheme's.
fn origin(section: &mut Section<'_, '_, '_>, text: At<String>) -> Option<String> {
    let host = text.value.strip_prefix("https://").or_else(|| text.value.strip_prefix("http://"));
    let is_host = |host: &str| {
        !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b))
    };
    if text.value == "*" || host.is_some_and(is_host) {
        return Some(text.value);
    }
    section.problem(
        Problem::new("bad-origin", text.span, format!("`{}` is no origin", text.value)).help(
            "write it as browsers do, in lower case and without a path: `\"https://shop.example.com\"`",
        ),
    );
    None
}

fn tokens(section: &mut Section<'_, '_, '_>, key: &'static str) -> Option<Vec<String>> {
    let names = section.strings(key)?;
    for name in names.value.iter().filter(|name| !text::is_token(&name.value)) {
        section.problem(no_header(name));
    }
    Some(names.value.into_iter().map(|name| name.value).collect())
}

fn no_header(name: &At<String>) -> Problem {
    Problem::new("bad-header", name.span.clone(), format!("`{}` is no name of a header", name.value))
        .help("like `\"x-frame-options\"`")
}

/// `prefix`: what the route takes.
pub(super) fn headers(section: &mut Section<'_, '_, '_>, prefix: &str) -> Headers {
    let profile = section.one_of("profile", &PROFILES).unwrap_or_default();
    let mut default: BTreeMap<String, String> =
        profile.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    default.extend(lines(section, "default", is_of_answers));
    Headers {
        default,
        set: lines(section, "set", is_of_answers),
        remove: removed(section, "remove", is_of_answers),
        request_set: lines(section, "request_set", is_of_requests),
        request_remove: removed(section, "request_remove", is_of_requests),
        csp_reports: section.string("csp_reports").and_then(|path| reports(section, path, prefix)),
        csp_report_only: section.boolean("csp_report_only").unwrap_or(false),
    }
}

/// It stands in a policy, where `;` and `,` would end what is said.
fn reports(section: &mut Section<'_, '_, '_>, path: At<String>, prefix: &str) -> Option<String> {
    let stands = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let prefix = prefix.trim_end_matches('/');
    let is_below =
        path.value.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/') && rest.len() > 1);
    if is_below && text::is_plain_path(&path.value) && path.value.bytes().all(stands) {
        return Some(path.value);
    }
    let message = format!("`csp_reports` must be a path below `{prefix}/`");
    section.problem(Problem::new("bad-request-path", path.span, message).help(format!(
        "letters, digits and `/-._~`, like `\"{prefix}/csp-reports\"`; the app is not asked for it"
    )));
    None
}

/// Which headers of answers a manifest may set; `name` in lower case. A cookie is added and never replaced, and the app
/// alone knows which.
pub(crate) fn is_of_answers(name: &str) -> bool {
    !FRAMING.contains(&name) && !["set-cookie", "x-request-id"].contains(&name) && !is_of_us(name)
}

/// Which headers of requests a manifest may set; `name` in lower case.
pub(crate) fn is_of_requests(name: &str) -> bool {
    !FRAMING.contains(&name) && !OURS.contains(&name) && !name.starts_with("x-forwarded") && !is_of_us(name)
}

fn is_of_us(name: &str) -> bool {
    name.starts_with("x-mainstay-")
}

fn lines(
    section: &mut Section<'_, '_, '_>,
    key: &'static str,
    may_be: fn(&str) -> bool,
) -> BTreeMap<String, String> {
    let given = section.text_map(key).unwrap_or_default();
    let mut lines = BTreeMap::new();
    for (name, At { value, span }) in given {
        let at = At { value: name, span: span.clone() };
        if value.bytes().any(|b| b != b'\t' && b.is_ascii_control()) {
            section.problem(
                Problem::new(
                    "bad-header",
                    span,
                    format!("the value of `{}` has a control character", at.value),
                )
                .help("a header is one line"),
            );
        } else if let Some(name) = header_name(section, key, at, may_be) {
            lines.insert(name, value);
        }
    }
    lines
}

fn removed(section: &mut Section<'_, '_, '_>, key: &'static str, may_be: fn(&str) -> bool) -> Vec<String> {
    let names = section.strings(key).map(|names| names.value).unwrap_or_default();
    names.into_iter().filter_map(|name| header_name(section, key, name, may_be)).collect()
}

fn header_name(
    section: &mut Section<'_, '_, '_>,
    key: &str,
    name: At<String>,
    may_be: fn(&str) -> bool,
) -> Option<String> {
    if !text::is_token(&name.value) {
        section.problem(no_header(&name));
        return None;
    }
    let lower = name.value.to_ascii_lowercase();
    if !may_be(&lower) {
        section.problem(
            Problem::new("header-taken", name.span, format!("`{lower}` cannot stand in `{key}`"))
                .help("it frames the message, or says who asks: the edge writes it itself"),
        );
        return None;
    }
    Some(lower)
}

pub(super) fn redirect(section: &mut Section<'_, '_, '_>) -> Option<Redirect> {
    const STATUSES: [u64; 5] = [301, 302, 303, 307, 308];
    let host = section.string("host").and_then(|host| text::host(section, host));
    let from = from(section);
    let to = to(section, from.as_deref(), |to| {
        to.starts_with('/') || to.starts_with("https://") || to.starts_with("http://")
    });
    let status = section.integer("status", 301..=308);
    if let Some(wrong) = status.filter(|status| !STATUSES.contains(status)) {
        let span = section.span_of("status");
        section.problem(
            Problem::new("out-of-range", span, format!("{wrong} sends nobody elsewhere"))
                .help("308 and 307 keep the method, 301 and 302 mostly do not; 301 and 308 are remembered"),
        );
    }
    Some(Redirect {
        host,
        from: from.unwrap_or_else(|| "/*".into()),
        to: to?,
        status: status.map_or(308, |n| n as u16),
    })
}

pub(super) fn rewrite(section: &mut Section<'_, '_, '_>) -> Option<Rewrite> {
    let from = from(section);
    if !section.has("from") {
        section.missing("from", "from = \"/api/*\"");
    }
    let to = to(section, from.as_deref(), |to| to.starts_with('/'));
    Some(Rewrite { from: from?, to: to? })
}

/// A path, with `/*` at its end all below it too.
fn from(section: &mut Section<'_, '_, '_>) -> Option<String> {
    let text = section.string("from")?;
    let path = text.value.strip_suffix("/*").unwrap_or(&text.value);
    let fits = (path.is_empty() && text.value == "/*") || path.starts_with('/');
    if fits && path.bytes().all(|b| b.is_ascii_graphic()) && !path.contains(['?', '#', '*']) {
        return Some(text.value);
    }
    section.problem(
        Problem::new("bad-request-path", text.span, "`from` must be a path")
            .help("like `\"/old\"`, or `\"/old/*\"` for all that is below it"),
    );
    None
}

/// A place; a `*` at its end stands for what the other one stood for.
fn to(section: &mut Section<'_, '_, '_>, from: Option<&str>, is_place: fn(&str) -> bool) -> Option<String> {
    let text = section.string("to");
    if !section.has("to") {
        section.missing("to", "to = \"/new/*\"");
    }
    let At { value, span } = text?;
    let head = value.strip_suffix('*');
    let is_clean = head.unwrap_or(&value).bytes().all(|b| b.is_ascii_graphic() && b != b'*' && b != b'#');
    let has_rest = from.is_none_or(|from| from.ends_with("/*"));
    if is_clean && is_place(&value) && (head.is_none() || has_rest) && from != Some(value.as_str()) {
        return Some(value);
    }
    section.problem(
        Problem::new("bad-place", span, "`to` must say where it goes")
            .help("like `\"/new\"`; `\"/new/*\"` where `from` ends with `/*`; it is not where it came from"),
    );
    None
}

pub(super) fn access(section: &mut Section<'_, '_, '_>) -> Option<Access> {
    let given = section.text_map("tokens").unwrap_or_default();
    if given.is_empty() && !section.has("tokens") {
        section.missing("tokens", "tokens = { ana = \"sha256:…\" }");
    }
    let mut tokens = BTreeMap::new();
    for (whose, At { value, span }) in given {
        let digits = value.strip_prefix("sha256:").filter(|digits| {
            digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        });
        if let (Some(digits), false) = (digits, whose.contains(':')) {
            tokens.insert(whose, digits.to_owned());
        } else {
            section.problem(
                Problem::new("bad-token", span, format!("the token of `{whose}` is no digest"))
                    .help("`openssl rand -hex 16 | tee token | tr -d '\\n' | sha256sum` makes a token and the 64 digits that stand behind `sha256:`; a name has no `:`"),
            );
        }
    }
    let exempt = networks(section, "exempt").into_iter().map(|net| net.value).collect();
    let open = section.strings("open").map(|paths| paths.value).unwrap_or_default();
    let open = open.into_iter().filter_map(|path| text::plain_path(section, "open", path)).collect();
    Some(Access { tokens, exempt, open })
}
