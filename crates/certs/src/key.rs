//! Keys of certificates, and the request that a CA signs.

use rcgen::{CertificateParams, DistinguishedName, KeyPair, RsaKeySize};

use crate::settings::KeyKind;

/// A new key, as PEM (PKCS #8). RSA keys take up to some seconds. Blocking.
/// # Errors
/// The library's.
pub(crate) fn generate(kind: KeyKind) -> Result<String, rcgen::Error> {
    let pair = match kind {
        KeyKind::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyKind::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyKind::Rsa4096 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_4096),
    };
    Ok(pair?.serialize_pem())
}

/// The DER of a request for `name` (PKCS #10), which names it as CAs want it: as a subject's alternative name alone.
/// # Errors
/// The key is none, or the name is not one of DNS.
pub(crate) fn request(key: &str, name: &str) -> Result<Vec<u8>, rcgen::Error> {
    let pair = KeyPair::from_pem(key)?;
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(&pair)?.der().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_key_signs_a_request() {
        for kind in [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::Rsa2048, KeyKind::Rsa4096] {
            let key = generate(kind).expect("a key");
            assert!(request(&key, "*.example.com").is_ok_and(|request| !request.is_empty()), "{kind:?}");
        }
    }
}
