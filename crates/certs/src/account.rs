//! The account at a CA: made once a directory, and kept with its key.

use std::{io, path::PathBuf};

use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{http::Http, order::Failed, settings::Settings};

/// Bound: of the file.
const BYTES_MAX: usize = 16 << 10;

/// As it is kept, 0600.
#[derive(Serialize, Deserialize)]
struct Kept {
    contact: Vec<String>,
    credentials: AccountCredentials,
}

/// The account at `directory`, made if there is none. Cancel-safe: an account that was made and not kept is never used.
/// # Errors
/// The CA's, the network's or the disk's.
pub(crate) async fn open(settings: &Settings, directory: &str, http: Http) -> Result<Account, Failed> {
    let file = file(settings, directory);
    let Some(kept) = read(&file)? else { return make(settings, directory, http).await };
    let builder = Account::builder_with_http(Box::new(http));
    let account = builder.from_credentials(kept.credentials).await?;
    if kept.contact != settings.contact {
        let contact: Vec<&str> = settings.contact.iter().map(String::as_str).collect();
        account.update_contacts(&contact).await?;
        // The credentials are taken by the account: they are read once more.
        if let Some(kept) = read(&file)? {
            keep(&file, &Kept { contact: settings.contact.clone(), ..kept })?;
        }
    }
    Ok(account)
}

/// The CA does not know it any more: the next order makes another.
pub(crate) fn forget(settings: &Settings, directory: &str) {
    let _ = std::fs::remove_file(file(settings, directory));
}

async fn make(settings: &Settings, directory: &str, http: Http) -> Result<Account, Failed> {
    let contact: Vec<&str> = settings.contact.iter().map(String::as_str).collect();
    // machine.toml says that the operator has agreed; without that there are no settings.
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let builder = Account::builder_with_http(Box::new(http));
    let (account, credentials) = builder.create(&new, directory.to_owned(), None).await?;
    machine::failpoint::hit("certs-account-made");
    keep(&file(settings, directory), &Kept { contact: settings.contact.clone(), credentials })?;
    tracing::info!(directory, "An account at the CA was made.");
    Ok(account)
}

/// A directory has a file of its own: the account of one is nobody at another.
fn file(settings: &Settings, directory: &str) -> PathBuf {
    let digest = Sha256::digest(directory.as_bytes());
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    settings.state.join(format!("account.{short}"))
}

fn read(file: &std::path::Path) -> Result<Option<Kept>, Failed> {
    let failed = |error: &dyn std::fmt::Display| {
        Failed::new(format!(
            "the account in {} cannot be read: {error}; move the file away, and another is made",
            file.display()
        ))
    };
    match machine::fs::read_regular(file, BYTES_MAX) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}

fn keep(file: &std::path::Path, kept: &Kept) -> Result<(), Failed> {
    let text = serde_json::to_vec_pretty(kept).map_err(io::Error::from);
    let written = text.and_then(|text| machine::fs::write_atomic(file, &text, 0o600));
    written.map_err(|error| Failed::new(format!("the account cannot be kept in {}: {error}", file.display())))
}
