//! What the keeper is asked before anything is sent: a plan and a refusal need the artifact's digest, and none of its bytes.

use std::process::ExitCode;

use api::{
    client::Failure,
    deploy::{EXIT_LOCKED, EXIT_USAGE, Plan, Request},
};
use model::{Explain, Site};

use super::{pack::Packed, send, send::UNSENT};
use crate::{output::line, session::Session};

/// Below that, sending takes no longer than asking.
const ASK_FROM_BYTES: u64 = 4 << 20;
/// What `--wait` waits for.
const LOCKED: &str = "locked";

/// The plan, by the digest alone.
///
/// # Errors
/// The keeper's; or it wants the bytes, and they cannot be sent.
pub(super) async fn plan(
    session: &Session,
    site: &Site,
    request: &Request,
    packed: Option<&Packed>,
) -> Result<Plan, Explain> {
    let ask = async || session.client.plan(site, request).await.map_err(Failure::explain);
    let plan = ask().await?;
    let Some(packed) = packed.filter(|_| plan.errors.iter().any(|error| error.code == UNSENT)) else {
        return Ok(plan);
    };
    // A keeper of an earlier version plans only what it has.
    if !session.json() {
        line("The keeper is of an earlier version and plans only what it has: the artifact is sent.");
    }
    send::send(session, packed).await?;
    ask().await
}

/// The exit code of a deploy that would be refused, which was told; `None`: send it.
///
/// # Errors
/// The keeper's.
pub(super) async fn refusal(
    session: &Session,
    site: &Site,
    request: &Request,
    packed: &Packed,
) -> Result<Option<ExitCode>, Explain> {
    if packed.artifact.bytes < ASK_FROM_BYTES {
        return Ok(None);
    }
    let received = session.client.received(&packed.artifact.digest).await.map_err(Failure::explain)?;
    if received.is_some_and(|received| received.complete) {
        return Ok(None);
    }
    let plan = match session.client.plan(site, request).await {
        Ok(plan) => plan,
        // The deploy itself is asked for again where a keeper dies over it.
        Err(Failure::Lost { .. } | Failure::Hung { .. }) => return Ok(None),
        Err(failure) => return Err(failure.explain()),
    };
    if let Some(why) = plan.closed.filter(|why| request.wait.is_none() || why.code != LOCKED) {
        session.report.error(&why);
        return Ok(Some(ExitCode::from(if why.code == LOCKED { EXIT_LOCKED } else { EXIT_USAGE })));
    }
    let errors: Vec<&Explain> = plan.errors.iter().filter(|error| error.code != UNSENT).collect();
    errors.iter().for_each(|error| session.report.error(error));
    Ok((!errors.is_empty()).then(|| ExitCode::from(EXIT_USAGE)))
}
