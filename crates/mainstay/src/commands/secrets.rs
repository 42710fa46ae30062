//! `mainstay secrets`: put values in, see which there are, change them while the app serves.

mod value;

use std::process::ExitCode;

use api::{
    client::Failure,
    jobs::Restart,
    secrets::{Change, Changed, Secret, Secrets as Told},
};
use clap::{Args, Subcommand};
use model::{Explain, ServiceName, Site};

use super::watch;
use crate::{
    config::decode::nearest,
    output::{json, line, moment, or_dash, table},
    session::{Session, block_on},
};

/// Put secrets in, list them, change them while the app serves
#[derive(Clone, Debug, Args)]
pub struct Secrets {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Clone, Debug, Subcommand)]
pub enum What {
    Set(Set),
    List(List),
    Rotate(Rotate),
}

/// Put a value into the site's source of secrets
///
/// The value is read from standard input, or asked for without an echo on a terminal; it is never an argument. A file and a file
/// of age can be written; what a command or the keeper's variables give is changed there. The value before is kept until
/// the next change (`secrets rotate --undo`). Processes that run keep what they have until they are started anew.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay secrets set DATABASE_URL\n  \
        openssl rand -base64 48 | mainstay secrets set SESSION_SECRET --env staging")]
pub struct Set {
    /// As `env_secrets` names it
    pub name: String,
}

/// List secrets: where they stand, who uses them, when they were changed; never a value
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay secrets list\n  mainstay secrets list --json")]
pub struct List {}

/// Give a secret another value and restart who uses it, without a lost request
///
/// The new value is read as `secrets set` reads it. Each service that names the secret is restarted: new instances beside the
/// old ones, checked, switched to. If one does not come up with it, the value before is put back, and those that were
/// restarted already are restarted with it. `--undo` puts the value before back at any later time, until the next change.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = concat!(
        "Examples:\n  mainstay secrets rotate OPENAI_API_KEY\n  mainstay secrets rotate OPENAI_API_KEY --undo\n\n",
        watch::exit_codes!()
    )
)]
pub struct Rotate {
    /// As `env_secrets` names it
    pub name: String,

    /// Back to the value before the last change
    #[arg(long)]
    pub undo: bool,
}

impl Secrets {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        match self.what {
            What::Set(set) => set.run(session),
            What::List(_) => list(session),
            What::Rotate(rotate) => rotate.run(session),
        }
    }
}

async fn change(session: &Session, site: &Site, name: &str, change: &Change) -> Result<Changed, Explain> {
    check_name(name)?;
    session.client.change_secret(site, name, change).await.map_err(Failure::explain)
}

/// It becomes part of a path.
fn check_name(name: &str) -> Result<(), Explain> {
    if crate::config::secret_lines::is_name(name) {
        return Ok(());
    }
    // Somebody may have typed NAME=value: what stands behind the name must not be shown.
    Err(Explain::new("bad-secret-name", "that cannot be the name of a secret").help(
        "letters, digits and `_`, no digit first; the value is no argument: it is read from standard input",
    ))
}

/// # Errors
/// Neither the source has it nor does anything ask for it: there is nothing to change.
fn known(told: &Told, name: &str) -> Result<(), Explain> {
    if told.secrets.iter().any(|secret| secret.name == name) {
        return Ok(());
    }
    // Likeness is that of small letters.
    let names: Vec<String> = told.secrets.iter().map(|secret| secret.name.to_ascii_lowercase()).collect();
    let near = nearest(name, names.iter().map(String::as_str));
    let near = told.secrets.iter().find(|secret| near == Some(secret.name.to_ascii_lowercase().as_str()));
    let near = near.map(|near| format!("did you mean `{}`? ", near.name)).unwrap_or_default();
    let message =
        format!("no secret is called {name}: it is not in {}, and nothing asks for it", told.source);
    Err(Explain::new("no-such-secret", message).now("nothing was changed").help(format!(
        "{near}`mainstay secrets list` shows them; `mainstay secrets set {name}` puts in a new one"
    )))
}

impl Set {
    fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        check_name(&self.name)?;
        let value = value::read(&self.name)?;
        let changed = block_on(async {
            let site = session.site().await?;
            change(session, &site, &self.name, &Change::Set { value }).await
        })?;
        if session.json() {
            json(&changed);
            return Ok(ExitCode::SUCCESS);
        }
        let done = if changed.replaced { "has a new value" } else { "has a value" };
        match names(&changed.used_by).as_str() {
            "" => line(format!("{} {done}.", self.name)),
            users => line(format!("{} {done}; {users} has it after `mainstay restart`.", self.name)),
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Rotate {
    fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        check_name(&self.name)?;
        let site = block_on(async {
            let site = session.site().await?;
            let told = session.client.secrets(&site).await.map_err(Failure::explain)?;
            known(&told, &self.name).map(|()| site)
        })?;
        let wanted = if self.undo { Change::Undo } else { Change::Set { value: value::read(&self.name)? } };
        block_on(async {
            let changed = change(session, &site, &self.name, &wanted).await?;
            if changed.used_by.is_empty() {
                let nobody = "nothing that runs uses it, so nothing is restarted";
                let value = if self.undo { "its value from before again" } else { "another value" };
                say(session, &format!("{} has {value}; {nobody}.", self.name));
                return Ok(ExitCode::SUCCESS);
            }
            for (n, service) in changed.used_by.iter().enumerate() {
                let code = restart(session, &site, service).await?;
                if code != ExitCode::SUCCESS {
                    let had_it = changed.used_by.get(..n).unwrap_or_default();
                    self.give_up(session, &site, changed.replaced, had_it).await?;
                    return Ok(code);
                }
            }
            let value = if self.undo { "again the value from before" } else { "the new value" };
            say(session, &format!("{} has {value} of {}.", names(&changed.used_by), self.name));
            Ok(ExitCode::SUCCESS)
        })
    }

    /// The value before again, for those too that have the new one already.
    async fn give_up(
        &self,
        session: &Session,
        site: &Site,
        replaced: bool,
        had_it: &[ServiceName],
    ) -> Result<(), Explain> {
        if !replaced {
            say(
                session,
                &format!("The source keeps this value of {}; mend it and rotate once more.", self.name),
            );
            return Ok(());
        }
        change(session, site, &self.name, &Change::Withdraw).await?;
        say(session, &format!("{} has its value from before again.", self.name));
        for service in had_it {
            if restart(session, site, service).await? != ExitCode::SUCCESS {
                say(
                    session,
                    &format!("{service} still runs with the new value: `mainstay restart {service}`."),
                );
            }
        }
        Ok(())
    }
}

async fn restart(session: &Session, site: &Site, service: &ServiceName) -> Result<ExitCode, Explain> {
    let request = Restart { service: Some(service.clone()) };
    let ask = async |key: &_| session.client.restart(site, key, &request).await;
    let doing = format!("Restarting {service} of");
    watch::start(session, site, ask, &doing, watch::Leave::AtItsEnd).await
}

fn say(session: &Session, text: &str) {
    if session.json() {
        json(&serde_json::json!({ "note": text }));
    } else {
        line(text);
    }
}

fn names(services: &[ServiceName]) -> String {
    services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ")
}

fn list(session: &Session) -> Result<ExitCode, Explain> {
    let told = block_on(async {
        let site = session.site().await?;
        session.client.secrets(&site).await.map_err(Failure::explain)
    })?;
    if session.json() {
        json(&told);
    } else {
        line(render(&told));
    }
    Ok(ExitCode::SUCCESS)
}

fn render(told: &Told) -> String {
    if told.secrets.is_empty() {
        return format!("No secret is asked for, and none stands in {}.", told.source);
    }
    let row = |secret: &Secret| {
        let state = match secret {
            Secret { is_set: false, .. } => "missing",
            Secret { waits_for_restart: true, .. } => "waits for a restart",
            Secret { used_by, .. } if used_by.is_empty() => "unused",
            _ => "set",
        };
        let used_by = (!secret.used_by.is_empty()).then(|| secret.used_by.join(", "));
        vec![
            secret.name.clone(),
            state.to_owned(),
            or_dash(used_by),
            or_dash(secret.changed.as_deref().map(moment)),
            or_dash(secret.changed_by.as_deref()),
            if secret.has_former { "kept".to_owned() } else { "-".to_owned() },
        ]
    };
    let rows: Vec<_> = told.secrets.iter().map(row).collect();
    let head = ["NAME", "STATE", "USED BY", "CHANGED", "BY", "FORMER"];
    format!("from {}\n{}", told.source, table(&head, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_has_is_refused_with_the_nearest() {
        let secret = |name: &str| Secret {
            name: name.to_owned(),
            is_set: true,
            used_by: Vec::new(),
            waits_for_restart: false,
            changed: None,
            changed_by: None,
            has_former: false,
        };
        let told =
            Told { source: "secrets.env".to_owned(), secrets: vec![secret("API_KEY"), secret("OTHER")] };
        assert!(known(&told, "API_KEY").is_ok());
        let why = known(&told, "API_KEI").expect_err("unknown");
        assert_eq!(why.code, "no-such-secret");
        assert!(why.help.is_some_and(|help| help.starts_with("did you mean `API_KEY`? ")));
        let why = known(&told, "ZZZ").expect_err("unknown");
        assert!(why.help.is_some_and(|help| help.starts_with("`mainstay secrets list`")));
    }
}
