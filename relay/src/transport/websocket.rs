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
use crate::session::host::{FAREWELL, Host, Inbound, Peer, Port, bye, hand};
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
            // What only the beginning needs is in a box and goes with it.
            if let Some(carried) = Box::pin(begin(upgrade, address, &host)).await {
                carry(carried).await;
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

/// Begins the session of an upgraded connection, or tells why there is none.
async fn begin(upgrade: Upgrade, address: SocketAddr, host: &Arc<Host>) -> Option<Carried> {
    let agreed = upgrade.agreed;
    let (socket, line) = connected(upgrade).await?;
    let opened = if agreed {
        let sink = LineSink(Arc::clone(&line));
        let listener = Listener::new(Box::new(sink), Arc::clone(line.tuned()));
        let transport = TransportLabel::WEBSOCKET;
        host.open(Peer { transport, address }, listener)
    } else {
        let reason = "the subprotocol is skywave.v1";
        Err(bye(&End::new(CloseCode::UnsupportedProtocol, reason)))
    };
    match opened {
        Ok(port) => Some(Carried::new(socket, port, line, host.shared().timing.write)),
        Err(bye) => {
            turn_away(socket, &bye).await;
            None
        }
    }
}

/// A session's connection and its other end.
struct Carried {
    sink: SplitSink<WebSocket, Message>,
    stream: SplitStream<WebSocket>,
    line: Arc<Line>,
    port: Port,
    /// How long a write may take.
    write: Duration,
}

impl Carried {
    fn new(socket: WebSocket, port: Port, line: Arc<Line>, write: Duration) -> Self {
        let (sink, stream) = socket.split();
        Self {
            sink,
            stream,
            line,
            port,
            write,
        }
    }
}

/// Moves messages between client and session until either ends, then closes. What is seldom
/// waited for is in a box, so that a session which only listens is small.
fn carry(carried: Carried) -> impl Future<Output = ()> {
    let Carried {
        sink,
        mut stream,
        line,
        port,
        write,
    } = carried;
    let Port {
        frames,
        ingress,
        outbox,
    } = port;
    line.tell(&outbox);
    async move {
        let reading = async {
            read(&mut stream, frames, &ingress).await;
            std::future::pending::<()>().await;
        };
        let farewell = async {
            outbox.finished().await;
            Box::pin(tokio::time::sleep(FAREWELL)).await;
        };
        tokio::select! {
            () = write_left(&line, &outbox, write) => {}
            () = reading => {}
            () = farewell => {}
        }
        line.end();
        let code = outbox.end_code().unwrap_or(CloseCode::Done);
        let _ = Box::pin(timeout(FAREWELL, close(sink, stream, code))).await;
    }
}

/// Reads messages until the client is gone or breaks the protocol. That it drops
/// `frames` at last tells the session.
async fn read(
    stream: &mut SplitStream<WebSocket>,
    frames: mpsc::Sender<Box<Inbound>>,
    ingress: &Ingress,
) {
    while let Some(message) = stream.next().await {
        let inbound = match message.map(|message| inbound(message, ingress)) {
            Ok(None) => continue,
            Ok(Some(inbound)) => inbound,
            Err(error) => match broken(&error) {
                Some(end) => Inbound::Broken(end),
                None => return,
            },
        };
        if hand(&frames, inbound).await.is_break() {
            return;
        }
    }
}

/// What a message brings to the session, if it is not sound.
fn inbound(message: Message, ingress: &Ingress) -> Option<Inbound> {
    match message {
        Message::Text(text) if text.len() > FRAME_BYTES_MAX => {
            Some(Inbound::Broken(too_large(text.len())))
        }
        Message::Text(text) => Some(Inbound::Frame(Bytes::from(text))),
        Message::Binary(bytes) if bytes.len() > FRAME_BYTES_MAX => {
            Some(Inbound::Broken(too_large(bytes.len())))
        }
        Message::Binary(datagram) => {
            ingress.handle_datagram(&datagram, Now::read());
            None
        }
        // The WebSocket layer answers pings by itself.
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
        Message::Close(_) => Some(Inbound::Goodbye),
    }
}

/// Writes what the writer left behind, until the session's last word or the end of the
/// connection. Each piece must get on in time, not all of it.
async fn write_left(line: &Line, outbox: &Outbox, write: Duration) {
    loop {
        line.left().await;
        loop {
            match Box::pin(timeout(write, line.unstick())).await {
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
