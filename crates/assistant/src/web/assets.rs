//! Style, script and icon, built in. Their addresses hold a digest of all of them, so browsers may keep them for ever.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::header;
use sha2::{Digest, Sha256};

use super::problem::{self, Problem};
use crate::ids;

const STYLE: &str = include_str!("../../assets/style.css");
const SCRIPT: &str = include_str!("../../assets/app.js");
const OUTBOX: &str = include_str!("../../assets/outbox.js");
const ICON: &str = include_str!("../../assets/icon.svg");

static VERSION: LazyLock<String> =
    LazyLock::new(|| ids::hex(&Sha256::digest([STYLE, SCRIPT, OUTBOX, ICON].concat()))[..12].to_owned());

/// Address of `style.css`, `app.js`, `outbox.js` or `icon.svg`.
pub(super) fn address(file: &str) -> String {
    format!("/assets/{}/{file}", *VERSION)
}

pub(super) async fn asset(Path((version, file)): Path<(String, String)>) -> Result<Response, Problem> {
    let (kind, text) = match file.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "app.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "outbox.js" => ("text/javascript; charset=utf-8", OUTBOX),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return Err(problem::no_such_page().await),
    };
    // A page of another release asks for its own files; it gets these, and must not keep them under that name.
    let keep = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], text).into_response())
}
