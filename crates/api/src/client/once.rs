//! A request that begins a run, asked until it is answered, across the death of keepers.
//!
//! A keeper that dies over a request may have begun what it asks for, and the next one ends that. So the same request is sent
//! again under the same key ([`RequestKey`]), until it is answered or nobody answers for [`WITHOUT_KEEPER_MAX`].

use tokio::time::Instant;

use super::{
    Failure,
    follow::{RETRY_FIRST, RETRY_MAX, WITHOUT_KEEPER_MAX},
};
use crate::request_key::RequestKey;

/// What is seen while a request is not answered.
#[derive(Debug)]
pub enum Unanswered<'a> {
    /// It may have been carried out, and is asked again. Told once.
    Begins(&'a Failure),
    /// Now it is answered.
    Over,
}

/// Sends what `ask` makes of a fresh key. Cancel-safe: what was begun goes on.
///
/// # Errors
/// What the keeper refuses; that of the first try where it got no keeper at all, or where no keeper answered afterwards.
pub async fn once<T>(
    ask: impl AsyncFn(&RequestKey) -> Result<T, Failure>,
    mut seen: impl FnMut(Unanswered<'_>),
) -> Result<T, Failure> {
    let key = RequestKey::fresh();
    let first = match ask(&key).await {
        Err(failure @ (Failure::Lost { .. } | Failure::Hung { .. } | Failure::Silent { .. })) => failure,
        answer => return answer,
    };
    seen(Unanswered::Begins(&first));
    let (since, mut retry_after) = (Instant::now(), RETRY_FIRST);
    while since.elapsed() < WITHOUT_KEEPER_MAX {
        tokio::time::sleep(retry_after).await;
        retry_after = (retry_after * 2).min(RETRY_MAX);
        match ask(&key).await {
            Err(failure) if is_still_away(&failure) => {}
            answer => {
                seen(Unanswered::Over);
                return answer;
            }
        }
    }
    Err(first)
}

/// A keeper that is not there, that does not answer, or that ends or begins just now.
fn is_still_away(failure: &Failure) -> bool {
    let is_between = matches!(failure, Failure::Silent { .. } | Failure::Refused { status: 503, .. });
    failure.is_gone() || is_between
}
