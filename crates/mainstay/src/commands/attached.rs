//! A command that this terminal, or this pipe, is attached to: the client's side of `run` and `exec`.
//!
//! Input, window size and signals go one way, output the other; neither waits for the other. What the terminal was like
//! before is restored on every way out.

mod input;
mod text;

use std::{io::IsTerminal as _, os::fd::AsFd as _, process::ExitCode};

use api::{
    client::{
        Failure,
        console::{Input, Output},
    },
    console::{Exit, FromCommand, Size},
    jobs::{Frame, Terminal},
};
use machine::terminal::{self, RawMode};
use model::Explain;
use tokio::sync::mpsc;

use self::text::Text;
use crate::{output::json, session::Session};

/// This process's terminal, where one is wanted.
///
/// # Errors
/// It is wanted and there is none.
pub(super) fn terminal(wanted: bool) -> Result<Option<Terminal>, Explain> {
    if !wanted {
        return Ok(None);
    }
    let size = terminal::size(std::io::stdin()).filter(|_| std::io::stdout().is_terminal());
    let size = size.ok_or_else(|| {
        Explain::new("no-terminal", "--tty needs a terminal, and standard input or output is none")
            .help("leave --tty away: then input and output are passed on as they are")
    })?;
    let kind = std::env::var("TERM").unwrap_or_default();
    Ok(Some(Terminal { kind, size: Size { columns: size.columns, rows: size.rows } }))
}

/// Passes everything on until the command has ended, and ends as it ended.
///
/// # Errors
/// The connection broke; the terminal could not be set up.
pub(super) async fn attached(
    session: &Session,
    (input, output): (Input, Output),
    terminal: Option<&Terminal>,
) -> Result<ExitCode, Explain> {
    let stdin = std::io::stdin();
    let raw =
        match terminal {
            Some(_) => Some(RawMode::begin(stdin.as_fd()).map_err(|error| {
                Explain::new("no-terminal", "the terminal cannot be set up").because(&error)
            })?),
            None => None,
        };
    let ended = talk(session.json(), input, output, raw.is_some()).await;
    // Before a word of ours: in raw mode it would run down the screen like stairs.
    drop(raw);
    Ok(exit_code(&ended?))
}

async fn talk(as_json: bool, input: Input, output: Output, tty: bool) -> Result<Exit, Explain> {
    let (say, heard) = mpsc::channel(input::SIGNALS_MAX);
    let (taken, room) = mpsc::channel(1);
    tokio::select! {
        ended = listen(as_json, output, &say, &taken) => ended,
        left = input::speak(input, heard, room, tty) => Err(left),
    }
}

/// Prints what comes, to the end.
async fn listen(
    as_json: bool,
    mut output: Output,
    say: &mpsc::Sender<i32>,
    taken: &mpsc::Sender<()>,
) -> Result<Exit, Explain> {
    let (mut stdout, mut stderr) = (tokio::io::stdout(), tokio::io::stderr());
    let (mut out_text, mut err_text) = (Text::default(), Text::default());
    loop {
        match output.next().await.map_err(lost)? {
            FromCommand::Taken => {
                let _ = taken.try_send(());
            }
            FromCommand::Stdout(bytes) if as_json => {
                json_text(&mut out_text, &bytes, |text| Frame::Stdout { text })
            }
            FromCommand::Stderr(bytes) if as_json => {
                json_text(&mut err_text, &bytes, |text| Frame::Stderr { text })
            }
            FromCommand::Stdout(bytes) => input::pass_on(&mut stdout, &bytes, say).await,
            FromCommand::Stderr(bytes) => input::pass_on(&mut stderr, &bytes, say).await,
            FromCommand::Exit(exit) => {
                if as_json {
                    json_text(&mut out_text, b"", |text| Frame::Stdout { text });
                    json(&Frame::Exit { code: exit.code, signal: exit.signal });
                }
                return Ok(exit);
            }
        }
    }
}

fn json_text(pending: &mut Text, bytes: &[u8], frame: impl Fn(String) -> Frame) {
    let text = pending.take(bytes);
    if !text.is_empty() {
        json(&frame(text));
    }
}

fn lost(failure: Failure) -> Explain {
    let gone = failure.is_gone();
    let explain = failure.explain();
    if !gone {
        return explain;
    }
    explain
        .now("the command may still run, with nobody attached: its output goes to its log")
        .help("`mainstay status` shows what runs")
}

fn exit_code(exit: &Exit) -> ExitCode {
    let number = exit.code.or(exit.signal.map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(number & 0xff).unwrap_or(1))
}
