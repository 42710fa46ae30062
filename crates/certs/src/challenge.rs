//! What the edge answers where a CA looks whether a name leads here.

use instant_acme::{ChallengeHandle, ChallengeType, KeyAuthorization};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};

use crate::{
    dns_hook::Record,
    folder::{Folder, Placed},
    order::Failed,
    settings::{Challenge, Settings},
};

/// The CA's word for it.
pub(crate) fn kind(challenge: Challenge) -> ChallengeType {
    match challenge {
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        Challenge::Dns01 => ChallengeType::Dns01,
    }
}

/// Where the CA finds what it looks for.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The edge shows it; gone when it is dropped.
    Shown {
        _file: Placed,
    },
    Written(Record),
}

impl Answer {
    /// The CA has seen what it wanted, or never will.
    pub(crate) async fn withdraw(self) {
        match self {
            Self::Shown { .. } => {}
            Self::Written(record) => record.clear().await,
        }
    }
}

/// Puts the answer where it is found: in the edge's folder, or in the DNS.
/// # Errors
/// The token is no name of a file; the disk's, or the hook's.
pub(crate) async fn answer(
    folder: &Folder,
    settings: &Settings,
    name: &str,
    challenge: &ChallengeHandle<'_>,
) -> Result<Answer, Failed> {
    let proof = challenge.key_authorization();
    let placed = match settings.challenge {
        Challenge::Dns01 => {
            let domain = name.strip_prefix("*.").unwrap_or(name);
            return Record::set(&settings.dns_hook, domain, proof.dns_value()).await.map(Answer::Written);
        }
        Challenge::Http01 if is_token(&challenge.token) => folder.answer(&challenge.token, proof.as_str()),
        Challenge::Http01 => {
            return Err(Failed::new("the CA's token has other letters than RFC 8555 allows".to_owned()));
        }
        Challenge::TlsAlpn01 => folder.answer(&format!("{name}.alpn"), &certificate(name, &proof)?),
    };
    let placed = placed.map(|file| Answer::Shown { _file: file });
    placed
        .map_err(|error| Failed::new(format!("the answer to the CA's challenge cannot be written: {error}")))
}

/// base64url (RFC 8555, 8.3): what is none could be a path.
fn is_token(token: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=128).contains(&token.len()) && token.bytes().all(fits)
}

/// A certificate that says nothing but the proof (RFC 8737, 3), with its key, as PEM.
fn certificate(name: &str, proof: &KeyAuthorization) -> Result<String, Failed> {
    let failed = |error: rcgen::Error| {
        Failed::new(format!("the certificate for the CA's challenge cannot be made: {error}"))
    };
    let pair = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new([name.to_owned()]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(proof.digest().as_ref())];
    let made = params.self_signed(&pair).map_err(failed)?;
    Ok(made.pem() + &pair.serialize_pem())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_no_path() {
        assert!(is_token("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"));
        for bad in ["", "..", "a/b", "a.b", "a\0", &"a".repeat(129)] {
            assert!(!is_token(bad), "{bad:?}");
        }
    }
}
