//! What the DNS says of a name to everybody: asked of a server, past the hosts file of this machine.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    ResolverBuilder, TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};

/// Bound: of one question to one server, asked twice.
const LIMIT: Duration = Duration::from_secs(3);

/// Asks the DNS.
#[derive(Clone)]
pub struct Resolver(TokioResolver);

impl Resolver {
    /// The servers of `/etc/resolv.conf`. Must be called inside of a runtime, as [`Resolver::at`].
    ///
    /// # Errors
    /// The file cannot be read, or names none; in words.
    pub fn of_this_system() -> Result<Self, String> {
        Self::built(TokioResolver::builder_tokio().map_err(|error| error.to_string())?)
    }

    /// The server at this address, by UDP, and TCP for what is long.
    ///
    /// # Errors
    /// As of [`Resolver::of_this_system`].
    pub fn at(server: SocketAddr) -> Result<Self, String> {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        config.connections.iter_mut().for_each(|way| way.port = server.port());
        let config = ResolverConfig::from_name_servers(vec![config]);
        Self::built(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
    }

    fn built(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<Self, String> {
        let options = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Never;
        options.timeout = LIMIT;
        options.attempts = 2;
        Ok(Self(builder.build().map_err(|error| error.to_string())?))
    }

    /// The addresses of a whole name, of IPv4 first; none: it has none.
    ///
    /// # Errors
    /// No server answers, or it refuses to; in words.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        // Without the dot at its end a name is looked for in the search domains of this machine, too.
        let name = format!("{}.", name.trim_end_matches('.'));
        let mut all = Vec::new();
        for answer in [self.0.ipv4_lookup(name.clone()).await, self.0.ipv6_lookup(name).await] {
            match answer {
                Ok(found) => all.extend(found.answers().iter().filter_map(|record| record.data.ip_addr())),
                Err(error) if is_none(&error) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(all)
    }
}

fn is_none(error: &NetError) -> bool {
    error.is_nx_domain() || error.is_no_records_found()
}
