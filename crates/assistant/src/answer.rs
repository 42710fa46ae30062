//! Writes answers: the job behind each message of the assistant.
//!
//! An answer belongs to no request. Whoever holds its lease asks the brain or the models (`talk`) and appends to the
//! log; every append asks the fence, so a process that was left behind stores nothing. What a sentence changes, it
//! changes once: the brain's word is stored under the message's id with its effect, and a later attempt reads it there.

use std::{future::Future, pin::Pin, time::Duration};

use kit::{
    jobs::{Job, runner::Work},
    metrics::Metrics,
    sqlite::{Database, DbError, Durability},
};

use crate::{
    accounts::Account,
    brain::say::{self, BUILT_IN, Outcome, Said, Spoken},
    chat::{self, End, Message, questions, sources},
    error::{Error, Result},
    model::Model,
    once,
    settings::Budget,
};

mod context;
pub(crate) mod figures;
mod pen;
mod talk;

pub(crate) use pen::Halt;
use pen::Pen;
use talk::Answered;

/// What runs answers in this process.
#[derive(Clone)]
pub(crate) struct Answers {
    pub(crate) db: Database,
    /// In the order in which they are asked.
    pub(crate) models: Vec<Model>,
    pub(crate) budget: Budget,
    pub(crate) metrics: Metrics,
    /// Between two words of the built-in brain.
    pub(crate) pace: Duration,
}

impl Work for Answers {
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = std::result::Result<(), DbError>> + Send>> {
        let answering = self.clone();
        Box::pin(async move { answering.answer(job).await })
    }
}

/// What the job is about.
#[derive(Clone)]
struct Matter {
    message: Message,
    who: Account,
    /// The way to the question, oldest first; also that of an answer that is gone on with.
    before: Vec<Message>,
}

impl Matter {
    /// The model's answer broke off, and this is to be its rest.
    fn goes_on(&self) -> bool {
        self.before.last().is_some_and(Message::is_answer)
    }
}

impl Answers {
    async fn answer(self, job: Job) -> std::result::Result<(), DbError> {
        let subject = job.subject.clone();
        let matter = match self.db.read(move |db| matter(db, &subject)).await {
            Ok(matter) => matter,
            Err(Error::Db(error)) => return Err(error),
            // The conversation was deleted meanwhile: nobody waits.
            Err(_) => return self.db.write(Durability::Process, move |tx| job.finish(tx, true)).await,
        };
        let mut pen = Pen::new(self.db.clone(), job.clone(), &matter.message.id, &matter.who.id);
        let halt = match pen.begin().await {
            Ok(()) if job.is_exhausted() => pen.end(ended("failed", BUILT_IN)).await.err(),
            Ok(()) => self.write(&matter, &mut pen).await.err(),
            Err(halt) => Some(halt),
        };
        match halt {
            None | Some(Halt::Lost) => Ok(()),
            Some(Halt::Stopped) => match pen.end(ended("stopped", pen.by())).await {
                Ok(()) | Err(Halt::Lost | Halt::Stopped) => Ok(()),
                Err(Halt::Db(error)) => Err(error),
            },
            Some(Halt::Db(error)) => Err(error),
        }
    }

    async fn write(&self, matter: &Matter, pen: &mut Pen) -> std::result::Result<(), Halt> {
        if matter.goes_on() {
            return match self.talk(matter, pen).await? {
                Answered::By { name, interrupted } => {
                    pen.end(End { interrupted, ..ended("done", &name) }).await
                }
                Answered::Nobody { why } => pen.end(ended("failed", &format!("{BUILT_IN}; {why}"))).await,
            };
        }
        let said = self.ask_brain(matter, pen).await?;
        let mut by = BUILT_IN.to_owned();
        if said.outcome == Outcome::NotUnderstood && !self.models.is_empty() {
            match self.talk(matter, pen).await? {
                Answered::By { name, interrupted } => {
                    return pen.end(End { interrupted, ..ended("done", &name) }).await;
                }
                // Stored with the answer: whoever reads it tomorrow must not think that the model is this dull.
                Answered::Nobody { why } => by = format!("{BUILT_IN}; {why}"),
            }
        }
        self.dictate(&said, pen).await?;
        pen.end(ended("done", &by)).await
    }

    /// The brain's word on the question: read and done in one fenced transaction, once for all attempts.
    async fn ask_brain(&self, matter: &Matter, pen: &Pen) -> std::result::Result<Said, Halt> {
        let question = matter.before.iter().rev().find(|message| !message.is_answer()).cloned();
        let (who, job, id) = (matter.who.clone(), pen.job().clone(), matter.message.id.clone());
        let words = question.as_ref().map_or("", |question| question.text.as_str());
        let key = once::Key::new(&format!("answer {id}"), &[words.as_bytes()]);
        let work = move |tx: &rusqlite::Transaction<'_>| {
            pen::check(&job, tx)?;
            let reply = once::once(tx, &who.id, Some(&key), || {
                let spoken = question.as_ref().map(|question| spoken(tx, &who, question)).transpose()?;
                let said = match say::say(tx, &who, &spoken.unwrap_or_default(), id.clone()) {
                    // A refusal is an answer too.
                    Err(error @ (Error::Invalid(_) | Error::Conflict(_) | Error::NotFound(_))) => {
                        say::refused(&error.to_string())
                    }
                    said => said?,
                };
                if said.quotes {
                    sources::taint_by_rows(tx, &who.id, &id)?;
                }
                if said.outcome == Outcome::Ask {
                    questions::ask(tx, &who.id, &id, &said.choices)?;
                }
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
}

/// What was said: a sentence, or the answer to what was asked back.
fn spoken(tx: &rusqlite::Transaction<'_>, who: &Account, words: &Message) -> Result<Spoken> {
    let answer = questions::answer(tx, who, words)?;
    Ok(answer.unwrap_or_else(|| Spoken::of(words.text.as_str())))
}

fn ended(status: &'static str, by: &str) -> End {
    End { status, by: by.to_owned(), interrupted: false }
}

fn matter(db: &rusqlite::Connection, id: &str) -> Result<Matter> {
    let (message, account) = chat::answer(db, id)?;
    let sql = "SELECT id, name, zone FROM accounts WHERE id = ?1";
    let who = db.query_row(sql, [&account], |row| {
        Ok(Account { id: row.get(0)?, name: row.get(1)?, zone: row.get(2)? })
    })?;
    let (conversation, question) = (&message.conversation_id, &message.parent_id);
    let before = chat::branch::way(db, &account, conversation, question, chat::MESSAGES_MAX)?;
    Ok(Matter { message, who, before })
}
