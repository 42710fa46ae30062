//! The command line: which commands there are, what all of them share, how the process ends.
//!
//! One file per command under `commands/`: the arguments, whose doc comments are the help, then one function. Exit
//! codes: 0 done, 1 usage or failure, 2 findings, and those of a deploy (3, 4, 5, 6, 75).

use std::{ffi::OsString, path::PathBuf, process::ExitCode, str::FromStr};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, parser::ValueSource};
use model::{AppName, EnvName, Explain, NameError};

use crate::{commands, hosts, keeperless, report, session::Session};

/// Puts an app into production on a machine of yours, and keeps it there.
///
/// Start with `mainstay init` in the app's folder; it writes a mainstay.toml. `mainstay up` runs this machine's
/// Mainstay, `mainstay deploy` puts the app behind it: the new release is started beside the old one, checked, switched
/// to without a lost request, and taken back if it fails.
#[derive(Debug, Parser)]
#[command(
    name = "mainstay",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    max_term_width = 100
)]
#[command(
    after_help = "Exit codes:\n  0 done              3 rolled back                       6 detached, it goes on\n  \
    1 usage, refused    4 aborted, the old release serves   75 somebody else holds the lock\n  \
    2 findings          5 held, needs a person"
)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct Globals {
    /// The Mainstay that lives in this data folder, instead of yours or the machine's
    #[arg(
        long,
        global = true,
        env = "MAINSTAY_DATA",
        value_name = "DIR",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub data: Option<PathBuf>,

    /// `data` stands on the command line, not in the environment of this machine.
    #[arg(skip)]
    pub is_data_said: bool,

    /// The Mainstay of another machine: [USER@]SERVER[:PORT] or a name of hosts.toml, reached by ssh; --data is its folder there
    #[arg(
        long,
        global = true,
        env = "MAINSTAY_HOST",
        value_name = "HOST",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub host: Option<String>,

    /// The environment: production unless said
    #[arg(
        long,
        global = true,
        env = "MAINSTAY_ENV",
        value_name = "NAME",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub env: Option<EnvName>,

    /// The app, where no mainstay.toml says it; `APP/ENV` names the environment too
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub app: Option<Named>,

    /// Answer in JSON, one value a line where it streams
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,

    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", help_heading = "Global options")]
    pub color: Colour,

    /// Say more: which keeper is asked, which files are packed
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub verbose: bool,
}

impl Cli {
    /// As [`Parser::try_parse_from`], and where its values come from.
    ///
    /// # Errors
    /// The parser's.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut definition = Self::command();
        let matches = definition.try_get_matches_from_mut(words)?;
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut definition))?;
        cli.globals.is_data_said = matches.value_source("data") == Some(ValueSource::CommandLine);
        Ok(cli)
    }
}

impl Globals {
    /// The app that was named.
    pub fn app(&self) -> Option<&AppName> {
        self.app.as_ref().map(|named| &named.app)
    }

    /// The environment that was named, with the app or by itself.
    pub fn env(&self) -> Option<&EnvName> {
        self.app.as_ref().and_then(|named| named.env.as_ref()).or(self.env.as_ref())
    }
}

/// `APP` or `APP/ENV`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub app: AppName,
    pub env: Option<EnvName>,
}

impl FromStr for Named {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Ok(match text.split_once('/') {
            Some((app, env)) => Self { app: app.parse()?, env: Some(env.parse()?) },
            None => Self { app: text.parse()?, env: None },
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Init(commands::init::Init),
    Check(commands::check::Check),
    Install(commands::install::Install),
    Uninstall(commands::uninstall::Uninstall),
    Up(commands::up::Up),
    Down(commands::down::Down),
    Upgrade(commands::upgrade::Upgrade),
    Deploy(commands::deploy::Deploy),
    Promote(commands::promote::Promote),
    Rollback(commands::rollback::Rollback),
    Releases(commands::releases::Releases),
    Status(commands::status::Status),
    Logs(commands::logs::Logs),
    Restart(commands::restart::Restart),
    Scale(commands::scale::Scale),
    Secrets(commands::secrets::Secrets),
    Run(commands::run::Run),
    Exec(commands::exec::Exec),
    Apps(commands::apps::Apps),
    Config(commands::config::Config),
    Attach(commands::attach::Attach),
    Cancel(commands::cancel::Cancel),
    Approve(commands::approve::Approve),
    Resume(commands::resume::Resume),
    Freeze(commands::freeze::Freeze),
    Maintenance(commands::maintenance::Maintenance),
    Events(commands::events::Events),
    Report(commands::report::Report),
    Migrate(commands::migrate::Migrate),
    Destroy(commands::destroy::Destroy),
    Export(commands::export::Export),
    Completions(commands::completions::Completions),
    Man(commands::man::Man),
    Webhook(commands::webhook::Webhook),
    Certs(commands::certs::Certs),
    User(commands::user::User),
    Proxy(commands::proxy::Proxy),
    Version(commands::version::Version),
}

/// Parses, runs, and ends as the command did.
pub fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let report = report::Report::new(cli.globals.color, cli.globals.json);
    let globals = cli.globals.clone();
    match run(cli).map_err(|explain| keeperless::told(explain, &globals)) {
        Ok(code) => code,
        Err(explain) => {
            report.error(&explain);
            ExitCode::FAILURE
        }
    }
}

/// The parser's own end, but never with its 2, which means findings here.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A closed pipe while help is printed is nobody's problem.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if wants_json(std::env::args_os().skip(1)) {
        report::Report::new(Colour::Never, true).error(&explained(&error.render().to_string()));
    } else {
        let _ = error.print();
    }
    ExitCode::from(api::deploy::EXIT_USAGE)
}

/// Where the line was not understood, this much of it still is. What follows a `--` is not ours.
fn wants_json(mut words: impl Iterator<Item = OsString>) -> bool {
    words.by_ref().take_while(|word| word != "--").any(|word| word == "--json")
}

/// The parser's paragraphs in the shape of every other error.
fn explained(text: &str) -> Explain {
    let paragraphs = || text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let message = paragraphs().next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let tips = paragraphs().filter_map(|part| Some(part.strip_prefix("tip: ")?.to_owned()));
    let usage = paragraphs().filter(|part| part.starts_with("Usage: "));
    let help: Vec<String> =
        tips.chain(usage).chain(["`mainstay --help` shows every command".to_owned()]).collect();
    Explain::new("usage", message).help(help.join("; "))
}

fn run(cli: Cli) -> Result<ExitCode, Explain> {
    let globals = &cli.globals;
    hosts::only_here(&cli.command, globals)?;
    let session = || Session::new(globals);
    match cli.command {
        Command::Init(args) => args.run(globals),
        Command::Check(args) => args.run(&session()?),
        Command::Install(args) => args.run(globals),
        Command::Uninstall(args) => args.run(globals),
        Command::Up(args) => crate::run::up(args, globals),
        Command::Down(args) => args.run(&session()?),
        Command::Upgrade(args) => args.run(&session()?),
        Command::Deploy(args) => args.run(&session()?),
        Command::Promote(args) => args.run(&session()?),
        Command::Rollback(args) => args.run(&session()?),
        Command::Releases(args) => args.run(&session()?),
        Command::Status(args) => args.run(&session()?),
        Command::Logs(args) => args.run(&session()?),
        Command::Restart(args) => args.run(&session()?),
        Command::Scale(args) => args.run(&session()?),
        Command::Secrets(args) => args.run(&session()?),
        Command::Run(args) => args.run(&session()?),
        Command::Exec(args) => args.run(&session()?),
        Command::Apps(args) => args.run(&session()?),
        Command::Config(args) => args.run(&session()?),
        Command::Attach(args) => args.run(&session()?),
        Command::Cancel(args) => args.run(&session()?),
        Command::Approve(args) => args.run(&session()?),
        Command::Resume(args) => args.run(&session()?),
        Command::Freeze(args) => args.run(&session()?),
        Command::Maintenance(args) => args.run(&session()?),
        Command::Events(args) => args.run(&session()?),
        Command::Report(args) => args.run(&session()?),
        Command::Migrate(args) => args.run(&session()?),
        Command::Destroy(args) => args.run(&session()?),
        Command::Export(args) => args.run(globals),
        Command::Completions(args) => args.run(),
        Command::Man(args) => args.run(),
        Command::Webhook(args) => args.run(&session()?),
        Command::Certs(args) => args.run(&session()?),
        Command::User(args) => args.run(globals),
        Command::Proxy(args) => Ok(args.run(globals)),
        Command::Version(args) => args.run(globals),
    }
}

/// The whole definition, for completions, man pages and the reference.
pub fn definition() -> clap::Command {
    Cli::command()
}
