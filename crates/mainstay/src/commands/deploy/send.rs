//! Sends what was packed.

use std::path::Path;

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
            0 => format!("Sent {}.", bytes(total)),
            had if had >= total => "These bytes are on the machine already.".to_owned(),
            had => format!("Sent {}; {} were there already.", bytes(total - had), bytes(had)),
        });
    }
    Ok(())
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
