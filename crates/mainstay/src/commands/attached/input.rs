//! What goes to the command: standard input, signals, the window's size.

use std::io::Read as _;

use api::{
    client::console::Input,
    console::{CHUNK_BYTES_MAX, Size, ToCommand},
};
use bytes::Bytes;
use machine::terminal;
use model::Explain;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

/// Bound: signals of our own making that wait for the connection.
pub(super) const SIGNALS_MAX: usize = 1;
const SIGPIPE: i32 = 13;

/// Writes what the command wrote. A reader that went away is told to the command as a pipe would tell it.
pub(super) async fn pass_on(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8], say: &mpsc::Sender<i32>) {
    let written = async {
        to.write_all(bytes).await?;
        to.flush().await
    };
    if written.await.is_err() {
        // Full only where the command was told so already.
        let _ = say.try_send(SIGPIPE);
    }
}

/// The signals that reach this process.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    hangup: Signal,
    window: Signal,
}

/// Which of them came.
enum Came {
    /// From outside or, without a terminal, by a key.
    Number(i32),
    Window,
}

impl Signals {
    fn take() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            window: signal(SignalKind::window_change())?,
        })
    }

    async fn next(&mut self) -> Came {
        tokio::select! {
            _ = self.interrupt.recv() => Came::Number(SignalKind::interrupt().as_raw_value()),
            _ = self.terminate.recv() => Came::Number(SignalKind::terminate().as_raw_value()),
            _ = self.quit.recv() => Came::Number(SignalKind::quit().as_raw_value()),
            _ = self.hangup.recv() => Came::Number(SignalKind::hangup().as_raw_value()),
            _ = self.window.recv() => Came::Window,
        }
    }
}

/// Runs until this client has to leave: with a terminal its keys are the command's, so a signal is meant for us.
pub(super) async fn speak(
    mut input: Input,
    mut say: mpsc::Receiver<i32>,
    mut taken: mpsc::Receiver<()>,
    tty: bool,
) -> Explain {
    let mut signals = match Signals::take() {
        Ok(signals) => signals,
        Err(error) => return Explain::new("no-signals", "signals cannot be taken").because(&error),
    };
    let mut stdin = Some(read_stdin());
    let mut under_way = false;
    loop {
        let message = tokio::select! {
            came = signals.next() => match came {
                Came::Number(number) if tty => return left(number),
                Came::Number(number) => ToCommand::Signal(number),
                Came::Window => match window() {
                    Some(size) if tty => ToCommand::Resize(size),
                    _ => continue,
                },
            },
            Some(number) = say.recv() => ToCommand::Signal(number),
            Some(()) = taken.recv(), if under_way => { under_way = false; continue }
            chunk = next_chunk(&mut stdin), if !under_way && stdin.is_some() => {
                under_way = !chunk.is_empty();
                if chunk.is_empty() { stdin = None }
                ToCommand::Input(chunk)
            }
        };
        if input.send(&message).await.is_err() {
            // The keeper's half tells why, and perhaps how the command ended.
            std::future::pending::<()>().await;
        }
    }
}

fn left(signal: i32) -> Explain {
    Explain::new("left", format!("signal {signal} ended this client"))
        .now("its terminal is gone: the command was hung up")
}

fn window() -> Option<Size> {
    let size = terminal::size(std::io::stdin())?;
    Some(Size { columns: size.columns, rows: size.rows })
}

/// Empty: its end.
async fn next_chunk(stdin: &mut Option<mpsc::Receiver<Bytes>>) -> Bytes {
    match stdin {
        Some(chunks) => chunks.recv().await.unwrap_or_default(),
        None => Bytes::new(),
    }
}

/// Reads on a thread of its own, one chunk ahead: a read of a terminal cannot be called off, and must not keep the
/// process from ending.
fn read_stdin() -> mpsc::Receiver<Bytes> {
    let (chunks, receiver) = mpsc::channel(1);
    let read = move || {
        let mut buffer = vec![0; CHUNK_BYTES_MAX];
        loop {
            let count = match std::io::stdin().read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let chunk = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
            if chunks.blocking_send(chunk).is_err() {
                return;
            }
        }
    };
    // Without the thread there is no input: the receiver ends at once.
    let _ = std::thread::Builder::new().name("stdin".to_owned()).spawn(read);
    receiver
}
