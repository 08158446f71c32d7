//! WebSocket (RFC 6455): the fallback for networks and browsers without WebTransport.
//!
//! A session's task reads, and writes control frames. Sound goes past it: the
//! [`writer`]'s loop writes it to the [`Line`], between whole frames of the task's.

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
use crate::session::outbox::{Outbox, STUCK, Taken};
use crate::station::Lane;

mod line;
mod upgrade;
mod writer;

use line::{Line, LineSink, Pumped, Stream};
use upgrade::Upgrade;

type WebSocket = WebSocketStream<Stream>;

/// The most the WebSocket layer takes in before it gives up on a message. Above the
/// protocol's limit, so that what is a little too large is still answered in order.
const MESSAGE_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

/// Bytes the WebSocket layer may hold that the kernel does not take.
const WRITE_BUFFER_MAX: usize = 256 * 1024;

/// Bytes read at once. Every session holds as many.
const READ_BUFFER: usize = 2 * 1024;

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
    let line = Line::new(socket);
    let stream = Stream::new(Arc::clone(&line), read.concat().into());
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(WRITE_BUFFER_MAX);
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    Some((socket, line))
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
async fn carry(socket: WebSocket, port: Port, line: &Line, write: Duration) {
    let Port {
        frames,
        ingress,
        outbox,
    } = port;
    let (mut sink, mut stream) = socket.split();
    let reading = async {
        read(&mut stream, frames, &ingress).await;
        std::future::pending::<()>().await;
    };
    let farewell = async {
        outbox.finished().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        () = write_all(&mut sink, &outbox, line, write) => {}
        () = reading => {}
        () = farewell => {}
    }
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

/// Writes control frames until there is nothing more, and sound that the writer left behind.
async fn write_all(
    sink: &mut SplitSink<WebSocket, Message>,
    outbox: &Outbox,
    line: &Line,
    write: Duration,
) {
    let mut is_stuck = false;
    loop {
        match timeout(write, write_waiting(sink, outbox)).await {
            Ok(Ok(Progress::Wrote)) => continue,
            Ok(Ok(Progress::Idle)) => {}
            Ok(Ok(Progress::Ended) | Err(_)) => return,
            Err(_) => return outbox.ask_end(CloseCode::SlowConsumer, STUCK),
        }
        tokio::select! {
            () = outbox.ready(Lane::Control) => {}
            () = outbox.ready(Lane::Metadata) => {}
            () = outbox.ready(Lane::Listeners) => {}
            () = line.stuck(), if !is_stuck => is_stuck = true,
            // Each piece must get on in time, not all of it.
            pumped = timeout(write, line.unstick()), if is_stuck => match pumped {
                Ok(Ok(pumped)) => is_stuck = pumped == Pumped::Blocked,
                Ok(Err(_)) => return,
                Err(_) => return outbox.ask_end(CloseCode::SlowConsumer, STUCK),
            },
        }
    }
}

enum Progress {
    Wrote,
    Idle,
    Ended,
}

/// Writes what waits now and flushes it.
async fn write_waiting(
    sink: &mut SplitSink<WebSocket, Message>,
    outbox: &Outbox,
) -> Result<Progress, Error> {
    let mut progress = Progress::Idle;
    for lane in [Lane::Control, Lane::Metadata, Lane::Listeners] {
        loop {
            match outbox.take(lane) {
                Taken::Frame(json) => sink.feed(text(json)?).await?,
                Taken::Empty => break,
                Taken::End => {
                    sink.flush().await?;
                    return Ok(Progress::Ended);
                }
            }
            progress = Progress::Wrote;
        }
    }
    if matches!(progress, Progress::Wrote) {
        sink.flush().await?;
    }
    Ok(progress)
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
        if let Ok(message) = text(bye.push().encode().into())
            && sink.send(message).await.is_ok()
        {
            close(sink, stream, bye.code).await;
        }
    };
    let _ = timeout(FAREWELL, farewell).await;
}

fn text(json: Bytes) -> Result<Message, Error> {
    let text = Utf8Bytes::try_from(json);
    Ok(Message::Text(
        text.map_err(|error| Error::Utf8(error.to_string()))?,
    ))
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
