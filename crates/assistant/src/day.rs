//! What comes at its time: one queue of jobs for reminders and morning summaries, run in every process, taken by one.
//!
//! [`plan`] looks ahead and stores what is missing; it may run at any time and as often as one likes. Everything that
//! it stores is also stored by the command that makes it necessary, but for the next mornings.

use std::{future::Future, pin::Pin};

use kit::{
    jobs::{Fence, Job, runner::Work},
    sqlite::{Database, DbError, Durability},
};
use rusqlite::Transaction;

use crate::{
    error::{Error, Result},
    reminders, summary,
};

pub(crate) const QUEUE: &str = "day";
/// What the subject of a reminder's job begins with; the task and the instant follow.
pub(crate) const TASK: &str = "task ";
/// The same of a summary; the account and the day follow.
pub(crate) const SUMMARY: &str = "summary ";
/// Bound: tries of one job, after which its row waits for an operator.
pub(crate) const ATTEMPTS_MAX: u32 = 50;
/// Bound: rows that one transaction plans, so that nobody's writing waits for it.
const ROWS: u32 = 500;

/// Runs the queue in one process.
pub(crate) struct Days {
    pub(crate) db: Database,
}

/// What was planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Instants that are others than they were.
    pub(crate) moved: usize,
    pub(crate) accounts: usize,
}

impl Work for Days {
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = std::result::Result<(), DbError>> + Send>> {
        let db = self.db.clone();
        Box::pin(async move {
            // One transaction: who was left behind tells nothing, and nothing is told without its job being over.
            match db.write(Durability::Full, move |tx| run(tx, &job)).await {
                Ok(()) => Ok(()),
                Err(Error::Db(error)) => Err(error),
                Err(error) => {
                    tracing::error!(%error, "what was to be told is not");
                    Ok(())
                }
            }
        })
    }
}

/// Removes the jobs whose subjects name the account, or one of its tasks.
pub(crate) fn forget(tx: &Transaction<'_>, account: &str) -> Result<()> {
    let named = "DELETE FROM jobs WHERE queue = ?1 AND substr(subject, 1, length(?2)) = ?2
                 AND substr(subject, length(?2) + 1, instr(substr(subject, length(?2) + 1), ' ') - 1) IN";
    tx.execute(&format!("{named} (?3)"), [QUEUE, SUMMARY, account])?;
    tx.execute(&format!("{named} (SELECT id FROM tasks WHERE account_id = ?3)"), [QUEUE, TASK, account])?;
    Ok(())
}

fn run(tx: &Transaction<'_>, job: &Job) -> Result<()> {
    if job.fence(tx)? == Fence::Lost {
        return Ok(());
    }
    if job.is_exhausted() {
        tracing::error!(job = job.id, attempts = job.attempts_max, "a job of the day failed for good");
        return Ok(job.finish(tx, true)?);
    }
    let known = match (job.subject.strip_prefix(TASK), job.subject.strip_prefix(SUMMARY)) {
        (Some(rest), _) => match rest.split_once(' ').map(|(task, at)| (task, at.parse())) {
            Some((task, Ok(at))) => reminders::tell(tx, task, at).map(|()| true)?,
            _ => false,
        },
        (_, Some(rest)) => match rest.split_once(' ').map(|(account, day)| (account, day.parse())) {
            Some((account, Ok(day))) => summary::make(tx, account, day).map(|()| true)?,
            _ => false,
        },
        _ => false,
    };
    Ok(job.finish(tx, !known)?)
}

/// Plans what is to be told today and tomorrow, wherever people live.
///
/// # Errors
/// The database's. What was planned before stays.
pub(crate) async fn plan(db: &Database) -> Result<Planned> {
    let mut planned = Planned::default();
    let mut after = Some(String::new());
    while let Some(from) = after {
        let page = db.write(Durability::Process, move |tx| reminders::plan_page(tx, &from, ROWS)).await?;
        planned.moved += page.0;
        after = page.1;
    }
    let mut after = Some(String::new());
    while let Some(from) = after {
        let page = db.write(Durability::Process, move |tx| summary::plan_page(tx, &from, ROWS)).await?;
        planned.accounts += page.0;
        after = page.1;
    }
    Ok(planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_an_account_and_of_its_tasks_are_forgotten_and_no_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = kit::sqlite::open_writer(&folder.path().join("t.db")).expect("opens");
        crate::schema::MIGRATIONS.up(&mut db).expect("migrates");
        let jobs = [
            (QUEUE, "task t1 5"),
            (QUEUE, "task t11 5"),
            (QUEUE, "summary a 2026-11-21"),
            (QUEUE, "summary ab 2026-11-21"),
            ("answer", "task t1 5"),
        ];
        db.execute_batch(
            "INSERT INTO accounts (id, name, password, zone, created_at) VALUES ('a', 'ana', '', 'UTC', 0), ('ab', 'ben', '', 'UTC', 0);
             INSERT INTO tasks (id, account_id, title, state, created_at, rev) VALUES ('t1', 'a', 'x', 'open', 0, 1), ('t11', 'ab', 'x', 'open', 0, 1)",
        )
        .expect("fills");
        let tx = db.transaction().expect("begins");
        for (queue, subject) in jobs {
            kit::jobs::enqueue_at(&tx, &crate::ids::new_id(), queue, subject, ATTEMPTS_MAX, 0)
                .expect("stores");
        }
        forget(&tx, "a").expect("forgets");
        let left: String = tx
            .query_row(
                "SELECT group_concat(queue || ' ' || subject, ', ' ORDER BY queue, subject) FROM jobs",
                [],
                |row| row.get(0),
            )
            .expect("asks");
        assert_eq!(left, "answer task t1 5, day summary ab 2026-11-21, day task t11 5");
    }
}
