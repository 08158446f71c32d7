//! What waits to be written on one stream.

use std::collections::VecDeque;

use bytes::Bytes;
use quinn_proto::{Connection, StreamId, WriteError};

/// A stream of ours, or our half of one, with the writes that flow control holds back.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    stream: Option<StreamId>,
    waiting: VecDeque<Bytes>,
    bytes: usize,
    ending: bool,
    /// To be opened though nothing waits.
    is_wanted: bool,
    /// Somebody waits for what was written to be passed on.
    is_fenced: bool,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// All is with quinn, the end included.
    Finishing,
    /// The peer has it all, or wants no more.
    Over,
}

/// More waits than the limits allow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl Outgoing {
    pub(super) fn on(stream: StreamId) -> Self {
        Self {
            stream: Some(stream),
            ..Self::default()
        }
    }

    pub(super) fn stream(&self) -> Option<StreamId> {
        self.stream
    }

    pub(super) fn begin(&mut self, stream: StreamId) {
        self.stream = Some(stream);
        self.is_wanted = false;
    }

    /// Opens the stream also without anything to write.
    pub(super) fn open(&mut self) {
        self.is_wanted = self.stream.is_none();
    }

    pub(super) fn fence(&mut self) {
        self.is_fenced = true;
    }

    /// Whether a fence was reached, once.
    pub(super) fn take_written(&mut self) -> bool {
        self.waiting.is_empty() && std::mem::take(&mut self.is_fenced)
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.is_fenced
    }

    /// Queues bytes; they are dropped when the stream is ending already.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !self.ending && self.state == State::Open {
            self.bytes += bytes.len();
            self.waiting.push_back(bytes);
        }
    }

    /// Queues bytes in front of all others: a stream's header.
    pub(super) fn push_front(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.waiting.push_front(bytes);
    }

    pub(super) fn check(&self, writes_max: usize, bytes_max: usize) -> Result<(), Overflow> {
        if self.waiting.len() > writes_max || self.bytes > bytes_max {
            return Err(Overflow);
        }
        Ok(())
    }

    /// Whether there is something a stream must be opened for.
    pub(super) fn wants_stream(&self) -> bool {
        self.stream.is_none() && (self.is_wanted || !self.waiting.is_empty())
    }

    /// Ends the stream behind what waits. Without either there is nothing to end.
    pub(super) fn end(&mut self) {
        self.ending = true;
        self.is_wanted = false;
        if self.stream.is_none() && self.waiting.is_empty() {
            self.over();
        }
    }

    /// The peer has everything, or refused it.
    pub(super) fn over(&mut self) {
        self.state = State::Over;
        self.waiting.clear();
        self.bytes = 0;
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Gives quinn what it takes.
    pub(super) fn flush(&mut self, conn: &mut Connection) {
        let Some(stream) = self.stream else { return };
        if self.state != State::Open {
            return;
        }
        while let Some(front) = self.waiting.front_mut() {
            let before = front.len();
            // quinn splits off what it takes.
            match conn
                .send_stream(stream)
                .write_chunks(std::slice::from_mut(front))
            {
                Ok(written) => {
                    self.bytes -= written.bytes;
                    if written.bytes == before {
                        self.waiting.pop_front();
                    }
                }
                Err(WriteError::Blocked) => return,
                Err(WriteError::Stopped(_) | WriteError::ClosedStream) => return self.over(),
            }
        }
        // A session waits far longer than it writes: no room is kept for the next time.
        self.waiting = VecDeque::new();
        if self.ending {
            match conn.send_stream(stream).finish() {
                Ok(()) => self.state = State::Finishing,
                Err(_) => self.over(),
            }
        }
    }
}
