//! The verbs that Mainstay starts itself with. People never type them; they are in no help.

use std::{ffi::OsString, process::ExitCode};

/// What this process is, by its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Keeper,
    Shim,
    Edge,
    Station,
    Unpack,
    Migrator,
    Static,
    Start,
    /// The shell of the account that keys lead to: sshd runs a forced command by `SHELL -c COMMAND`.
    LoginShell,
}

impl Verb {
    /// Looks at the first argument alone, and allocates nothing.
    pub fn of(args: &[OsString]) -> Option<Self> {
        match args.get(1)?.to_str()? {
            "keeper" => Some(Self::Keeper),
            "shim" => Some(Self::Shim),
            "edge" => Some(Self::Edge),
            "station" => Some(Self::Station),
            "unpack" => Some(Self::Unpack),
            "migrator" => Some(Self::Migrator),
            "static" => Some(Self::Static),
            "start" => Some(Self::Start),
            "-c" => Some(Self::LoginShell),
            _ => None,
        }
    }
}

/// Runs an internal verb to its end. `args` are those of the process, with its name and the verb.
pub fn run(verb: Verb, args: &[OsString]) -> ExitCode {
    let rest = || args.iter().skip(2).cloned();
    match verb {
        Verb::Keeper => crate::run::keeper(args),
        Verb::Shim => supervisor::shim::main(rest()),
        Verb::Edge => crate::run::with_settings(args, edge::main),
        Verb::Station => crate::run::station(args),
        Verb::Migrator => migrator::main(rest()),
        Verb::Static => files::main(rest()),
        Verb::Unpack => release::unpack::unpack_main(rest()),
        Verb::Start => crate::start::main(),
        Verb::LoginShell => crate::commands::proxy::as_login_shell(args.get(2)),
    }
}
