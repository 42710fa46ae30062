//! How a person says times, learnt from the answers to questions: rows and their questions. What they mean is `when`'s.

use kit::clock;
use rusqlite::{Connection, Transaction, params};

use crate::{
    error::{Error, Result},
    when::{Habits, Lesson},
};

/// What `account` taught, in the order of its subjects. What another release wrote and this one cannot read is left out.
///
/// # Errors
/// The database's.
pub(crate) fn lessons(db: &Connection, account: &str) -> Result<Vec<Lesson>> {
    let sql = "SELECT lesson FROM reading_habits WHERE account_id = ?1 ORDER BY length(subject), subject";
    let mut query = db.prepare_cached(sql)?;
    let said =
        query.query_map([account], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(said.iter().filter_map(|said| Lesson::parse(said)).collect())
}

/// The same as the reader takes it.
///
/// # Errors
/// The database's.
pub(crate) fn of(db: &Connection, account: &str) -> Result<Habits> {
    let mut habits = Habits::default();
    for lesson in lessons(db, account)? {
        habits.learn(lesson);
    }
    Ok(habits)
}

/// A later lesson of the same subject takes the place of the earlier one.
///
/// # Errors
/// The database's.
pub(crate) fn learn(tx: &Transaction<'_>, account: &str, lesson: Lesson) -> Result<()> {
    let sql = "INSERT INTO reading_habits (account_id, subject, lesson, learned_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (account_id, subject) DO UPDATE SET lesson = excluded.lesson, learned_at = excluded.learned_at";
    tx.execute(sql, params![account, lesson.subject(), lesson.to_string(), clock::now_ms()])?;
    Ok(())
}

/// It is asked again.
///
/// # Errors
/// There is no such habit, or the database's.
pub(crate) fn forget(tx: &Transaction<'_>, account: &str, subject: &str) -> Result<()> {
    let sql = "DELETE FROM reading_habits WHERE account_id = ?1 AND subject = ?2";
    match tx.execute(sql, [account, subject])? {
        0 => Err(Error::NotFound("habit")),
        _ => Ok(()),
    }
}
