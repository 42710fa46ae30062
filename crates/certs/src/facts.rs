//! What a certificate says of itself.

use instant_acme::CertificateIdentifier;
use net::leaf::Leaf;
use rustls_pki_types::{CertificateDer, Der, PrivateKeyDer, pem::PemObject as _};
use x509_cert::{Certificate, der::Decode as _, ext::pkix::AuthorityKeyIdentifier};

/// Of the leaf of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Hexadecimal, lower case.
    pub serial: String,
    pub issuer: String,
    /// Seconds since 1970.
    pub begins_s: u64,
    pub expires_s: u64,
    /// Those of DNS.
    pub names: Vec<String>,
    identifier: Option<CertificateIdentifier<'static>>,
}

/// Why a chain cannot be put in its place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChainError {
    #[error("the chain that the CA sent holds no certificate")]
    Empty,
    #[error("the chain that the CA sent cannot be read: {0}")]
    Unreadable(String),
    #[error("the certificate that the CA sent is for {has}, not for {wanted}")]
    OtherName { has: String, wanted: String },
    #[error("the certificate that the CA sent does not belong to the key of the order: {0}")]
    OtherKey(String),
}

impl Facts {
    /// # Errors
    /// The PEM holds no certificate that can be read.
    pub(crate) fn of(chain: &str) -> Result<Self, ChainError> {
        let unreadable = |error: String| ChainError::Unreadable(error);
        let first = certificates(chain)?.into_iter().next().ok_or(ChainError::Empty)?;
        let leaf = Certificate::from_der(&first).map_err(|error| unreadable(error.to_string()))?;
        let Leaf { serial, issuer, begins_s, expires_s, names, .. } = Leaf::of(&first).map_err(unreadable)?;
        Ok(Self { serial, issuer, begins_s, expires_s, names, identifier: identifier(&leaf) })
    }

    /// By which a CA knows it when it is asked about its renewal (RFC 9773, 4.1); `None`: it does not name its issuer's key.
    pub(crate) fn identifier(&self) -> Option<CertificateIdentifier<'static>> {
        self.identifier.clone()
    }

    /// Those of a chain that is for `name` and belongs to `key`.
    /// # Errors
    /// It is not.
    pub(crate) fn checked(chain: &str, key: &str, name: &str) -> Result<Self, ChainError> {
        let facts = Self::of(chain)?;
        if !facts.names.iter().any(|known| known == name) {
            return Err(ChainError::OtherName { has: facts.names.join(", "), wanted: name.to_owned() });
        }
        let other = |error: String| ChainError::OtherKey(error);
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| other(error.to_string()))?;
        rustls::sign::CertifiedKey::from_der(certificates(chain)?, key, &net::tls::provider())
            .map_err(|error| other(error.to_string()))?;
        Ok(facts)
    }
}

fn certificates(chain: &str) -> Result<Vec<CertificateDer<'static>>, ChainError> {
    let all = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>();
    all.map_err(|error| ChainError::Unreadable(error.to_string()))
}

fn identifier(leaf: &Certificate) -> Option<CertificateIdentifier<'static>> {
    let own = leaf.tbs_certificate();
    let (_, authority) = own.get_extension::<AuthorityKeyIdentifier>().ok()??;
    let authority = authority.key_identifier?;
    let serial = own.serial_number().as_bytes();
    Some(
        CertificateIdentifier::new(Der::from_slice(authority.as_bytes()), Der::from_slice(serial))
            .into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    fn issued(name: &str) -> (String, String) {
        let authority = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the CA");
        let authority = Issuer::new(params, authority);
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.serial_number = Some(vec![0x0a, 0xbc].into());
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
        params.use_authority_key_identifier_extension = true;
        let made = params.signed_by(&key, &authority).expect("a certificate");
        (made.pem(), key.serialize_pem())
    }

    #[test]
    fn a_chain_says_whose_it_is_and_until_when() {
        let (chain, key) = issued("a.example");
        let facts = Facts::checked(&chain, &key, "a.example").expect("it fits");
        assert_eq!((facts.serial.as_str(), facts.issuer.as_str()), ("0abc", "the CA"));
        assert_eq!(
            (facts.expires_s, facts.names.as_slice()),
            (3_786_912_000, ["a.example".to_owned()].as_slice())
        );
        let identifier = facts.identifier().expect("it names its issuer's key").to_string();
        assert!(identifier.ends_with(".Crw"), "the serial in base64: {identifier}");
    }

    #[test]
    fn a_chain_of_another_name_or_key_is_refused_and_so_is_none() {
        let (chain, key) = issued("a.example");
        let (_, other) = issued("a.example");
        assert!(matches!(Facts::checked(&chain, &key, "b.example"), Err(ChainError::OtherName { .. })));
        assert!(matches!(Facts::checked(&chain, &other, "a.example"), Err(ChainError::OtherKey(_))));
        assert!(matches!(Facts::of("no PEM"), Err(ChainError::Empty)));
    }
}
