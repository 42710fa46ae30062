//! Erasing the account, for programs.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use kit::Private;
use rusqlite::Transaction;
use serde::Deserialize;
use serde_json::json;

use super::account::{Connection, place};
use crate::{
    accounts::Account,
    erase,
    once::{Key, Reply},
    web::{
        App,
        problem::Problem,
        request::{Empty, Once},
        session::SignedIn,
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Ask {
    password: String,
}

pub(in crate::web) async fn ask(
    State(app): State<App>,
    who: SignedIn,
    peer: Connection,
    headers: HeaderMap,
    once: Once<Ask>,
) -> Result<Response, Problem> {
    let password = Private::new(once.body.password);
    let network = place(&headers, peer).address;
    Ok(mark(&app, &who.account, password, &network, once.key).await?.into_response())
}

/// A session alone does not erase: whoever finds a phone knows no password.
pub(in crate::web) async fn mark(
    app: &App,
    who: &Account,
    password: Private<String>,
    network: &str,
    key: Option<Key>,
) -> Result<Reply, Problem> {
    if !app.inner.accounts.is_password(who, password, network).await? {
        return Err(Problem::new(StatusCode::FORBIDDEN, "The password is another. Nothing was changed."));
    }
    let work = |tx: &Transaction<'_>, who: &Account| {
        let at = erase::ask(tx, who)?;
        Ok(Reply::new(200, json!({"erase_at": kit::clock::rfc3339(at)})))
    };
    Ok(app.change(who, key, work).await?)
}

pub(in crate::web) async fn cancel(
    State(app): State<App>,
    who: SignedIn,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    let work = |tx: &Transaction<'_>, who: &Account| {
        erase::cancel(tx, who)?;
        Ok(Reply::new(200, json!({"erase_at": null})))
    };
    Ok(app.change(&who.account, once.key, work).await?.into_response())
}
