//! WebSocket (RFC 6455): the fallback for networks and browsers without WebTransport.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use wire::code::CloseCode;
use wire::frame::FRAME_BYTES_MAX;
use wire::message::Bye;

use crate::clock::Now;
use crate::fanout::queue::{LISTENER_WAIT, PacketQueue};
use crate::fanout::{Listener, Packet, Sent, Sink, Tuned};
use crate::metrics::TransportLabel;
use crate::session::core::End;
use crate::session::host::{FAREWELL, Host, Inbound, Peer, Port, bye};
use crate::session::ingress::Ingress;
use crate::session::outbox::{Outbox, STUCK, Taken};
use crate::station::Lane;

/// The most the WebSocket layer takes in before it gives up on a message. Above the
/// protocol's limit, so that what is a little too large is still answered in order.
const MESSAGE_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

/// Bytes the WebSocket layer may hold that the kernel does not take.
const WRITE_BUFFER_MAX: usize = 256 * 1024;

/// Answers an upgrade at the session's path.
pub(crate) fn accept(upgrade: WebSocketUpgrade, address: SocketAddr, host: Arc<Host>) -> Response {
    let mut upgrade = bounded(upgrade).protocols([wire::SUBPROTOCOL]);
    let agreed = upgrade.selected_protocol().is_some();
    accept_any(&mut upgrade);
    upgrade.on_upgrade(move |socket| {
        let tasks = host.tasks().clone();
        tasks.track_future(async move {
            if agreed {
                serve_session(socket, address, &host).await;
            } else {
                let reason = "the subprotocol is skywave.v1";
                turn_away(
                    socket,
                    &bye(&End::new(CloseCode::UnsupportedProtocol, reason)),
                )
                .await;
            }
        })
    })
}

/// Answers an upgrade anywhere else: accepted, told, closed.
pub(crate) fn refuse(upgrade: WebSocketUpgrade, host: Arc<Host>) -> Response {
    let mut upgrade = bounded(upgrade);
    accept_any(&mut upgrade);
    upgrade.on_upgrade(move |socket| {
        let tasks = host.tasks().clone();
        tasks.track_future(async move {
            let end = End::new(CloseCode::UnsupportedProtocol, "sessions are at /v1");
            turn_away(socket, &bye(&end)).await;
        })
    })
}

/// Selects whatever the client offers if nothing is selected: a browser that offers
/// something and is answered nothing fails without hearing why.
fn accept_any(upgrade: &mut WebSocketUpgrade) {
    let offered = upgrade.requested_protocols().next().cloned();
    if let (None, Some(offered)) = (upgrade.selected_protocol(), offered) {
        upgrade.set_selected_protocol(offered);
    }
}

fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
}

async fn serve_session(socket: WebSocket, address: SocketAddr, host: &Arc<Host>) {
    let sound = Arc::new(Sound::default());
    let sink = SoundSink(Arc::clone(&sound));
    let listener = Listener::new(Box::new(sink), Arc::clone(&sound.tuned));
    let peer = Peer {
        transport: TransportLabel::WEBSOCKET,
        address,
    };
    match host.open(peer, listener) {
        Ok(port) => carry(socket, port, &sound, host.shared().timing.write).await,
        Err(bye) => turn_away(socket, &bye).await,
    }
}

/// Moves messages between client and session until either ends, then closes.
async fn carry(socket: WebSocket, port: Port, sound: &Sound, write: Duration) {
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
        () = write_all(&mut sink, &outbox, sound, write) => {}
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
            Ok(Message::Text(text)) => Inbound::Frame(text.into()),
            Ok(Message::Binary(bytes)) if bytes.len() > FRAME_BYTES_MAX => {
                Inbound::Broken(too_large(bytes.len()))
            }
            Ok(Message::Binary(datagram)) => {
                ingress.handle_datagram(&datagram, Now::read());
                continue;
            }
            // The WebSocket layer answers pings by itself.
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
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

/// Writes what waits, control before sound, until there is nothing more.
async fn write_all(
    sink: &mut SplitSink<WebSocket, Message>,
    outbox: &Outbox,
    sound: &Sound,
    write: Duration,
) {
    loop {
        match timeout(write, write_waiting(sink, outbox, sound)).await {
            Ok(Ok(Progress::Wrote)) => {}
            Ok(Ok(Progress::Idle)) => tokio::select! {
                () = outbox.ready(Lane::Control) => {}
                () = outbox.ready(Lane::Metadata) => {}
                () = outbox.ready(Lane::Listeners) => {}
                () = sound.ready.notified() => {}
            },
            Ok(Ok(Progress::Ended) | Err(_)) => return,
            Err(_) => {
                outbox.ask_end(CloseCode::SlowConsumer, STUCK);
                return;
            }
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
    sound: &Sound,
) -> Result<Progress, axum::Error> {
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
    while let Some(packet) = sound.pop() {
        sink.feed(Message::Binary(packet.datagram())).await?;
        progress = Progress::Wrote;
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
        code: code.websocket(),
        reason: "".into(),
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

fn text(json: Bytes) -> Result<Message, axum::Error> {
    Ok(Message::Text(json.try_into().map_err(axum::Error::new)?))
}

fn too_large(size: usize) -> End {
    let reason = format!("a message of {size} bytes, above {FRAME_BYTES_MAX}");
    End::new(CloseCode::FrameTooLarge, reason)
}

/// What the client did wrong, if the error is its doing and not the network's.
fn broken(error: &axum::Error) -> Option<End> {
    use tokio_tungstenite::tungstenite::Error;
    let source = std::error::Error::source(error)?.downcast_ref::<Error>()?;
    match source {
        Error::Capacity(_) => Some(End::new(CloseCode::FrameTooLarge, source.to_string())),
        Error::Utf8(_) | Error::Protocol(_) => {
            Some(End::new(CloseCode::ProtocolError, source.to_string()))
        }
        _ => None,
    }
}

/// Sound that waits for one WebSocket listener.
#[derive(Debug)]
struct Sound {
    packets: Mutex<PacketQueue>,
    ready: Notify,
    tuned: Arc<Tuned>,
}

impl Default for Sound {
    fn default() -> Self {
        Self {
            packets: Mutex::new(PacketQueue::new(LISTENER_WAIT)),
            ready: Notify::new(),
            tuned: Arc::default(),
        }
    }
}

impl Sound {
    /// The next packet of the track the listener is on now; what waits of another is dropped.
    fn pop(&self) -> Option<Packet> {
        let mut packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let packet = packets.pop()?;
            if self.tuned.is_to(packet.track) {
                return Some(packet);
            }
        }
    }
}

/// The fan-out's end of [`Sound`].
struct SoundSink(Arc<Sound>);

impl Sink for SoundSink {
    fn send(&self, packet: &Packet) -> Sent {
        let sound = &*self.0;
        let mut packets = sound.packets.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = packets.push(packet.clone());
        drop(packets);
        sound.ready.notify_one();
        sent
    }
}
