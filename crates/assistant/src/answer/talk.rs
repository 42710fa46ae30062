//! A model's answer: in rounds, as long as it calls tools; from the next server when one does not answer.
//!
//! Nothing is asked again after the first token of a round: two answers in one text help nobody. What came before a
//! model broke off stands, and the person can have it gone on with.

use kit::sqlite::Durability;
use tokio::time::{Duration, Instant};

use super::{
    Answers, Matter, context, figures,
    pen::{self, Halt, Pen},
};
use crate::{
    chat::sources,
    ids,
    model::{Ended, Failure, Model, Prompt, Tokens, Used},
    spending::{self, Cost},
    tools::{
        calls::{self, Called, State},
        run,
    },
};

/// Bound: rounds of tools in one answer.
const ROUNDS_MAX: u32 = 8;
/// Bound: a whole answer, with all its rounds.
const TOTAL: Duration = Duration::from_secs(300);

/// What became of asking the models.
pub(super) enum Answered {
    By {
        name: String,
        interrupted: bool,
    },
    /// The reader was told; the built-in brain goes on.
    Nobody {
        why: String,
    },
}

/// How one round of one model ended.
enum Round {
    Whole {
        said: String,
        ended: Ended,
    },
    /// It said nothing; the next server may be asked.
    Silent {
        what: &'static str,
        why: String,
    },
    /// It broke off after its first token.
    Cut,
}

/// What an answer has learned about servers so far.
struct Servers<'a> {
    left: std::slice::Iter<'a, Model>,
    now: Option<&'a Model>,
    /// Why others did not answer.
    silent: Vec<String>,
}

impl Answers {
    pub(super) async fn talk(&self, matter: &Matter, pen: &mut Pen) -> Result<Answered, Halt> {
        let until = Instant::now() + TOTAL;
        let mut left = self.models.iter();
        let mut servers = Servers { now: left.next(), left, silent: Vec::new() };
        let mut called = self.called(matter).await?;
        // A later attempt writes again what was said before the calls that it does not make again.
        for round in called.chunk_by(|one, other| one.round == other.round) {
            pen.write(round.first().map_or("", |first| &first.said)).await?;
        }
        let first = called.last().map_or(0, |last| last.round + 1);
        for round in first..=ROUNDS_MAX {
            called = self.run_calls(matter, pen, called).await?;
            let prompt = self.prompt(matter, &called, round == ROUNDS_MAX).await?;
            let (model, said, ended) =
                match self.ask_in_turn(&mut servers, matter, pen, &prompt, until).await? {
                    Ok(heard) => heard,
                    Err(answered) => return Ok(answered),
                };
            if ended.calls.is_empty() || round == ROUNDS_MAX {
                if round == ROUNDS_MAX && !ended.calls.is_empty() {
                    pen.note("It wanted to go on with its tools; it was ended after eight rounds.").await?;
                }
                return Ok(Answered::By { name: model.name().to_owned(), interrupted: false });
            }
            self.store(matter, pen, round, (said, ended)).await?;
            called = self.called(matter).await?;
        }
        Ok(Answered::Nobody { why: "it called tools for too long".to_owned() })
    }

    /// Asks the servers one after the other until one answers this round.
    async fn ask_in_turn<'a>(
        &'a self,
        servers: &mut Servers<'a>,
        matter: &Matter,
        pen: &mut Pen,
        prompt: &Prompt,
        until: Instant,
    ) -> Result<Result<(&'a Model, String, Ended), Answered>, Halt> {
        while let Some(model) = servers.now {
            let (what, why) = match self.ask(model, matter, pen, prompt, until).await? {
                Round::Whole { said, ended } => return Ok(Ok((model, said, ended))),
                Round::Cut => {
                    let name = format!("{}; it broke off", model.name());
                    return Ok(Err(Answered::By { name, interrupted: true }));
                }
                Round::Silent { what, why } => (what, why),
            };
            servers.now = servers.left.next();
            let goes_on = match servers.now {
                Some(next) => format!("asking {}", next.name()),
                None if pen.is_blank() => "this is the built-in brain".to_owned(),
                None => "what came before stands".to_owned(),
            };
            pen.note(&format!("{} {what} ({why}); {goes_on}.", model.name())).await?;
            servers.silent.push(format!("{} {what}", model.name()));
        }
        let silent = servers.silent.join(", ");
        let why = if silent.is_empty() { "no model is set".to_owned() } else { silent };
        Ok(Err(if pen.is_blank() {
            Answered::Nobody { why }
        } else {
            Answered::By { name: why, interrupted: true }
        }))
    }

    /// One round of one model, within the budget.
    async fn ask(
        &self,
        model: &Model,
        matter: &Matter,
        pen: &mut Pen,
        prompt: &Prompt,
        until: Instant,
    ) -> Result<Round, Halt> {
        let reservation = ids::new_id();
        let estimated = spending::estimate(prompt);
        if let Err(why) = self.reserve(model, matter, (&reservation, estimated)).await? {
            figures::call(&self.metrics, model, "budget");
            return Ok(Round::Silent { what: "was not asked", why });
        }
        let began = Instant::now();
        let asked = pen.unless_halted(model.ask(prompt.clone(), until)).await?;
        let mut tokens = match asked {
            Ok(tokens) => tokens,
            Err(failure) => {
                tracing::warn!(
                    failure = failure.kind(),
                    service = model.settings().kind.word(),
                    "a model did not answer"
                );
                figures::call(&self.metrics, model, failure.kind());
                self.settle(&reservation, Cost::default()).await?;
                return Ok(silent(failure.to_string()));
            }
        };
        figures::first_token(&self.metrics, model, began.elapsed());
        pen.passes_to(model.name());
        let (said, failure) = hear(&mut tokens, pen).await?;
        let ended = tokens.end();
        // Who does not count is taken at its characters.
        let used = ended
            .used
            .unwrap_or(Used { input: estimated.input, output: spending::tokens_of(said.chars().count()) });
        figures::tokens(&self.metrics, model, used);
        self.settle(&reservation, Cost::of(model.settings(), used)).await?;
        let outcome = failure.as_ref().map_or("ok", |failure| failure.kind());
        figures::call(&self.metrics, model, outcome);
        Ok(match failure {
            None if said.trim().is_empty() && ended.calls.is_empty() => silent("it said nothing".to_owned()),
            None => Round::Whole { said, ended },
            Some(failure) if said.is_empty() => silent(failure.to_string()),
            Some(failure) => {
                tracing::warn!(failure = failure.kind(), "an answer of a model was cut");
                pen.note(&format!("{} broke off: {failure}. What came before stands.", model.name())).await?;
                Round::Cut
            }
        })
    }

    async fn reserve(
        &self,
        model: &Model,
        matter: &Matter,
        (id, estimated): (&str, Used),
    ) -> Result<Result<(), String>, Halt> {
        let (who, settings, budget, id) =
            (matter.who.clone(), model.settings().clone(), self.budget, id.to_owned());
        let cost = Cost::of(&settings, estimated);
        let work = move |tx: &rusqlite::Transaction<'_>| {
            spending::reserve(tx, &who, (&id, &settings), cost, budget).map_err(Halt::from)
        };
        self.db.write(Durability::Process, work).await
    }

    async fn settle(&self, id: &str, cost: Cost) -> Result<(), Halt> {
        let id = id.to_owned();
        let work = move |tx: &rusqlite::Transaction<'_>| spending::settle(tx, &id, cost).map_err(Halt::from);
        self.db.write(Durability::Process, work).await
    }

    async fn called(&self, matter: &Matter) -> Result<Vec<Called>, Halt> {
        let (account, message) = (matter.who.id.clone(), matter.message.id.clone());
        self.db.read(move |db| calls::of(db, &account, &message).map_err(Halt::from)).await
    }

    /// What the model is asked next; in its last round it has no tools.
    async fn prompt(&self, matter: &Matter, called: &[Called], is_last: bool) -> Result<Prompt, Halt> {
        let matter = matter.clone();
        let told = self.db.read(move |db| context::prompt(db, &matter).map_err(Halt::from)).await?;
        let (mut prompt, _) = told;
        prompt.turns.extend(context::rounds(called));
        if is_last {
            prompt.tools.clear();
        }
        Ok(prompt)
    }

    async fn store(
        &self,
        matter: &Matter,
        pen: &Pen,
        round: u32,
        (said, ended): (String, Ended),
    ) -> Result<(), Halt> {
        let (job, account, message) = (pen.job().clone(), matter.who.id.clone(), matter.message.id.clone());
        let work = move |tx: &rusqlite::Transaction<'_>| {
            pen::check(&job, tx)?;
            calls::store(tx, &account, &message, round, (&said, &ended.calls)).map_err(Halt::from)
        };
        self.db.write(Durability::Full, work).await
    }

    /// Does what waits, each call in a fenced transaction of its own.
    async fn run_calls(
        &self,
        matter: &Matter,
        pen: &mut Pen,
        called: Vec<Called>,
    ) -> Result<Vec<Called>, Halt> {
        let waiting: Vec<Called> = called.iter().filter(|one| one.state == State::Waiting).cloned().collect();
        if waiting.is_empty() {
            return Ok(called);
        }
        for one in waiting {
            let (job, who, message) = (pen.job().clone(), matter.who.clone(), matter.message.clone());
            let work = move |tx: &rusqlite::Transaction<'_>| {
                pen::check(&job, tx)?;
                // Asked for each: the call before may have read a text from elsewhere.
                let tainted_by = sources::taint_of_way(tx, &message)?;
                run::run(tx, &who, &one, tainted_by.as_deref()).map_err(Halt::from)
            };
            self.db.write(Durability::Full, work).await?;
        }
        self.called(matter).await
    }
}

fn silent(why: String) -> Round {
    Round::Silent { what: "did not answer", why }
}

/// Writes a round down as it comes: all of its text, and why it ended if it was cut.
async fn hear(tokens: &mut Tokens, pen: &mut Pen) -> Result<(String, Option<Failure>), Halt> {
    let mut said = String::new();
    loop {
        match pen.unless_halted(tokens.next()).await? {
            Ok(Some(text)) => {
                pen.write(&text).await?;
                said.push_str(&text);
                if pen.is_cut() {
                    return Ok((said, Some(Failure::TooLong)));
                }
            }
            Ok(None) => return Ok((said, None)),
            Err(failure) => return Ok((said, Some(failure))),
        }
    }
}
