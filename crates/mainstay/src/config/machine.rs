//! `machine.toml`: this machine's own file. Optional, and every key has a default.
//!
//! What an app may not say of itself stands here: its user, the source of its secrets, certificates, addresses.

mod acme;
mod apps;
mod edge;
mod render;
#[cfg(test)]
mod tests;
mod wanted;
mod webhook;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use model::{AppName, ByteSize, Explain, Span};
use serde::Serialize;

pub(crate) use self::wanted::{WantedNames, wanted_names};
pub use self::{
    acme::Acme,
    apps::{App, SecretSource, Site},
    edge::{Certificate, ClientIp, Edge, Tls, TlsProfile},
    render::{origins, render},
    webhook::Webhook,
};
use super::{
    decode::{self, At, Later, Problems, Section},
    folders::{Folders, Kind},
    manifest,
    network::networks,
    problem::{ConfigErrors, Problem},
};

/// Bound: the longest machine.toml that is read.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Everything that this machine's file says, defaulted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Where state lives; only the service's file may move it.
    pub data: PathBuf,
    pub listen: Listen,
    pub edge: Edge,
    /// Peers whose word about the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    pub client_ip: ClientIp,
    pub certificates: Vec<Certificate>,
    /// From whom certificates are got; `None`: from nobody.
    pub acme: Option<Acme>,
    pub tls: Tls,
    /// `down` and Ctrl-C drain for at most this long.
    pub shutdown_timeout: Span,
    /// Free bytes that a deploy leaves on the disk.
    pub disk_reserve: ByteSize,
    /// Hosts on which more than one app or environment may have routes; lower-case.
    pub shared_hosts: Vec<String>,
    /// Ports that instances get, both ends included.
    pub ports: RangeInclusive<u16>,
    /// Public keys of minisign whose signatures `mainstay upgrade` takes, beside the one of the build.
    pub upgrade_keys: Vec<String>,
    pub apps: BTreeMap<AppName, App>,
    /// Who is told what happens here.
    pub webhooks: Vec<Webhook>,
}

/// Addresses of the edge. An empty list: not served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listen {
    pub http: Vec<SocketAddr>,
    pub https: Vec<SocketAddr>,
}

/// For the question where a key belongs; the names stand for the user's own.
const EVERY_TABLE: &str =
    "[listen]\n[edge]\n[tls]\n[acme]\n[[certificate]]\n[[webhook]]\n[app.my-app.production.secrets]\n";

const LATER: &[Later] = &[
    Later { key: "alert", instead: "alerts come in a later version" },
    Later {
        key: "operator",
        instead: "who may open the API socket is an operator: put people into its group",
    },
    Later { key: "backup", instead: "backups come in a later version" },
];

impl Machine {
    /// What holds where there is no file.
    pub fn default_in(folders: &Folders) -> Self {
        Self {
            data: folders.data.clone(),
            listen: Listen::default_of(folders.kind),
            edge: Edge::default(),
            trusted_proxies: Vec::new(),
            client_ip: ClientIp::Peer,
            certificates: Vec::new(),
            acme: None,
            tls: Tls::default(),
            shutdown_timeout: Span::secs(90),
            disk_reserve: ByteSize::gib(1),
            shared_hosts: Vec::new(),
            ports: PORTS,
            upgrade_keys: Vec::new(),
            apps: BTreeMap::new(),
            webhooks: Vec::new(),
        }
    }

    /// The user that `app` runs as, if the file names one.
    pub fn user_of(&self, app: &AppName) -> Option<&str> {
        self.apps.get(app)?.user.as_deref()
    }

    /// Where the secrets of a site come from.
    pub fn secrets_of(&self, site: &model::Site, folders: &Folders) -> SecretSource {
        let said = self.apps.get(&site.app).and_then(|app| app.sites.get(&site.env));
        said.and_then(|said| said.secrets.clone())
            .unwrap_or_else(|| SecretSource::File(folders.secrets_file(site)))
    }
}

/// Below the kernel's range for outgoing connections (32768 on Linux), so that no connection takes a port that an
/// instance is about to get.
const PORTS: RangeInclusive<u16> = 20_000..=29_999;

impl Listen {
    fn default_of(kind: Kind) -> Self {
        let at = |text: &str| text.parse().into_iter().collect();
        match kind {
            Kind::Service => Self { http: at("[::]:80"), https: at("[::]:443") },
            Kind::Own => Self { http: at("127.0.0.1:8080"), https: at("127.0.0.1:8443") },
        }
    }
}

/// Reads the file of `folders`; its absence is no error.
///
/// # Errors
/// The file cannot be read, or all mistakes in it.
pub fn load(folders: &Folders) -> Result<Machine, Explain> {
    load_with_text(folders).map(|(machine, _)| machine)
}

/// As [`load`], with the text that was read, if there is one.
///
/// # Errors
/// Those of [`load`].
pub fn load_with_text(folders: &Folders) -> Result<(Machine, Option<String>), Explain> {
    let Some(text) = read_file(folders)? else { return Ok((Machine::default_in(folders), None)) };
    let machine = parse(&text, &folders.machine_toml.display().to_string(), folders);
    Ok((machine.map_err(|errors| errors.explain())?, Some(text)))
}

fn read_file(folders: &Folders) -> Result<Option<String>, Explain> {
    let path = &folders.machine_toml;
    match machine::fs::read_text(path, TEXT_BYTES_MAX) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(Explain::new("no-folder", format!("{} is no folder", folders.data.display()))
                .help("`--data` names the folder in which this Mainstay keeps everything"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(Explain::new("unreadable-file", format!("cannot read {}", path.display()))
                .caused_by(error.to_string())
                .help("restore it, or move it away: without it everything has its default"))
        }
        Err(error) => Err(Explain::new("unreadable-file", format!("cannot read {}", path.display()))
            .caused_by(error.to_string())
            .help("it holds no secrets: let the user that runs Mainstay read it")),
    }
}

/// Reads a machine.toml over the defaults of `folders`. Relative paths are below the file's folder.
///
/// # Errors
/// All mistakes of the file, in its order.
pub fn parse(text: &str, file_name: &str, folders: &Folders) -> Result<Machine, ConfigErrors> {
    let mut problems = Problems::default();
    let machine = read(text, folders, &mut problems);
    if !problems.is_empty() {
        let mut all = Problems::default();
        read(EVERY_TABLE, folders, &mut all);
        problems.place_unknown(&all);
    }
    match machine {
        Some(machine) if problems.is_empty() => Ok(machine),
        _ => Err(ConfigErrors {
            file: file_name.to_owned(),
            text: text.to_owned(),
            problems: problems.into_sorted(),
        }),
    }
}

fn read(text: &str, folders: &Folders, problems: &mut Problems) -> Option<Machine> {
    if text.len() > TEXT_BYTES_MAX {
        problems.push(
            Problem::new("too-long", 0..0, format!("the file is longer than {} KiB", TEXT_BYTES_MAX >> 10))
                .help("is this the right file?"),
        );
        return None;
    }
    let tree = decode::parse(text, problems)?;
    let mut top = Section::new("", 0..0, tree.get_ref(), problems);
    top.later(LATER);
    let base = folders.machine_toml.parent().unwrap_or(Path::new("/"));
    let machine = machine(&mut top, folders, base);
    top.finish();
    Some(machine)
}

fn machine(top: &mut Section<'_, '_, '_>, folders: &Folders, base: &Path) -> Machine {
    let default = Machine::default_in(folders);
    Machine {
        data: data(top, folders).unwrap_or(default.data),
        listen: top
            .table("listen", |section| Some(listen(section, &default.listen)))
            .unwrap_or(default.listen),
        edge: top.table("edge", |section| Some(edge::edge(section))).unwrap_or_default(),
        trusted_proxies: trusted_proxies(top),
        client_ip: edge::client_ip(top).unwrap_or(ClientIp::Peer),
        certificates: edge::certificates(top, base),
        acme: top.table("acme", |section| acme::acme(section, base)),
        tls: top.table("tls", |section| Some(edge::tls(section))).unwrap_or_default(),
        shutdown_timeout: top.duration("shutdown_timeout").unwrap_or(default.shutdown_timeout),
        disk_reserve: top.size("disk_reserve").unwrap_or(default.disk_reserve),
        shared_hosts: shared_hosts(top),
        ports: ports(top).unwrap_or(default.ports),
        upgrade_keys: upgrade_keys(top),
        apps: apps::apps(top, base),
        webhooks: webhook::webhooks(top),
    }
}

fn data(top: &mut Section<'_, '_, '_>, folders: &Folders) -> Option<PathBuf> {
    // Asked for only where it is: a file in its data folder has no such key to offer.
    if folders.kind == Kind::Own && !top.has("data") {
        return None;
    }
    let at = top.string("data")?;
    if folders.kind == Kind::Own {
        top.problem(
            Problem::new(
                "fixed-key",
                at.span,
                "`data` cannot be set here: this file lies in its data folder",
            )
            .help("move the folder and start with `--data` and its new path"),
        );
        return None;
    }
    absolute(top, "data", at)
}

fn absolute(section: &mut Section<'_, '_, '_>, key: &str, at: At<String>) -> Option<PathBuf> {
    if Path::new(&at.value).is_absolute() {
        return Some(at.value.into());
    }
    section.problem(
        Problem::new("bad-path", at.span, format!("`{key}` must be an absolute path"))
            .help("it begins with `/`, like `\"/srv/mainstay\"`"),
    );
    None
}

fn listen(section: &mut Section<'_, '_, '_>, default: &Listen) -> Listen {
    let http = addresses(section, "http");
    let https = addresses(section, "https");
    let listen = Listen {
        http: http.unwrap_or_else(|| default.http.clone()),
        https: https.unwrap_or_else(|| default.https.clone()),
    };
    if let Some(both) = listen.http.iter().find(|address| listen.https.contains(address)) {
        let span = section.span();
        section.problem(
            Problem::new("address-twice", span, format!("{both} is in `http` and in `https`"))
                .help("one address speaks one of them"),
        );
    }
    listen
}

fn addresses(section: &mut Section<'_, '_, '_>, key: &'static str) -> Option<Vec<SocketAddr>> {
    let texts = section.strings(key)?;
    let mut all = Vec::new();
    for text in texts.value {
        match text.value.parse() {
            Ok(address) if all.contains(&address) => {
                section.problem(
                    Problem::new("address-twice", text.span, format!("{address} is named twice"))
                        .help("leave one of them out"),
                );
            }
            Ok(address) => all.push(address),
            Err(_) => section.problem(
                Problem::new("bad-address", text.span, format!("`{}` is no address with a port", text.value))
                    .help("like `\"[::]:443\"` for all addresses, IPv4 too, or `\"127.0.0.1:8080\"`"),
            ),
        }
    }
    Some(all)
}

fn trusted_proxies(top: &mut Section<'_, '_, '_>) -> Vec<IpNet> {
    let (everybody, all): (Vec<_>, Vec<_>) =
        networks(top, "trusted_proxies").into_iter().partition(|net| net.value.prefix_len() == 0);
    for At { value: net, span } in everybody {
        top.problem(
            Problem::new("trusts-everybody", span, format!("`{net}` trusts everybody to say who they are"))
                .help("name the addresses of your proxies"),
        );
    }
    all.into_iter().map(|net| net.value).collect()
}

fn shared_hosts(top: &mut Section<'_, '_, '_>) -> Vec<String> {
    let hosts = top.strings("shared_hosts").map(|hosts| hosts.value).unwrap_or_default();
    hosts.into_iter().filter_map(|host| manifest::host(top, host)).collect()
}

fn upgrade_keys(top: &mut Section<'_, '_, '_>) -> Vec<String> {
    let Some(texts) = top.strings("upgrade_keys") else { return Vec::new() };
    let mut all = Vec::new();
    for text in texts.value {
        let problem = match minisign_verify::PublicKey::from_base64(&text.value) {
            Ok(_) if all.contains(&text.value) => Problem::new(
                "upgrade-key-twice",
                text.span,
                format!("the key `{}` is named twice", text.value),
            )
            .help("leave one of them out"),
            Ok(_) => {
                all.push(text.value);
                continue;
            }
            Err(_) => Problem::new(
                "bad-upgrade-key",
                text.span,
                format!("`{}` is no public key of minisign", text.value),
            )
            .help("the second line of `minisign.pub`, 56 letters and digits that begin with `RW`"),
        };
        top.problem(problem);
    }
    all
}

fn ports(top: &mut Section<'_, '_, '_>) -> Option<RangeInclusive<u16>> {
    let at = top.string("ports")?;
    let range = at.value.split_once('-').and_then(|(low, high)| {
        let (low, high) = (low.trim().parse::<u16>().ok()?, high.trim().parse::<u16>().ok()?);
        (low >= 1024 && high >= low && high - low >= 15).then_some(low..=high)
    });
    if range.is_none() {
        top.problem(
            Problem::new("bad-ports", at.span, "`ports` must be a range of at least 16 ports from 1024 on")
                .help("like `ports = \"20000-29999\"`"),
        );
    }
    range
}
