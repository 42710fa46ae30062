//! What is said to the shell of another machine, and what it says. Pure.

use std::path::Path;

use api::{client::ssh::quoted, remote::Host};
use model::Explain;

use crate::commands::install::Install;

/// After whatever a login prints, this line begins what is meant for us.
const MARK: &str = "mainstay-there 1";

/// Kernel, architecture, account, uid, and how one becomes root.
pub(super) const LOOK: &str = "echo 'mainstay-there 1'; uname -s; uname -m; id -un; id -u; \
    if test \"$(id -u)\" = 0; then echo root; elif sudo -n true 2>/dev/null; then echo sudo; \
    elif command -v sudo >/dev/null; then echo asks; else echo none; fi";

/// Takes the binary from standard input into a folder of its own: the folder, the digest, and whether it runs.
pub(super) const TAKE: &str = "umask 077; d=$(mktemp -d) || exit 1; cat >\"$d/mainstay\" && chmod 700 \"$d/mainstay\"; \
    echo 'mainstay-there 1'; echo \"$d\"; sha256sum <\"$d/mainstay\" | cut -d ' ' -f 1; \
    if \"$d/mainstay\" version >/dev/null; then echo runs; else echo fails; fi";

/// How the account there becomes root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Is,
    Sudo,
    /// `sudo` asks for a password.
    Asks,
    No,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct There {
    /// As `uname -m` says it, in Rust's spelling.
    pub architecture: String,
    account: String,
    root: Root,
}

impl There {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = after_mark(text)?;
        let (kernel, machine, account, _uid) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
        let root = match lines.next()? {
            "root" => Root::Is,
            "sudo" => Root::Sudo,
            "asks" => Root::Asks,
            "none" => Root::No,
            _ => return None,
        };
        let architecture = if machine == "arm64" { "aarch64" } else { machine };
        (kernel == "Linux" && !account.is_empty()).then(|| Self {
            architecture: architecture.to_owned(),
            account: account.to_owned(),
            root,
        })
    }

    pub(super) fn may_install(&self, may_ask: bool) -> bool {
        match self.root {
            Root::Is | Root::Sudo => true,
            Root::Asks => may_ask,
            Root::No => false,
        }
    }

    pub(super) fn asks(&self) -> bool {
        self.root == Root::Asks
    }
}

/// What the other side has after the binary was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub folder: String,
    pub digest: String,
    pub runs: bool,
}

impl Taken {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = after_mark(text)?;
        let (folder, digest) = (lines.next()?.to_owned(), lines.next()?.to_owned());
        let runs = lines.next()? == "runs";
        // It is what is removed in the end.
        (folder.starts_with('/') && folder.len() > 1).then_some(Self { folder, digest, runs })
    }
}

fn after_mark(text: &str) -> Option<impl Iterator<Item = &str>> {
    let mut lines = text.lines();
    lines.by_ref().find(|line| *line == MARK)?;
    Some(lines.map(str::trim))
}

/// Installs from `place`, which is removed afterwards; ends as the installation did. Who logs in may deploy from then on.
pub(super) fn install(install: &Install, json: bool, there: &There, place: &str) -> String {
    let mut words = vec![quoted(&format!("{place}/mainstay")), "install".to_owned()];
    let flags = [("--dry-run", install.dry_run), ("--no-start", install.no_start), ("--json", json)];
    words.extend(flags.into_iter().filter(|(_, is_on)| *is_on).map(|(flag, _)| flag.to_owned()));
    let login = (there.root != Root::Is).then(|| there.account.clone());
    if let Some(operator) = install.operator.clone().or(login) {
        words.extend(["--operator".to_owned(), quoted(&operator)]);
    }
    // A dry run needs no rights.
    let sudo = if there.root == Root::Is || install.dry_run { "" } else { "sudo " };
    let script = format!("{sudo}{}; code=$?; rm -rf {}; exit $code", words.join(" "), quoted(place));
    format!("sh -c {}", quoted(&script))
}

pub(super) fn no_root(host: &Host, there: &There) -> Explain {
    let account = &there.account;
    let explain = Explain::new("no-root-there", format!("{account} cannot become root on {host}"))
        .now("nothing was sent");
    match there.root {
        Root::Asks => explain
            .caused_by("`sudo` there asks for a password, and there is no terminal to ask on")
            .help(format!("run it from a terminal, or let {account} use sudo without a password")),
        _ => explain
            .caused_by("there is no `sudo` there")
            .help(format!("`--host root@{}`, or install sudo there and let {account} use it", host.server)),
    }
}

pub(super) fn cut(host: &Host) -> Explain {
    Explain::new("not-sent", format!("the binary did not reach {host} whole"))
        .now("nothing was installed")
        .help("run this again; where it happens again, look for room in /tmp there")
}

pub(super) fn does_not_run(host: &Host, path: &Path, said: &[u8]) -> Explain {
    let said = String::from_utf8_lossy(said);
    let explain = Explain::new("not-runnable-there", format!("{} does not run on {host}", path.display()));
    let lines = said.lines().rev().take(3).collect::<Vec<_>>();
    let explain = lines.into_iter().rev().fold(explain, |explain, line| explain.caused_by(line.to_owned()));
    explain.now("nothing was installed").help(
        "take the static binary of a release by `--binary FILE`, which needs nothing of the system; where /tmp there is \
         mounted noexec, copy it over by hand and run `sudo ./mainstay install`",
    )
}

pub(super) fn not_understood(host: &Host, said: &str) -> Explain {
    let explain =
        Explain::new("not-understood-there", format!("{host} does not answer as a Linux with a shell does"));
    let explain = said.lines().take(3).fold(explain, |explain, line| explain.caused_by(line.to_owned()));
    explain.now("nothing was installed").help(format!(
        "`ssh {host} uname -sm` must say `Linux` and an architecture: a forced command, or a login without a shell, does not"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(root: &str) -> There {
        There::parse(&format!("Welcome!\n{MARK}\nLinux\narm64\nana\n1000\n{root}\n")).expect("understood")
    }

    #[test]
    fn the_other_machine_is_understood_after_what_a_login_prints() {
        assert_eq!(there("sudo").architecture, "aarch64");
        for text in
            ["", "Linux\nx86_64\nana\n1000\nsudo\n", &format!("{MARK}\nDarwin\narm64\nana\n501\nsudo\n")]
        {
            assert_eq!(There::parse(text), None, "{text}");
        }
        let may = |root| (there(root).may_install(true), there(root).may_install(false));
        assert_eq!([may("root"), may("asks"), may("none")], [(true, true), (true, false), (false, false)]);
    }

    #[test]
    fn what_is_removed_in_the_end_is_a_folder_of_its_own() {
        let taken = |folder: &str| Taken::parse(&format!("{MARK}\n{folder}\nabc\nruns\n"));
        assert!(taken("/tmp/tmp.1").is_some_and(|taken| taken.runs && taken.digest == "abc"));
        assert_eq!([taken("/"), taken(""), taken("tmp")], [None, None, None]);
    }

    #[test]
    fn it_installs_as_root_for_the_login_and_cleans_up() {
        let plain = Install::default();
        let of = |install: &Install, root| super::install(install, false, &there(root), "/tmp/x y");
        let unquoted = |text: String| text.replace(r"'\''", "'");
        assert_eq!(
            unquoted(of(&plain, "sudo")),
            "sh -c 'sudo '/tmp/x y/mainstay' install --operator ana; code=$?; rm -rf '/tmp/x y'; exit $code'"
        );
        assert!(of(&plain, "root").starts_with("sh -c ''") && !of(&plain, "root").contains("--operator"));
        let dry = Install { dry_run: true, operator: Some("bo".to_owned()), ..Install::default() };
        assert!(
            of(&dry, "sudo").contains("install --dry-run --operator bo")
                && !of(&dry, "sudo").contains("sudo ")
        );
    }

    #[test]
    fn the_scripts_are_such_that_a_shell_runs_them() {
        let said = |script: &str, input: &str| {
            let mut shell = std::process::Command::new("sh");
            shell
                .args(["-c", script])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped());
            let mut shell = shell.spawn().expect("a shell");
            std::io::Write::write_all(&mut shell.stdin.take().expect("piped"), input.as_bytes())
                .expect("written");
            String::from_utf8(shell.wait_with_output().expect("it ends").stdout).expect("text")
        };
        assert_eq!(There::parse(&said(LOOK, "")).expect("understood").architecture, std::env::consts::ARCH);
        let taken = Taken::parse(&said(TAKE, "#!/bin/sh\ntest \"$1\" = version\n")).expect("understood");
        assert!(taken.runs && taken.digest.len() == 64, "{taken:?}");
        std::fs::remove_dir_all(&taken.folder).expect("its own folder");
        let taken = Taken::parse(&said(TAKE, "#!/bin/sh\nexit 3\n")).expect("understood");
        assert!(!taken.runs);
        std::fs::remove_dir_all(&taken.folder).expect("its own folder");
    }
}
