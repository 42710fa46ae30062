//! Forms of pages: who sends them, that they are ours, their key and fields.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    extract::{FromRequest, FromRequestParts, Multipart, Request, multipart::Field},
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;

use crate::{
    error::Error,
    once::Key,
    web::{
        App,
        problem::Problem,
        request::Fields,
        session::{SignedIn, Visitor},
    },
};

/// A form of a page of ours, from somebody who is signed in.
pub(super) struct Sent {
    pub(super) who: SignedIn,
    pub(super) key: Option<Key>,
    /// How long it waited in a browser before it was sent.
    waited: Duration,
    /// Where it was sent to.
    pub(super) path: String,
    pub(super) fields: BTreeMap<String, String>,
}

/// Bound: how long ago something may have been typed that is sent now.
const WAITED_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What stands in a form before its file.
#[derive(Default)]
pub(super) struct Before {
    back: String,
    key: Option<String>,
}

/// Whether the word that our pages put into their forms came back.
fn is_ours(app: &App, who: &SignedIn, csrf: &str) -> bool {
    csrf == app.inner.accounts.csrf_token(&who.token)
}

fn foreign() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "This form is from another session. Go back, load the page again and send it again.",
    )
}

/// The file of a form of ours, given to `take` as it comes. It stands after the hidden fields, so nothing of it is read
/// before the form is known to be ours. `undone`: what is said of a form that cannot be read.
///
/// # Errors
/// The form is not ours, cannot be read or holds no file; those of `take`.
pub(super) async fn file<T>(
    app: &App,
    who: &SignedIn,
    request: Request,
    undone: &str,
    take: impl AsyncFnOnce(&Before, Field<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let broken = || Problem::new(StatusCode::BAD_REQUEST, format!("The form could not be read. {undone}"));
    let mut form = Multipart::from_request(request, app).await.map_err(|_| broken())?;
    let (mut ours, mut before) = (false, Before::default());
    while let Some(field) = form.next_field().await.map_err(|_| broken())? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            // A browser sends an empty file of no name where none was chosen.
            let is_chosen = field.file_name().is_some_and(|name| !name.is_empty());
            return match (ours, is_chosen) {
                (false, _) => Err(foreign()),
                (true, false) => Err(no_file()),
                (true, true) => take(&before, field).await,
            };
        }
        let text = field.text().await.map_err(|_| broken())?;
        match name.as_str() {
            "csrf" => ours = is_ours(app, who, &text),
            "back" => before.back = text,
            "key" => before.key = Some(text).filter(|key| is_key(key)),
            _ => {}
        }
    }
    Err(if ours { no_file() } else { foreign() })
}

fn no_file() -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "No file was chosen.")
}

impl Before {
    /// The key of the form, for what `about` tells apart.
    pub(super) fn key(&self, about: &[&[u8]]) -> Option<Key> {
        self.key.as_ref().map(|key| Key::of_form(key, about))
    }

    /// Back to the page that the form stood on.
    pub(super) fn back(&self) -> Redirect {
        Redirect::to(origin(&self.back))
    }
}

/// Bound: a key of a form.
fn is_key(key: &str) -> bool {
    (1..=64).contains(&key.len())
}

/// The page that a form says it stood on.
fn origin(back: &str) -> &str {
    // A path of ours, in letters that no browser reads otherwise: never `//elsewhere`, nor `/<tab>/elsewhere`.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    let is_ours = back.starts_with('/') && !back.starts_with("//") && back.chars().all(plain);
    if is_ours { back } else { "/dashboard" }
}

impl FromRequest<App> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Visitor(who) = Visitor::from_request_parts(&mut parts, app).await?;
        let path = parts.uri.path().to_owned();
        let request = Request::from_parts(parts, body);
        let Fields(mut fields) =
            Fields::from_request(request, app).await.map_err(IntoResponse::into_response)?;
        let csrf = fields.remove("csrf").unwrap_or_default();
        if !is_ours(app, &who, &csrf) {
            return Err(foreign().into_response());
        }
        let key = fields.remove("key").filter(|key| is_key(key));
        // No part of what is sent: the same form may wait longer the next time.
        let waited = fields
            .remove("waited")
            .and_then(|ms| ms.parse().ok())
            .map_or(Duration::ZERO, Duration::from_millis);
        let about: Vec<&[u8]> = [path.as_bytes()]
            .into_iter()
            .chain(fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]))
            .collect();
        let key = key.map(|key| Key::of_form(&key, &about));
        Ok(Self { who, key, waited, path, fields })
    }
}

impl Sent {
    /// How long ago it was typed; nothing for what was sent at once.
    ///
    /// # Errors
    /// So long that nobody would still mean it.
    pub(super) fn waited(&self) -> Result<Duration, Error> {
        if self.waited <= WAITED_MAX {
            return Ok(self.waited);
        }
        let days = self.waited.as_secs() / 86_400;
        Err(Error::Invalid(format!("that was typed {days} days ago; say again what you mean now")))
    }

    /// A field without the blanks around it; empty when it was not sent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.trim())
    }

    /// A field as it was typed: blanks belong to a password.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The page that the form stood on.
    pub(super) fn origin(&self) -> &str {
        origin(self.text("back"))
    }

    /// Back to that page, at the command to show there.
    pub(super) fn back(&self, said: Option<&str>) -> Redirect {
        let path = self.origin();
        match said {
            Some(id) => Redirect::to(&format!("{path}?said={id}#said")),
            None => Redirect::to(path),
        }
    }
}
