//! Sends what was packed.

use api::client::upload::{self, UploadError};
use model::Explain;

use super::pack::Packed;
use crate::{
    output::{bytes, line},
    progress::Progress,
    session::Session,
};

pub(super) async fn send(session: &Session, packed: &Packed) -> Result<(), Explain> {
    let total = packed.artifact.bytes;
    let progress = Progress::bytes(session.json(), "sending", total);
    let mut first = None;
    let sent = upload::send(&session.client, &packed.artifact, packed.path(), |at| {
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
        UploadError::Read { .. } => {
            Explain::new("unreadable-artifact", "the artifact cannot be read").because(&error)
        }
        UploadError::Changed { .. } => {
            Explain::new("artifact-changed", "the artifact changed while it was sent")
                .because(&error)
                .now("nothing was deployed")
                .help("let its build end, then deploy again")
        }
    }
}
