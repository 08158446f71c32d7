//! WebTransport over HTTP/3 (draft-ietf-webtrans-http3) on our own QUIC endpoint.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wire::code::CloseCode;
use wire::frame::Splitter;
use wtransport::endpoint::IncomingSessionFuture;
use wtransport::{Connection, RecvStream, SendStream};

use super::quic::Endpoint;
use crate::clock::Now;
use crate::fanout::{Listener, Tuned};
use crate::metrics::TransportLabel;
use crate::session::core::End;
use crate::session::host::{FAREWELL, Host, Inbound, Peer, Port, bye};
use crate::session::outbox::{Outbox, STUCK, Taken};
use crate::station::Lane;

mod sink;

use sink::DatagramSink;

/// From a client's first packet to its WebTransport session.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client that is turned away has for opening its control stream.
const TURN_AWAY: Duration = Duration::from_secs(3);

/// The path of protocol version 1.
const PATH: &str = "/v1";

/// Accepts clients until the endpoint is closed.
pub(crate) async fn serve(endpoint: Endpoint, host: Arc<Host>, handshakes_max: usize) {
    let handshakes = Arc::new(Semaphore::new(handshakes_max));
    while let Some(incoming) = endpoint.0.accept().await {
        let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else {
            incoming.refuse();
            count_failure(&host);
            continue;
        };
        // Busy: only those who can be reached at their address may cost more.
        let busy = handshakes.available_permits() < handshakes_max / 2;
        if busy && incoming.may_retry() {
            // A retry cannot fail for an address that is not validated yet.
            let _ = incoming.retry();
            continue;
        }
        let client = welcome(incoming, Arc::clone(&host), permit);
        host.tasks().spawn(client);
    }
}

/// Brings one client from its first packet to the end of its session.
async fn welcome(incoming: Incoming, host: Arc<Host>, permit: OwnedSemaphorePermit) {
    let address = incoming.remote_address();
    let handshake = async {
        let request = IncomingSessionFuture::with_quic_incoming(incoming).await?;
        let path = request.path().to_owned();
        Ok::<_, wtransport::error::ConnectionError>((path, request.accept().await?))
    };
    let (path, connection) = match timeout(HANDSHAKE, handshake).await {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(error)) => {
            tracing::debug!(remote = %address, %error, "no WebTransport session");
            return count_failure(&host);
        }
        Err(_) => {
            tracing::debug!(remote = %address, "no WebTransport session in time");
            return count_failure(&host);
        }
    };
    drop(permit);
    if path.split(['?', '#']).next() != Some(PATH) {
        let end = End::new(CloseCode::UnsupportedProtocol, "sessions are at /v1");
        return turn_away(&connection, &bye(&end).push().encode(), end.code).await;
    }
    serve_session(connection, address, &host).await;
}

async fn serve_session(connection: Connection, address: SocketAddr, host: &Arc<Host>) {
    let sink = DatagramSink::new(&connection);
    let listener = Listener::new(Box::new(sink), Arc::new(Tuned::default()));
    let peer = Peer {
        transport: TransportLabel::WEBTRANSPORT,
        address,
    };
    let code = match host.open(peer, listener) {
        Ok(port) => carry(&connection, port, host.shared().timing.write).await,
        Err(bye) => return turn_away(&connection, &bye.push().encode(), bye.code).await,
    };
    close(&connection, code);
}

/// Moves bytes between client and session until either ends; returns the code to close with.
async fn carry(connection: &Connection, port: Port, write: Duration) -> CloseCode {
    let Port {
        frames,
        ingress,
        outbox,
    } = port;
    let datagrams = async {
        while let Ok(datagram) = connection.receive_datagram().await {
            ingress.handle_datagram(&datagram.payload(), Now::read());
        }
    };
    let control = async {
        let Ok((send, receive)) = connection.accept_bi().await else {
            return;
        };
        // The session's end is told even when the client reads but says no more.
        let reading = async {
            read_control(receive, &frames).await;
            if is_goodbye(connection) {
                let _ = frames.send(Inbound::Goodbye).await;
            }
            drop(frames);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = write_lane(send, &outbox, Lane::Control, write) => {}
            () = reading => {}
        }
    };
    let asides = async {
        write_asides(connection, &outbox, write).await;
        std::future::pending::<()>().await;
    };
    let farewell = async {
        outbox.finished().await;
        // What is left to say gets its time; then the client has had it.
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        () = control => {}
        () = asides => {}
        () = farewell => {}
        () = datagrams => {}
    }
    outbox.end_code().unwrap_or(CloseCode::Done)
}

/// Whether the client closed the connection, or its control stream alone, which says the same.
fn is_goodbye(connection: &Connection) -> bool {
    match connection.quic_connection().close_reason() {
        None => true,
        Some(reason) => matches!(reason, quinn::ConnectionError::ApplicationClosed(_)),
    }
}

/// Reads control frames for as long as they are frames.
async fn read_control(mut receive: RecvStream, frames: &tokio::sync::mpsc::Sender<Inbound>) {
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; 4096];
    while let Ok(Some(count)) = receive.read(&mut buffer).await {
        splitter.handle_bytes(&buffer[..count]);
        loop {
            let inbound = match splitter.poll_frame() {
                Ok(None) => break,
                Ok(Some(json)) => Inbound::Frame(Bytes::copy_from_slice(json)),
                Err(error) => {
                    Inbound::Broken(End::new(CloseCode::FrameTooLarge, error.to_string()))
                }
            };
            let broken = matches!(inbound, Inbound::Broken(_));
            if frames.send(inbound).await.is_err() || broken {
                return;
            }
        }
    }
}

/// Writes what waits in one lane until there is nothing more, and sees it through.
async fn write_lane(mut send: SendStream, outbox: &Outbox, lane: Lane, write: Duration) {
    let mut framed = Vec::new();
    loop {
        match outbox.take(lane) {
            Taken::Frame(json) => {
                framed.clear();
                let json = std::str::from_utf8(&json).expect("frames are encoded from strings");
                wire::frame::write_framed(json, &mut framed);
                match timeout(write, send.write_all(&framed)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => return outbox.ask_end(CloseCode::SlowConsumer, STUCK),
                }
            }
            Taken::Empty => outbox.ready(lane).await,
            Taken::End => {
                // Waits until the client has it all; the farewell bounds that.
                let _ = send.finish().await;
                return;
            }
        }
    }
}

/// Opens the streams for metadata and listener counts with the first `listen`.
async fn write_asides(connection: &Connection, outbox: &Outbox, write: Duration) {
    if !outbox.listening().await {
        return;
    }
    let streams = async { Some((open_uni(connection).await?, open_uni(connection).await?)) };
    let Ok(Some((metadata, listeners))) = timeout(write, streams).await else {
        return outbox.ask_end(CloseCode::SlowConsumer, STUCK);
    };
    tokio::join!(
        write_lane(metadata, outbox, Lane::Metadata, write),
        write_lane(listeners, outbox, Lane::Listeners, write),
    );
}

async fn open_uni(connection: &Connection) -> Option<SendStream> {
    connection.open_uni().await.ok()?.await.ok()
}

/// Tells a client why there is no session for it, then closes.
async fn turn_away(connection: &Connection, bye: &str, code: CloseCode) {
    let farewell = async {
        let (mut send, _receive) = connection.accept_bi().await.ok()?;
        let mut framed = Vec::new();
        wire::frame::write_framed(bye, &mut framed);
        send.write_all(&framed).await.ok()?;
        send.finish().await.ok()
    };
    let _ = timeout(TURN_AWAY, farewell).await;
    close(connection, code);
}

fn close(connection: &Connection, code: CloseCode) {
    let number = wtransport::VarInt::from_u32(code.number().into());
    connection.close(number, b"");
}

fn count_failure(host: &Host) {
    let failures = &host.shared().metrics.handshake_failures;
    failures.get_or_create(&TransportLabel::WEBTRANSPORT).inc();
}
