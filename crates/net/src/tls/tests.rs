//! Forms of certificate files (TLS-04), and what is said of those that cannot be used.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::*;

/// A server's certificate, who has signed it, and the server's key, as PEM.
fn chain() -> (String, String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "a CA");
    let authority = KeyPair::generate().expect("a key");
    let above = params.self_signed(&authority).expect("a certificate").pem();
    let authority = Issuer::new(params, authority);
    let key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new(["a.example".to_owned()]).expect("a name");
    let own = own.signed_by(&key, &authority).expect("a certificate").pem();
    (own, above, key.serialize_pem())
}

fn read(cert: &str, key: &str) -> Result<CertifiedKey, CertificateError> {
    let folder = tempfile::tempdir().expect("a folder");
    let (cert_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert_file, cert).expect("written");
    std::fs::write(&key_file, key).expect("written");
    read_certificate(&cert_file, &key_file)
}

/// TLS-04: certificate and key apart, and all in one file as HAProxy has it.
#[test]
fn a_chain_is_read_apart_from_its_key_or_in_one_file_with_it() {
    let (own, above, key) = chain();
    assert_eq!(read(&(own.clone() + &above), &key).expect("two files").cert.len(), 2);
    let one = own.clone() + &above + &key;
    assert_eq!(read(&one, &one).expect("one file").cert.len(), 2);
    let key_first = key + &own + &above;
    let read = read(&key_first, &key_first).expect("in another order");
    assert!(!is_self_signed(&read));
}

#[test]
fn what_cannot_be_used_is_refused_with_what_is_wrong_and_what_helps() {
    let (own, above, key) = chain();
    let (_, _, other) = chain();
    let why = |cert: &str, key: &str| read(cert, key).expect_err("it is refused").to_string();
    let order = why(&(above + &own), &key);
    assert!(order.contains("belongs to certificate 2 of ") && order.contains("comes first"), "{order}");
    assert!(why(&own, &other).contains("does not belong to the certificate"));
    let mismatch = read(&own, &other).expect_err("it is refused");
    assert!(
        std::error::Error::source(&mismatch).is_none(),
        "no name of the library's behind it: {mismatch:?}"
    );
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIH\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let older = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A\n\nMIH\n-----END EC PRIVATE KEY-----\n";
    for key in [encrypted, older] {
        let said = why(&own, key);
        assert!(said.contains("is encrypted") && said.contains("openssl pkey -in "), "{said}");
    }
    assert!(why("DER is no text", &key).contains("it is to be PEM"));
}

#[test]
fn a_certificate_of_a_ca_is_refused_in_words() {
    let of_library =
        rustls::CertificateError::Other(rustls::OtherError(Arc::new(io::Error::other("CaUsedAsEndEntity"))));
    let said = refused(&rustls::Error::InvalidCertificate(of_library));
    assert!(said.starts_with("it is a CA's own certificate") && !said.contains("Other"), "{said}");
    let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    assert!(refused(&unknown).contains("UnknownIssuer"));
}
