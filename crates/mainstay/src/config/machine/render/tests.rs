//! What is shown is what is read: any machine.toml, written and read again, is the same.

use std::collections::BTreeMap;

use model::{ByteSize, Span};
use proptest::{collection, option, prelude::*, sample::select};

use super::{origins, render};
use crate::config::{
    folders::{Folders, Kind},
    machine::{
        Acme, App, Certificate, ClientIp, Edge, Listen, Machine, SecretSource, Site, Tls, TlsProfile,
        Webhook,
        acme::{CHALLENGES, KEYS},
        edge::CLIENT_IPS,
        parse,
    },
};

/// The key of minisign's own releases.
const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

fn folders(kind: Kind) -> Folders {
    Folders { kind, ..Folders::service() }
}

fn span() -> impl Strategy<Value = Span> {
    (0..=10_000_000u64).prop_map(Span::millis)
}

fn size() -> impl Strategy<Value = ByteSize> {
    (0..1u64 << 50).prop_map(ByteSize)
}

fn edge() -> impl Strategy<Value = Edge> {
    let waits = [span(), span(), span(), span(), span(), span()];
    let sizes = [size(), size()];
    let counts = (16..=1_000_000u64, 1..=1_000_000u64, 16..=1_000u64, 1..=10_000u64);
    (option::of(1..=256u32), waits, counts, sizes, any::<bool>()).prop_map(
        |(
            workers,
            waits,
            (connections_max, per_client, headers_max, h2_streams_max),
            [header_bytes_max, body_rate_min],
            access_log,
        )| {
            let [header_timeout, body_timeout, keep_alive_timeout, send_timeout, rest @ ..] = waits;
            let [connect_timeout, upstream_idle_timeout] = rest;
            Edge {
                workers,
                connections_max,
                connections_per_client_max: per_client,
                header_timeout,
                header_bytes_max,
                headers_max,
                body_timeout,
                body_rate_min,
                send_timeout,
                keep_alive_timeout,
                h2_streams_max,
                connect_timeout,
                upstream_idle_timeout,
                access_log,
            }
        },
    )
}

fn app() -> impl Strategy<Value = App> {
    let source = prop_oneof![
        "/[a-z é\"']{1,9}".prop_map(|path| SecretSource::File(path.into())),
        collection::vec("[a-z \"\\\\\n]{1,6}", 1..3).prop_map(SecretSource::Command),
        ("/[a-z é\"']{1,9}", "/[a-z é\"']{1,9}")
            .prop_map(|(file, key)| SecretSource::Age { file: file.into(), identity: key.into() }),
        Just(SecretSource::Env),
    ];
    let sites = collection::btree_map("x[a-z]{1,5}", option::of(source), 0..3);
    (option::of("[a-z]{1,9}x"), sites).prop_map(|(user, sites)| App {
        user,
        sites: sites.into_iter().map(|(env, secrets)| (env.parse().unwrap(), Site { secrets })).collect(),
    })
}

fn acme() -> impl Strategy<Value = Acme> {
    let kinds = (select(KEYS.to_vec()), select(CHALLENGES.to_vec()));
    let names = collection::btree_set("[a-z]{1,5}\\.org", 0..3);
    (kinds, names, option::of("/[a-z \"]{1,6}"), option::of("[a-z]{1,6}"), any::<bool>(), any::<bool>())
        .prop_map(|((key, challenge), names, ca_file, profile, routes, rehearses)| Acme {
            directory: "https://ca.example/directory".to_owned(),
            rehearsal: rehearses.then(|| "https://try.example/".to_owned()),
            contact: if routes { vec!["ops@example.com".to_owned()] } else { Vec::new() },
            ca_file: ca_file.map(Into::into),
            key: key.1,
            profile,
            challenge: challenge.1,
            dns_hook: if challenge.0 == "dns-01" {
                vec!["/hook".to_owned(), "-v".to_owned()]
            } else {
                Vec::new()
            },
            dns_hook_reads: if routes { vec!["/token".into()] } else { Vec::new() },
            routes,
            names_per_site_max: if rehearses { 100 } else { 7 },
            names: names.into_iter().collect(),
        })
}

fn machine(kind: Kind) -> impl Strategy<Value = Machine> {
    let nets = collection::vec((any::<[u8; 4]>(), 1..=32u8), 1..3);
    let client_ip = select(CLIENT_IPS.map(|(_, word)| word).to_vec());
    let listen = (any::<bool>(), any::<bool>(), 1..60_000u16);
    let certificates = collection::vec(("[a-z]{1,5}\\.org", "/[a-z \"]{1,6}", "/[a-z ']{1,6}"), 0..3);
    let apps = collection::btree_map("[a-z][a-z0-9]{0,6}x", app(), 0..3);
    let hooks = collection::btree_map("[a-z]{1,9}", ("[A-Z_]{1,6}", any::<bool>(), any::<bool>()), 0..3);
    let first = (listen, edge(), nets, client_ip, certificates, any::<bool>(), option::of(acme()));
    (first, span(), (0..1u64 << 50).prop_map(ByteSize), 1024..50_000u16, apps, hooks).prop_map(
        move |(
            (listen, edge, nets, client_ip, certificates, tickets, acme),
            shutdown_timeout,
            disk_reserve,
            low,
            apps,
            hooks,
        )| {
            let net =
                |(bytes, prefix): ([u8; 4], u8)| ipnet::Ipv4Net::new(bytes.into(), prefix).unwrap().into();
            let at = |wanted: bool, port: u16| {
                if wanted { vec![([127, 0, 0, 1], port).into(), ([0; 8], port).into()] } else { Vec::new() }
            };
            let data = if kind == Kind::Service { "/srv/é \"data".into() } else { folders(kind).data };
            let certificate = |(name, cert, key): (String, String, String)| Certificate {
                names: vec![name],
                cert: cert.into(),
                key: key.into(),
            };
            let hook = |(host, (secret, of_one, plain)): (String, (String, bool, bool))| Webhook {
                url: format!("{}://{host}.example/?a=b", if plain { "http" } else { "https" }),
                secret,
                events: vec!["deploy.*".to_owned(), "run.failed".to_owned()],
                apps: of_one.then(|| "shop".parse().unwrap()).into_iter().collect(),
                allow_plain: plain,
            };
            Machine {
                data,
                listen: Listen { http: at(listen.0, listen.2), https: at(listen.1, listen.2 + 1) },
                edge,
                trusted_proxies: nets.into_iter().map(net).collect(),
                client_ip,
                certificates: certificates.into_iter().map(certificate).collect(),
                acme,
                tls: Tls {
                    profile: if tickets { TlsProfile::Modern } else { TlsProfile::Intermediate },
                    session_tickets: tickets,
                    hsts: tickets.then_some(shutdown_timeout),
                },
                shutdown_timeout,
                disk_reserve,
                shared_hosts: if tickets { vec!["example.com".to_owned()] } else { Vec::new() },
                ports: low..=low + 15,
                // One that is well formed: which one does not matter to how it is written.
                upgrade_keys: if tickets { vec![KEY.to_owned()] } else { Vec::new() },
                apps: apps
                    .into_iter()
                    .map(|(name, app)| (name.parse().unwrap(), app))
                    .collect::<BTreeMap<_, _>>(),
                webhooks: hooks.into_iter().map(hook).collect(),
            }
        },
    )
}

fn shown_is_read(machine: &Machine, kind: Kind) {
    let text = render(machine, &folders(kind), "head", None);
    match parse(&text, "machine.toml", &folders(kind)) {
        Ok(read) => assert_eq!(read, *machine, "{text}"),
        Err(errors) => panic!("{errors:?}\n{text}"),
    }
}

proptest! {
    #[test]
    fn any_machine_that_is_shown_is_read_as_the_same(machine in machine(Kind::Own)) {
        shown_is_read(&machine, Kind::Own);
    }

    #[test]
    fn also_the_services_own(machine in machine(Kind::Service)) {
        shown_is_read(&machine, Kind::Service);
    }
}

#[test]
fn a_value_says_whether_the_file_has_it() {
    let text = "ports = \"21000-21999\"\n";
    let machine = parse(text, "m", &folders(Kind::Own)).unwrap();
    assert_eq!(machine.client_ip, ClientIp::Peer);
    let shown = render(&machine, &folders(Kind::Own), "head", origins(text).as_ref());
    let line = |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap();
    assert!(line("ports").ends_with("# line 1"), "{shown}");
    assert!(line("client_ip").ends_with("# default"), "{shown}");
}
