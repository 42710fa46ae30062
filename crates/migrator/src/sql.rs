//! The built-in migrator: numbered files, each in a transaction of its own with the row that says it was applied. Killed at
//! any moment, it goes on with the first file that has no such row.

mod act;
mod address;
mod postgres;
mod sqlite;
mod steps;
#[cfg(test)]
mod tests;

use std::path::Path;

use model::{
    Explain,
    manifest::{HALF_DONE, LEADS_TO},
};

use self::{
    act::{Act, Applied},
    address::Address,
};
use crate::Verb;

/// Where what was applied is written down, in the database itself.
const TABLE: &str = "mainstay_migrations";

/// A database under the migrator's lock.
trait Database {
    /// What was applied, in no order; a database without the table: nothing.
    fn applied(&mut self) -> Result<Vec<Applied>, Explain>;
    /// Nobody else migrates it until this value is gone. Makes the table.
    fn lock(&mut self) -> Result<(), Explain>;
    /// Does one act, with its row.
    fn perform(&mut self, act: &Act) -> Result<(), Explain>;
}

/// # Errors
/// What failed, and what of it stands.
pub(crate) fn run(folder: &Path, variable: &str, verb: Verb) -> Result<(), Explain> {
    move_database(folder, &Address::of_variable(variable)?, verb)
}

fn move_database(folder: &Path, address: &Address, verb: Verb) -> Result<(), Explain> {
    let steps = steps::read(folder)?;
    let mut database = open(address)?;
    if verb != Verb::Status {
        database.lock()?;
    }
    let applied = database.applied()?;
    for act in act::plan(&steps, &applied, verb)? {
        println!("{act}");
        database.perform(&act)?;
    }
    let applied = database.applied()?;
    for file in act::half_done(&applied) {
        println!("{HALF_DONE}{file}");
    }
    println!("{LEADS_TO}{}", steps::last(&steps));
    println!("{}", act::version(&applied));
    Ok(())
}

fn open(address: &Address) -> Result<Box<dyn Database>, Explain> {
    Ok(match address {
        Address::Sqlite(path) => Box::new(sqlite::Sqlite::open(path)?),
        Address::Postgres(address) => Box::new(postgres::Postgres::connect(address)?),
    })
}

/// How a file's failure is told.
fn failed(act: &Act, cause: &(dyn std::error::Error + 'static)) -> Explain {
    let explain = Explain::new("sql-migration-failed", format!("{act} failed")).because(cause);
    match act.text.transactional {
        true => explain.now("nothing of this file remains; those before it stand"),
        false => explain
            .now("it runs outside of a transaction: what it had done by then stands")
            .help("mend what stopped it: the file then runs again from its beginning, and must bear that"),
    }
}

/// A file that ends its transaction would leave its row and its work apart.
fn ended_transaction(act: &Act) -> Explain {
    Explain::new("sql-transaction-ended", format!("{act} ends the transaction that it runs in"))
        .now("what stood before its COMMIT or ROLLBACK may remain")
        .help(
            "take BEGIN, COMMIT and ROLLBACK out of the file, or begin it with `-- mainstay: no-transaction`",
        )
}
