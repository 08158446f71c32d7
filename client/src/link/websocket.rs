//! A link over WebSocket.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as WireCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use url::Url;
use wire::SUBPROTOCOL;
use wire::code::CloseCode;
use wire::frame::FRAME_BYTES_MAX;

use super::{Audio, Ends, Incoming, Link, OUTGOING_MAX, Sender, Transport};
use crate::Error;
use crate::clock::LocalClock;
use crate::net::{self, Stream};
use crate::queue::Queue;

/// Datagrams that may wait for a slow network: 200 ms of 20 ms packets.
const AUDIO_MAX: usize = 10;

type Socket = WebSocketStream<Box<dyn Stream>>;

pub(super) async fn connect(url: &Url, clock: LocalClock) -> Result<Link, Error> {
    let unreachable = |reason: &dyn ToString| {
        Error::unreachable(format!("{url} (WebSocket)"), reason.to_string())
    };
    let stream = net::open(url).await.map_err(|error| unreachable(&error))?;
    let request = url.as_str().into_client_request();
    let mut request = request.map_err(|error| unreachable(&error))?;
    let protocol = HeaderValue::from_static(SUBPROTOCOL);
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocol);
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let handshake = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
    match tokio::time::timeout(net::CONNECT_TIMEOUT, handshake).await {
        Ok(Ok((socket, _))) => Ok(link(socket, clock)),
        Ok(Err(error)) => Err(unreachable(&error)),
        Err(_) => Err(unreachable(&"no answer in time")),
    }
}

fn link(socket: Socket, clock: LocalClock) -> Link {
    let (ends, frames) = Ends::new(clock);
    let datagrams = ends.datagrams.clone();
    let (control, control_queue) = mpsc::channel(OUTGOING_MAX);
    let audio = Arc::new(Queue::new(AUDIO_MAX));
    let (closer, closing) = oneshot::channel();
    let (sink, stream) = socket.split();
    let mut tasks = JoinSet::new();
    tasks.spawn(read(stream, ends));
    tasks.spawn(write(sink, control_queue, audio.clone(), closing));
    Link {
        transport: Transport::WebSocket,
        frames,
        datagrams,
        sender: Sender {
            control,
            audio: Audio::WebSocket(audio),
        },
        tasks,
        closer: super::Closer::WebSocket(Closer(closer)),
    }
}

async fn write(
    mut sink: futures_util::stream::SplitSink<Socket, Message>,
    mut control: mpsc::Receiver<String>,
    audio: Arc<Queue<Bytes>>,
    mut closing: oneshot::Receiver<()>,
) {
    loop {
        let message = tokio::select! {
            // Requests first: a publish must not wait behind its own sound.
            biased;
            Some(json) = control.recv() => Message::text(json),
            bytes = audio.pop() => Message::binary(bytes),
            _ = &mut closing => break,
        };
        if sink.send(message).await.is_err() {
            return;
        }
    }
    let frame = CloseFrame {
        code: WireCode::from(CloseCode::Done.websocket()),
        reason: "done".into(),
    };
    let _ = sink.send(Message::Close(Some(frame))).await;
}

async fn read(mut stream: futures_util::stream::SplitStream<Socket>, ends: Ends) {
    let closed = loop {
        let frame = match stream.next().await {
            Some(Ok(Message::Text(text))) => Incoming::Frame(text.into()),
            Some(Ok(Message::Binary(bytes))) => {
                ends.handle_datagram(bytes);
                continue;
            }
            Some(Ok(Message::Close(frame))) => break end(frame.as_ref()),
            // Pings are answered by the library.
            Some(Ok(_)) => continue,
            Some(Err(error)) => break broken(&error),
            None => break end(None),
        };
        if ends.frames.send(frame).await.is_err() {
            return;
        }
    };
    let _ = ends.frames.send(closed).await;
}

fn end(frame: Option<&CloseFrame>) -> Incoming {
    let number = frame.map(|frame| u16::from(frame.code));
    let ours = number.and_then(|number| number.checked_sub(CloseCode::WEBSOCKET_BASE));
    let reason = frame.map(|frame| frame.reason.to_string());
    Incoming::Closed {
        code: ours.map(|number| CloseCode::from_number(number.into())),
        reason: reason.unwrap_or_else(|| "connection closed by peer".into()),
    }
}

fn broken(error: &WsError) -> Incoming {
    Incoming::Closed {
        code: None,
        reason: error.to_string(),
    }
}

#[derive(Debug)]
pub(super) struct Closer(oneshot::Sender<()>);

impl Closer {
    pub(super) async fn close(self, tasks: &mut JoinSet<()>) {
        let _ = self.0.send(());
        // The writer ends when it has said goodbye, the reader with the relay's answer.
        while tasks.join_next().await.is_some() {}
    }
}
