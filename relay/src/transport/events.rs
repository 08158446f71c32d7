//! Server-sent events and POST: control frames for networks that allow nothing else. No sound.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use wire::code::CloseCode;
use wire::frame::FRAME_BYTES_MAX;

use crate::fanout::{Listener, Packet, Sent, Sink, Tuned};
use crate::metrics::TransportLabel;
use crate::session::core::End;
use crate::session::host::{FAREWELL, Host, Inbound, Peer, Port};
use crate::session::outbox::{Outbox, STUCK, Taken};
use crate::station::Lane;

/// The header by which a POST names its session.
const SESSION_HEADER: &str = "skywave-session";

/// Silence after which a comment keeps proxies from giving up the response.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Chunks of events on their way to the connection.
const CHUNKS_MAX: usize = 4;

/// Bytes of events put together into one chunk.
const CHUNK_BYTES: usize = 16 * 1024;

/// How long a POST waits for its frames' turn.
const TURN: Duration = Duration::from_secs(10);

/// The open sessions by what their clients alone know.
#[derive(Debug, Default)]
pub(crate) struct Posts(Mutex<HashMap<String, mpsc::Sender<Box<Inbound>>>>);

impl Posts {
    // Every change is one step: a panic elsewhere leaves the map whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Box<Inbound>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a session: everything it is told is the response's body.
pub(crate) fn open(address: SocketAddr, host: &Arc<Host>) -> Response {
    let listener = Listener::new(Box::new(NoSound), Arc::new(Tuned::default()));
    let peer = Peer {
        transport: TransportLabel::EVENTS,
        address,
    };
    let port = match host.open(peer, listener) {
        Ok(port) => port,
        Err(bye) => return stream_of(Body::from(event(&bye.push().encode()))),
    };
    let capability = format!("{:032x}", rand::random::<u128>());
    let Port { frames, outbox, .. } = port;
    host.posts().lock().insert(capability.clone(), frames);
    let (chunk_queue, mut chunks) = mpsc::channel(CHUNKS_MAX);
    let write = host.shared().timing.write;
    let carried = Arc::clone(host);
    host.tasks().spawn(async move {
        let farewell = async {
            outbox.finished().await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            () = carry(&capability, &outbox, &chunk_queue, write) => {}
            () = chunk_queue.closed() => {}
            () = farewell => {}
        }
        // That the last sender of frames is dropped tells the session.
        carried.posts().lock().remove(&capability);
    });
    let body = stream::poll_fn(move |context| chunks.poll_recv(context));
    stream_of(Body::from_stream(futures_util::StreamExt::map(
        body,
        Ok::<Bytes, Infallible>,
    )))
}

/// Takes frames for a session: one JSON text a line, handled in order.
pub(crate) async fn post(host: &Arc<Host>, headers: &HeaderMap, body: &Bytes) -> Response {
    let capability = headers
        .get(SESSION_HEADER)
        .and_then(|value| value.to_str().ok());
    let frames = capability.and_then(|capability| host.posts().lock().get(capability).cloned());
    let Some(frames) = frames else {
        return (StatusCode::NOT_FOUND, "there is no such session\n").into_response();
    };
    let lines = body.split(|byte| *byte == b'\n');
    for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
        let inbound = if line.len() > FRAME_BYTES_MAX {
            let reason = format!("a frame of {} bytes, above {FRAME_BYTES_MAX}", line.len());
            Inbound::Broken(End::new(CloseCode::FrameTooLarge, reason))
        } else {
            Inbound::Frame(Bytes::copy_from_slice(line.trim_ascii()))
        };
        match frames.send_timeout(Box::new(inbound), TURN).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Closed(_)) => {
                return (StatusCode::NOT_FOUND, "the session has ended\n").into_response();
            }
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                let message = "the frames before these are not handled yet\n";
                return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
            }
        }
    }
    StatusCode::ACCEPTED.into_response()
}

/// Moves what waits for the client into the response until there is nothing more.
async fn carry(
    capability: &str,
    outbox: &Outbox,
    chunk_queue: &mpsc::Sender<Bytes>,
    write: Duration,
) {
    let opening = format!("event: session\ndata: {capability}\n\n");
    let mut chunk = Vec::from(opening);
    loop {
        let ended = fill(&mut chunk, outbox);
        if !chunk.is_empty() {
            let sent = chunk_queue.send(std::mem::take(&mut chunk).into());
            match timeout(write, sent).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => return outbox.ask_end(CloseCode::SlowConsumer, STUCK),
            }
            if !ended {
                continue;
            }
        }
        if ended {
            return;
        }
        tokio::select! {
            () = outbox.ready(Lane::Control) => {}
            () = outbox.ready(Lane::Metadata) => {}
            () = outbox.ready(Lane::Listeners) => {}
            () = tokio::time::sleep(KEEP_ALIVE) => chunk.extend_from_slice(b":\n\n"),
        }
    }
}

/// Takes what waits, as much as makes a chunk; true when the session has ended.
fn fill(chunk: &mut Vec<u8>, outbox: &Outbox) -> bool {
    for lane in [Lane::Control, Lane::Metadata, Lane::Listeners] {
        while chunk.len() < CHUNK_BYTES {
            match outbox.take(lane) {
                Taken::Frames(batch) => batch
                    .texts()
                    .for_each(|json| chunk.extend_from_slice(event(json).as_bytes())),
                Taken::Empty => break,
                Taken::End => return true,
            }
        }
    }
    false
}

/// A frame as an event: JSON has no line breaks of its own.
fn event(json: &str) -> String {
    ["data: ", json, "\n\n"].concat()
}

fn stream_of(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // A proxy that collects a response before it passes it on would tell nothing.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

/// A listener that takes no sound.
struct NoSound;

impl Sink for NoSound {
    fn send(&self, _packet: &Packet) -> Sent {
        Sent::Refused
    }
}
