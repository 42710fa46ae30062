//! `assistant config`: the settings in force, their check, their schema.

use clap::{Args as ClapArgs, ValueEnum};
use kit::config::{Effective, Refused};

use super::Failed;
use crate::settings::{Settings, TABLE};

/// Show the settings in force, check them, or describe them.
#[derive(ClapArgs)]
pub(super) struct Args {
    #[arg(value_enum, default_value = "show")]
    what: What,
    /// With `check`: print `{"valid", "errors"}` instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Every setting with its value; secrets as [private].
    Show,
    /// Say whether all is well, or everything that is wrong.
    Check,
    /// Describe every setting as JSON Schema.
    Schema,
}

pub(super) fn run(args: Args) -> Result<(), Failed> {
    match args.what {
        What::Schema => println!("{:#}", kit::config::schema("assistant", TABLE)),
        What::Check if args.json => {
            let read = Settings::of_environment();
            println!("{}", Refused::report(read.as_ref().err()));
            read?;
        }
        What::Check => {
            Settings::of_environment()?;
            println!("Configuration validation passed");
        }
        What::Show => {
            let settings = Settings::of_environment()?;
            for Effective { name, value, source } in settings.values.effective() {
                if let Some(source) = source.filter(|source| source != "default") {
                    println!("# from {source}");
                }
                println!("{name}={value}");
            }
        }
    }
    Ok(())
}
