//! `mainstay config`: what the files say.

use std::{collections::BTreeMap, process::ExitCode};

use api::{
    client::Failure,
    status::{Environment, Release},
};
use clap::{Args, Subcommand};
use model::{EnvName, Explain, ReleaseNumber, manifest::Manifest};

use crate::{
    config::{machine, manifest},
    output::{json, line},
    session::{ManifestFile, Session, block_on},
};

/// Show what the configuration means
#[derive(Clone, Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Clone, Debug, Subcommand)]
pub enum What {
    Show(Show),
}

/// Show the manifest as it stands for an environment
///
/// As it is written, with `[environment.NAME]` merged. `--effective` fills in every default and says of each value where it
/// comes from: a line, an environment, a default; `--serving` shows what the release that serves was deployed with, `--release`
/// any that is on the machine, and which values of its secrets (as digests) it was last started with;
/// `--machine` shows this machine's own file with every default. Each is a file that can be used as it is: keys and
/// values are those of mainstay.toml and machine.toml. `--json` gives the meaning instead, in the API's words.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay config show --env staging\n  mainstay config show --effective > all.toml\n  \
        mainstay config show --serving --json\n  mainstay config show --release 41"
)]
pub struct Show {
    /// With every default filled in
    #[arg(long)]
    pub effective: bool,

    /// What the release that serves was deployed with
    #[arg(long, conflicts_with_all = ["effective", "machine"])]
    pub serving: bool,

    /// What this release was deployed with
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["effective", "machine", "serving"])]
    pub release: Option<u64>,

    /// This machine's machine.toml, with every default
    #[arg(long, conflicts_with = "effective")]
    pub machine: bool,
}

impl Config {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        match self.what {
            What::Show(show) => show.run(session),
        }
    }
}

impl Show {
    fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        if self.machine {
            show_machine(session)?;
        } else if self.serving || self.release.is_some() {
            show_release(session, self.release.map(ReleaseNumber))?;
        } else {
            show_file(session, self.effective)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show_release(session: &Session, wanted: Option<ReleaseNumber>) -> Result<(), Explain> {
    let (manifest, releases) = block_on(async {
        let site = session.site().await?;
        let manifest = session.client.config(&site, wanted).await.map_err(Failure::explain)?;
        Ok((manifest, session.client.releases(&site).await.map_err(Failure::explain)?))
    })?;
    let site = manifest.site();
    let of = wanted.map(|release| format!("release {release} of {site}")).unwrap_or_else(|| site.to_string());
    let is_it = |release: &&Release| match wanted {
        Some(number) => release.number == number,
        None => release.state == "serving",
    };
    let environment = releases.iter().find(is_it).and_then(|release| release.environment.as_ref());
    print(session, &manifest, || {
        let head = format!("What {of} was deployed with: every key.");
        let secrets = environment.map(secrets).unwrap_or_default();
        format!("{}{secrets}", manifest::render(&manifest, &head, None))
    });
    Ok(())
}

/// A comment, so that what is printed stays a file that can be used.
fn secrets(environment: &Environment) -> String {
    let named = environment.services.values().chain(&environment.migrate);
    let secrets: BTreeMap<_, _> = named.flat_map(|variables| &variables.secrets).collect();
    let Some(taken) = environment.taken.as_ref().filter(|_| !secrets.is_empty()) else {
        return String::new();
    };
    let mut text = format!("\n# Its secrets, as they were taken from their source at {taken}:\n");
    for (name, digest) in secrets {
        text.push_str(&format!("# {name}: {}\n", digest.as_deref().unwrap_or("not there then")));
    }
    text
}

fn show_file(session: &Session, effective: bool) -> Result<(), Explain> {
    let file = ManifestFile::needed()?;
    let manifest = read(session, &file, &session.env())?;
    let env = session.env();
    let merged = manifest::merged_text(&file.text, &env).filter(|_| !effective);
    match merged {
        Some(merged) => print(session, &merged, || toml::to_string_pretty(&merged).unwrap_or_default()),
        None => print(session, &manifest, || {
            let head =
                format!("{} as it holds for {env}: every key, and where its value comes from.", file.shown());
            manifest::render(&manifest, &head, manifest::origins(&file.text, &env).as_ref())
        }),
    }
    Ok(())
}

fn show_machine(session: &Session) -> Result<(), Explain> {
    let (folders, answers) = session.folders_here();
    let (machine, text) = machine::load_with_text(&folders)?;
    let given = if answers { block_on(given(session))? } else { Vec::new() };
    print(session, &machine, || {
        let path = folders.machine_toml.display();
        let head = match &text {
            Some(_) => format!("{path}: every key, and where its value comes from."),
            None => format!("There is no {path}: every key has its default."),
        };
        let head = match given.as_slice() {
            [] => head,
            given => format!(
                "{head} The Mainstay that runs was started with {}, which holds over this.",
                given.join(" ")
            ),
        };
        let text = text.unwrap_or_default();
        machine::render(&machine, &folders, &head, machine::origins(&text).as_ref())
    });
    Ok(())
}

/// What the `mainstay up` of the one that runs was told.
async fn given(session: &Session) -> Result<Vec<String>, Explain> {
    Ok(session.client.machine().await.map_err(Failure::explain)?.given)
}

/// The manifest of this folder; its mistakes are told one by one.
pub(super) fn read(session: &Session, file: &ManifestFile, env: &EnvName) -> Result<Manifest, Explain> {
    match file.parse(env) {
        Ok((manifest, warnings)) => {
            warnings.iter().for_each(|warning| session.report.warning(&warning.0));
            Ok(manifest)
        }
        Err(errors) => {
            let mut explains = errors.explains();
            let last = explains.pop();
            explains.iter().for_each(|explain| session.report.error(explain));
            Err(last.unwrap_or_else(|| errors.explain()))
        }
    }
}

fn print(session: &Session, value: &impl serde::Serialize, text: impl FnOnce() -> String) {
    if session.json() { json(value) } else { line(text().trim_end()) }
}
