//! `--host`: which machine is meant, how it is reached, and which commands it is for.

use std::{env, fs::File, path::Path};

use api::{client::ssh::Target, remote::Host};
use model::Explain;

use crate::{
    cli::{Command, Globals},
    commands,
    config::hosts::{self, Hosts},
};

/// The ssh to run, with its first arguments, where it is not the one of the PATH.
const SSH: &str = "MAINSTAY_SSH";

/// The machine that `--host` names; `None`: this one.
///
/// # Errors
/// What is named is neither in hosts.toml nor a host.
pub(crate) fn target(globals: &Globals) -> Result<Option<Target>, Explain> {
    let Some(said) = &globals.host else { return Ok(None) };
    let known = match hosts::path(env::var_os("XDG_CONFIG_HOME"), env::var_os("HOME")) {
        Some(path) => hosts::load(&path)?,
        None => Hosts::default(),
    };
    let named = known.host.get(said);
    let text = named.map_or(said.as_str(), |named| named.ssh.as_str());
    let host: Host = text.parse().map_err(|error: api::remote::NoHost| {
        Explain::new("no-host", "`--host` names no machine")
            .because(&error)
            .help("`--host ana@app.example.com`, a name of ~/.ssh/config, or one of hosts.toml")
    })?;
    Ok(Some(Target {
        host,
        program: named.and_then(|named| named.program.clone()).unwrap_or_else(|| "mainstay".to_owned()),
        data: data(globals)?.or_else(|| named.and_then(|named| named.data.clone())),
        ssh: ssh(),
        // ssh asks on the terminal, whatever its streams are.
        may_ask: File::open("/dev/tty").is_ok(),
    }))
}

/// `--data`, which is a folder of the other machine. The variable is of this one.
fn data(globals: &Globals) -> Result<Option<String>, Explain> {
    let given = globals.data.as_deref().filter(|_| globals.is_data_said);
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| {
            Explain::new("no-folder", "`--data` is no text, and cannot be named on another machine")
                .help("leave it out, or name the folder in hosts.toml")
        })
    };
    given.map(text).transpose()
}

fn ssh() -> Vec<String> {
    let said = env::var(SSH).unwrap_or_default();
    let words: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() { vec!["ssh".to_owned()] } else { words }
}

/// Refuses a command for another machine that is of this one alone.
///
/// # Errors
/// `--host` is given with such a command.
pub(crate) fn only_here(command: &Command, globals: &Globals) -> Result<(), Explain> {
    let Some(host) = &globals.host else { return Ok(()) };
    let (what, help) = match command {
        Command::Up(_) => ("up", "log in there and run it there; under systemd `mainstay install` starts it"),
        Command::Install(install) if install.packaged => {
            ("install --packaged", "a package's own script runs it there")
        }
        Command::Install(install) if install.stage.is_some() => {
            ("install --stage", "it writes the files of a package here")
        }
        Command::Uninstall(_) => ("uninstall", "log in there: it needs root of that machine"),
        Command::User(_) => ("user", "log in there: the keys lie in a file of that machine, which is root's"),
        Command::Export(_) => ("export", "it writes files beside a mainstay.toml, wherever it is deployed"),
        Command::Proxy(_) => ("proxy", "it is what `--host` runs on the other side"),
        Command::Check(check) if !check.live && check.attest.is_none() => {
            ("check", "without `--live` it looks at the files and the disk of the machine that it runs on")
        }
        Command::Config(commands::config::Config { what: commands::config::What::Show(show) })
            if show.machine =>
        {
            ("config show --machine", "machine.toml is read where it lies: log in there")
        }
        _ => return Ok(()),
    };
    // One that stands in the environment is meant for what can be asked elsewhere.
    let explain = Explain::new("only-here", format!("`mainstay {what}` is of this machine alone"))
        .caused_by(format!("`--host` (or MAINSTAY_HOST) says {host}"))
        .now("nothing was done");
    Err(explain.help(format!("{help}; without a host it is of this machine")))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn refused(words: &[&str]) -> Option<String> {
        let cli = Cli::parse_from([&["mainstay", "--host", "live"], words].concat());
        only_here(&cli.command, &cli.globals).err().map(|explain| explain.code)
    }

    #[test]
    fn the_folder_that_the_line_names_is_the_other_machines_before_and_behind_the_command() {
        for (words, wanted) in [
            (&["mainstay", "--host", "live", "--data", "/srv/one", "status"][..], Some("/srv/one")),
            (&["mainstay", "--host", "live", "status", "--data", "/srv/one"], Some("/srv/one")),
            (&["mainstay", "--host", "live", "status"], None),
        ] {
            let cli = Cli::read(words.iter().map(Into::into)).expect("a command");
            assert_eq!(data(&cli.globals).expect("a text").as_deref(), wanted, "{words:?}");
        }
    }

    #[test]
    fn what_is_of_this_machine_alone_says_so_and_the_rest_goes_elsewhere() {
        for words in [
            &["up"][..],
            &["install", "--packaged"],
            &["install", "--stage", "folder"],
            &["uninstall"],
            &["proxy"],
            &["user", "list-keys"],
            &["check"],
            &["check", "--checkout"],
            &["export", "ci", "github"],
            &["config", "show", "--machine"],
        ] {
            assert_eq!(refused(words).as_deref(), Some("only-here"), "{words:?}");
        }
        for words in [
            &["deploy"][..],
            &["check", "--live"],
            &["config", "show", "--serving"],
            &["status"],
            &["down"],
            &["install"],
        ] {
            assert_eq!(refused(words), None, "{words:?}");
        }
    }
}
