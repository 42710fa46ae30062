//! The first account: the one of the settings, else a link to make it, told where the operator looks.

use jiff::Timestamp;
use kit::serve::Listen;

use super::Failed;
use crate::{
    accounts::{
        Accounts,
        link::{First, NewLink},
    },
    error::{Error, Result},
    settings::Settings,
};

/// Makes or tells what is needed to get in, when there is no account.
pub(super) async fn account(accounts: &Accounts, settings: &Settings) -> std::result::Result<(), Failed> {
    match accounts.any().await {
        Ok(false) => {}
        // What cannot be read now is told by health; a database that is not migrated yet becomes readable.
        Ok(true) | Err(_) => return Ok(()),
    }
    let Some((name, password)) = settings.first_account.clone() else {
        return link(accounts, settings).await.or_else(|error| {
            tracing::warn!(%error, "there is no account yet, and no link to make one could be stored; `assistant user link` tries again");
            Ok(())
        });
    };
    match accounts.add(&name, password, &settings.zone).await {
        Ok(_) => tracing::info!("the first account was made"),
        // Two processes start at once, and the other one was faster.
        Err(Error::Conflict(_)) => {}
        Err(error) => return Err(Failed::to("the first account cannot be made", error)),
    }
    Ok(())
}

async fn link(accounts: &Accounts, settings: &Settings) -> Result<()> {
    match accounts.first_link().await? {
        First::NotNeeded => {}
        First::Made(link) => tracing::warn!("there is no account yet: {}", sentence(&link, settings)),
        First::Lives { expires_at } => tracing::warn!(
            "there is no account yet: a link to make the first one was printed before and works until {}; \
             `assistant user link` prints a new one in its place",
            minute(expires_at)
        ),
    }
    Ok(())
}

/// "open … to make it; …": the one place where a link is shown.
pub(super) fn sentence(link: &NewLink, settings: &Settings) -> String {
    let path = format!("/welcome/{}", link.token.reveal());
    let address = match base(settings) {
        Some(base) => format!("{base}{path}"),
        None => format!("{path} at the address of this site"),
    };
    format!("open {address} to make one; this works once, until {}", minute(link.expires_at))
}

/// Where people reach this process, as far as it can know: behind an edge only ASSISTANT_URL says it.
fn base(settings: &Settings) -> Option<String> {
    if settings.url.is_some() || settings.release.is_some() {
        return settings.url.clone();
    }
    match &settings.listen {
        Listen::Tcp { host, port } => {
            let host = if matches!(host.as_str(), "0.0.0.0" | "::" | "[::]") { "127.0.0.1" } else { host };
            Some(format!("http://{host}:{port}"))
        }
        Listen::Unix(_) => None,
    }
}

fn minute(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or_default().strftime("%Y-%m-%d %H:%M UTC").to_string()
}
