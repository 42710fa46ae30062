//! WebSockets: each echoes until it is closed, and only close 1012 ("service restart") is a good end.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use super::{
    Shared,
    client::{Stream, Wrong, connect},
    tally::{Failure, Kind},
};

/// The close code of a server that restarts (IANA registry of RFC 6455).
const SERVICE_RESTART: u16 = 1012;
/// Pause between two echoes.
const EVERY: Duration = Duration::from_millis(300);

type Socket = WebSocketStream<Stream>;

/// How a socket ended well.
enum End {
    /// The judge has finished and said good-bye.
    Own,
    Closed(u16),
}

pub(super) async fn run(shared: Arc<Shared>, client: usize) {
    shared.pause(EVERY * client as u32 / 5).await;
    while !shared.is_stopping() {
        let open = shared.tally.open(Kind::Socket);
        let began = std::time::Instant::now();
        let mut by = None;
        match talk(&shared, client, &mut by).await {
            Ok(End::Own) => {}
            Ok(End::Closed(SERVICE_RESTART)) => shared.tally.closed(client, SERVICE_RESTART),
            Ok(End::Closed(code)) => {
                shared.tally.closed(client, code);
                let detail = format!("closed with {code}");
                shared.fail(Failure::WrongClose, Kind::Socket, began, by, detail);
            }
            Err((failure, detail)) => shared.fail(failure, Kind::Socket, began, by, detail),
        }
        drop(open);
        shared.pause(shared.load.websocket_back).await;
    }
}

async fn talk(shared: &Shared, client: usize, by: &mut Option<String>) -> Result<End, Wrong> {
    let mut socket = open(shared, client).await?;
    let hello = receive(shared, &mut socket).await?;
    match &hello {
        Message::Text(text) => *by = text.split(' ').nth(2).map(str::to_owned),
        Message::Close(frame) => return Ok(End::Closed(code(frame.as_ref()))),
        _ => return Err((Failure::WrongAnswer, "no greeting".into())),
    }
    loop {
        if shared.is_stopping() {
            let _ = socket.close(None).await;
            return Ok(End::Own);
        }
        let began = std::time::Instant::now();
        let nonce = shared.nonce();
        if let Err(error) = socket.send(Message::Text(nonce.clone().into())).await {
            // The other side may have closed while we wrote: what it said last decides.
            return last_word(shared, &mut socket, error).await;
        }
        match receive(shared, &mut socket).await? {
            Message::Text(text) if text.as_str() == nonce => {
                shared.tally.right(Kind::Socket, by.as_deref().unwrap_or_default(), began.elapsed());
            }
            Message::Close(frame) => return Ok(End::Closed(code(frame.as_ref()))),
            other => return Err((Failure::WrongAnswer, format!("asked {nonce}, got {other:?}"))),
        }
        if let Some(message) = idle(shared, &mut socket).await? {
            return match message {
                Message::Close(frame) => Ok(End::Closed(code(frame.as_ref()))),
                other => Err((Failure::WrongAnswer, format!("unasked: {other:?}"))),
            };
        }
    }
}

/// Listens during the pause: the close may come at any time.
async fn idle(shared: &Shared, socket: &mut Socket) -> Result<Option<Message>, Wrong> {
    tokio::select! {
        message = receive_any(socket) => message.map(Some),
        () = shared.pause(EVERY) => Ok(None),
    }
}

async fn open(shared: &Shared, client: usize) -> Result<Socket, Wrong> {
    let stream = connect(&shared.target, client % 2 == 1).await?;
    let request = format!("ws://{}/ws", shared.target.host)
        .into_client_request()
        .map_err(|error| (Failure::WrongAnswer, error.to_string()))?;
    match tokio::time::timeout(shared.target.patience, client_async(request, stream)).await {
        Err(_) => Err((Failure::Timeout, "no upgrade".into())),
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(response))) => {
            Err((Failure::EdgeStatus, format!("upgrade: {}", response.status())))
        }
        Ok(Err(error)) => Err((Failure::Reset, format!("upgrade: {error}"))),
    }
}

async fn receive(shared: &Shared, socket: &mut Socket) -> Result<Message, Wrong> {
    tokio::time::timeout(shared.target.patience, receive_any(socket))
        .await
        .unwrap_or_else(|_| Err((Failure::Timeout, "no message".into())))
}

async fn receive_any(socket: &mut Socket) -> Result<Message, Wrong> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(message)) => return Ok(message),
            Some(Err(error)) => return Err((Failure::WrongClose, error.to_string())),
            None => return Err((Failure::WrongClose, "ended without a close".into())),
        }
    }
}

async fn last_word(shared: &Shared, socket: &mut Socket, error: Error) -> Result<End, Wrong> {
    match receive(shared, socket).await {
        Ok(Message::Close(frame)) => Ok(End::Closed(code(frame.as_ref()))),
        _ => Err((Failure::WrongClose, error.to_string())),
    }
}

/// 1005 stands for a close without a code (RFC 6455, 7.1.5).
fn code(frame: Option<&tokio_tungstenite::tungstenite::protocol::CloseFrame>) -> u16 {
    frame.map_or(1005, |frame| frame.code.into())
}
