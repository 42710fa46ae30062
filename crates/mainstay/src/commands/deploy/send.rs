//! Sends what was packed.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use api::{
    artifact::Artifact,
    client::upload::{self, UploadError},
};
use model::Explain;

use super::pack::Packed;
use crate::{
    output::{bytes, line},
    progress::Progress,
    session::Session,
};

/// The code of a refusal for bytes that the machine does not have.
pub(in crate::commands) const UNSENT: &str = "artifact-missing";

/// From here on it is said how fast it went.
const TOLD_FROM: Duration = Duration::from_secs(1);

pub(super) async fn send(session: &Session, packed: &Packed) -> Result<(), Explain> {
    bytes_of(session, &packed.artifact, packed.path()).await
}

/// Any file, whose digest and length `artifact` states.
pub(in crate::commands) async fn bytes_of(
    session: &Session,
    artifact: &Artifact,
    file: &Path,
) -> Result<(), Explain> {
    let total = artifact.bytes;
    let progress = Progress::bytes(session.json(), "sending", total);
    let began = Instant::now();
    let mut first = None;
    let sent = upload::send(&session.client, artifact, file, |at| {
        first.get_or_insert(at);
        progress.at(at);
    })
    .await;
    progress.clear();
    sent.map_err(explain)?;
    if !session.json() {
        let had = first.unwrap_or(0);
        line(match had {
            0 => format!("Sent {}{}.", bytes(total), rate(total, began.elapsed())),
            had if had >= total => "These bytes are on the machine already.".to_owned(),
            had => {
                let sent = total - had;
                format!(
                    "Sent {}{}; {} were there already.",
                    bytes(sent),
                    rate(sent, began.elapsed()),
                    bytes(had)
                )
            }
        });
    }
    Ok(())
}

/// Of what took long enough to be wondered about.
fn rate(sent: u64, took: Duration) -> String {
    if took < TOLD_FROM {
        return String::new();
    }
    let each_second = (sent as f64 / took.as_secs_f64()) as u64;
    format!(" in {:.1} s ({}/s)", took.as_secs_f64(), bytes(each_second))
}

fn explain(error: UploadError) -> Explain {
    match error {
        UploadError::Api(failure) => failure.explain(),
        UploadError::Read { .. } => Explain::new("unreadable-artifact", "the artifact cannot be read")
            .because(&error)
            .help("is it still there, and may this user read it? Build it again, then send it again"),
        UploadError::Changed { .. } => {
            Explain::new("artifact-changed", "the artifact changed while it was sent")
                .because(&error)
                .now("nothing was changed")
                .help("let its build end, then send it again")
        }
    }
}
