//! `mainstay export ci`: a pipeline that builds and tests once, checks, plans on a pull request, deploys those very bytes to
//! staging, asks there, and deploys them to production when somebody approves.
//!
//! What is done stands in one script of plain sh, which runs by hand, too; the pipeline says when, and with which secrets.

mod tools;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use model::{EnvName, Explain, manifest::Manifest};

use crate::{
    cli::Globals,
    commands::generated,
    output::{json, line},
    session::ManifestFile,
};

/// Write a pipeline: build, test, check, plan on a pull request, staging, smoke, production with approval
///
/// Two files: the pipeline in the forge's own language, and ci/mainstay.sh, which does the work and runs by hand, too.
/// The app is built and tested once, and those bytes are what is deployed, to staging first. No secret stands in a
/// file: the pipeline names what it wants, docs/guide/ci.md says how to give it.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay export ci github\n  mainstay export ci gitlab --build \"npm ci && npm run build\" --print\n  \
    mainstay export ci forgejo --branch trunk --staging preview --force"
)]
pub(super) struct Ci {
    /// For which forge
    #[arg(value_enum, value_name = "FORGE")]
    forge: Forge,

    /// What builds the app, in sh; guessed from package.json, Cargo.toml or requirements.txt
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,

    /// What tests it, in sh; guessed, too
    #[arg(long, value_name = "COMMAND")]
    test: Option<String>,

    /// What looks for known holes in its dependencies, in sh; guessed, too
    #[arg(long, value_name = "COMMAND")]
    audit: Option<String>,

    /// The branch that is deployed
    #[arg(long, default_value = "main", value_name = "NAME")]
    branch: String,

    /// The environment that a deploy goes to first
    #[arg(long, default_value = "staging", value_name = "NAME")]
    staging: EnvName,

    /// Replace files that are there
    #[arg(long)]
    force: bool,

    /// Print the files instead of writing them
    #[arg(long, visible_alias = "dry-run", conflicts_with = "force")]
    print: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Forge {
    Github,
    Gitlab,
    Forgejo,
}

impl Forge {
    /// Where its pipeline lies, and how it is written.
    fn pipeline(self) -> (&'static str, &'static str) {
        match self {
            Self::Github => (".github/workflows/mainstay.yml", include_str!("ci/github.yml")),
            Self::Gitlab => (".gitlab-ci.yml", include_str!("ci/gitlab.yml")),
            Self::Forgejo => (".forgejo/workflows/mainstay.yml", include_str!("ci/forgejo.yml")),
        }
    }
}

const SCRIPT: &str = "ci/mainstay.sh";

impl Ci {
    pub(super) fn run(self, globals: &Globals) -> Result<ExitCode, Explain> {
        let file = ManifestFile::needed()?;
        check_branch(&self.branch)?;
        let production = globals.env().cloned().unwrap_or_else(EnvName::production);
        if self.staging == production {
            return Err(Explain::new(
                "one-environment",
                format!("staging and production are both `{production}`"),
            )
            .now("nothing was written")
            .help("name another by `--staging`, or the one that users get by `--env`"));
        }
        let manifests = [&self.staging, &production].map(|env| file.parse(env).map(|(manifest, _)| manifest));
        let [staging, production] = manifests;
        let (staging, production) =
            (staging.map_err(|errors| errors.explain())?, production.map_err(|errors| errors.explain())?);
        let (path, pipeline) = self.forge.pipeline();
        let files = [
            (file.folder().join(path), self.filled(pipeline, &staging, &production), 0o644),
            (
                file.folder().join(SCRIPT),
                self.filled(include_str!("ci/mainstay.sh"), &staging, &production),
                0o755,
            ),
        ];
        self.give(globals, &files, file.folder())
    }

    fn give(
        &self,
        globals: &Globals,
        files: &[(PathBuf, String, u32)],
        folder: &Path,
    ) -> Result<ExitCode, Explain> {
        if !self.print {
            write_all(files, self.force)?;
        }
        if globals.json {
            let told: Vec<_> = files
                .iter()
                .map(|(path, text, _)| serde_json::json!({ "file": path, "text": text }))
                .collect();
            json(&serde_json::json!({ "written": !self.print, "files": told }));
            return Ok(ExitCode::SUCCESS);
        }
        for (path, text, _) in files {
            let shown = path.strip_prefix(folder).unwrap_or(path).display();
            line(if self.print {
                format!("# {shown}\n{}", text.trim_end())
            } else {
                format!("Wrote {shown}")
            });
        }
        if !self.print {
            line(
                "Next: give the forge its secrets and variables (the head of the pipeline names them; docs/guide/ci.md), commit both, push.",
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    fn filled(&self, template: &str, staging: &Manifest, production: &Manifest) -> String {
        let tools = tools::of(Path::new("."));
        let said = |given: &Option<String>, guess: String| given.clone().unwrap_or(guess);
        let words = [
            ("@APP@", production.app.to_string()),
            ("@BRANCH@", self.branch.clone()),
            ("@STAGING@", staging.env.to_string()),
            ("@PRODUCTION@", production.env.to_string()),
            ("@STAGING_URL@", url(staging)),
            ("@PRODUCTION_URL@", url(production)),
            ("@BUILD@", said(&self.build, tools.build)),
            ("@TEST@", said(&self.test, tools.test)),
            ("@AUDIT@", said(&self.audit, tools.audit)),
        ];
        words.iter().fold(template.to_owned(), |text, (word, value)| text.replace(word, value))
    }
}

/// What a person opens, of the first route that names a host; empty: none does.
fn url(manifest: &Manifest) -> String {
    let named = manifest.routes.iter().find_map(|route| {
        let host = route.hosts.iter().find(|host| !host.starts_with("*."))?;
        Some(format!("https://{host}{}", route.path_prefix))
    });
    named.unwrap_or_default()
}

/// It stands in YAML and in expressions of the forge.
///
/// # Errors
/// Git allows more in a name than can stand there unquoted.
fn check_branch(branch: &str) -> Result<(), Explain> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !branch.is_empty() && branch.chars().all(is_plain) && !branch.starts_with(['-', '.', '/']) {
        return Ok(());
    }
    Err(Explain::new("bad-branch", format!("`{branch}` cannot stand in a pipeline as the name of a branch"))
        .now("nothing was written")
        .help("letters, digits and `-_./` can"))
}

/// All or none is begun: one that is there stops it before the first is written.
fn write_all(files: &[(PathBuf, String, u32)], force: bool) -> Result<(), Explain> {
    if let Some((path, ..)) = files.iter().find(|(path, ..)| path.symlink_metadata().is_ok() && !force) {
        return Err(generated::already_there(path));
    }
    for (path, text, mode) in files {
        let written = fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))
            .and_then(|()| fs::write(path, text))
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(*mode)));
        written.map_err(|error| generated::cannot_write(path, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_one_word_that_a_pipeline_can_hold() {
        for branch in ["main", "release/2.x", "a_b-c"] {
            assert!(check_branch(branch).is_ok(), "{branch}");
        }
        for branch in ["", "-x", "a b", "a'b", "${{ x }}", "a\nb", "*"] {
            assert!(check_branch(branch).is_err(), "{branch}");
        }
    }

    #[test]
    fn every_action_is_named_by_its_digest() {
        for forge in [Forge::Github, Forge::Forgejo] {
            let (_, text) = forge.pipeline();
            let uses: Vec<&str> = text
                .lines()
                .filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("uses: "))
                .collect();
            assert!(uses.len() >= 4, "{forge:?}");
            for action in uses {
                let digest =
                    action.split_once('@').expect("a version").1.split(' ').next().expect("a digest");
                assert!(digest.len() == 40 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{action}");
            }
        }
    }
}
