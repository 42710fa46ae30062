//! Ways through a conversation, and the yes or no to what a model proposes, for programs.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::chat::{Text, answering};
use crate::{
    accounts::Account,
    chat::branch,
    once::{Key, Reply},
    settings::models::show_micros,
    spending,
    tools::run,
    web::{
        App,
        problem::Problem,
        request::{Empty, Once},
        session::SignedIn,
    },
};

pub(in crate::web) async fn retry(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| branch::retry(tx, who, &id);
    Ok(answering(&app, &who.account, once.key, work).await?.into_response())
}

pub(in crate::web) async fn edit(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Text>,
) -> Result<Response, Problem> {
    let text = once.body.text;
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| branch::edit(tx, who, &id, &text);
    Ok(answering(&app, &who.account, once.key, work).await?.into_response())
}

pub(in crate::web) async fn go_on(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| branch::go_on(tx, who, &id);
    Ok(answering(&app, &who.account, once.key, work).await?.into_response())
}

pub(in crate::web) async fn choose(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    Ok(choose_way(&app, &who.account, id, once.key).await?.into_response())
}

pub(in crate::web) async fn choose_way(
    app: &App,
    who: &Account,
    id: String,
    key: Option<Key>,
) -> Result<Reply, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        branch::choose(tx, &who.id, &id)?;
        Ok(Reply::new(200, json!({})))
    };
    Ok(app.change(who, key, work).await?)
}

pub(in crate::web) async fn accept(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    Ok(decide(&app, &who.account, id, true, once.key).await?.into_response())
}

pub(in crate::web) async fn decline(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    Ok(decide(&app, &who.account, id, false, once.key).await?.into_response())
}

/// The person's yes or no; both once.
pub(in crate::web) async fn decide(
    app: &App,
    who: &Account,
    id: String,
    yes: bool,
    key: Option<Key>,
) -> Result<Reply, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        if !yes {
            run::decline(tx, who, &id)?;
            return Ok(Reply::new(200, json!({})));
        }
        let done = run::accept(tx, who, &id)?;
        Ok(Reply::new(200, json!({"undo_id": done.undo_id, "understood": done.understood})))
    };
    Ok(app.change(who, key, work).await?)
}

/// What models took from this account today, and what they may take.
pub(in crate::web) async fn spent(State(app): State<App>, who: SignedIn) -> Result<Json<Value>, Problem> {
    let (account, budget) = (who.account, app.inner.budget);
    let day = account.now().date().to_string();
    let spent = app.read(move |db| spending::today(db, &account)).await?;
    let models = app.inner.models.iter();
    let models: Vec<Value> = models.map(|model| json!({"name": model.name, "host": model.host()})).collect();
    Ok(Json(json!({
        "day": day,
        "tokens": spent.tokens,
        "tokens_max": budget.tokens,
        "money": show_micros(spent.money_micros),
        "money_max": budget.money_micros.map(show_micros),
        "models": models,
    })))
}
