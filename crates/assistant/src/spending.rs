//! What an account spends on models in one of its days: reserved before a model is asked, settled after.
//!
//! A reservation whose process died stays as it is: the model was probably paid. A day is the account's own.

use rusqlite::{Connection, Transaction, params};

use crate::{
    accounts::Account,
    error::Result,
    model::{Prompt, Used},
    settings::{Budget, ModelSettings, models::show_micros},
};

/// Tokens of an answer that is still to come.
const OUTPUT_TOKENS: u64 = 1_024;
/// Characters of a token, on the careful side.
const CHARS_A_TOKEN: usize = 3;

/// Tokens and money together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) tokens: u64,
    pub(crate) money_micros: u64,
}

impl Cost {
    pub(crate) fn of(model: &ModelSettings, used: Used) -> Self {
        let tokens = used.input.saturating_add(used.output);
        Self { tokens, money_micros: model.price.of(used.input, used.output) }
    }
}

/// What `prompt` and an answer to it may take.
pub(crate) fn estimate(prompt: &Prompt) -> Used {
    Used { input: tokens_of(prompt.chars()), output: OUTPUT_TOKENS }
}

/// For servers that do not count.
pub(crate) fn tokens_of(chars: usize) -> u64 {
    u64::try_from(chars.div_ceil(CHARS_A_TOKEN)).unwrap_or(u64::MAX)
}

/// What the account has spent and reserved today.
pub(crate) fn today(db: &Connection, who: &Account) -> Result<Cost> {
    let sql = "SELECT coalesce(sum(tokens), 0), coalesce(sum(money_micros), 0) FROM model_spending
               WHERE account_id = ?1 AND day = ?2";
    let day = who.now().date().to_string();
    Ok(db.prepare_cached(sql)?.query_row([&who.id, &day], |row| {
        let count = |column| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0));
        Ok(Cost { tokens: count(0)?, money_micros: count(1)? })
    })?)
}

/// Reserves `cost` for `model` under `id`, or says why not, in words for the person.
///
/// # Errors
/// The database's.
pub(crate) fn reserve(
    tx: &Transaction<'_>,
    who: &Account,
    (id, model): (&str, &ModelSettings),
    cost: Cost,
    budget: Budget,
) -> Result<std::result::Result<(), String>> {
    let spent = today(tx, who)?;
    if let Some(most) = budget.tokens.filter(|most| spent.tokens.saturating_add(cost.tokens) > *most) {
        return Ok(Err(format!(
            "today's budget of {most} tokens does not hold another question: {} are used and this one needs about {}; it begins anew at midnight",
            spent.tokens, cost.tokens
        )));
    }
    // A server that costs nothing is asked even when the money is gone.
    let beyond =
        |most: &u64| cost.money_micros > 0 && spent.money_micros.saturating_add(cost.money_micros) > *most;
    if let Some(most) = budget.money_micros.filter(beyond) {
        return Ok(Err(format!(
            "today's budget of {} does not hold another question: {} is spent and this one costs up to {}; it begins anew at midnight",
            show_micros(most),
            show_micros(spent.money_micros),
            show_micros(cost.money_micros)
        )));
    }
    let sql = "INSERT INTO model_spending (id, account_id, day, model, tokens, money_micros, is_settled) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)";
    let day = who.now().date().to_string();
    tx.execute(sql, params![id, who.id, day, model.name, clamp(cost.tokens), clamp(cost.money_micros)])?;
    Ok(Ok(()))
}

/// What it really was.
pub(crate) fn settle(tx: &Transaction<'_>, id: &str, cost: Cost) -> Result<()> {
    let sql = "UPDATE model_spending SET tokens = ?2, money_micros = ?3, is_settled = 1 WHERE id = ?1";
    tx.execute(sql, params![id, clamp(cost.tokens), clamp(cost.money_micros)])?;
    Ok(())
}

/// SQLite counts with a sign.
fn clamp(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
