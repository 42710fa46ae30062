//! PostgreSQL. An advisory lock of the session keeps a second migrator away; it is asked for and never waited for inside a
//! statement, whose snapshot an index that is built concurrently would wait for in turn.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use model::Explain;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    Database, TABLE,
    act::{Act, Applied, Part},
    address::Server,
    ended_transaction, failed,
};
use crate::STEPS_MAX;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Another migrator may be at work.
const LOCK_LIMIT: Duration = Duration::from_secs(30);
const LOCK_EVERY: Duration = Duration::from_millis(200);
/// The lock's number: `mainstay` in eight bytes.
const LOCK: i64 = i64::from_be_bytes(*b"mainstay");
/// A statement that waits longer for a table would keep everybody waiting who comes after it.
const SESSION: &str = "SET lock_timeout = '5s'; SET client_min_messages = warning";

pub(super) struct Postgres {
    runtime: Runtime,
    client: Client,
}

impl Postgres {
    /// # Errors
    /// It is not reached, not trusted, or does not let us in.
    pub(super) fn connect(server: &Server) -> Result<Self, Explain> {
        let refused = |error: &(dyn std::error::Error + 'static)| {
            Explain::new("sql-not-opened", "cannot connect to the PostgreSQL server").because(error).help(
                "is the server up, and may this role log in? With TLS its certificate must be one that the machine trusts, or that \
                 `sslrootcert` in the address names",
            )
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| refused(&error))?;
        let mut config = server.config.clone();
        config.connect_timeout(CONNECT_LIMIT).application_name("mainstay migrator");
        let tls = MakeRustlsConnect::new(tls(server)?);
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(tls).await?;
            // It ends with the client, and an error of it is told by the client's next answer.
            tokio::spawn(connection);
            client.batch_execute(SESSION).await?;
            Ok::<_, Error>(client)
        });
        let client = client.map_err(|error| match error.as_db_error() {
            Some(_) => refused(&cause(&error)),
            None => refused(&error),
        })?;
        Ok(Self { runtime, client })
    }
}

fn tls(server: &Server) -> Result<rustls::ClientConfig, Explain> {
    let mut roots = rustls::RootCertStore::empty();
    match &server.root_certificates {
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        Some(path) => {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let certificates = read.map_err(|error| {
                Explain::new(
                    "sql-root-certificate",
                    format!("cannot read certificates from {}", path.display()),
                )
                .because(&error)
                .help("`sslrootcert` names a PEM file that the app's user can read")
            })?;
            roots.add_parsable_certificates(certificates);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions =
        versions.map_err(|error| Explain::new("sql-tls", "TLS cannot be set up").because(&error))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

impl Database for Postgres {
    fn applied(&mut self) -> Result<Vec<Applied>, Explain> {
        let sql = format!(
            "SELECT version, part = 'contract', file, checksum, is_done FROM {TABLE} LIMIT {}",
            2 * STEPS_MAX
        );
        let rows = self.runtime.block_on(async {
            let exists = self.client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&TABLE]).await?;
            if !exists.try_get::<_, bool>(0)? {
                return Ok(Vec::new());
            }
            self.client.query(&sql, &[]).await
        });
        let rows = rows.map_err(unreadable)?;
        let row = |row: &tokio_postgres::Row| {
            Ok(Applied {
                version: row.try_get::<_, i64>(0)?.cast_unsigned(),
                is_contract: row.try_get(1)?,
                file: row.try_get(2)?,
                checksum: row.try_get(3)?,
                is_done: row.try_get(4)?,
            })
        };
        rows.iter().map(row).collect::<Result<_, Error>>().map_err(unreadable)
    }

    fn lock(&mut self) -> Result<(), Explain> {
        self.runtime.block_on(async {
            wait_for_lock(&self.client).await?;
            let sql = format!(
                "CREATE TABLE IF NOT EXISTS {TABLE} (
                    version bigint NOT NULL, part text NOT NULL, file text NOT NULL, checksum text NOT NULL,
                    is_done boolean NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),
                    PRIMARY KEY (version, part))"
            );
            self.client.batch_execute(&sql).await.map_err(|error| {
                Explain::new("sql-not-writable", "cannot write down in the database what is applied")
                    .because(&cause(&error))
                    .help("the migrator needs a role that may make tables: `migrate.database` names the variable with its address")
            })
        })
    }

    fn perform(&mut self, act: &Act) -> Result<(), Explain> {
        self.runtime.block_on(async {
            match act.text.transactional {
                true => in_transaction(&self.client, act).await,
                false => outside_of_a_transaction(&self.client, act).await,
            }
        })
    }
}

async fn wait_for_lock(client: &Client) -> Result<(), Explain> {
    let until = Instant::now() + LOCK_LIMIT;
    loop {
        let got = client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await;
        if got.and_then(|row| row.try_get(0)).map_err(unreadable)? {
            return Ok(());
        }
        if Instant::now() >= until {
            let message =
                format!("another migrator holds the database's lock for {} s", LOCK_LIMIT.as_secs());
            return Err(Explain::new("sql-locked", message).now("the database is unchanged").help(
                "`SELECT * FROM pg_stat_activity WHERE application_name = 'mainstay migrator'` shows it",
            ));
        }
        tokio::time::sleep(LOCK_EVERY).await;
    }
}

async fn in_transaction(client: &Client, act: &Act) -> Result<(), Explain> {
    let told = |error: Error| failed(act, &cause(&error));
    client.batch_execute("BEGIN").await.map_err(told)?;
    let number = async || client.query_one("SELECT txid_current()", &[]).await?.try_get::<_, i64>(0);
    let before = number().await.map_err(told)?;
    // On an error the connection ends with this process, and the transaction with it.
    client.batch_execute(&act.text.sql).await.map_err(told)?;
    if number().await.map_err(told)? != before {
        return Err(ended_transaction(act));
    }
    write_row(client, act, true).await.map_err(told)?;
    client.batch_execute("COMMIT").await.map_err(told)
}

async fn outside_of_a_transaction(client: &Client, act: &Act) -> Result<(), Explain> {
    let told = |error: Error| failed(act, &cause(&error));
    if act.is_again {
        drop_half_built(client, act).await.map_err(told)?;
    }
    // Crash: the row says that it was begun; the next run begins it again.
    write_row(client, act, false).await.map_err(told)?;
    client.batch_execute(&act.text.sql).await.map_err(told)?;
    if let Some((name, _)) = half_built(client, act).await.map_err(told)?.pop() {
        let explain = Explain::new("sql-index-invalid", format!("{act} left the index {name} half built"));
        return Err(explain.help("run it again: it is then dropped first"));
    }
    write_row(client, act, true).await.map_err(told)
}

/// An index that was built concurrently and did not come to its end is there, costs every write, and answers nothing. `IF NOT
/// EXISTS` would take it for a good one.
async fn half_built(client: &Client, act: &Act) -> Result<Vec<(String, String)>, Error> {
    let sql = "SELECT c.relname, format('%I.%I', n.nspname, c.relname) FROM pg_index i \
               JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid";
    let rows = client.query(sql, &[]).await?;
    let named = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    let all = rows.iter().map(named).collect::<Result<Vec<(String, String)>, Error>>()?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let names = |name: &str| act.text.sql.split(|c| !is_word(c)).any(|word| word.eq_ignore_ascii_case(name));
    Ok(all.into_iter().filter(|(name, _)| names(name)).collect())
}

async fn drop_half_built(client: &Client, act: &Act) -> Result<(), Error> {
    for (name, qualified) in half_built(client, act).await? {
        println!("dropping the index {name}, which was left half built");
        client.batch_execute(&format!("DROP INDEX CONCURRENTLY {qualified}")).await?;
    }
    Ok(())
}

async fn write_row(client: &Client, act: &Act, is_done: bool) -> Result<(), Error> {
    let version = act.version.cast_signed();
    if act.part == Part::Down {
        // What was begun is not undone until it is.
        let sql = format!("DELETE FROM {TABLE} WHERE version = $1 AND $2");
        return client.execute(&sql, &[&version, &is_done]).await.map(drop);
    }
    let sql = format!(
        "INSERT INTO {TABLE} (version, part, file, checksum, is_done) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (version, part) DO UPDATE SET
            file = excluded.file, checksum = excluded.checksum, is_done = excluded.is_done"
    );
    client
        .execute(&sql, &[&version, &act.part.name(), &act.text.file, &act.checksum, &is_done])
        .await
        .map(drop)
}

fn unreadable(error: Error) -> Explain {
    Explain::new("sql-unreadable", "cannot read what was applied to the database").because(&cause(&error))
}

/// What the server said, with its code; the driver's own words for it are `db error`.
#[derive(Debug)]
struct Cause(String);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}

fn cause(error: &Error) -> Cause {
    let Some(server) = error.as_db_error() else { return Cause(error.to_string()) };
    let mut words = format!("{} ({})", server.message(), server.code().code());
    for more in [server.detail(), server.hint()].into_iter().flatten() {
        words = format!("{words}; {more}");
    }
    Cause(words)
}
