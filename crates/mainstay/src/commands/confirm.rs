//! A name that is typed back before something is removed for good.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use model::Explain;

/// Asks for `name` on the terminal, unless `--yes` has given it. `act` says what wants it (`destroying shop/production`), `warning`
/// what is lost.
///
/// # Errors
/// Another word was given or typed; there is no terminal to ask on.
pub(super) fn confirm(name: &str, given: Option<&str>, act: &str, warning: &str) -> Result<(), Explain> {
    let typed = match given {
        Some(given) => given.to_owned(),
        None => ask(name, act, warning)?,
    };
    if typed == name {
        return Ok(());
    }
    Err(Explain::new("not-confirmed", format!("`{typed}` is not `{name}`"))
        .now("nothing was changed")
        .help(format!("type `{name}` back, or give `--yes {name}`")))
}

fn ask(name: &str, act: &str, warning: &str) -> Result<String, Explain> {
    if !std::io::stdin().is_terminal() {
        return Err(Explain::new("not-confirmed", format!("{act} wants a confirmation"))
            .now("nothing was changed")
            .help(format!("without a terminal, give `--yes {name}`")));
    }
    let mut error = std::io::stderr();
    // A prompt that cannot be shown is answered by nobody: the comparison then refuses.
    let _ = write!(error, "{warning} Type {name} to go on: ");
    let _ = error.flush();
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed).map_err(|error| {
        Explain::new("not-confirmed", "nothing was typed").now("nothing was changed").because(&error)
    })?;
    Ok(typed.trim().to_owned())
}
