//! Where an edge's things are. Each has a folder of its own, `<run>/edge/<n>`, so that two can run beside each other; the link
//! `<run>/edge/now` names that of the one that serves.

use std::{
    io,
    os::unix::fs::{chown, symlink},
    path::{Path, PathBuf},
};

use edge::{
    Settings,
    settings::{AccessLog, Token},
    table::{Table, TableError},
};
use model::{ByteSize, Explain, Sandbox};
use supervisor::Enclosure;

use super::Leaving;
use crate::{
    config::machine::{ClientIp, Machine, TlsProfile},
    keeper::{certificates::folders, ground::Ground, listeners::PAGE, world::Doors},
};

/// The link, and the table in each folder.
const NOW: &str = "now";
pub(super) const TABLE: &str = "routes.json";

/// What the edge reads of the system: its libraries, and what the kernel says of processors and of itself.
pub(crate) const SYSTEM: [&str; 7] =
    ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc", "/sys/fs/cgroup", "/sys/devices/system/cpu"];

/// Where the things of one edge are.
pub(crate) struct Places {
    /// Its own folder: sockets, table, settings.
    pub run: PathBuf,
    /// `<data>/edge`: what every edge remembers.
    pub state: PathBuf,
    pub log: PathBuf,
    pub access_log: PathBuf,
}

/// The folder of the edge that serves, or served last; where nothing says so, that of an edge from before they had
/// numbers.
pub(crate) fn now(run: &Path) -> PathBuf {
    let all = run.join("edge");
    let named = std::fs::read_link(all.join(NOW)).ok().and_then(|link| number(&link));
    named.map_or_else(|| all.clone(), |n| all.join(n.to_string()))
}

/// A folder's number is all that is taken of a name: what it leads to is never followed.
fn number(folder: &Path) -> Option<u64> {
    folder.file_name()?.to_str()?.parse().ok()
}

fn numbers(all: &Path) -> impl Iterator<Item = u64> {
    let entries = std::fs::read_dir(all).into_iter().flatten().flatten();
    entries.filter_map(|entry| number(&entry.path()))
}

/// What smoke requests prove themselves by.
/// # Errors
/// The kernel gives no random bytes.
pub(super) fn new_token() -> Result<String, Explain> {
    let mut bytes = [0; 32];
    machine::entropy::fill(&mut bytes)
        .map_err(|error| Explain::new("no-entropy", "the kernel gives no random bytes").because(&error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Removes the folders of edges that are gone.
pub(super) fn remove_unused(ground: &Ground, serving: &Settings, leaving: &Leaving) {
    let all = ground.folders.run.join("edge");
    let used = |folder: &PathBuf| serving.table.starts_with(folder) || leaving.has(folder);
    for folder in numbers(&all).map(|n| all.join(n.to_string())).filter(|folder| !used(folder)) {
        remove(&folder);
    }
}

/// Removes one edge's folder; that of an edge from before they had numbers holds the others'.
pub(super) fn remove(folder: &Path) {
    if number(folder).is_none() {
        return;
    }
    if let Err(error) = std::fs::remove_dir_all(folder) {
        tracing::debug!(%error, folder = %folder.display(), "What an edge left behind stays.");
    }
}

impl Places {
    /// Of the edge whose folder this is.
    pub(crate) fn of(ground: &Ground, run: &Path) -> Self {
        let data = &ground.folders.data;
        Self {
            run: run.to_owned(),
            state: data.join("edge"),
            log: data.join("logs/edge/edge.log"),
            access_log: data.join("logs/access/access.log"),
        }
    }

    /// Of an edge that is yet to start.
    /// # Errors
    /// Its folders cannot be made.
    pub(super) fn next(ground: &Ground) -> Result<Self, Explain> {
        let all = ground.folders.run.join("edge");
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        // The keeper's: before edges had numbers it was the edge's account's, who could put any folder in place of one.
        let made = machine::fs::make_dir(&all, 0o711).and_then(|()| chown(&all, Some(own.0), Some(own.1)));
        let next = numbers(&all).max().map_or(1, |last| last.saturating_add(1));
        let run = all.join(next.to_string());
        made.and_then(|()| std::fs::create_dir(&run)).map_err(|error| not_made(&run, &error))?;
        let places = Self::of(ground, &run);
        places.make(ground)?;
        Ok(places)
    }

    /// The name of the page by which its edge is watched, which no other edge stamps.
    pub(super) fn page(&self) -> String {
        number(&self.run).map_or_else(|| PAGE.to_owned(), |n| format!("{PAGE}.{n}"))
    }

    /// Hands on the table of the edge in that folder, in this version's words. Its epoch; `None`: there is none.
    /// # Errors
    /// It cannot be read or written.
    pub(super) fn take_table(&self, from: &Path) -> Result<Option<u64>, TableError> {
        let table = match Table::read(&from.join(TABLE)) {
            Ok(table) => table,
            Err(TableError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        table.write(&self.run.join(TABLE))?;
        Ok(Some(table.epoch))
    }

    /// From here on a new keeper finds that this edge serves.
    /// # Errors
    /// The link cannot be made.
    pub(super) fn point_now(&self) -> Result<(), Explain> {
        let Some((all, n)) = self.run.parent().zip(number(&self.run)) else { return Ok(()) };
        let (link, fresh) = (all.join(NOW), all.join("now.new"));
        // One that a crash left.
        let _ = std::fs::remove_file(&fresh);
        let made = symlink(n.to_string(), &fresh).and_then(|()| std::fs::rename(&fresh, &link));
        made.map_err(|error| {
            Explain::new("edge-not-named", format!("cannot make the link {}", link.display())).because(&error)
        })
    }

    /// The settings that machine.toml asks for. The token is new with each keeper; an edge that lives keeps its own.
    pub(crate) fn settings(&self, machine: &Machine, doors: &Doors, token: &str) -> Settings {
        let said = &machine.edge;
        let mut settings = Settings::new(&self.run, &self.state);
        settings.token = Some(Token(token.to_owned()));
        let log =
            |path: PathBuf, mib| AccessLog { path, max_bytes: ByteSize::mib(mib), keep: 4, query: false };
        settings.access_log = said.access_log.then(|| log(self.access_log.clone(), 50));
        settings.csp_log = Some(log(self.access_log.with_file_name("csp.log"), 5));
        settings.workers =
            said.workers.and_then(|n| usize::try_from(n).ok()).and_then(std::num::NonZeroUsize::new);
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        settings.limits.connections_max = count(said.connections_max);
        settings.limits.connections_per_address_max = count(said.connections_per_client_max);
        settings.limits.header_bytes_max = said.header_bytes_max;
        settings.limits.headers_max = count(said.headers_max);
        settings.limits.header_timeout = said.header_timeout;
        settings.limits.keep_alive_timeout = said.keep_alive_timeout;
        settings.limits.body_idle_timeout = said.body_timeout;
        settings.limits.body_rate_min = said.body_rate_min;
        settings.limits.send_timeout = said.send_timeout;
        settings.limits.connect_timeout = said.connect_timeout;
        settings.limits.upstream_idle_timeout = said.upstream_idle_timeout;
        settings.limits.h2_streams_max = u32::try_from(said.h2_streams_max).unwrap_or(u32::MAX);
        settings.trusted_proxies.clone_from(&machine.trusted_proxies);
        settings.client_ip = match machine.client_ip {
            ClientIp::Peer => edge::settings::ClientIp::Peer,
            ClientIp::XForwardedFor => edge::settings::ClientIp::XForwardedFor,
            ClientIp::CfConnectingIp => edge::settings::ClientIp::CfConnectingIp,
            ClientIp::ProxyProtocol => edge::settings::ClientIp::ProxyProtocol,
        };
        settings.tls.certificates = machine
            .certificates
            .iter()
            .map(|own| edge::settings::Certificate {
                names: own.names.clone(),
                cert: own.cert.clone(),
                key: own.key.clone(),
            })
            .collect();
        settings.tls.acme = machine.acme.is_some().then(|| folders(&machine.data).certs);
        settings.tls.profile = match machine.tls.profile {
            TlsProfile::Intermediate => edge::settings::TlsProfile::Intermediate,
            TlsProfile::Modern => edge::settings::TlsProfile::Modern,
        };
        settings.tls.session_tickets = machine.tls.session_tickets;
        settings.tls.hsts = machine.tls.hsts;
        settings.https_port = doors.https;
        settings.shutdown_within = machine.shutdown_timeout;
        settings
    }

    /// What smoke requests prove themselves by to the edge that was started here.
    pub(super) fn token(&self) -> Option<String> {
        Some(Settings::read(&self.settings_file()).ok()?.token?.0)
    }

    /// Whether the edge that was started here has other settings than these, wherever its own files are.
    pub(super) fn has_other(&self, wanted: &Settings) -> bool {
        let Ok(mut running) = Settings::read(&self.settings_file()) else { return true };
        running.table.clone_from(&wanted.table);
        running.control.clone_from(&wanted.control);
        running.private.clone_from(&wanted.private);
        let as_text = |settings: &Settings| serde_json::to_value(settings).ok();
        as_text(&running) != as_text(wanted)
    }

    /// A root of its own: of the system what a program needs to run at all, its certificates, the folders of apps'
    /// sockets; to write what it remembers and logs, and the folder in which it listens to the keeper.
    pub(super) fn enclosure(&self, ground: &Ground, settings: &Settings) -> Enclosure {
        let certificates = settings.tls.certificates.iter().flat_map(|own| [&own.cert, &own.key]);
        let mut read: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        read.push(ground.folders.run.join("i"));
        read.extend(certificates.flat_map(|file| folders_of(file)));
        read.extend(settings.tls.acme.clone());
        let logs = [&self.log, &self.access_log].into_iter().filter_map(|path| path.parent());
        let write = [&self.run, &self.state].map(PathBuf::as_path).into_iter().chain(logs);
        Enclosure {
            sandbox: Sandbox::default(),
            read: Some(read),
            write: write.map(Path::to_owned).collect(),
            offline: false,
        }
    }

    pub(super) fn settings_file(&self) -> PathBuf {
        self.run.join("settings.json")
    }

    /// Makes the edge's folders and gives them to its account.
    /// # Errors
    /// The system's.
    pub(super) fn make(&self, ground: &Ground) -> Result<(), Explain> {
        if ground.machine.acme.is_some() {
            folders(&ground.folders.data).make(ground)?;
        }
        let user = ground.users.edge()?;
        let logs = [&self.log, &self.access_log].map(|path| path.parent().map(Path::to_owned));
        for dir in [Some(self.run.clone()), Some(self.state.clone())].into_iter().chain(logs).flatten() {
            let made = std::fs::create_dir_all(&dir).and_then(|()| {
                user.as_ref().map_or(Ok(()), |user| chown(&dir, Some(user.ids.uid), Some(user.ids.gid)))
            });
            made.map_err(|error| not_made(&dir, &error))?;
        }
        Ok(())
    }

    /// Writes the settings of an edge that is about to start.
    /// # Errors
    /// The system's.
    pub(super) fn write(&self, ground: &Ground, settings: &Settings) -> Result<(), Explain> {
        let owner = ground.users.edge()?.map(|user| (user.ids.uid, user.ids.gid));
        settings
            .write(&self.settings_file(), owner)
            .map_err(|error| Explain::new("edge-settings", "the edge's settings").because(&error))
    }
}

fn not_made(folder: &Path, error: &io::Error) -> Explain {
    Explain::new("folder-not-made", format!("cannot make {} for the edge", folder.display())).because(error)
}

/// The folder of a certificate's file, since a renewed one is another file in it, and that of the file which it links to.
/// Of a folder that is not there yet the nearest one above, in which it will be made.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    let linked = file.canonicalize().ok();
    let both = [Some(file), linked.as_deref()].into_iter().flatten();
    let there = |file: &Path| file.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_owned);
    both.filter_map(there).collect()
}
