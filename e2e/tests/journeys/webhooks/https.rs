//! Receivers over TLS, by the trust store that an operator names.

use std::{fs, path::Path, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use testkit::{FakeApp, Mainstay, receiver::Receiver, wait};

use super::{KEY, SOON, machine, of, told, waiting};

/// From a replaced file to a station that has it: it is looked for every 5 s.
const NOTICED: Duration = Duration::from_secs(30);

/// Made for one test.
struct Authority(Issuer<'static, KeyPair>, String);

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let text = params.self_signed(&key).expect("a certificate").pem();
        Self(Issuer::new(params, key), text)
    }

    /// `receiver` has a certificate by it from now on.
    fn vouches_for(&self, receiver: &Receiver) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let made = params.signed_by(&key, &self.0).expect("a certificate");
        receiver.present(made.der().clone(), key.into());
    }

    /// By a rename, as updates of a trust store do it.
    fn put(&self, file: &Path) {
        let new = file.with_extension("new");
        fs::write(&new, &self.1).expect("written");
        fs::rename(new, file).expect("in its place");
    }
}

fn test(mainstay: &Mainstay, code: i32) -> String {
    mainstay.cli(&["webhook", "test"]).expect_code(code).out
}

#[test]
fn an_https_receiver_is_told_once_its_authority_is_trusted_also_after_that_file_is_replaced() {
    let receiver = Receiver::start(KEY);
    let first = Authority::new("the first");
    first.vouches_for(&receiver);
    let mut mainstay = machine(&receiver);
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let said = test(&mainstay, 1);
    assert!(said.contains("UnknownIssuer"), "nobody trusts it yet: {said}");
    wait::until("two deliveries wait", SOON, || waiting(&mainstay) == 2);
    assert_eq!(receiver.taken().len() + receiver.refused().len(), 0, "not one byte was for it");

    // The next keeper has the variable, and the station was started without it.
    let (file, stranger) = (mainstay.folder().join("trusted.pem"), mainstay.station_pid());
    first.put(&file);
    mainstay.kill_up();
    mainstay.run_with(Some(("SSL_CERT_FILE", &file.display().to_string())));
    mainstay.up();
    told(&receiver, "deploy.started", 1);
    told(&receiver, "deploy.served", 1);
    assert!(test(&mainstay, 0).contains("answered 204"));
    let before = mainstay.station_pid();
    assert_ne!(before, stranger);

    let second = Authority::new("the second");
    second.vouches_for(&receiver);
    second.put(&file);
    wait::until("another station has the new file", NOTICED, || {
        mainstay.api("/v1/machine").is_some_and(|machine| {
            machine["station"]["pid"].as_u64().is_some_and(|pid| pid != u64::from(before))
        })
    });
    assert!(test(&mainstay, 0).contains("answered 204"));
    assert_eq!((of(&receiver, "webhook.test"), receiver.wrong().len()), (2, 0));
    mainstay.down();
}
