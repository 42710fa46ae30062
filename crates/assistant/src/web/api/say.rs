//! The one box for programs: a sentence, what was understood, and undo.

use super::{Page, next_of};
use crate::{
    accounts::Account,
    brain::{
        Dates, SENTENCE_CHARS_MAX,
        say::{self, Outcome, Read, Said, Spoken, Talk},
    },
    chat,
    command::undo,
    error::{self, Error, excess},
    ids,
    once::{Key, Reply},
    web::{
        App,
        problem::Problem,
        request::{Empty, Once, Params},
        session::SignedIn,
    },
    when::Lesson,
};
use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

pub(in crate::web) async fn say(
    State(app): State<App>,
    who: SignedIn,
    once: Once<Sentence>,
) -> Result<Response, Problem> {
    Ok(reply(&app, &who.account, once.body.spoken()?, once.key).await?.into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Sentence {
    text: String,
    #[serde(default)]
    dates: Dates,
    teaches: Option<String>,
}

impl Sentence {
    fn spoken(self) -> Result<Spoken, Problem> {
        let teaches = self.teaches.as_deref().map(lesson).transpose()?;
        Ok(Spoken { text: self.text, dates: self.dates, teaches, ..Spoken::default() })
    }
}

/// A sentence that is still typed.
#[derive(Deserialize)]
pub(in crate::web) struct Typed {
    text: String,
    #[serde(default)]
    dates: Dates,
}

/// What a choice teaches, as it was sent with the choice.
pub(in crate::web) fn lesson(said: &str) -> Result<Lesson, Problem> {
    Lesson::parse(said).ok_or_else(|| {
        let why =
            format!("\"{said}\" teaches nothing; send `teaches` as it stood in the choice, or leave it out");
        Problem::from(Error::Invalid(why))
    })
}

pub(in crate::web) async fn read(
    State(app): State<App>,
    who: SignedIn,
    Params(typed): Params<Typed>,
) -> Result<Json<Read>, Problem> {
    let spoken = Spoken { text: typed.text, dates: typed.dates, ..Spoken::default() };
    Ok(Json(app.read(move |db| say::reading(db, &who.account, &spoken)).await?))
}

async fn reply(app: &App, who: &Account, spoken: Spoken, key: Option<Key>) -> Result<Reply, Problem> {
    let heard = Heard::new(app, spoken)?;
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        Ok(Reply::new(200, shape(&heard.answer(tx, who, ids::new_id())?)?))
    };
    let reply = app.change(who, key, work).await?;
    app.inner.wake.notify_one();
    Ok(reply)
}

pub(in crate::web) fn shape(said: &Said) -> error::Result<Value> {
    serde_json::to_value(said).map_err(|error| Error::Invalid(error.to_string()))
}

/// A sentence that is short enough, and who is asked what the brain does not know.
pub(in crate::web) struct Heard {
    pub(in crate::web) spoken: Spoken,
    model: Option<String>,
}

impl Heard {
    /// # Errors
    /// It is too long.
    pub(in crate::web) fn new(app: &App, spoken: Spoken) -> Result<Self, Problem> {
        let chars = spoken.text.trim().chars().count();
        if chars > SENTENCE_CHARS_MAX {
            let excess = excess(chars, SENTENCE_CHARS_MAX);
            let why = format!("a sentence has at most {SENTENCE_CHARS_MAX} characters{excess}");
            return Err(Error::Invalid(why).into());
        }
        let model = app.inner.models.first().map(|model| model.name.clone());
        Ok(Self { spoken, model })
    }

    /// Does what it says, as the command `id`. Where that began a conversation, the job of its answer waits to be woken.
    ///
    /// # Errors
    /// The database's, and a command that is refused.
    pub(in crate::web) fn answer(
        &self,
        tx: &rusqlite::Transaction<'_>,
        who: &Account,
        id: String,
    ) -> error::Result<Said> {
        let said = say::say(tx, who, &self.spoken, id)?;
        match &self.model {
            Some(asked) if said.outcome == Outcome::NotUnderstood => talk(tx, who, &self.spoken.text, asked),
            _ => Ok(said),
        }
    }
}

/// What the brain does not understand is said to a model, `asked`, in a new conversation.
fn talk(tx: &rusqlite::Transaction<'_>, who: &Account, text: &str, asked: &str) -> error::Result<Said> {
    let (conversation_id, message_id) = chat::begin_with(tx, &who.id, text)?;
    let stream = format!("/api/messages/{message_id}/stream");
    Ok(Said {
        outcome: Outcome::Talk,
        talk: Some(Talk { conversation_id, message_id, stream }),
        ..say::told("A conversation".to_owned(), format!("{asked} answers in the chat."))
    })
}

pub(in crate::web) async fn undo(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    once: Once<Empty>,
) -> Result<Response, Problem> {
    Ok(take_back(&app, &who.account, id, once.key).await?.into_response())
}

pub(in crate::web) async fn take_back(
    app: &App,
    who: &Account,
    id: String,
    key: Option<Key>,
) -> Result<Reply, Problem> {
    let work = move |tx: &rusqlite::Transaction<'_>, who: &Account| {
        Ok(Reply::new(200, json!({"undone": undo::undo(tx, who, &id)?})))
    };
    Ok(app.change(who, key, work).await?)
}

pub(in crate::web) async fn history(
    State(app): State<App>,
    who: SignedIn,
    Params(page): Params<Page>,
) -> Result<Json<Value>, Problem> {
    let window = page.window();
    let query = move |db: &rusqlite::Connection| undo::history(db, &who.account, (window.0 + 1, window.1));
    let mut commands = app.read(query).await?;
    let next = next_of(&mut commands, window);
    Ok(Json(json!({"commands": commands, "next": next})))
}
