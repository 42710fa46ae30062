//! A [`Machine`] as a `machine.toml`: every key, in the file's own words. Read again it means the same.

#[cfg(test)]
mod tests;

use std::path::Path;

use super::{
    Acme, App, Edge, Machine, SecretSource,
    acme::{CHALLENGES, KEYS, NO_REHEARSAL},
    edge::{CLIENT_IPS, TLS_PROFILES},
};
use crate::config::{
    folders::{Folders, Kind},
    sheet::{Origins, Sheet, number, word_of},
};

/// What `text` itself says; `None` if it is no TOML.
pub fn origins(text: &str) -> Option<Origins<'_>> {
    Some(Origins::new(text, toml::de::DeTable::parse(text).ok()?.into_inner(), None))
}

/// The text. With `origins` each value says where it comes from.
pub fn render(machine: &Machine, folders: &Folders, head: &str, origins: Option<&Origins<'_>>) -> String {
    let mut sheet = Sheet::new(head, origins);
    match folders.kind {
        Kind::Service => sheet.set("data", shown(&machine.data)),
        Kind::Own => sheet.absent("data", &format!("{}, in which this file lies", shown(&machine.data))),
    }
    let proxies: Vec<String> = machine.trusted_proxies.iter().map(ToString::to_string).collect();
    sheet.set("trusted_proxies", proxies);
    sheet.set("client_ip", word_of(&CLIENT_IPS, &machine.client_ip));
    sheet.set("shutdown_timeout", machine.shutdown_timeout.to_string());
    sheet.set("disk_reserve", machine.disk_reserve.to_string());
    sheet.set("shared_hosts", machine.shared_hosts.clone());
    sheet.set("ports", format!("{}-{}", machine.ports.start(), machine.ports.end()));
    sheet.set("upgrade_keys", machine.upgrade_keys.clone());
    if machine.certificates.is_empty() {
        sheet.absent("certificate", "no table of this name: a development certificate is made");
    }
    if machine.acme.is_none() {
        sheet.absent("acme", "no table of this name: no certificate is got from anybody");
    }
    if machine.webhooks.is_empty() {
        sheet.absent("webhook", "no table of this name: nobody is told what happens here");
    }
    if machine.apps.is_empty() {
        sheet.absent("app", "no table of this name: accounts and sources of secrets are the usual ones");
    }
    let addresses = |all: &[std::net::SocketAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    sheet.table(&["listen"]);
    sheet.set("http", addresses(&machine.listen.http));
    sheet.set("https", addresses(&machine.listen.https));
    edge(&mut sheet, &machine.edge);
    sheet.table(&["tls"]);
    sheet.set("profile", word_of(&TLS_PROFILES, &machine.tls.profile));
    sheet.set("session_tickets", machine.tls.session_tickets);
    sheet.set_or("hsts", machine.tls.hsts.map(|span| span.to_string()), "nothing is said of it");
    machine.acme.iter().for_each(|said| acme(&mut sheet, said));
    for (n, certificate) in machine.certificates.iter().enumerate() {
        sheet.item(&["certificate"], n);
        sheet.set("names", certificate.names.clone());
        sheet.set("cert", shown(&certificate.cert));
        sheet.set("key", shown(&certificate.key));
    }
    for (n, webhook) in machine.webhooks.iter().enumerate() {
        sheet.item(&["webhook"], n);
        sheet.set("url", webhook.url.clone());
        sheet.set("secret", webhook.secret.clone());
        sheet.set("events", webhook.events.clone());
        sheet.set("apps", webhook.apps.iter().map(ToString::to_string).collect::<Vec<_>>());
        sheet.set("allow_plain", webhook.allow_plain);
    }
    machine.apps.iter().for_each(|(name, one)| app(&mut sheet, name.as_str(), one));
    sheet.text()
}

fn edge(sheet: &mut Sheet<'_>, edge: &Edge) {
    sheet.table(&["edge"]);
    sheet.set_or("workers", edge.workers.map(i64::from), "one a core");
    sheet.set("connections_max", number(edge.connections_max));
    sheet.set("connections_per_client_max", number(edge.connections_per_client_max));
    sheet.set("header_timeout", edge.header_timeout.to_string());
    sheet.set("header_bytes_max", edge.header_bytes_max.to_string());
    sheet.set("headers_max", number(edge.headers_max));
    sheet.set("body_timeout", edge.body_timeout.to_string());
    sheet.set("body_rate_min", edge.body_rate_min.to_string());
    sheet.set("send_timeout", edge.send_timeout.to_string());
    sheet.set("keep_alive_timeout", edge.keep_alive_timeout.to_string());
    sheet.set("h2_streams_max", number(edge.h2_streams_max));
    sheet.set("connect_timeout", edge.connect_timeout.to_string());
    sheet.set("upstream_idle_timeout", edge.upstream_idle_timeout.to_string());
    sheet.set("access_log", edge.access_log);
}

fn acme(sheet: &mut Sheet<'_>, acme: &Acme) {
    sheet.table(&["acme"]);
    sheet.set("directory", acme.directory.clone());
    sheet.set("rehearsal", acme.rehearsal.clone().unwrap_or_else(|| NO_REHEARSAL.to_owned()));
    // Without it there would be no such table.
    sheet.set("terms_agreed", true);
    sheet.set("contact", acme.contact.clone());
    sheet.set_or("ca_file", acme.ca_file.as_deref().map(shown), "whom the system trusts");
    sheet.set("key", word_of(&KEYS, &acme.key));
    sheet.set_or("profile", acme.profile.as_deref(), "the CA's own choice");
    sheet.set("challenge", word_of(&CHALLENGES, &acme.challenge));
    if acme.dns_hook.is_empty() {
        sheet.absent("dns_hook", "for `dns-01` alone");
    } else {
        sheet.set("dns_hook", acme.dns_hook.clone());
    }
    sheet.set("dns_hook_reads", acme.dns_hook_reads.iter().map(|path| shown(path)).collect::<Vec<_>>());
    sheet.set("routes", acme.routes);
    sheet.set("names_per_site_max", number(acme.names_per_site_max));
    sheet.set("names", acme.names.clone());
}

fn app(sheet: &mut Sheet<'_>, name: &str, app: &App) {
    sheet.table(&["app", name]);
    sheet.set_or("user", app.user.as_deref(), &format!("mainstay-{name}, or the one user that there is"));
    for (env, site) in &app.sites {
        sheet.table(&["app", name, env.as_str()]);
        let Some(source) = &site.secrets else {
            sheet.absent("secrets", "secrets.env in the folder of the site");
            continue;
        };
        sheet.table(&["app", name, env.as_str(), "secrets"]);
        match source {
            SecretSource::File(file) => sheet.set("file", shown(file)),
            SecretSource::Age { file, identity } => {
                sheet.set("age", shown(file));
                sheet.set("identity", shown(identity));
            }
            SecretSource::Command(command) => sheet.set("command", command.clone()),
            SecretSource::Env => sheet.set("env", true),
        }
    }
}

/// A path that came out of a text, or out of a folder that can be named in one.
fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
