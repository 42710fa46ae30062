//! `assistant config`: the settings in force, their check, their schema.

use clap::{Args as ClapArgs, ValueEnum};

use super::Failed;
use crate::settings::{FIELDS, Settings};

/// Show the settings in force, check them, or describe them.
#[derive(ClapArgs)]
pub(super) struct Args {
    #[arg(value_enum, default_value = "show")]
    what: What,
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
        What::Schema => println!("{:#}", kit::config::schema("assistant", FIELDS)),
        What::Check => {
            Settings::of_environment()?;
            println!("Configuration validation passed");
        }
        What::Show => {
            let settings = Settings::of_environment()?;
            settings.values.effective().iter().for_each(|(name, value)| println!("{name}={value}"));
        }
    }
    Ok(())
}
