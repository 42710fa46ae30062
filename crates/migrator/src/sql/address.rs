//! Where the database is, as its variable says.

use std::path::PathBuf;

use model::Explain;
use tokio_postgres::config::{Config, Host, SslMode};

#[derive(Clone, Debug)]
pub(super) enum Address {
    Sqlite(PathBuf),
    Postgres(Box<Server>),
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub config: Config,
    /// Certificates to trust instead of the machine's.
    pub root_certificates: Option<PathBuf>,
}

impl Address {
    /// # Errors
    /// It is not set, or is no address. The value is never told: a password may stand in it.
    pub(super) fn of_variable(name: &str) -> Result<Self, Explain> {
        let help = "`env` or `env_secrets` of [migrate] sets it, `migrate.database` names another variable";
        let value = std::env::var(name).map_err(|_| {
            Explain::new("sql-no-address", format!("the variable {name} does not say where the database is"))
                .help(help)
        })?;
        Self::parse(&value).ok_or_else(|| {
            Explain::new("sql-bad-address", format!("the variable {name} holds no address of a database"))
                .help("like `sqlite:/path/to/app.db` or `postgres://user:password@host/name?sslmode=require`")
        })
    }

    pub(super) fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.split_once(':')?;
        // `postgresql+asyncpg` names a driver of Python's.
        match scheme.split('+').next()? {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                let path = path.split('?').next().unwrap_or(path);
                Some(Self::Sqlite(path.into())).filter(|_| !path.is_empty() && !path.contains(":memory:"))
            }
            "postgres" | "postgresql" => Server::parse(rest).map(Box::new).map(Self::Postgres),
            _ => None,
        }
    }
}

impl Server {
    /// What stands behind the scheme. libpq's `verify-ca`, `verify-full` and `sslrootcert` are ours to understand: with TLS
    /// the server is always verified.
    fn parse(rest: &str) -> Option<Self> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut ours, mut theirs, mut root_certificates) = (None, Vec::new(), None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=')? {
                ("sslmode", mode) => ours = Some(mode),
                ("sslrootcert", path) => root_certificates = Some(PathBuf::from(path.replace("%2F", "/"))),
                _ => theirs.push(pair),
            }
        }
        let mut config: Config = format!("postgresql:{place}?{}", theirs.join("&")).parse().ok()?;
        let is_near = config.get_hosts().iter().all(is_near);
        config.ssl_mode(match ours {
            None | Some("prefer" | "allow") if is_near => SslMode::Disable,
            Some("disable") => SslMode::Disable,
            None | Some("prefer" | "allow" | "require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some(_) => return None,
        });
        Some(Self { config, root_certificates })
    }
}

/// What is said to it never leaves this machine.
fn is_near(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    }
}
