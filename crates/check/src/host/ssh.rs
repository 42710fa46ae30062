//! SSH takes keys only, and nobody logs in as root: what `sshd -T` says for somebody from outside.

use std::path::Path;

use api::checks::{Severity, State};
use model::Explain;

use super::{Host, Known, OnHost, judged, program};
use crate::finding::{Check, found_if, passed};

pub(super) const KEYS_ONLY: Check<OnHost> = Check {
    id: "ssh-keys-only",
    title: "SSH takes keys only",
    severity: Severity::Error,
    sources: &["CHK-09h", "SEC-01"],
    run: keys_only,
};

pub(super) const ROOT: Check<OnHost> = Check {
    id: "ssh-root",
    title: "nobody logs in as root by SSH",
    severity: Severity::Warning,
    sources: &["CHK-09l", "SEC-02"],
    run: root,
};

/// What sshd does, as far as it is judged.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ssh {
    pub(super) ports: Vec<u16>,
    /// `password`, `keyboard-interactive`, …: ways in that need no key.
    without_key: Vec<String>,
    permit_root: String,
}

const CONFIG: &str = "etc/ssh/sshd_config";

/// By sshd itself, for root from an address that is nobody's (RFC 5737): blocks of `Match` are applied as for a stranger.
pub(super) fn read(root: &Path) -> Known<Ssh> {
    let config = root.join(CONFIG);
    if !config.exists() {
        return Err(format!(
            "there is no {}: if another server speaks SSH here, look at it",
            config.display()
        ));
    }
    let who = "user=root,host=outside.invalid,addr=192.0.2.1,laddr=192.0.2.2,lport=22";
    let said = program::printed("sshd", &["-T", "-C", who, "-f", &config.display().to_string()])?;
    Ok(parse(&said))
}

fn parse(said: &str) -> Ssh {
    let values = |key: &str| {
        let key = key.to_owned();
        said.lines().filter_map(move |line| line.strip_prefix(&key)?.strip_prefix(' ').map(str::trim))
    };
    let is_on = |key: &str| values(key).next() == Some("yes");
    // Each list is one way in; a way that asks for a key first needs one.
    let needs_key = values("authenticationmethods").next().is_some_and(|ways| {
        ways.split_whitespace().all(|way| way.split(',').any(|method| method.starts_with("publickey")))
    });
    let ways = [
        ("passwordauthentication", "password"),
        ("kbdinteractiveauthentication", "keyboard-interactive"),
        ("challengeresponseauthentication", "challenge-response"),
        ("hostbasedauthentication", "host-based"),
    ];
    let open = ways.into_iter().filter(|(key, _)| !needs_key && is_on(key));
    let empty = is_on("permitemptypasswords") && is_on("passwordauthentication");
    Ssh {
        ports: values("port").filter_map(|port| port.parse().ok()).collect(),
        without_key: open
            .map(|(key, way)| format!("{way} ({key} yes)"))
            .chain(empty.then(|| "an empty password (permitemptypasswords yes)".to_owned()))
            .collect(),
        permit_root: values("permitrootlogin").next().unwrap_or("unknown").to_owned(),
    }
}

fn keys_only(context: &Host<'_>) -> State {
    judged(&context.facts.ssh, |ssh| {
        let explain = Explain::new("ssh-passwords", "SSH lets people in without a key")
            .help(
                "put `PasswordAuthentication no` and `KbdInteractiveAuthentication no` into a file of /etc/ssh/sshd_config.d, \
                 see that your key lets you in, then `systemctl reload ssh`",
            );
        let seen =
            format!("sshd at port {}", ssh.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", "));
        found_if(ssh.without_key.clone(), explain, seen)
    })
}

fn root(context: &Host<'_>) -> State {
    judged(&context.facts.ssh, |ssh| match ssh.permit_root.as_str() {
        "no" => passed("permitrootlogin no"),
        other => {
            let how = match other {
                "prohibit-password" | "without-password" => "by key",
                "forced-commands-only" => "by keys with a forced command",
                _ => "by every way that is open to others",
            };
            let explain = Explain::new("ssh-root", "root may log in by SSH").help(
                "give yourself an account with sudo, try it, then put `PermitRootLogin no` into a file of /etc/ssh/sshd_config.d and \
                 `systemctl reload ssh`",
            );
            found_if(vec![format!("permitrootlogin {other}: {how}")], explain, "")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    const SAFE: &str = "port 22\npermitrootlogin no\npasswordauthentication no\nkbdinteractiveauthentication no\nauthenticationmethods any\n";

    #[test]
    fn every_way_in_without_a_key_is_told() {
        assert!(parse(SAFE).without_key.is_empty());
        for way in ["passwordauthentication", "kbdinteractiveauthentication"] {
            let open = SAFE.replace(&format!("{way} no"), &format!("{way} yes"));
            assert_eq!(parse(&open).without_key.len(), 1, "{way}");
            // A second factor behind a key is no way around it.
            let behind = |ways: &str| {
                parse(&open.replace("methods any", &format!("methods {ways}"))).without_key.len()
            };
            assert_eq!(behind("publickey,keyboard-interactive"), 0);
            assert_eq!(behind("publickey password"), 1);
        }
        assert_eq!(parse("port 22\nport 2222\n").ports, [22, 2222]);
    }
}
