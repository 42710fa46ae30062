//! `mainstay proxy`: what `--host` runs on the other side of ssh.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    net::Shutdown,
    os::{fd::BorrowedFd, unix::net::UnixStream},
    process::ExitCode,
};

use api::{
    access::{Grant, KeyName, Role},
    client::{Failure, proxy},
    remote::GREETING,
};
use clap::{Args, Parser as _};
use model::{Explain, Site};

use crate::{
    cli::{Cli, Colour, Command, Globals},
    config::folders::{Folders, Surroundings},
    keeperless,
    report::Report,
    session::block_on,
};

/// What is passed on at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Pass a client's requests from standard input and output to the keeper of this machine
///
/// `mainstay --host` runs it over ssh; nobody types it. With `--role` the connection may no more than that role in the app that
/// is named, which is what the forced command of a key says (`mainstay user add-key`).
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  ssh ana@app.example.com mainstay proxy\n  \
    mainstay proxy --role deploy --app shop/production --key ci")]
pub struct Proxy {
    /// What the connection may: read or deploy; without it, all that this account may
    #[arg(long, value_name = "ROLE", requires = "key")]
    pub role: Option<Role>,

    /// The name of the key that it came by, for the records
    #[arg(long, value_name = "NAME", requires = "role")]
    pub key: Option<KeyName>,
}

impl Proxy {
    /// An error is one line of JSON on standard error, whatever was asked for: the reader is a client.
    pub fn run(self, globals: &Globals) -> ExitCode {
        match self.pass(globals).map_err(|explain| keeperless::told(explain, globals)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(explain) => {
                Report::new(Colour::Never, true).error(&explain);
                ExitCode::FAILURE
            }
        }
    }

    fn pass(self, globals: &Globals) -> Result<(), Explain> {
        let folders = Folders::to_reach(globals.data.as_deref(), &Surroundings::of_this_process());
        let grant = self.grant(globals)?;
        let stream = block_on(async {
            proxy::open(&folders.api_socket(), grant.as_ref()).await.map_err(Failure::explain)
        })?;
        between(&stream).map_err(|error| {
            Explain::new("proxy-broke", "the connection could not be passed on").because(&error)
        })
    }

    fn grant(self, globals: &Globals) -> Result<Option<Grant>, Explain> {
        let Some((role, key)) = self.role.zip(self.key) else { return Ok(None) };
        let Some((app, env)) = globals.app().cloned().zip(globals.env().cloned()) else {
            return Err(Explain::new("which-app", "`--role` is for one app, and none is named")
                .help("`mainstay proxy --role deploy --app APP/ENV --key NAME`"));
        };
        Ok(Some(Grant { role, site: Site { app, env }, key }))
    }
}

/// Runs the forced command of a key, and nothing else: this program is the shell of the account that keys lead to.
pub(crate) fn as_login_shell(command: Option<&OsString>) -> ExitCode {
    match command.and_then(|command| command.to_str()).and_then(forced) {
        Some((proxy, globals)) => proxy.run(&globals),
        None => {
            let explain = Explain::new("no-shell-here", "this account has no shell")
                .caused_by("it is for keys that `mainstay user add-key` has added")
                .now("nothing was done")
                .help("`mainstay --host` uses such a key; who administers this machine has an account of their own");
            Report::new(Colour::Never, true).error(&explain);
            ExitCode::FAILURE
        }
    }
}

/// The proxy that a forced command asks for. No value in it has a space, so none has quotes.
fn forced(command: &str) -> Option<(Proxy, Globals)> {
    let cli = Cli::try_parse_from(command.split_ascii_whitespace()).ok()?;
    match cli.command {
        Command::Proxy(proxy) if proxy.role.is_some() => Some((proxy, cli.globals)),
        _ => None,
    }
}

/// Greets, then copies both ways until either side has closed.
fn between(keeper: &UnixStream) -> io::Result<()> {
    let (mut input, mut output) = (unbuffered(rustix::stdio::stdin())?, unbuffered(rustix::stdio::stdout())?);
    output.write_all(GREETING.as_bytes())?;
    let mut to_keeper = keeper.try_clone()?;
    // Ends with the process: what it may still wait for is a client that has nothing to say.
    std::thread::spawn(move || {
        let _ = copy(&mut input, &mut to_keeper);
        let _ = to_keeper.shutdown(Shutdown::Write);
    });
    match copy(&mut &*keeper, &mut output) {
        // The client is gone: what it began goes on.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        copied => copied,
    }
}

/// By reads and writes. `io::copy` splices, and while that waits for a socket the kernel holds the pipe that it writes to: whoever
/// reads there, as sshd does, waits for the next byte to get the last one.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => to.write_all(chunk.get(..read).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Standard output as the library has it waits for the ends of lines.
fn unbuffered(stream: BorrowedFd<'_>) -> io::Result<File> {
    stream.try_clone_to_owned().map(File::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_of_keys_runs_a_proxy_with_a_role_and_nothing_else() {
        let (proxy, globals) =
            forced("mainstay proxy --role read --app shop/production --key ci").expect("forced");
        let grant = proxy.grant(&globals).expect("a site is named").expect("a role is");
        assert_eq!(
            (grant.role, grant.site.to_string(), grant.key.as_str()),
            (Role::Read, "shop/production".into(), "ci")
        );
        for command in [
            "",
            "id",
            "mainstay",
            "mainstay proxy",
            "mainstay status",
            "mainstay deploy",
            "mainstay user list-keys",
            "mainstay proxy --role owner --app a/b --key ci",
            "mainstay proxy --role read --key",
            "mainstay proxy --role read --app a/b --key ci; id",
            "mainstay proxy --role read --app a/b --key $(id)",
        ] {
            assert!(forced(command).is_none(), "{command}");
        }
    }

    #[test]
    fn a_role_without_its_app_is_refused() {
        let (proxy, globals) = forced("mainstay proxy --role read --key ci").expect("understood");
        assert_eq!(proxy.grant(&globals).expect_err("no app").code, "which-app");
    }
}
