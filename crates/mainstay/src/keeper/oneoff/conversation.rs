//! Between an attached client and its command: bytes both ways, each way no faster than its reader, and signals past
//! both. Ends when the command has ended and the client was told, or when the client leaves.

use std::{
    future::pending,
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use api::console::{self, CHUNK_BYTES_MAX, Exit, FromCommand, Receiver, Sender, ToCommand};
use bytes::{BufMut as _, Bytes, BytesMut};
use machine::terminal::{self, Size};
use supervisor::{Console, Process};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::unix::pipe,
    sync::mpsc,
};

use crate::keeper::jobs;

/// Bound: frames on their way to the client, of at most [`CHUNK_BYTES_MAX`] each.
const FRAMES_MAX: usize = 4;
/// Bound: the client has one frame of input under way.
const INPUTS_MAX: usize = 1;
/// Real-time signals are the last.
const SIGNAL_MAX: i32 = 64;

/// The keeper's ends, as this runtime reads and writes them.
struct Ends {
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    /// `None`: a terminal, which has one way out.
    stderr: Option<pipe::Receiver>,
    terminal: Option<OwnedFd>,
    /// Closes when all this is dropped.
    _lifeline: Option<OwnedFd>,
}

impl Ends {
    fn of(console: Console) -> io::Result<Self> {
        match console {
            Console::Pipes { stdin, stdout, stderr, lifeline } => Ok(Self {
                stdin: pipe::Sender::from_owned_fd(stdin)?,
                stdout: pipe::Receiver::from_owned_fd(stdout)?,
                stderr: Some(pipe::Receiver::from_owned_fd(stderr)?),
                terminal: None,
                _lifeline: Some(lifeline),
            }),
            Console::Terminal { master } => Ok(Self {
                stdin: pipe::Sender::from_owned_fd_unchecked(master.try_clone()?)?,
                stdout: pipe::Receiver::from_owned_fd_unchecked(master.try_clone()?)?,
                stderr: None,
                terminal: Some(master),
                _lifeline: None,
            }),
        }
    }
}

pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    process: Process,
    console: Console,
) {
    let ends = match Ends::of(console) {
        Ok(ends) => ends,
        Err(error) => {
            tracing::warn!(%error, "Nobody can be attached to a one-off; it goes on alone.");
            return;
        }
    };
    let (sender, receiver) = console::halves(stream);
    let (says, frames) = mpsc::channel(FRAMES_MAX);
    let (input, chunks) = mpsc::channel(INPUTS_MAX);
    let work = async {
        tokio::join!(
            feed(ends.stdin, chunks, says.clone()),
            output(ends.stdout, ends.stderr, &process, says.clone()),
        );
        pending::<()>().await;
    };
    tokio::select! {
        () = hear(receiver, input, &process, ends.terminal.as_ref()) => {}
        () = tell(sender, frames) => {}
        () = work => {}
    }
}

/// Returns when the client has left, or says what no client says.
async fn hear<S: AsyncRead + AsyncWrite + Unpin>(
    mut from: Receiver<S>,
    input: mpsc::Sender<Bytes>,
    process: &Process,
    terminal: Option<&OwnedFd>,
) {
    let mut input = Some(input);
    while let Ok(Some(message)) = from.next().await {
        match message {
            ToCommand::Input(bytes) if bytes.is_empty() => input = None,
            ToCommand::Input(bytes) => {
                // One that sends more than was taken does not keep to the protocol: it is not waited for.
                if input.as_ref().is_none_or(|input| input.try_send(bytes).is_err()) {
                    return;
                }
            }
            ToCommand::Resize(size) => resize(terminal, size),
            ToCommand::Signal(signal) if (1..=SIGNAL_MAX).contains(&signal) => {
                if let Err(error) = process.signal_group(signal).await {
                    tracing::debug!(%error, signal, "A one-off did not get a signal.");
                }
            }
            ToCommand::Signal(_) => return,
        }
    }
}

fn resize(terminal: Option<&OwnedFd>, size: console::Size) {
    let Some(terminal) = terminal else { return };
    if let Err(error) = terminal::resize(terminal.as_fd(), Size { columns: size.columns, rows: size.rows }) {
        tracing::debug!(%error, "A one-off's terminal keeps its size.");
    }
}

/// Input to the command; a command that reads no more gets none, and the client may go on.
async fn feed(mut stdin: pipe::Sender, mut chunks: mpsc::Receiver<Bytes>, says: mpsc::Sender<FromCommand>) {
    let mut reads = true;
    while let Some(chunk) = chunks.recv().await {
        reads = reads && stdin.write_all(&chunk).await.is_ok();
        if says.send(FromCommand::Taken).await.is_err() {
            return;
        }
    }
}

/// All that it writes, then how it ended. The pipes end when nobody of its family is left.
async fn output(
    stdout: pipe::Receiver,
    stderr: Option<pipe::Receiver>,
    process: &Process,
    says: mpsc::Sender<FromCommand>,
) {
    let errors = async {
        if let Some(stderr) = stderr {
            pump(stderr, FromCommand::Stderr, &says).await;
        }
    };
    tokio::join!(pump(stdout, FromCommand::Stdout, &says), errors);
    let (code, signal) = jobs::code_and_signal(&process.wait().await);
    // Where the client is gone there is nobody to tell.
    let _ = says.send(FromCommand::Exit(Exit { code, signal })).await;
}

async fn pump(
    mut from: pipe::Receiver,
    as_frame: fn(Bytes) -> FromCommand,
    says: &mpsc::Sender<FromCommand>,
) {
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES_MAX).limit(CHUNK_BYTES_MAX);
        match from.read_buf(&mut chunk).await {
            // A terminal whose session is over answers EIO.
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if says.send(as_frame(chunk.into_inner().freeze())).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Returns when the client knows the end, or takes nothing any more.
async fn tell<S: AsyncRead + AsyncWrite + Unpin>(mut to: Sender<S>, mut frames: mpsc::Receiver<FromCommand>) {
    while let Some(frame) = frames.recv().await {
        let last = matches!(frame, FromCommand::Exit(_));
        if to.send(&frame).await.is_err() || last {
            return;
        }
    }
}
