//! Whether a file is a Mainstay that this machine can run: it is asked, in a job's sandbox and with nobody's rights.

use std::{fs::File, os::fd::OwnedFd, path::Path, sync::Arc, time::Duration};

use api::upgrade::About;
use model::{Explain, Sandbox, manifest::Logs};
use supervisor::{Enclosure, Inherited, LogTo};

use super::unchanged;
use crate::keeper::{
    ground::Ground,
    printed::{Asked, printed},
};

/// Bound: from its start to its end.
const LIMIT: Duration = Duration::from_secs(10);
/// Bound: of its answer.
const BYTES_MAX: usize = 64 << 10;
const NAME: &str = "upgrade";
/// By its descriptor: the account may not be able to enter the folder that it lies in.
const PROGRAM: &str = "/proc/self/fd/3";

/// What `version --json` says.
///
/// # Errors
/// It says nothing of the kind.
pub(super) async fn probe(ground: &Ground, program: &Path) -> Result<About, Explain> {
    let refused = |cause: String| {
        unchanged("upgrade-not-mainstay", "the file is no Mainstay that runs on this machine")
            .caused_by(cause)
            .help(format!(
                "it is asked by `version --json`; this machine is {} Linux",
                std::env::consts::ARCH
            ))
    };
    let file = File::open(program).map_err(|error| refused(error.to_string()))?;
    let asked = Asked {
        site: None,
        name: NAME,
        argv: [PROGRAM, "version", "--json"].map(str::to_owned).to_vec(),
        user: ground.users.edge()?,
        sandbox: Some(Enclosure::of_app(Sandbox::default(), Vec::new())),
        fds: vec![Inherited { name: "program".to_owned(), fd: Arc::new(OwnedFd::from(file)) }],
        log: LogTo { path: ground.folders.data.join("logs/upgrade/upgrade.log"), limits: Logs::default() },
        limit: LIMIT,
        bytes_max: BYTES_MAX,
    };
    let said = printed(&ground.supervisor, asked).await.map_err(refused)?;
    serde_json::from_slice(&said)
        .map_err(|error| refused(format!("what it says is not what a Mainstay of this kind says: {error}")))
}
