//! What every part of the keeper stands on: folders, the machine's file, users, the supervisor.

use model::Site;
use supervisor::Supervisor;

use super::{secrets::store::LastChange, users::Users};
use crate::config::{folders::Folders, machine::Machine};

pub(crate) struct Ground {
    pub folders: Folders,
    pub machine: Machine,
    pub users: Users,
    pub supervisor: Supervisor,
    /// Of the digests of secrets; made once per data folder, never leaves it.
    pub salt: Vec<u8>,
    /// Held for one change of a source of secrets, never across an await: two at once would lose one.
    pub secrets_change: std::sync::Mutex<Option<LastChange>>,
    /// This host's name, for records.
    pub host: String,
    /// Started by `mainstay-keeper.service`, with everything else in the cgroup of `mainstay.service`.
    pub under_units: bool,
}

impl Ground {
    /// What a person types after everything has stopped.
    pub(crate) fn starts_again(&self) -> &'static str {
        if self.under_units { "systemctl restart mainstay" } else { "mainstay up" }
    }

    /// The account that `site` runs as; `None`: this process's own.
    pub(crate) fn user(&self, site: &Site) -> Result<Option<supervisor::User>, model::Explain> {
        self.users.of(&site.app)
    }
}
