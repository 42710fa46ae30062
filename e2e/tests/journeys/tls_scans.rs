//! TLS as sslyze and testssl.sh judge it, in both profiles and with both kinds of certificate: they find nothing.
//!
//! The certificates are of a CA of the test that both scanners are told to trust, last as long as Let's Encrypt's and name a
//! list of those that were taken back, so that no finding has to be excused.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm,
};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{FakeApp, Mainstay, registry};

/// Names, each with a certificate of its own kind. The first has an address wherever this runs.
const ECDSA: &str = "localhost";
const RSA: &str = "rsa.test";
const DAY: Duration = Duration::from_secs(86_400);
/// Mozilla's modern configuration has 90 at most; testssl.sh complains of less than 60 that are left.
const VALID: Duration = DAY.saturating_mul(80);
/// Seconds for one run of a scanner on a busy machine.
const SCAN_LIMIT_S: &str = "400";

const OLD: [&str; 4] = ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"];
const AEAD: [&str; 3] = ["AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256"];
/// What sslyze has looked for, where, and what it is to have found. RSA key transport, by which ROBOT works, is not spoken.
const FINDINGS: [(&str, &str, &str); 8] = [
    ("tls_compression", "supports_compression", "false"),
    ("tls_1_3_early_data", "supports_early_data", "false"),
    ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", "false"),
    ("heartbleed", "is_vulnerable_to_heartbleed", "false"),
    ("robot", "robot_result", "\"NOT_VULNERABLE_RSA_NOT_SUPPORTED\""),
    ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", "false"),
    ("session_renegotiation", "supports_secure_renegotiation", "true"),
    ("tls_extended_master_secret", "supports_ems_extension", "true"),
];

/// An edge before an app, with a certificate of each kind by the CA in the folder's `root.pem`.
fn edge(more: &str) -> (Mainstay, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = KeyPair::generate().expect("a key");
    let mut params = lasting(CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "a CA of the test");
    fs::write(folder.path().join("root.pem"), params.self_signed(&key).expect("a root").pem())
        .expect("written");
    let authority = Issuer::new(params, key);
    let kinds = [(ECDSA, &PKCS_ECDSA_P256_SHA256), (RSA, &PKCS_RSA_SHA256)];
    let tables = kinds.map(|(name, kind)| certified(folder.path(), &authority, name, kind));
    let mainstay = Mainstay::start_with(&format!("{}{more}", tables.concat()));
    let app = FakeApp::new(&mainstay, "fake").any_host();
    app.deploy_to(&mainstay, &[]).expect_code(0);
    (mainstay, folder)
}

fn lasting(mut params: CertificateParams) -> CertificateParams {
    params.not_before = (SystemTime::now() - Duration::from_secs(60)).into();
    params.not_after = (SystemTime::now() + VALID).into();
    params
}

/// The table of machine.toml for a certificate that this makes.
fn certified(
    folder: &Path,
    authority: &Issuer<'_, KeyPair>,
    name: &str,
    kind: &'static SignatureAlgorithm,
) -> String {
    let key = KeyPair::generate_for(kind).expect("a key");
    let mut params = lasting(CertificateParams::new([name.to_owned()]).expect("a name"));
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.crl_distribution_points =
        vec![CrlDistributionPoint { uris: vec!["http://crl.test/taken-back.crl".to_owned()] }];
    let made = params.signed_by(&key, authority).expect("signed");
    let [cert, private] = ["pem", "key"].map(|end| folder.join(format!("{name}.{end}")));
    fs::write(&cert, made.pem()).expect("written");
    fs::write(&private, key.serialize_pem()).expect("written");
    let (cert, private) = (cert.display(), private.display());
    format!("[[certificate]]\nnames = [\"{name}\"]\ncert = \"{cert}\"\nkey = \"{private}\"\n")
}

fn bounded(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args([SCAN_LIMIT_S, program]);
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// What sslyze found, by what it looked for, and what it says of this configuration of Mozilla's; `Err`: what does not comply.
fn sslyze(mainstay: &Mainstay, folder: &TempDir, name: &str, mozillas: &str) -> (Value, Result<(), String>) {
    let packages = registry::python("sslyze", &["sslyze==6.3.1"]);
    let found = folder.path().join("found.json");
    let mut sslyze = bounded("/usr/bin/python3");
    sslyze.args([
        "-W",
        "ignore",
        "-m",
        "sslyze",
        "--early_data",
        "--sni",
        name,
        "--mozilla_config",
        mozillas,
    ]);
    sslyze.arg("--certinfo_ca_file").arg(folder.path().join("root.pem")).arg("--json_out").arg(&found);
    sslyze.arg(format!("{ECDSA}:{}", mainstay.https().port())).env("PYTHONPATH", packages);
    let output = sslyze.output().expect("timeout is there");
    let said = text(&output);
    let found = fs::read_to_string(&found).unwrap_or_default();
    // A line of its own, and a number that no reader of JSON but Python's takes.
    let found: String = found.lines().filter(|line| !line.contains("\"rsa_n\"")).collect();
    let found: Value = serde_json::from_str(&found).unwrap_or_else(|error| panic!("{error}: {said}"));
    let scan = found["server_scan_results"][0]["scan_result"].clone();
    let complies = match output.status.code() {
        Some(0) if said.contains("OK - Compliant") => Ok(()),
        Some(1) if said.contains("FAILED - Not compliant") => {
            Err(said.rsplit("FAILED - Not compliant").next().unwrap_or_default().trim().to_owned())
        }
        _ => panic!("sslyze came to no end: {said}"),
    };
    (scan, complies)
}

/// The suites that were accepted; `None`: the version is not spoken at all.
fn suites(scan: &Value, version: &str) -> Option<Vec<String>> {
    let looked = &scan[format!("{version}_cipher_suites")];
    assert_eq!(looked["status"], "COMPLETED", "{version}: {looked}");
    let accepted = looked["result"]["accepted_cipher_suites"].as_array().expect("a list");
    let mut names: Vec<String> =
        accepted.iter().map(|one| one["cipher_suite"]["name"].as_str().expect("a name").to_owned()).collect();
    names.sort();
    (looked["result"]["is_tls_version_supported"] == true).then_some(names)
}

fn nothing_is_wrong(scan: &Value) {
    assert_eq!(OLD.map(|version| suites(scan, version)), [const { None }; 4]);
    assert_eq!(suites(scan, "tls_1_3"), Some(AEAD.map(|suite| format!("TLS_{suite}")).into()));
    for (looked, at, wanted) in FINDINGS {
        assert_eq!(scan[looked]["result"][at].to_string(), wanted, "{looked}: {}", scan[looked]);
    }
}

#[test]
fn sslyze_finds_nothing_by_default_and_mozillas_intermediate_configuration_is_met() {
    let (mainstay, folder) = edge("");
    for (name, kind) in [(ECDSA, "ECDSA"), (RSA, "RSA")] {
        let (scan, complies) = sslyze(&mainstay, &folder, name, "intermediate");
        assert_eq!(complies, Ok(()), "{name}");
        nothing_is_wrong(&scan);
        let wanted = AEAD.map(|suite| format!("TLS_ECDHE_{kind}_WITH_{suite}"));
        assert_eq!(suites(&scan, "tls_1_2"), Some(wanted.into()));
    }
    // The scanner can tell: the same edge is not modern.
    let (_, complies) = sslyze(&mainstay, &folder, ECDSA, "modern");
    let why = complies.expect_err("TLS 1.2 is spoken");
    assert!(why.contains("{'TLSv1.2'} are supported, but should be rejected"), "{why}");
}

#[test]
fn sslyze_finds_nothing_in_the_modern_profile_and_mozillas_modern_configuration_is_met() {
    let (mainstay, folder) = edge("[tls]\nprofile = \"modern\"\n");
    let (scan, complies) = sslyze(&mainstay, &folder, ECDSA, "modern");
    assert_eq!(complies, Ok(()));
    nothing_is_wrong(&scan);
    assert_eq!(suites(&scan, "tls_1_2"), None);
}

/// Severity and words of each finding of testssl.sh, by its id.
fn testssl(mainstay: &Mainstay, folder: &TempDir, groups: &[&str]) -> BTreeMap<String, (String, String)> {
    let found = folder.path().join("testssl.json");
    let mut testssl = bounded("testssl");
    testssl.args(["--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--ip", "127.0.0.1"]);
    testssl.arg("--add-ca").arg(folder.path().join("root.pem")).arg("--jsonfile").arg(&found).args(groups);
    let output = testssl.arg(format!("{ECDSA}:{}", mainstay.https().port())).output().expect("installed");
    assert!(output.status.success(), "{}", text(&output));
    let found: Value = serde_json::from_slice(&fs::read(&found).expect("written")).expect("JSON");
    let word = |one: &Value, key: &str| one[key].as_str().expect("a word").to_owned();
    let all = found.as_array().expect("a list").iter();
    all.map(|one| (word(one, "id"), (word(one, "severity"), word(one, "finding")))).collect()
}

/// Nothing is worse than a remark, but for what testssl.sh says of its own openssl.
fn nothing_is_bad(found: &BTreeMap<String, (String, String)>) {
    let bad: Vec<_> = found
        .iter()
        .filter(|(id, (severity, _))| !matches!(severity.as_str(), "OK" | "INFO") && *id != "engine_problem")
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
}

/// What it says of the versions of TLS, oldest first.
fn versions(found: &BTreeMap<String, (String, String)>) -> Vec<&str> {
    let ids = ["SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3"];
    ids.map(|id| found[id].1.split(" with ").next().expect("a word")).into()
}

/// Its groups for weaknesses take minutes: they are of the long form, and sslyze looks for the same in the short one.
#[test]
fn testssl_finds_no_weakness_by_default_and_in_the_modern_profile() {
    let (mainstay, folder) = edge("");
    let weaknesses: &[&str] =
        if crate::is_long() { &["--fs", "--server-defaults", "--vulnerable"] } else { &[] };
    let found = testssl(&mainstay, &folder, &[&["--protocols", "--standard"], weaknesses].concat());
    nothing_is_bad(&found);
    let not = "not offered";
    assert_eq!(versions(&found), [not, not, not, not, "offered", "offered"]);
    if crate::is_long() {
        // It came to its end: the last group's last words.
        assert_eq!(found["RC4"].0, "OK");
        assert_eq!(found["cert_chain_of_trust"].1, "passed.");
    }
    drop(mainstay);

    let (mainstay, folder) = edge("[tls]\nprofile = \"modern\"\n");
    let found = testssl(&mainstay, &folder, &["--protocols", "--standard"]);
    nothing_is_bad(&found);
    assert_eq!(versions(&found), [not, not, not, not, not, "offered"]);
}
