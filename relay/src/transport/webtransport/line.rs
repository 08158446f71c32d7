//! What a session's task and the engine's events share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use engine::{Command, Handle, Lane, SessionId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How many lanes the relay writes on: control, metadata, listeners.
const LANES: usize = 3;

/// The engine's news of one session.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Control bytes not taken yet. The engine reads no more than
    /// [`control_bytes_max`](engine::Config::control_bytes_max) before they are consumed.
    control: Mutex<Control>,
    arrived: Notify,
    written: [Notify; LANES],
    closed: CancellationToken,
    is_orderly: AtomicBool,
}

#[derive(Debug, Default)]
struct Control {
    bytes: BytesMut,
    is_over: bool,
}

impl Line {
    pub(super) fn handle_control(&self, bytes: &[u8]) {
        self.control().bytes.extend_from_slice(bytes);
        self.arrived.notify_one();
    }

    /// Nothing more comes on the control stream: the client says goodbye, unless its
    /// connection breaks.
    pub(super) fn handle_control_end(&self) {
        self.is_orderly.store(true, Ordering::Relaxed);
        self.control().is_over = true;
        self.arrived.notify_one();
    }

    pub(super) fn handle_written(&self, lane: Lane) {
        if let Some(written) = self.written.get(index(lane)) {
            written.notify_one();
        }
    }

    /// The connection is over, by the client's will or not.
    pub(super) fn close(&self, is_orderly: bool) {
        self.is_orderly.fetch_or(is_orderly, Ordering::Relaxed);
        self.closed.cancel();
        self.control().is_over = true;
        self.arrived.notify_one();
    }

    /// The next control bytes; none at their end.
    pub(super) async fn control_bytes(&self) -> Option<BytesMut> {
        loop {
            {
                let mut control = self.control();
                if !control.bytes.is_empty() {
                    return Some(std::mem::take(&mut control.bytes));
                }
                if control.is_over {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Waits until a fence on the lane was reached.
    pub(super) async fn written(&self, lane: Lane) {
        match self.written.get(index(lane)) {
            Some(written) => written.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Waits for the connection's end.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Whether the client ended it as one that means to.
    pub(super) fn is_orderly(&self) -> bool {
        self.is_orderly.load(Ordering::Relaxed)
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(lane: Lane) -> usize {
    match lane {
        Lane::Control => 0,
        Lane::Uni(number) => 1 + usize::from(number),
    }
}

/// The way to one session in the engine.
#[derive(Debug, Clone)]
pub(super) struct Link {
    session: SessionId,
    handle: Handle,
    line: Arc<Line>,
}

impl Link {
    pub(super) fn new(session: SessionId, handle: &Handle, line: Arc<Line>) -> Self {
        let handle = handle.clone();
        Self {
            session,
            handle,
            line,
        }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Asks something of the engine; false when its thread is so far behind that the
    /// session is given up.
    pub(super) fn command(&self, command: Command) -> bool {
        let taken = self.handle.command(command);
        if let Err(error) = &taken {
            tracing::warn!(session = %self.session, %error, "session given up");
            self.line.close(false);
        }
        taken.is_ok()
    }

    pub(super) fn write(&self, lane: Lane, bytes: Bytes) {
        let session = self.session;
        self.command(Command::Write {
            session,
            lane,
            bytes,
        });
    }
}
