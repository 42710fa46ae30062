//! The way of one request: a file, its fallback, or 404; and what caches are told.

use std::{
    convert::Infallible,
    io::ErrorKind::{NotADirectory, NotFound, PermissionDenied},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::{Either, Empty, Full};
use model::manifest::files::READY_PATH;
use tower_http::services::{ServeDir, fs::ServeFileSystemResponseBody};

use crate::{Site, beneath::Beneath, hashed::is_hashed};

/// What is not found as a file may be found as this page.
const NOT_FOUND: &str = "/404.html";

const NOTHING: &str = "There is nothing at this address.\n";

/// A file may change with the next release under the same name: caches ask each time, and mostly get a 304.
const ASK: HeaderValue = HeaderValue::from_static("no-cache");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

pub(crate) type Body = Either<ServeFileSystemResponseBody, Full<Bytes>>;

/// Answers what is asked of one folder.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    folder: ServeDir<tower_http::services::fs::DefaultServeDirFallback, Beneath>,
    fallback: Option<String>,
    immutable: Vec<String>,
}

impl Answers {
    pub(crate) fn new(site: &Site, beneath: Beneath) -> Self {
        let folder = ServeDir::with_backend("/", beneath)
            .precompressed_br()
            .precompressed_zstd()
            .precompressed_gzip()
            .ignore_multi_range_requests(true);
        Self {
            folder,
            fallback: site.files.fallback.as_ref().map(|page| format!("/{page}")),
            immutable: site.files.immutable.clone(),
        }
    }

    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Result<Response<Body>, Infallible> {
        let (asked, _) = request.into_parts();
        let path = asked.uri.path();
        if path == READY_PATH {
            return Ok(plain(StatusCode::OK, "ready\n"));
        }
        let mut answer = self.file(&asked.method, &asked.uri, &asked.headers).await;
        if answer.status() != StatusCode::NOT_FOUND {
            self.tell_caches(path, &mut answer);
            return Ok(answer);
        }
        let navigates = navigates(&asked.headers, path);
        let fallback = self.fallback.as_deref().filter(|_| navigates);
        let page = fallback.or(Some(NOT_FOUND).filter(|_| navigates));
        if let Some(page) = page.and_then(|page| page.parse::<PathAndQuery>().ok()) {
            // A part of it, or that it has not changed, was not asked of this page.
            let uri = Uri::from(page);
            let mut found = self.file(&asked.method, &uri, &only_encoding(&asked.headers)).await;
            if found.status().is_success() {
                if fallback.is_none() {
                    *found.status_mut() = StatusCode::NOT_FOUND;
                }
                found.headers_mut().insert(header::CACHE_CONTROL, ASK);
                return Ok(found);
            }
        }
        Ok(plain(StatusCode::NOT_FOUND, NOTHING))
    }

    async fn file(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<Body> {
        let mut headers = headers.clone();
        if headers.contains_key(header::RANGE) && !self.still_is(method, uri, &mut headers).await {
            headers.remove(header::RANGE);
        }
        let mut answer = self.ask(method, uri, headers).await;
        say_charset(answer.headers_mut());
        answer
    }

    /// RFC 9110 13.1.5: a part is only sent of what the client has another part of.
    async fn still_is(&self, method: &Method, uri: &Uri, headers: &mut HeaderMap) -> bool {
        let Some(known) = headers.remove(header::IF_RANGE) else { return true };
        if method != Method::GET {
            return false;
        }
        let now = self.ask(&Method::HEAD, uri, only_encoding(headers)).await;
        // A weak tag and an older date are no match, and a date of the same second is the same release.
        [header::ETAG, header::LAST_MODIFIED].iter().any(|name| now.headers().get(name) == Some(&known))
    }

    async fn ask(&self, method: &Method, uri: &Uri, headers: HeaderMap) -> Response<Body> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        match self.folder.clone().try_call(request).await {
            Ok(answer) => answer.map(Either::Left),
            // Nothing is told of what may not be read, or of what a name of a file has below it.
            Err(error) if matches!(error.kind(), NotFound | PermissionDenied | NotADirectory) => {
                plain(StatusCode::NOT_FOUND, NOTHING)
            }
            Err(error) => {
                eprintln!("{} cannot be read: {error}", uri.path());
                plain(StatusCode::INTERNAL_SERVER_ERROR, "The file cannot be read.\n")
            }
        }
    }

    fn tell_caches(&self, path: &str, answer: &mut Response<Body>) {
        let is_file = matches!(answer.status().as_u16(), 200 | 206 | 304);
        let is_named = |prefix: &String| {
            let rest = path.strip_prefix(prefix.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        let stays =
            is_file && !path.ends_with('/') && (is_hashed(path) || self.immutable.iter().any(is_named));
        answer.headers_mut().insert(header::CACHE_CONTROL, if stays { FOR_EVER } else { ASK });
    }
}

/// Whether a page is wanted, and not a script, a style or a picture of one: their absence must be an error, or a page would
/// be run as a script.
fn navigates(headers: &HeaderMap, path: &str) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    let is_document = headers.get("sec-fetch-dest").is_none_or(|dest| dest == "document" || dest == "iframe");
    let has_no_kind = path.rsplit('/').next().is_none_or(|name| !name.contains(['.', '%']));
    is_document
        && (accept.contains("text/html") || (has_no_kind && (accept.is_empty() || accept.contains("*/*"))))
}

fn only_encoding(headers: &HeaderMap) -> HeaderMap {
    let all = headers.get_all(header::ACCEPT_ENCODING);
    all.iter().map(|value| (header::ACCEPT_ENCODING, value.clone())).collect()
}

/// Text of this decade is UTF-8; without the word a browser guesses.
fn say_charset(headers: &mut HeaderMap) {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return };
    if kind.starts_with("text/")
        && !kind.contains(';')
        && let Ok(said) = HeaderValue::from_str(&format!("{kind}; charset=utf-8"))
    {
        headers.insert(header::CONTENT_TYPE, said);
    }
}

fn plain(status: StatusCode, words: &'static str) -> Response<Body> {
    let mut answer = Response::new(Either::Right(Full::new(Bytes::from_static(words.as_bytes()))));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
impl Answers {
    /// Status, headers and whole body.
    pub(crate) async fn whole(&self, request: http::request::Builder) -> (StatusCode, HeaderMap, Vec<u8>) {
        use http_body_util::BodyExt as _;

        let request = request.body(()).expect("a request");
        let Ok(answer) = self.answer(request).await;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map(|all| all.to_bytes().to_vec()).expect("a body");
        (head.status, head.headers, body)
    }
}
