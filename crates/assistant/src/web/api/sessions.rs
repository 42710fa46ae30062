//! Sessions and the password for programs.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use kit::Private;
use rusqlite::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Page,
    account::{Connection, place},
    next_of,
};
use crate::{
    accounts::{Account, session},
    once::Reply,
    web::{
        App,
        problem::Problem,
        request::{Empty, Once, Params},
        session::SignedIn,
    },
};

pub(in crate::web) async fn list(
    State(app): State<App>,
    who: SignedIn,
    Params(page): Params<Page>,
) -> Result<Json<Value>, Problem> {
    let window = page.window();
    let accounts = &app.inner.accounts;
    let mut sessions = accounts.sessions(&who.account, &who.token, (window.0 + 1, window.1)).await?;
    let next = next_of(&mut sessions, window);
    Ok(Json(json!({"sessions": sessions, "next": next})))
}

pub(in crate::web) async fn end(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    let work = move |tx: &Transaction<'_>, who: &Account| {
        session::end(tx, &who.id, &id)?;
        Ok(Reply::new(200, json!({"ended": 1})))
    };
    Ok(app.change(&who.account, once.key, work).await?.into_response())
}

pub(in crate::web) async fn end_others(
    State(app): State<App>,
    who: SignedIn,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    let current = app.inner.accounts.token_hash(&who.token);
    let work = move |tx: &Transaction<'_>, who: &Account| {
        let ended = session::end_others(tx, &who.id, &current)?;
        Ok(Reply::new(200, json!({"ended": ended})))
    };
    Ok(app.change(&who.account, once.key, work).await?.into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct NewPassword {
    old: String,
    new: String,
}

/// Without a key: sent twice, the second finds that the old password is another.
pub(in crate::web) async fn password(
    State(app): State<App>,
    who: SignedIn,
    peer: Connection,
    headers: HeaderMap,
    Once { body, .. }: Once<NewPassword>,
) -> Result<Response, Problem> {
    let passwords = (Private::new(body.old), Private::new(body.new));
    let network = place(&headers, peer).address;
    if !app.inner.accounts.change_password(&who.account, &who.token, &network, passwords).await? {
        return Err(Problem::new(StatusCode::FORBIDDEN, "The old password is another. Nothing was changed."));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
