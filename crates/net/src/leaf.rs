//! What a certificate says of itself.

use rustls_pki_types::CertificateDer;
use x509_cert::{
    Certificate,
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// Of the first certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Hexadecimal, lower case.
    pub serial: String,
    /// SHA-256 of all of it, hexadecimal, lower case.
    pub fingerprint: String,
    /// The common name of who has signed it, else all of the name.
    pub issuer: String,
    /// Seconds since 1970.
    pub begins_s: u64,
    pub expires_s: u64,
    /// Those of DNS, in lower case.
    pub names: Vec<String>,
}

impl Leaf {
    /// # Errors
    /// In words: it is no certificate (RFC 5280), or its names cannot be read.
    pub fn of(der: &CertificateDer<'_>) -> Result<Self, String> {
        let leaf = Certificate::from_der(der).map_err(|error| error.to_string())?;
        let own = leaf.tbs_certificate();
        let names = own.get_extension::<SubjectAltName>().map_err(|error| error.to_string())?;
        let dns = |name: GeneralName| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
            _ => None,
        };
        let of = |time: x509_cert::time::Time| time.to_date_time().unix_duration().as_secs();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        Ok(Self {
            serial: hexadecimal(own.serial_number().as_bytes()),
            fingerprint: hexadecimal(digest.as_ref()),
            issuer: common_name(&own.issuer().to_string()),
            begins_s: of(own.validity().not_before),
            expires_s: of(own.validity().not_after),
            names: names.into_iter().flat_map(|(_, names)| names.0).filter_map(dns).collect(),
        })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of a distinguished name (RFC 4514) its common name, else all of it.
fn common_name(name: &str) -> String {
    let parts = || name.split(',');
    parts().find_map(|part| part.trim().strip_prefix("CN=")).unwrap_or(name).to_owned()
}
