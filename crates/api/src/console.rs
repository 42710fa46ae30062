//! A command that a client is attached to: what both sides say after `101 Switching Protocols`.
//!
//! The request is a POST with its JSON body and the headers `Connection: upgrade` and `Upgrade: mainstay-console`; without
//! them it is refused (400), and so is a command that cannot be started, as any other error. From then on both sides send
//! frames: a length of four bytes (big endian, of all that follows; at most 65,537), one byte that names the channel, and
//! what the channel carries.
//!
//! | channel | from the client | from the keeper |
//! |---|---|---|
//! | 0 | standard input; empty: its end | nothing: the last frame of input was taken |
//! | 1 | | standard output; with a terminal all of it |
//! | 2 | | standard error |
//! | 3 | | `{"code":0,"signal":null}`: how it ended; the last frame |
//! | 4 | `{"columns":80,"rows":24}`: the terminal's size has changed | |
//! | 5 | `2`: a signal for the command and its children | |
//!
//! A client has at most one frame of input under way and sends the next when it was taken: a command that does not read
//! holds its input back and nothing else, so that a signal always arrives. A client that goes away leaves a command
//! without a terminal running, its output in its log; one with a terminal is hung up.

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

/// The word of the `Upgrade` header.
pub const PROTOCOL: &str = "mainstay-console";
/// Bound: bytes of input or output in one frame.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

/// How the command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

/// From the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToCommand {
    /// Channel 0: standard input; empty: its end.
    Input(Bytes),
    /// Channel 4: the client's terminal has another size.
    Resize(Size),
    /// Channel 5: a signal's number, for the command and its children.
    Signal(i32),
}

/// From the keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromCommand {
    /// Channel 1; everything, where there is a terminal.
    Stdout(Bytes),
    /// Channel 2.
    Stderr(Bytes),
    /// Channel 3: the last frame.
    Exit(Exit),
    /// Channel 0: the command, or its pipe, has the last frame of input.
    Taken,
}

/// Why a conversation broke.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    #[error("the connection broke")]
    Broken(#[source] std::io::Error),
    #[error("a frame of channel {channel} is not understood")]
    Frame { channel: u8 },
    #[error("a frame without a channel")]
    Empty,
}

/// A message that travels in one frame.
pub trait Message: Sized {
    fn channel(&self) -> u8;
    fn carried(&self) -> Bytes;
    /// # Errors
    /// [`ConsoleError::Frame`].
    fn of(channel: u8, carried: Bytes) -> Result<Self, ConsoleError>;
}

impl Message for ToCommand {
    fn channel(&self) -> u8 {
        match self {
            Self::Input(_) => 0,
            Self::Resize(_) => 4,
            Self::Signal(_) => 5,
        }
    }

    fn carried(&self) -> Bytes {
        match self {
            Self::Input(bytes) => bytes.clone(),
            Self::Resize(size) => json(size),
            Self::Signal(signal) => json(signal),
        }
    }

    fn of(channel: u8, carried: Bytes) -> Result<Self, ConsoleError> {
        match channel {
            0 => Ok(Self::Input(carried)),
            4 => Ok(Self::Resize(parsed(channel, &carried)?)),
            5 => Ok(Self::Signal(parsed(channel, &carried)?)),
            _ => Err(ConsoleError::Frame { channel }),
        }
    }
}

impl Message for FromCommand {
    fn channel(&self) -> u8 {
        match self {
            Self::Taken => 0,
            Self::Stdout(_) => 1,
            Self::Stderr(_) => 2,
            Self::Exit(_) => 3,
        }
    }

    fn carried(&self) -> Bytes {
        match self {
            Self::Stdout(bytes) | Self::Stderr(bytes) => bytes.clone(),
            Self::Exit(exit) => json(exit),
            Self::Taken => Bytes::new(),
        }
    }

    fn of(channel: u8, carried: Bytes) -> Result<Self, ConsoleError> {
        match channel {
            0 => Ok(Self::Taken),
            1 => Ok(Self::Stdout(carried)),
            2 => Ok(Self::Stderr(carried)),
            3 => Ok(Self::Exit(parsed(channel, &carried)?)),
            _ => Err(ConsoleError::Frame { channel }),
        }
    }
}

fn json(value: &impl Serialize) -> Bytes {
    // Numbers and names: there is nothing in them that does not serialise.
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn parsed<T: for<'de> Deserialize<'de>>(channel: u8, carried: &Bytes) -> Result<T, ConsoleError> {
    serde_json::from_slice(carried).map_err(|_| ConsoleError::Frame { channel })
}

/// The sending half.
#[derive(Debug)]
pub struct Sender<S>(SplitSink<Framed<S, LengthDelimitedCodec>, Bytes>);

/// The receiving half.
#[derive(Debug)]
pub struct Receiver<S>(SplitStream<Framed<S, LengthDelimitedCodec>>);

/// Both halves of one side.
pub fn halves<S: AsyncRead + AsyncWrite>(stream: S) -> (Sender<S>, Receiver<S>) {
    let codec = LengthDelimitedCodec::builder().max_frame_length(CHUNK_BYTES_MAX + 1).new_codec();
    let (sender, receiver) = Framed::new(stream, codec).split();
    (Sender(sender), Receiver(receiver))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    /// Waits while the other side does not read. Not cancel-safe: half a frame may be sent.
    ///
    /// # Errors
    /// [`ConsoleError::Broken`].
    pub async fn send(&mut self, message: &impl Message) -> Result<(), ConsoleError> {
        let carried = message.carried();
        let mut frame = BytesMut::with_capacity(1 + carried.len());
        frame.put_u8(message.channel());
        frame.put(carried);
        self.0.send(frame.freeze()).await.map_err(ConsoleError::Broken)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Receiver<S> {
    /// `None`: the other side has gone. Cancel-safe.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn next<M: Message>(&mut self) -> Result<Option<M>, ConsoleError> {
        let Some(frame) = self.0.next().await else { return Ok(None) };
        let frame = frame.map_err(ConsoleError::Broken)?.freeze();
        let channel = *frame.first().ok_or(ConsoleError::Empty)?;
        M::of(channel, frame.slice(1..)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_on_one_side_is_received_on_the_other() {
        let (near, far) = tokio::io::duplex(64);
        let ((mut client, mut heard), (mut keeper, mut asked)) = (halves(near), halves(far));
        let up = [
            ToCommand::Input(Bytes::from_static(b"\0\xff\n")),
            ToCommand::Input(Bytes::new()),
            ToCommand::Resize(Size { columns: 97, rows: 31 }),
            ToCommand::Signal(2),
        ];
        let down = [
            FromCommand::Taken,
            FromCommand::Stdout(Bytes::from(vec![0; CHUNK_BYTES_MAX])),
            FromCommand::Stderr(Bytes::from_static(b"e")),
            FromCommand::Exit(Exit { code: Some(7), signal: None }),
        ];
        let send = async {
            for (up, down) in up.iter().zip(&down) {
                client.send(up).await.expect("sent");
                keeper.send(down).await.expect("sent");
            }
        };
        let receive = async {
            for (up, down) in up.iter().zip(&down) {
                assert_eq!(asked.next::<ToCommand>().await.expect("whole").as_ref(), Some(up));
                assert_eq!(heard.next::<FromCommand>().await.expect("whole").as_ref(), Some(down));
            }
        };
        tokio::join!(send, receive);
    }

    #[tokio::test]
    async fn a_frame_that_is_none_is_refused() {
        use tokio::io::AsyncWriteExt as _;
        for bytes in [&b"\0\0\0\x01\x09"[..], b"\0\0\0\0", b"\xff\xff\xff\xff\x00", b"\0\0\0\x02\x05x"] {
            let (mut near, far) = tokio::io::duplex(64);
            near.write_all(bytes).await.expect("written");
            let (_sender, mut receiver) = halves(far);
            assert!(receiver.next::<ToCommand>().await.is_err(), "{bytes:?}");
        }
    }
}
