//! Why `ssh` did not lead to a keeper, in words. Pure: how it ended and what it said give what is told.

use std::{io, time::Duration};

use model::Explain;
use serde::Deserialize;

use super::{Ended, Target};
use crate::remote::Host;

/// Bound: lines of ssh's own words that are shown.
const LINES_MAX: usize = 5;
/// ssh's own failures (ssh(1), "exit status").
const OF_SSH: i32 = 255;
/// A shell's: there is no such program, or it may not be run.
const NO_PROGRAM: [i32; 2] = [126, 127];

/// Whether it may pass by itself, and the words.
pub(super) struct Told {
    pub passing: bool,
    pub explain: Explain,
}

/// What ssh says of itself, whether it passes, and what is told of the host. The first that fits holds.
type Known = (&'static [&'static str], bool, fn(&Host) -> Explain);

const OF_ITSELF: [Known; 6] = [
    (
        &["REMOTE HOST IDENTIFICATION HAS CHANGED", "has changed and you have requested strict checking"],
        false,
        |host| {
            Explain::new("host-key-changed", format!("{host} has another host key than the one that is known")).help(format!(
            "either the machine was set up anew or somebody stands in between: get the new fingerprint from its owner by another way; \
             only then remove the old key by `ssh-keygen -R` and connect once by `ssh {host}`"
        ))
        },
    ),
    (&["Host key verification failed"], false, |host| {
        Explain::new("host-key-unknown", format!("the host key of {host} is not known here")).help(format!(
            "connect once by `ssh {host}` and compare the fingerprint; where nobody can be asked (CI), put the host's public key into \
             known_hosts beforehand"
        ))
    }),
    (
        &["Permission denied", "Too many authentication failures", "No supported authentication"],
        false,
        |host| {
            Explain::new("ssh-denied", format!("{host} does not let this user in")).help(format!(
            "`ssh {host}` must work without a password: is the key loaded (`ssh-add -l`), is it the one that was added there, is the \
             user the right one?"
        ))
        },
    ),
    (&["Could not resolve hostname"], false, |host| {
        Explain::new("host-unknown", format!("no machine is called {host}"))
            .help("see how it is spelt, in `--host`, in hosts.toml and in ~/.ssh/config")
    }),
    (&["Connection refused"], true, |host| {
        Explain::new("host-refused", format!("{host} takes no connection of ssh"))
            .help("is sshd running there, and on that port? `[USER@]SERVER:PORT` names another one")
    }),
    (
        &[
            "No route to host",
            "Network is unreachable",
            "timed out",
            "Connection reset",
            "Connection closed by",
            "kex_exchange_identification",
            "Broken pipe",
            "not responding",
        ],
        true,
        |host| {
            Explain::new("host-unreachable", format!("{host} cannot be reached")).help(format!(
                "is the machine up, and is there a way to it (VPN, firewall)? `ssh {host}` shows the same"
            ))
        },
    ),
];

/// An error that the proxy has found, as it writes it.
#[derive(Deserialize)]
struct OfProxy {
    error: Explain,
}

pub(super) fn told(target: &Target, ended: &Ended) -> Told {
    let code = ended.status.and_then(|status| status.code());
    if let Some(explain) = ended.said.lines().find_map(of_proxy) {
        let passing = matches!(explain.code.as_str(), "no-keeper" | "keeper-not-starting");
        let explain = explain.caused_by(format!("said by the mainstay at {}", target.host));
        return Told { passing, explain };
    }
    let (passing, explain) = match code {
        Some(OF_SSH) | None => of_ssh(target, &ended.said),
        Some(code) if NO_PROGRAM.contains(&code) => (false, no_program(target)),
        Some(_) if ended.said.contains("unrecognized subcommand") => (false, too_old(target)),
        Some(code) => (false, other_end(target, code)),
    };
    let said = lines(&ended.said);
    let explain =
        said.into_iter().fold(explain, |explain, line| explain.caused_by(format!("ssh says: {line}")));
    Told { passing, explain: explain.now("nothing was asked of it") }
}

fn of_proxy(line: &str) -> Option<Explain> {
    serde_json::from_str::<OfProxy>(line).ok().map(|told| told.error)
}

fn of_ssh(target: &Target, said: &str) -> (bool, Explain) {
    let known = OF_ITSELF.iter().find(|(words, ..)| words.iter().any(|words| said.contains(words)));
    if let Some((_, passing, told)) = known {
        return (*passing, told(&target.host));
    }
    let explain = Explain::new("ssh-failed", format!("ssh did not connect to {}", target.host))
        .help("`ssh` with the same host shows the same: mend that first");
    (true, explain)
}

fn no_program(target: &Target) -> Explain {
    Explain::new("not-installed-there", format!("there is no {} on {}", target.program, target.host)).help(
        "install Mainstay there; where it lies outside of the login's PATH, `program` in hosts.toml names it",
    )
}

fn too_old(target: &Target) -> Explain {
    Explain::new("too-old-there", format!("the mainstay on {} knows no `proxy`", target.host))
        .help("it is older than `--host`: upgrade it there, or run the command there")
}

fn other_end(target: &Target, code: i32) -> Explain {
    Explain::new("no-proxy-there", format!("the login at {} ended with {code} and was no mainstay", target.host))
        .help("has the account a shell, and does `mainstay proxy` run in it? A key that `mainstay user add-key` has added needs none")
}

pub(super) fn no_ssh(target: &Target, error: &io::Error) -> Told {
    let program = target.ssh.first().map_or("ssh", String::as_str);
    let explain = Explain::new("no-ssh", format!("cannot run {program}"))
        .because(error)
        .help("`--host` needs the OpenSSH client of this machine; MAINSTAY_SSH names another program");
    Told { passing: false, explain }
}

pub(super) fn silent(target: &Target, within: Duration) -> Told {
    let explain = Explain::new(
        "host-silent",
        format!("no mainstay has answered at {} within {} s", target.host, within.as_secs()),
    )
    .now("nothing was asked of it")
    .help("`ssh` with the same host shows what it waits for");
    Told { passing: true, explain }
}

/// Its last ones that say something.
fn lines(said: &str) -> Vec<String> {
    let is_frame = |line: &str| line.chars().all(|c| c == '@' || c.is_whitespace());
    let all: Vec<_> =
        said.lines().map(str::trim).filter(|line| !line.is_empty() && !is_frame(line)).collect();
    all[all.len().saturating_sub(LINES_MAX)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

    use super::*;

    fn code(exit: i32, said: &str) -> (String, bool) {
        let target = Target {
            host: "ana@live".parse().unwrap(),
            program: "mainstay".to_owned(),
            data: None,
            ssh: vec!["ssh".to_owned()],
            may_ask: false,
        };
        let status = Some(ExitStatus::from_raw(exit << 8));
        let told = told(&target, &Ended { status, said: said.to_owned() });
        assert!(told.explain.help.is_some() && !told.explain.message.contains('{'), "{:?}", told.explain);
        (told.explain.code, told.passing)
    }

    #[test]
    fn what_ssh_says_becomes_an_error_with_a_remedy() {
        for (exit, said, expected, passing) in [
            (255, "ssh: connect to host live port 22: Connection refused\n", "host-refused", true),
            (255, "ssh: connect to host live port 22: No route to host\n", "host-unreachable", true),
            (255, "ssh: connect to host live port 22: Connection timed out\n", "host-unreachable", true),
            (
                255,
                "kex_exchange_identification: Connection closed by remote host\n",
                "host-unreachable",
                true,
            ),
            (255, "ssh: Could not resolve hostname liv: Name or service not known\n", "host-unknown", false),
            (255, "ana@live: Permission denied (publickey).\n", "ssh-denied", false),
            (255, "Host key verification failed.\n", "host-key-unknown", false),
            (
                255,
                "@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n",
                "host-key-changed",
                false,
            ),
            (127, "sh: 1: mainstay: not found\n", "not-installed-there", false),
            (126, "sh: 1: mainstay: Permission denied\n", "not-installed-there", false),
            (1, "error: unrecognized subcommand 'proxy'\n", "too-old-there", false),
            (1, "This account is currently not available.\n", "no-proxy-there", false),
            (255, "something new\n", "ssh-failed", true),
            (1, "{\"error\":{\"code\":\"no-keeper\",\"message\":\"x\",\"help\":\"y\"}}\n", "no-keeper", true),
            (
                1,
                "hello\n{\"error\":{\"code\":\"not-an-operator\",\"message\":\"x\",\"help\":\"y\"}}\n",
                "not-an-operator",
                false,
            ),
        ] {
            assert_eq!(code(exit, said), (expected.to_owned(), passing), "{said}");
        }
    }
}
