//! Forms of pages: who sends them, that they are ours, their key and fields.

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;

use crate::{
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
    fields: BTreeMap<String, String>,
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
        if csrf != app.inner.accounts.csrf_token(&who.token) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "This form is from another session. Go back, load the page again and send it again.",
            )
            .into_response());
        }
        let key = fields.remove("key").filter(|key| (1..=64).contains(&key.len()));
        let about: Vec<&[u8]> = [path.as_bytes()]
            .into_iter()
            .chain(fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]))
            .collect();
        let key = key.map(|key| Key::new(&format!("form {key}"), &about));
        Ok(Self { who, key, fields })
    }
}

impl Sent {
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
        let back = self.text("back");
        // A path of ours, in letters that no browser reads otherwise: never `//elsewhere`, nor `/<tab>/elsewhere`.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
        let is_ours = back.starts_with('/') && !back.starts_with("//") && back.chars().all(plain);
        if is_ours { back } else { "/dashboard" }
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
