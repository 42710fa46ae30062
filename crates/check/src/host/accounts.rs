//! Root has no password, no account has an empty one, and nobody else is root: passwd(5) and shadow(5).

use std::path::Path;

use api::checks::{Severity, State};
use model::Explain;

use super::{Host, Known, OnHost, judged, text};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<OnHost> = Check {
    id: "root-locked",
    title: "root has no password and no other name",
    severity: Severity::Warning,
    sources: &["CHK-09l", "SEC-02"],
    run,
};

#[derive(Debug)]
pub(crate) struct Accounts {
    wrong: Vec<String>,
}

pub(super) fn read(root: &Path) -> Known<Accounts> {
    Ok(Accounts { wrong: wrong(&text(root, "etc/passwd")?, &text(root, "etc/shadow")?) })
}

fn wrong(passwd: &str, shadow: &str) -> Vec<String> {
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let mut wrong = Vec::new();
    for account in passwd.lines().map(fields) {
        if let [name, _, uid, ..] = &account[..]
            && uid == "0"
            && name != "root"
        {
            wrong.push(format!("{name} is root, too (uid 0)"));
        }
    }
    for account in shadow.lines().map(fields) {
        let [name, password, ..] = &account[..] else { continue };
        match password.chars().next() {
            None => wrong.push(format!("{name} has an empty password")),
            Some('!' | '*') => {}
            Some(_) if name == "root" => wrong.push("root has a password".to_owned()),
            Some(_) => {}
        }
    }
    wrong
}

fn run(context: &Host<'_>) -> State {
    judged(&context.facts.accounts, |accounts| {
        let explain = Explain::new("root-open", "accounts of this machine let in more than they should").help(
            "give yourself an account with sudo, then `passwd --lock root`; lock or remove the others (`passwd --lock NAME`, `userdel NAME`)",
        );
        found_if(accounts.wrong.clone(), explain, "root is locked")
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_second_root_and_an_open_password_are_told() {
        let wrong = super::wrong;
        assert!(wrong("root:x:0:0::/root:/bin/sh\nana:x:1000:", "root:*:1::\nana:$y$j9T$x:1::\n").is_empty());
        assert_eq!(wrong("root:x:0:0::\ntoor:x:0:0::\n", "root:!:1::\n"), ["toor is root, too (uid 0)"]);
        assert_eq!(
            wrong("", "root:$y$j9T$x:1::\nguest::1::\n"),
            ["root has a password", "guest has an empty password"]
        );
    }
}
