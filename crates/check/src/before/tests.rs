//! Each check finds what it is for, and passes where all is well.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use api::checks::{Finding, State};
use model::{
    ByteSize, EnvName, Secret, Span,
    manifest::{
        Build, BuildPlace, Deploy, Drain, FORMAT, Limits, Listen, Logs, Manifest, Probes, RateLimit, Release,
        Restart, Route, RouteTls, Service, Source, StopSignal,
    },
};

use super::{Context, Secrets, before, cleartext, debug_flags, placeholder_secrets, route_tls};

fn service() -> Service {
    Service {
        command: vec!["./serve".to_owned()],
        files: None,
        instances: std::num::NonZeroU32::new(2).unwrap(),
        listen: Some(Listen::Tcp),
        env: BTreeMap::new(),
        env_secrets: vec!["JWT_SECRET".to_owned()],
        stop_signal: StopSignal::Term,
        stop_timeout: Span::secs(30),
        limits: Limits::default(),
        sandbox: model::Sandbox::default(),
        restart: Restart::default(),
        probes: Probes { startup: None, readiness: None, liveness: None },
        allow_public_bind: false,
        recycle: None,
        overlap: Default::default(),
        start_at: Default::default(),
    }
}

fn limit() -> RateLimit {
    let text = r#"{"name":"api","requests":10,"per":"1s","burst":20,"key":"address"}"#;
    serde_json::from_str(text).unwrap()
}

fn manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        app: "assistant".parse().unwrap(),
        env: EnvName::production(),
        release: Release {
            source: Source::Dir("app".to_owned()),
            digest: None,
            shared_paths: vec!["data".to_owned()],
            proof: None,
            keep_releases: 5,
            keep_bytes: ByteSize::gib(5),
            asset_paths: Vec::new(),
            asset_retention: model::manifest::asset_retention(),
            build: None,
        },
        sandbox: model::Sandbox::default(),
        services: BTreeMap::from([("web".parse().unwrap(), service())]),
        cron: Default::default(),
        routes: vec![Route {
            hosts: vec!["chat.acme.dev".to_owned()],
            tls: RouteTls::Required,
            rate_limits: vec![limit()],
            ..Route::to("web".parse().unwrap())
        }],
        deploy: Deploy::default(),
        drain: Drain::default(),
        migrate: None,
        hooks: Default::default(),
        logs: Logs::default(),
    }
}

/// A folder whose app is well made.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("app/data")).unwrap();
    fs::write(dir.path().join("app/serve"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(dir.path().join("app/serve"), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn context<'a>(manifest: &'a Manifest, folder: &'a Path) -> Context<'a> {
    let strong = "q8Zr1uPz0mWc5tXv9bNn3kLd7hGf2sJe".to_owned();
    Context {
        manifest,
        folder,
        data: folder,
        disk_reserve: ByteSize(0),
        ports: 20_000..=20_999,
        listen: Vec::new(),
        running: false,
        certified: vec!["*.acme.dev".to_owned()],
        beyond: Vec::new(),
        account: account(machine::users::own_uid()),
        accounts: Vec::new(),
        secrets: Secrets::Read {
            from: "secrets.env".to_owned(),
            values: BTreeMap::from([("JWT_SECRET".to_owned(), Secret::new(strong))]),
        },
    }
}

fn account(uid: u32) -> machine::users::Account {
    machine::users::Account { name: "app".to_owned(), uid, gid: uid, groups: Vec::new(), home: "/".into() }
}

fn found(context: &Context<'_>) -> Vec<String> {
    let is_found = |finding: &Finding| matches!(finding.state, State::Found { .. });
    before(context).into_iter().filter(is_found).map(|finding| finding.id).collect()
}

/// What is found of a well-made app after `change`.
fn found_after(change: impl FnOnce(&mut Manifest, &Path)) -> Vec<String> {
    let dir = folder();
    let mut manifest = manifest();
    change(&mut manifest, dir.path());
    found(&context(&manifest, dir.path()))
}

fn web(manifest: &mut Manifest) -> &mut Service {
    manifest.services.values_mut().next().unwrap()
}

#[test]
fn a_path_that_the_sandbox_opens_and_that_is_not_there_is_found() {
    let with = |path: String| found_after(|manifest, _| web(manifest).sandbox.write = vec![path]);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::create_dir(dir.path().join("cache")).unwrap();
    assert_eq!(with(path("cache")), Vec::<String>::new());
    assert_eq!(with(path("none")), ["sandbox-paths"]);
}

#[test]
fn a_well_made_app_has_no_findings() {
    assert_eq!(found_after(|_, _| {}), Vec::<String>::new());
}

#[test]
fn every_check_has_its_own_id_and_a_source() {
    let dir = folder();
    let manifest = manifest();
    let findings = before(&context(&manifest, dir.path()));
    let ids: std::collections::BTreeSet<_> = findings.iter().map(|finding| &finding.id).collect();
    assert_eq!(ids.len(), findings.len());
    assert!(findings.iter().all(|finding| !finding.sources.is_empty()));
}

#[test]
fn a_route_without_a_limit_is_found_in_production() {
    assert_eq!(found_after(|manifest, _| manifest.routes[0].rate_limits.clear()), ["rate-limits"]);
}

#[test]
fn a_checkout_is_looked_at_without_the_machine() {
    let dir = folder();
    let manifest = manifest();
    let context = context(&manifest, dir.path());
    let not_run: Vec<_> = super::checkout(&context)
        .into_iter()
        .filter(|finding| matches!(finding.state, State::NotRun { .. }))
        .map(|finding| finding.id)
        .collect();
    assert_eq!(not_run.len(), super::OF_MACHINE.len(), "each of them is a check: {not_run:?}");
}

#[test]
fn what_is_not_built_is_found() {
    assert_eq!(
        found_after(|manifest, _| manifest.release.source = Source::Dir("dist".to_owned())),
        ["artifact", "command"]
    );
    assert_eq!(found_after(|_, dir| fs::remove_file(dir.join("app/serve")).unwrap()), ["command"]);
    assert_eq!(
        found_after(|manifest, _| web(manifest).command[0] = "no-such-program-here".to_owned()),
        ["command"]
    );
}

/// A virtual environment is made where it runs: none here is no mistake, and one here is another one.
#[test]
fn what_a_build_makes_is_not_missed_before_it_has_run() {
    let with_build = |command: &'static str| {
        move |manifest: &mut Manifest, _: &Path| {
            manifest.release.build = Some(Build {
                place: BuildPlace::Server,
                command: vec!["true".to_owned()],
                timeout: Span::secs(60),
                env: BTreeMap::new(),
                env_secrets: Vec::new(),
                limits: Limits::default(),
                network: Default::default(),
            });
            web(manifest).command[0] = command.to_owned();
        }
    };
    assert_eq!(found_after(with_build(".venv/bin/python")), Vec::<String>::new());
    assert_eq!(found_after(with_build("{release_dir}/.venv/bin/python")), Vec::<String>::new());
    assert_eq!(found_after(with_build("no-such-program-here")), ["command"]);
    assert_eq!(found_after(with_build("/usr/bin/no-such-program-here")), ["command"]);
}

#[test]
fn a_program_is_looked_for_as_the_app_will_look_for_it() {
    let in_tools = |path: Option<&'static str>| {
        move |manifest: &mut Manifest, dir: &Path| {
            fs::create_dir(dir.join("app/tools")).unwrap();
            fs::copy(dir.join("app/serve"), dir.join("app/tools/my-own-tool")).unwrap();
            web(manifest).command[0] = "my-own-tool".to_owned();
            web(manifest).env.extend(path.map(|path| ("PATH".to_owned(), path.to_owned())));
        }
    };
    // Whatever is on the PATH of who asks: this test's own is another than the app's.
    assert_eq!(found_after(in_tools(None)), ["command"]);
    assert_eq!(found_after(in_tools(Some("/usr/bin:{release_dir}/tools"))), Vec::<String>::new());
    assert_eq!(found_after(in_tools(Some("tools"))), Vec::<String>::new());
    assert_eq!(found_after(in_tools(Some("/usr/bin"))), ["command"]);
    let migrates = |command: &'static str| {
        move |manifest: &mut Manifest, _: &Path| {
            manifest.migrate = Some(model::manifest::Migrate {
                tool: Default::default(),
                command: vec![command.to_owned()],
                status_command: vec!["true".to_owned()],
                down_command: None,
                contract_command: None,
                timeout: Span::secs(1),
                code: model::schema::CodeSchema { schema: 1, schema_min: 1 },
                compatible_with: None,
                env: BTreeMap::new(),
                env_secrets: Vec::new(),
            });
        }
    };
    assert_eq!(found_after(migrates("./serve")), Vec::<String>::new());
    assert_eq!(found_after(migrates("./migrate")), ["command"]);
}

/// The app will not be who checks: mostly that is root, who may enter everything.
#[test]
fn a_program_is_looked_at_with_the_eyes_of_the_apps_account() {
    let (dir, home) = (folder(), tempfile::tempdir().unwrap());
    let (python, script) = (home.path().join("python"), dir.path().join("app/serve"));
    fs::copy(&script, &python).unwrap();
    let look = |command: &Path, home_mode: u32| {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(home_mode)).unwrap();
        let mut manifest = manifest();
        web(&mut manifest).command[0] = command.to_str().unwrap().to_owned();
        let mut context = context(&manifest, dir.path());
        context.account = account(4_000_000_000);
        before(&context).into_iter().find(|finding| finding.id == "command").unwrap().state
    };
    let told = |state: State| match state {
        State::Found { explain } => format!("{} {}", explain, explain.help.as_deref().unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    assert!(matches!(look(&python, 0o755), State::Passed { .. }));
    let closed = told(look(&python, 0o700));
    let shut = home.path().display();
    assert!(
        closed.contains(&format!("beyond {shut}, which the account app cannot enter (mode 0700")),
        "{closed}"
    );
    assert!(closed.contains(&format!("chmod o+x {shut}")), "{closed}");
    // The checkout itself may be anybody's: its files are copied. What they lead to is not.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(look(Path::new("./serve"), 0o700), State::Passed { .. }));
    fs::write(&script, format!("#!{}\n", python.display())).unwrap();
    let begins = told(look(Path::new("./serve"), 0o700));
    assert!(begins.contains("begins with `#!") && begins.contains("cannot enter"), "{begins}");
    assert!(matches!(look(Path::new("./serve"), 0o755), State::Passed { .. }));
    fs::write(&script, "#!/usr/bin/env no-such-runtime\n").unwrap();
    assert!(told(look(Path::new("./serve"), 0o755)).contains("no-such-runtime is not there"));
    fs::remove_file(&script).unwrap();
    std::os::unix::fs::symlink(&python, &script).unwrap();
    assert!(told(look(Path::new("./serve"), 0o700)).contains("cannot enter"));
}

#[test]
fn files_that_must_not_travel_are_found_unless_they_are_ignored() {
    assert_eq!(found_after(|_, dir| fs::write(dir.join("app/.env"), "A=1").unwrap()), ["env-files"]);
    let ignored = |_: &mut Manifest, dir: &Path| {
        fs::write(dir.join("app/.env"), "A=1").unwrap();
        fs::write(dir.join("app/.mainstayignore"), "/.env\n").unwrap();
    };
    assert_eq!(found_after(ignored), Vec::<String>::new());
}

#[test]
fn a_database_outside_of_shared_paths_is_found() {
    let put = |place: &'static str| {
        move |_: &mut Manifest, dir: &Path| fs::write(dir.join(place), b"SQLite format 3\0rest").unwrap()
    };
    assert_eq!(found_after(put("app/app.db")), ["data-in-release"]);
    assert_eq!(found_after(put("app/data/app.db")), Vec::<String>::new());
}

#[test]
fn production_in_debug_mode_is_found_and_staging_is_left_alone() {
    let debug = |manifest: &mut Manifest| {
        web(manifest).env.insert("DEBUG".to_owned(), "True".to_owned());
    };
    assert_eq!(found_after(|manifest, _| debug(manifest)), ["debug-flags"]);
    let staging = |manifest: &mut Manifest, _: &Path| {
        debug(manifest);
        manifest.env = "staging".parse().unwrap();
    };
    assert_eq!(found_after(staging), Vec::<String>::new());
    assert!(debug_flags::debugs("LOG_LEVEL", "debug"));
    assert!(!debug_flags::debugs("DEBUG", "false"));
}

#[test]
fn variables_that_are_wrong_in_production_are_found() {
    let set = |name: &'static str, value: &'static str| {
        move |manifest: &mut Manifest, _: &Path| {
            web(manifest).env.insert(name.to_owned(), value.to_owned());
        }
    };
    assert_eq!(found_after(set("NODE_ENV", "staging")), ["node-env"]);
    assert_eq!(found_after(set("CORS_ORIGIN", "http://localhost:3000")), ["cors"]);
    assert_eq!(found_after(set("NEXT_PUBLIC_KEY", "x")), ["public-variables"]);
    assert_eq!(found_after(set("HOST", "0.0.0.0")), ["public-bind"]);
    assert_eq!(found_after(set("REDIS_URL", "redis://cache.internal:6379")), ["cleartext"]);
}

#[test]
fn routes_without_their_own_hosts_or_tls_are_found() {
    assert_eq!(found_after(|manifest, _| manifest.routes[0].hosts.clear()), ["route-hosts"]);
    assert_eq!(found_after(|manifest, _| manifest.routes[0].tls = RouteTls::Optional), ["route-tls"]);
    let example =
        |manifest: &mut Manifest, _: &Path| manifest.routes[0].hosts = vec!["chat.example.com".to_owned()];
    assert_eq!(found_after(example), ["route-hosts", "route-tls"]);
    let said = |hosts: &[&str]| {
        let (dir, mut manifest) = (folder(), manifest());
        manifest.routes[0].hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let findings = before(&context(&manifest, dir.path()));
        let found = findings.into_iter().find(|finding| finding.id == "route-hosts").unwrap();
        format!("{:?}", found.state)
    };
    assert!(said(&["shop.example.com"]).contains("a host of an example"), "it is named");
    assert!(said(&[]).contains("does not name the hosts"));
    let (dir, manifest) = (folder(), manifest());
    let beyond = Context { beyond: vec!["x.dev".to_owned()], ..context(&manifest, dir.path()) };
    assert_eq!(found(&beyond), ["route-tls"]);
    assert!(route_tls::covered("a.b.dev", &["*.b.dev".to_owned()]));
    assert!(!route_tls::covered("x.a.b.dev", &["*.b.dev".to_owned()]));
}

#[test]
fn secrets_that_are_missing_weak_or_never_replaced_are_found() {
    let dir = folder();
    let manifest = manifest();
    let with = |value: Option<&str>| {
        let values = value.map(|value| ("JWT_SECRET".to_owned(), Secret::new(value)));
        let mut context = context(&manifest, dir.path());
        context.secrets =
            Secrets::Read { from: "secrets.env".to_owned(), values: values.into_iter().collect() };
        found(&context)
    };
    assert_eq!(with(None), ["secrets-resolve"]);
    assert_eq!(with(Some("")), ["secrets-resolve", "secret-strength"]);
    assert_eq!(with(Some("your_jwt_secret_key_here_for_production")), ["placeholder-secrets"]);
    assert_eq!(with(Some("K3ZJ8cQ1")), ["secret-strength"]);
    assert_eq!(with(Some(&"ab".repeat(20))), ["secret-strength"]);
}

/// The placeholders of the guides themselves (W-F2).
#[test]
fn every_placeholder_of_the_guides_is_one() {
    for value in [
        "your_google_client_id",
        "your_google_client_secret",
        "your_jwt_secret_key_here",
        "your-32-character-secret-key-here",
        "changeme",
        "CHANGE-ME",
        "<your api key>",
        "${SECRET}",
        "xxxxxxxxxxxx",
        "000000",
    ] {
        assert!(placeholder_secrets::is_placeholder(value), "{value}");
    }
    for value in
        ["sk-proj-Ab3dEf6hIj9k", "postgres://app:q8Zr1uPz@db/app", "q8Zr1uPz0mWc5tXv9bNn3kLd7hGf2sJe"]
    {
        assert!(!placeholder_secrets::is_placeholder(value), "{value}");
    }
}

#[test]
fn only_addresses_of_other_machines_must_be_encrypted() {
    assert_eq!(cleartext::problem("redis://localhost:6379"), None);
    assert_eq!(cleartext::problem("postgresql:///app?host=/run/postgresql"), None);
    assert_eq!(cleartext::problem("postgres://u:p@db.acme.dev/app?sslmode=verify-full"), None);
    assert!(cleartext::problem("postgres://u:p@db.acme.dev/app?sslmode=require").is_some());
    assert!(cleartext::problem("ldap://ad.corp:389").is_some());
    assert_eq!(cleartext::problem("https://api.acme.dev"), None);
}

#[test]
fn an_address_that_somebody_holds_is_found_unless_it_is_mainstay() {
    let dir = folder();
    let manifest = manifest();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut context = context(&manifest, dir.path());
    context.listen = vec![taken.local_addr().unwrap()];
    assert_eq!(found(&context), ["listen-addresses"]);
    context.running = true;
    assert_eq!(found(&context), Vec::<String>::new());
}

#[test]
fn room_is_asked_for_on_the_disk_and_among_the_ports() {
    let dir = folder();
    let manifest = manifest();
    let mut context = context(&manifest, dir.path());
    context.disk_reserve = ByteSize(u64::MAX);
    context.ports = 20_000..=20_003;
    assert_eq!(found(&context), ["ports", "disk-space"]);
}

#[test]
fn an_account_that_is_not_there_or_not_the_apps_alone_is_found() {
    let dir = folder();
    let manifest = manifest();
    let mut context = context(&manifest, dir.path());
    context.accounts = vec![("assistant".parse().unwrap(), "no-such-account-here".to_owned())];
    assert_eq!(found(&context), ["accounts"]);
    context.accounts[0].1 = "root".to_owned();
    assert_eq!(found(&context), ["accounts"]);
    context.accounts[0].1 = "nobody".to_owned();
    assert_eq!(found(&context), [""; 0]);
    context.accounts.push(("blog".parse().unwrap(), "nobody".to_owned()));
    assert_eq!(found(&context), ["accounts"], "one account for two apps");
}

#[test]
fn no_finding_tells_a_secret() {
    let dir = folder();
    let manifest = manifest();
    let mut context = context(&manifest, dir.path());
    let value = "your_jwt_secret_key_here";
    context.secrets = Secrets::Read {
        from: "secrets.env".to_owned(),
        values: BTreeMap::from([("JWT_SECRET".to_owned(), Secret::new(value))]),
    };
    assert!(!serde_json::to_string(&before(&context)).unwrap().contains(value));
}

#[test]
fn each_program_that_cannot_run_has_its_own_remedy() {
    let (mut manifest, folder) = (manifest(), folder());
    fs::write(folder.path().join("app/closed.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(folder.path().join("app/closed.sh"), fs::Permissions::from_mode(0o600)).unwrap();
    manifest.services.values_mut().next().unwrap().command = vec!["./not-there".to_owned()];
    manifest.services.insert(
        "jobs".parse().unwrap(),
        Service { command: vec!["./././closed.sh".to_owned()], listen: None, ..service() },
    );
    let findings = before(&context(&manifest, folder.path()));
    let found = findings.into_iter().find(|finding| finding.id == "command").unwrap();
    let State::Found { explain } = found.state else { panic!("{found:?}") };
    let (why, help) = (explain.causes.join("; "), explain.help.unwrap());
    assert!(why.contains("app/closed.sh is no file that may be executed (mode 0600"), "{why}");
    assert!(!why.contains("/./"), "{why}");
    assert!(help.contains("chmod +x") && help.contains("looked for in the release"), "{help}");
}
