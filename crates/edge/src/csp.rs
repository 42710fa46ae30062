//! Reports of browsers of what a page's Content-Security-Policy refuses, or would: counted by site, and a line each in the log `csp`
//! (CSP level 3, 5.3 and 5.5; the Reporting API).
//!
//! A report is a stranger's word. It is bounded, nothing but known fields is kept, and addresses lose their queries, which hold
//! tokens and names. How many a client may send is a limit of the route like any other ([`limit`]).

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use http_body_util::BodyExt as _;
use model::{
    Span,
    manifest::{Headers, LimitKey, RateLimit},
};
use serde::{Deserialize, Serialize};

use crate::{
    access_log::Log, body::EdgeBody, clock, flight::Flight, forward, page::Page, route::RouteState,
    source::RequestBody,
};

/// Bound: of what one request may hold.
pub(crate) const BYTES_MAX: u64 = 16 << 10;
/// Bound: requests of one client in a minute.
const REQUESTS_MAX: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// Bound: reports of one request that are taken; browsers send a few at once.
const REPORTS_MAX: usize = 32;
/// Bound: of a field that is kept.
const FIELD_BYTES_MAX: usize = 512;

/// The name of the endpoint in what browsers are told.
const ENDPOINT: &str = "csp";
const REPORTING_ENDPOINTS: HeaderName = HeaderName::from_static("reporting-endpoints");

/// How many came, by site. Bound: sites that tables have had since the edge began; counters must not go back.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<Arc<str>, u64>>);

impl Memory {
    fn count(&self, site: &Arc<str>, reports: usize) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(Arc::clone(site)).or_default() += reports as u64;
    }

    pub(crate) fn counted(&self) -> Vec<(String, u64)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(site, count)| (site.to_string(), *count)).collect()
    }
}

/// What a client may send there.
pub(crate) fn limit(path: &str) -> Option<RateLimit> {
    Some(RateLimit {
        name: "csp-reports".parse().ok()?,
        paths: vec![path.to_owned()],
        methods: vec![Method::POST.to_string()],
        requests: REQUESTS_MAX,
        per: Span::secs(60),
        burst: REQUESTS_MAX,
        key: LimitKey::Address,
        exempt: Vec::new(),
        body: None,
    })
}

/// The manifest's lines as they are said: policies that only report are named so, and each says where to.
pub(crate) fn said(headers: &Headers, lines: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let said = lines.iter().map(|(name, value)| {
        let is_enforced = name.eq_ignore_ascii_case(header::CONTENT_SECURITY_POLICY.as_str());
        let is_policy =
            is_enforced || name.eq_ignore_ascii_case(header::CONTENT_SECURITY_POLICY_REPORT_ONLY.as_str());
        let only_reports = is_enforced && headers.csp_report_only;
        let name = if only_reports {
            header::CONTENT_SECURITY_POLICY_REPORT_ONLY.as_str().to_owned()
        } else {
            name.clone()
        };
        let to = headers.csp_reports.as_ref().filter(|_| is_policy);
        let value = match to {
            // Both, for browsers that know one of them.
            Some(to) => {
                format!("{}; report-uri {to}; report-to {ENDPOINT}", value.trim_end_matches([';', ' ']))
            }
            None => value.clone(),
        };
        (name, value)
    });
    said.collect()
}

/// What `report-to` stands for.
pub(crate) fn endpoint(headers: &Headers) -> Option<(HeaderName, HeaderValue)> {
    let path = headers.csp_reports.as_ref()?;
    Some((REPORTING_ENDPOINTS, HeaderValue::try_from(format!("{ENDPOINT}=\"{path}\"")).ok()?))
}

/// Whether this is a report to a route that takes them.
pub(crate) fn is_report(route: &RouteState, asked: &Parts) -> bool {
    let to = route.route.headers.csp_reports.as_deref();
    asked.method == Method::POST && to == Some(asked.uri.path())
}

/// Takes what came; its [`Flight::source`] is the body. The log and the count have it then.
/// # Errors
/// It did not come whole, or is none.
pub(crate) async fn take(flight: &Flight, route: &RouteState) -> Result<Response<EdgeBody>, Page> {
    let body = RequestBody::new(flight.source.clone()).collect().await;
    let body = body.map_err(|_| forward::broken(flight))?.to_bytes();
    let reports = read(&body).ok_or(NO_REPORT)?;
    let shared = flight.shared();
    shared.csp.count(&route.site, reports.len());
    let whose = Whose {
        request_id: flight.id.to_str().unwrap_or_default(),
        site: &route.site,
        client: flight.client,
    };
    write(&shared.csp_log, &whose, &reports);
    let mut answer = Response::new(EdgeBody::full(bytes::Bytes::new()));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ok(answer)
}

const NO_REPORT: Page = crate::page::bad(
    "no-csp-report",
    "This address takes reports of browsers about a page's policy, as JSON.",
);

fn write(log: &Log, whose: &Whose<'_>, reports: &[Report<'_>]) {
    let mut batch = log.batch();
    for report in reports {
        let Ok(line) = serde_json::to_vec(&Line { whose, report }) else { continue };
        // The time comes first, and opens the object.
        batch.line(clock::unix_ms(), |out| {
            out.push(b',');
            out.extend_from_slice(line.get(1..).unwrap_or_default());
            out.push(b'\n');
        });
    }
}

#[derive(Serialize)]
struct Whose<'a> {
    request_id: &'a str,
    site: &'a str,
    client: IpAddr,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    whose: &'a Whose<'a>,
    #[serde(flatten)]
    report: &'a Report<'a>,
}

/// What is kept of one.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Report<'a> {
    document: Cow<'a, str>,
    blocked: Cow<'a, str>,
    directive: Cow<'a, str>,
    /// `enforce` or `report`.
    disposition: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    source: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
}

/// `application/csp-report`, by `report-uri`.
#[derive(Deserialize)]
struct Old<'a> {
    #[serde(borrow, rename = "csp-report")]
    report: Said<'a>,
}

/// One of `application/reports+json`, by `report-to`.
#[derive(Deserialize)]
struct New<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    body: Option<Said<'a>>,
}

/// What both say, each in its own spelling.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Said<'a> {
    #[serde(borrow, alias = "documentURL")]
    document_uri: Cow<'a, str>,
    #[serde(borrow, alias = "blockedURL")]
    blocked_uri: Cow<'a, str>,
    #[serde(borrow, alias = "effectiveDirective")]
    effective_directive: Cow<'a, str>,
    /// Before level 3 alone; the whole directive.
    #[serde(borrow)]
    violated_directive: Cow<'a, str>,
    #[serde(borrow)]
    disposition: Cow<'a, str>,
    #[serde(borrow, alias = "sourceFile")]
    source_file: Cow<'a, str>,
    #[serde(alias = "lineNumber")]
    line_number: Option<u64>,
}

/// `None`: it is none.
fn read(body: &[u8]) -> Option<Vec<Report<'_>>> {
    if let Ok(Old { report }) = serde_json::from_slice(body) {
        return Some(vec![report.into()]);
    }
    let all: Vec<New<'_>> = serde_json::from_slice(body).ok()?;
    let of_csp = all.into_iter().filter(|one| one.kind == "csp-violation").filter_map(|one| one.body);
    Some(of_csp.take(REPORTS_MAX).map(Report::from).collect())
}

impl<'a> From<Said<'a>> for Report<'a> {
    fn from(said: Said<'a>) -> Self {
        let is_old = said.effective_directive.is_empty();
        Self {
            document: address(said.document_uri),
            blocked: address(said.blocked_uri),
            directive: bounded(if is_old { said.violated_directive } else { said.effective_directive }),
            disposition: bounded(said.disposition),
            source: address(said.source_file),
            line: said.line_number,
        }
    }
}

/// Without query and fragment.
fn address(text: Cow<'_, str>) -> Cow<'_, str> {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    bounded(cut(text, end))
}

fn bounded(text: Cow<'_, str>) -> Cow<'_, str> {
    let end = FIELD_BYTES_MAX.min(text.len());
    let end = (0..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    cut(text, end)
}

fn cut(text: Cow<'_, str>, end: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_queries_are_left_out() {
        let old = br#"{"csp-report":{"document-uri":"https://a.example/p?token=1#x","blocked-uri":"inline","violated-directive":"script-src 'self'","effective-directive":"script-src-elem","disposition":"report","source-file":"https://a.example/app.js?v=2","line-number":7,"status-code":200,"script-sample":"secret()"}}"#;
        let report = Report {
            document: "https://a.example/p".into(),
            blocked: "inline".into(),
            directive: "script-src-elem".into(),
            disposition: "report".into(),
            source: "https://a.example/app.js".into(),
            line: Some(7),
        };
        assert_eq!(read(old), Some(vec![report]));
        let new = br#"[{"age":3,"type":"csp-violation","url":"https://a.example/p?q=1","user_agent":"x","body":{"documentURL":"https://a.example/p?q=1","blockedURL":"https://evil.example/x.js?a","effectiveDirective":"script-src-elem","disposition":"enforce","sample":"","statusCode":200}},{"type":"deprecation","body":{"id":"x"}}]"#;
        let read = read(new).expect("it is one");
        assert_eq!(
            (read.len(), &*read[0].blocked, &*read[0].disposition),
            (1, "https://evil.example/x.js", "enforce")
        );
    }

    #[test]
    fn what_is_no_report_is_refused_and_what_is_long_is_cut() {
        for none in ["", "{}", "[1]", "{\"csp-report\":7}", "\u{0}", "null"] {
            assert_eq!(read(none.as_bytes()), None, "{none:?}");
        }
        let long = format!("{{\"csp-report\":{{\"document-uri\":\"{}\"}}}}", "ä".repeat(2000));
        assert_eq!(read(long.as_bytes()).expect("it is one")[0].document.len(), FIELD_BYTES_MAX);
        let many = format!("[{}]", vec!["{\"type\":\"csp-violation\",\"body\":{}}"; 40].join(","));
        assert_eq!(read(many.as_bytes()).expect("they are").len(), REPORTS_MAX);
    }

    #[test]
    fn policies_say_where_reports_go_and_may_only_report() {
        let policy = ("content-security-policy".to_owned(), "default-src 'self';".to_owned());
        let other = ("x-frame-options".to_owned(), "DENY".to_owned());
        let mut headers = Headers { default: [policy, other].into(), ..Headers::default() };
        assert_eq!(said(&headers, &headers.default), headers.default);
        headers.csp_reports = Some("/csp".to_owned());
        let told = said(&headers, &headers.default);
        assert_eq!(told["content-security-policy"], "default-src 'self'; report-uri /csp; report-to csp");
        assert_eq!(told["x-frame-options"], "DENY");
        headers.csp_report_only = true;
        let told = said(&headers, &headers.default);
        assert!(told.contains_key("content-security-policy-report-only") && told.len() == 2, "{told:?}");
        assert_eq!(endpoint(&headers).expect("told").1, "csp=\"/csp\"");
    }
}
