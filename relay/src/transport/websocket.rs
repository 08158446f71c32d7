//! WebSocket (RFC 6455): the fallback for networks and browsers without WebTransport.
//!
//! A session's task reads, and says goodbye. What the session is told and its sound go past
//! it: the [`writer`]'s loop writes them to the [`Line`], frame by frame.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as Code;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use wire::code::CloseCode;
use wire::frame::FRAME_BYTES_MAX;
use wire::message::Bye;

use crate::clock::Now;
use crate::fanout::Listener;
use crate::metrics::TransportLabel;
use crate::session::core::End;
use crate::session::host::{FAREWELL, Host, Inbound, Peer, Port, bye};
use crate::session::ingress::Ingress;
use crate::session::outbox::{Outbox, STUCK};

mod line;
mod out;
mod stream;
mod upgrade;
mod writer;

use line::{Line, LineSink, Socket};
use out::Pumped;
use stream::Stream;
use upgrade::Upgrade;

type WebSocket = WebSocketStream<Stream>;

/// The most the WebSocket layer takes in before it gives up on a message. Above the
/// protocol's limit, so that what is a little too large is still answered in order.
const MESSAGE_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

/// Bytes the WebSocket layer may hold that the kernel does not take.
const WRITE_BUFFER_MAX: usize = 256 * 1024;

/// Bytes read at once. Every session holds as many.
const READ_BUFFER: usize = 512;

/// Answers an upgrade at the session's path.
pub(crate) fn accept(request: Request, address: SocketAddr, host: Arc<Host>) -> Response {
    let (answer, upgrade) = upgrade::answer(request);
    if let Some(upgrade) = upgrade {
        let tasks = host.tasks().clone();
        tasks.spawn(async move {
            let agreed = upgrade.agreed;
            let Some((socket, line)) = connected(upgrade).await else {
                return;
            };
            if agreed {
                serve_session(socket, line, address, &host).await;
            } else {
                let reason = "the subprotocol is skywave.v1";
                let end = End::new(CloseCode::UnsupportedProtocol, reason);
                turn_away(socket, &bye(&end)).await;
            }
        });
    }
    answer
}

/// Answers an upgrade anywhere else: accepted, told, closed.
pub(crate) fn refuse(request: Request, host: &Host) -> Response {
    let (answer, upgrade) = upgrade::answer(request);
    if let Some(upgrade) = upgrade {
        host.tasks().spawn(async move {
            if let Some((socket, _)) = connected(upgrade).await {
                let end = End::new(CloseCode::UnsupportedProtocol, "sessions are at /v1");
                turn_away(socket, &bye(&end)).await;
            }
        });
    }
    answer
}

/// The WebSocket on an upgraded connection, and the line below it.
async fn connected(upgrade: Upgrade) -> Option<(WebSocket, Arc<Line>)> {
    let (socket, read) = match upgrade.connection().await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%error, "no WebSocket came of an upgrade");
            return None;
        }
    };
    Some(layered(socket, read.concat().into()).await)
}

/// The WebSocket on a connection, of which `first` was read already, and the line below it.
async fn layered(socket: Socket, first: Bytes) -> (WebSocket, Arc<Line>) {
    let line = Line::new(socket);
    let stream = Stream::new(Arc::clone(&line), first);
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(WRITE_BUFFER_MAX);
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    (socket, line)
}

async fn serve_session(socket: WebSocket, line: Arc<Line>, address: SocketAddr, host: &Arc<Host>) {
    let sink = LineSink(Arc::clone(&line));
    let listener = Listener::new(Box::new(sink), Arc::clone(line.tuned()));
    let peer = Peer {
        transport: TransportLabel::WEBSOCKET,
        address,
    };
    match host.open(peer, listener) {
        Ok(port) => carry(socket, port, &line, host.shared().timing.write).await,
        Err(bye) => turn_away(socket, &bye).await,
    }
}

/// Moves messages between client and session until either ends, then closes.
async fn carry(socket: WebSocket, port: Port, line: &Arc<Line>, write: Duration) {
    let Port {
        frames,
        ingress,
        outbox,
    } = port;
    line.tell(&outbox);
    let (sink, mut stream) = socket.split();
    let reading = async {
        read(&mut stream, frames, &ingress).await;
        std::future::pending::<()>().await;
    };
    let farewell = async {
        outbox.finished().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        () = write_left(line, &outbox, write) => {}
        () = reading => {}
        () = farewell => {}
    }
    line.end();
    let code = outbox.end_code().unwrap_or(CloseCode::Done);
    let _ = timeout(FAREWELL, close(sink, stream, code)).await;
}

/// Reads messages until the client is gone or breaks the protocol. That it drops
/// `frames` at last tells the session.
async fn read(
    stream: &mut SplitStream<WebSocket>,
    frames: mpsc::Sender<Inbound>,
    ingress: &Ingress,
) {
    while let Some(message) = stream.next().await {
        let inbound = match message {
            Ok(Message::Text(text)) if text.len() > FRAME_BYTES_MAX => {
                Inbound::Broken(too_large(text.len()))
            }
            Ok(Message::Text(text)) => Inbound::Frame(Bytes::from(text)),
            Ok(Message::Binary(bytes)) if bytes.len() > FRAME_BYTES_MAX => {
                Inbound::Broken(too_large(bytes.len()))
            }
            Ok(Message::Binary(datagram)) => {
                ingress.handle_datagram(&datagram, Now::read());
                continue;
            }
            // The WebSocket layer answers pings by itself.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
            Ok(Message::Close(_)) => {
                let _ = frames.send(Inbound::Goodbye).await;
                return;
            }
            Err(error) => match broken(&error) {
                Some(end) => Inbound::Broken(end),
                None => return,
            },
        };
        let broken = matches!(inbound, Inbound::Broken(_));
        if frames.send(inbound).await.is_err() || broken {
            return;
        }
    }
}

/// Writes what the writer left behind, until the session's last word or the end of the
/// connection. Each piece must get on in time, not all of it.
async fn write_left(line: &Line, outbox: &Outbox, write: Duration) {
    loop {
        line.left().await;
        loop {
            match timeout(write, line.unstick()).await {
                Ok(Ok(Pumped::All)) => break,
                Ok(Ok(Pumped::Blocked)) => {}
                Ok(Ok(Pumped::Ended) | Err(_)) => return,
                Err(_) => {
                    outbox.ask_end(CloseCode::SlowConsumer, STUCK);
                    // The session's last word, which gives the code to close with.
                    outbox.finished().await;
                    return;
                }
            }
        }
    }
}

/// Says goodbye and hears the client out: data left unread would make the kernel
/// reset the connection, and the goodbye might be lost with it.
async fn close(
    mut sink: SplitSink<WebSocket, Message>,
    mut stream: SplitStream<WebSocket>,
    code: CloseCode,
) {
    let frame = CloseFrame {
        code: Code::from(code.websocket()),
        reason: Utf8Bytes::default(),
    };
    if sink.send(Message::Close(Some(frame))).await.is_ok() {
        while let Some(Ok(_)) = stream.next().await {}
    }
}

/// Tells a client why there is no session for it, then closes.
async fn turn_away(socket: WebSocket, bye: &Bye) {
    let (mut sink, stream) = socket.split();
    let farewell = async {
        if sink.send(Message::text(bye.push().encode())).await.is_ok() {
            close(sink, stream, bye.code).await;
        }
    };
    let _ = timeout(FAREWELL, farewell).await;
}

fn too_large(size: usize) -> End {
    let reason = format!("a message of {size} bytes, above {FRAME_BYTES_MAX}");
    End::new(CloseCode::FrameTooLarge, reason)
}

/// What the client did wrong, if the error is its doing and not the network's.
fn broken(error: &Error) -> Option<End> {
    match error {
        Error::Capacity(_) => Some(End::new(CloseCode::FrameTooLarge, error.to_string())),
        Error::Utf8(_) | Error::Protocol(_) => {
            Some(End::new(CloseCode::ProtocolError, error.to_string()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
