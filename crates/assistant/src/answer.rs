//! Writes answers: the job behind each message of the assistant.
//!
//! An answer belongs to no request. Whoever holds its lease asks the brain or the model and appends to the log; every
//! append asks the fence, so a process that was left behind stores nothing. What a sentence changes, it changes once:
//! the brain's word is stored under the message's id with its effect, and a later attempt reads it from there.

use std::{future::Future, pin::Pin, time::Duration};

use kit::{
    jobs::{Job, runner::Work},
    metrics::Metrics,
    sqlite::{Database, DbError, Durability},
};

use crate::{
    accounts::Account,
    brain::say::{self, BUILT_IN, Outcome, Said, Spoken},
    chat::{self, Message},
    error::{Error, Result},
    model::{Asked, Failure, Model},
    once,
};

mod pen;

pub(crate) use pen::Halt;
use pen::Pen;

/// What runs answers in this process.
pub(crate) struct Answers {
    pub(crate) db: Database,
    pub(crate) model: Option<Model>,
    pub(crate) metrics: Metrics,
    /// Between two words of the built-in brain.
    pub(crate) pace: Duration,
}

/// Calls to other people's services (METRIC-04).
pub(crate) const CALLS: &str = "external_api_calls_total";

/// Bound: messages of a conversation that a model is sent.
const CONTEXT_MESSAGES: usize = 40;

impl Work for Answers {
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = std::result::Result<(), DbError>> + Send>> {
        let answering = Answering {
            db: self.db.clone(),
            model: self.model.clone(),
            metrics: self.metrics.clone(),
            pace: self.pace,
        };
        Box::pin(async move { answering.run(job).await })
    }
}

struct Answering {
    db: Database,
    model: Option<Model>,
    metrics: Metrics,
    pace: Duration,
}

/// What the job is about.
struct Matter {
    message: Message,
    who: Account,
    /// The conversation up to the question, oldest first.
    before: Vec<Message>,
}

impl Answering {
    async fn run(self, job: Job) -> std::result::Result<(), DbError> {
        let subject = job.subject.clone();
        let matter = match self.db.read(move |db| matter(db, &subject)).await {
            Ok(matter) => matter,
            Err(Error::Db(error)) => return Err(error),
            // The conversation was deleted meanwhile: nobody waits.
            Err(_) => return self.db.write(Durability::Process, move |tx| job.finish(tx, true)).await,
        };
        let mut pen = Pen::new(self.db.clone(), job.clone(), &matter.message.id, &matter.who.id);
        let halt = match pen.begin().await {
            Ok(()) if job.is_exhausted() => pen.end("failed", BUILT_IN).await.err(),
            Ok(()) => self.write(&matter, &mut pen).await.err(),
            Err(halt) => Some(halt),
        };
        match halt {
            None | Some(Halt::Lost) => Ok(()),
            Some(Halt::Stopped) => match pen.end("stopped", BUILT_IN).await {
                Ok(()) | Err(Halt::Lost | Halt::Stopped) => Ok(()),
                Err(Halt::Db(error)) => Err(error),
            },
            Some(Halt::Db(error)) => Err(error),
        }
    }

    async fn write(&self, matter: &Matter, pen: &mut Pen) -> std::result::Result<(), Halt> {
        let said = self.ask_brain(matter, pen).await?;
        let mut by = BUILT_IN.to_owned();
        if let (Outcome::NotUnderstood, Some(model)) = (said.outcome, &self.model) {
            match self.ask_model(model, matter, pen).await? {
                Some(by) => return pen.end("done", &by).await,
                // Stored with the answer: whoever reads it tomorrow must not think that the model is this dull.
                None => by = format!("{BUILT_IN}; {} did not answer", model.name()),
            }
        }
        self.dictate(&said, pen).await?;
        pen.end("done", &by).await
    }

    /// The brain's word on the question: read and done in one fenced transaction, once for all attempts.
    async fn ask_brain(&self, matter: &Matter, pen: &Pen) -> std::result::Result<Said, Halt> {
        let question = matter
            .before
            .iter()
            .rev()
            .find(|message| message.role == "user")
            .map(|message| message.text.clone())
            .unwrap_or_default();
        let (who, job, id) = (matter.who.clone(), pen.job().clone(), matter.message.id.clone());
        let key = once::Key::new(&format!("answer {id}"), &[question.as_bytes()]);
        let work = move |tx: &rusqlite::Transaction<'_>| {
            pen::check(&job, tx)?;
            let reply = once::once(tx, &who.id, Some(&key), || {
                let said = match say::say(tx, &who, &Spoken::of(question.as_str()), id) {
                    // A refusal is an answer too.
                    Err(error @ (Error::Invalid(_) | Error::Conflict(_) | Error::NotFound(_))) => {
                        say::refused(&error.to_string())
                    }
                    said => said?,
                };
                Ok(once::Reply::new(
                    200,
                    serde_json::to_value(said).map_err(|error| Error::Invalid(error.to_string()))?,
                ))
            });
            let reply = reply.map_err(Halt::from)?;
            serde_json::from_value(reply.body).map_err(|_| Halt::Lost)
        };
        self.db.write(Durability::Full, work).await
    }

    /// Word by word, at the brain's pace.
    async fn dictate(&self, said: &Said, pen: &mut Pen) -> std::result::Result<(), Halt> {
        let pace = if said.slowly { Duration::from_secs(1) } else { self.pace };
        for (index, word) in said.reply.split_inclusive([' ', '\n']).enumerate() {
            if index > 0 && !pace.is_zero() {
                pen.rest(pace).await?;
            }
            pen.write(word).await?;
        }
        Ok(())
    }

    /// `None`: no model answered, and the reader was told so; the built-in brain goes on.
    async fn ask_model(
        &self,
        model: &Model,
        matter: &Matter,
        pen: &mut Pen,
    ) -> std::result::Result<Option<String>, Halt> {
        let from = matter.before.len().saturating_sub(CONTEXT_MESSAGES);
        let said = matter.before.iter().skip(from).filter(|message| !message.text.is_empty());
        let asked =
            said.map(|message| Asked { role: message.role.clone(), text: message.text.clone() }).collect();
        let mut stream = match pen.unless_halted(model.ask(asked)).await? {
            Ok(stream) => stream,
            Err(failure) => return self.fall_back(model, &failure, pen).await,
        };
        loop {
            match pen.unless_halted(stream.next()).await? {
                Ok(Some(text)) => pen.write(&text).await?,
                Ok(None) => {
                    self.count("ok");
                    return Ok(Some(model.name().to_owned()));
                }
                Err(failure) if pen.is_blank() => return self.fall_back(model, &failure, pen).await,
                // After the first token nothing is asked again: two answers in one text help nobody.
                Err(failure) => {
                    tracing::warn!(%failure, "an answer of the model was cut");
                    self.count("cut");
                    pen.note(&format!("{} broke off: {failure}. What came before stands.", model.name()))
                        .await?;
                    return Ok(Some(format!("{}; it broke off", model.name())));
                }
            }
        }
    }

    async fn fall_back(
        &self,
        model: &Model,
        failure: &Failure,
        pen: &mut Pen,
    ) -> std::result::Result<Option<String>, Halt> {
        tracing::warn!(%failure, "the model did not answer; the built-in brain does");
        self.count("failed");
        pen.note(&format!("{} did not answer ({failure}); this is the built-in brain.", model.name()))
            .await?;
        Ok(None)
    }

    fn count(&self, status: &str) {
        self.metrics.add(CALLS, &["model", "chat", status]);
    }
}

fn matter(db: &rusqlite::Connection, id: &str) -> Result<Matter> {
    let (message, account) = chat::answer(db, id)?;
    let sql = "SELECT id, name, zone FROM accounts WHERE id = ?1";
    let who = db.query_row(sql, [&account], |row| {
        Ok(Account { id: row.get(0)?, name: row.get(1)?, zone: row.get(2)? })
    })?;
    let mut before = chat::messages(db, &account, &message.conversation_id)?;
    if let Some(here) = before.iter().position(|other| other.id == message.id) {
        before.truncate(here);
    }
    Ok(Matter { message, who, before })
}
