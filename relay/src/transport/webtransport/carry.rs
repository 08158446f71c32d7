//! One session's task: control frames in, outbox out.

use std::time::Duration;

use bytes::Bytes;
use engine::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;
use wire::code::CloseCode;
use wire::frame::Splitter;

use super::close;
use super::line::Link;
use crate::session::core::End;
use crate::session::host::{FAREWELL, Inbound, Port, hand};
use crate::session::outbox::{Outbox, STUCK, Taken};
use crate::station::Lane;

/// Bytes after which a write waits for the one before; a frame may make it longer.
const WRITE_BYTES: usize = 16 * 1024;

/// How long the engine is asked to close, when it is overloaded.
const CLOSE_TRIES: u32 = 100;
const CLOSE_RETRY: Duration = Duration::from_millis(50);

/// The longest the engine takes to close: its own bounds, with reserve.
const CLOSE_MAX: Duration = Duration::from_secs(4);

/// Moves bytes between client and session until either ends, then closes. What is seldom
/// waited for is in a box, so that a session which only listens is small.
pub(super) fn carry(link: Link, port: Port, write: Duration) -> impl Future<Output = ()> {
    let Port { frames, outbox, .. } = port;
    async move {
        let reading = async {
            read_control(&link, &frames).await;
            if link.line().is_orderly() {
                let _ = hand(&frames, Inbound::Goodbye).await;
            }
            drop(frames);
            // The session's end is told even when the client reads but says no more.
            std::future::pending::<()>().await;
        };
        let asides = async {
            write_asides(&link, &outbox, write).await;
            std::future::pending::<()>().await;
        };
        let farewell = async {
            outbox.finished().await;
            // What is left to say gets its time; then the client has had it.
            let _ = Box::pin(timeout(FAREWELL, link.line().closed())).await;
        };
        tokio::select! {
            () = write_lane(&link, &outbox, Lane::Control, write) => {}
            () = reading => {}
            () = asides => {}
            () = farewell => {}
        }
        let code = outbox.end_code().unwrap_or(CloseCode::Done);
        Box::pin(part(&link, code)).await;
    }
}

/// Closes, and waits until the engine has.
async fn part(link: &Link, code: CloseCode) {
    for _ in 0..CLOSE_TRIES {
        // One that was given up is still the engine's.
        if link.command(close(link, code)) {
            break;
        }
        tokio::time::sleep(CLOSE_RETRY).await;
    }
    let _ = timeout(CLOSE_MAX, link.line().closed()).await;
}

/// Reads control frames for as long as they are frames.
async fn read_control(link: &Link, frames: &mpsc::Sender<Box<Inbound>>) {
    let mut splitter = Splitter::default();
    while let Some(taken) = link.line().control_bytes().await {
        splitter.handle_bytes(&taken);
        loop {
            let inbound = match splitter.poll_frame() {
                Ok(None) => break,
                Ok(Some(json)) => Inbound::Frame(Bytes::copy_from_slice(json)),
                Err(error) => {
                    Inbound::Broken(End::new(CloseCode::FrameTooLarge, error.to_string()))
                }
            };
            if hand(frames, inbound).await.is_break() {
                return;
            }
        }
        let session = link.session();
        let bytes = taken.len();
        link.command(Command::Consumed { session, bytes });
    }
}

/// Writes what waits in one lane until there is nothing more.
async fn write_lane(link: &Link, outbox: &Outbox, lane: Lane, write: Duration) {
    let (to, session) = (engine_lane(lane), link.session());
    loop {
        let (framed, is_over) = gather(outbox, lane);
        if !framed.is_empty() {
            link.write(to, framed);
            link.command(Command::Fence { session, lane: to });
            let written = Box::pin(timeout(write, link.line().written(to)));
            if written.await.is_err() {
                outbox.ask_end(CloseCode::SlowConsumer, STUCK);
                // The session's last word, which gives the code to close with.
                outbox.finished().await;
                return;
            }
        } else if !is_over {
            outbox.ready(lane).await;
        }
        if is_over {
            return;
        }
    }
}

/// Takes what waits in a lane, up to a size, as bytes of its stream; also whether that is all.
fn gather(outbox: &Outbox, lane: Lane) -> (Bytes, bool) {
    let mut framed = Vec::new();
    while framed.len() < WRITE_BYTES {
        match outbox.take(lane) {
            Taken::Frames(batch) => batch
                .texts()
                .for_each(|json| wire::frame::write_framed(json, &mut framed)),
            Taken::Empty => break,
            Taken::End => return (framed.into(), true),
        }
    }
    (framed.into(), false)
}

/// Opens the streams for metadata and listener counts with the first `listen`.
async fn write_asides(link: &Link, outbox: &Outbox, write: Duration) {
    if !outbox.listening().await {
        return;
    }
    for lane in [Lane::Metadata, Lane::Listeners] {
        link.write(engine_lane(lane), Bytes::new());
    }
    tokio::join!(
        write_lane(link, outbox, Lane::Metadata, write),
        write_lane(link, outbox, Lane::Listeners, write),
    );
}

fn engine_lane(lane: Lane) -> engine::Lane {
    match lane {
        Lane::Control => engine::Lane::Control,
        Lane::Metadata => engine::Lane::Uni(0),
        Lane::Listeners => engine::Lane::Uni(1),
    }
}
