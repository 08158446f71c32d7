//! The way of a client's datagrams into the relay.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bucket::Bucket;
use super::outbox::Outbox;
use crate::clock::Now;
use crate::fanout::Listener;
use crate::metrics::{Metrics, RejectLabel};
use crate::station::{Ingest, Rejected, SourceId};
use wire::code::CloseCode;
use wire::repair::{self, Request};

/// Datagrams that lead nowhere a session may send per second.
const STRAY_PER_SECOND: u32 = 500;

/// Takes datagrams from the transport, on whatever thread reads them.
#[derive(Debug)]
pub(crate) struct Ingress {
    state: Mutex<State>,
    /// The session as one who hears: what a request asks for goes there.
    listener: Arc<Listener>,
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct State {
    /// In a box: most sessions listen.
    ingest: Option<Box<Ingest>>,
    strays: Bucket,
}

impl Ingress {
    pub(crate) fn new(
        listener: Arc<Listener>,
        outbox: Arc<Outbox>,
        metrics: Arc<Metrics>,
        now: Now,
    ) -> Arc<Self> {
        let strays = Bucket::new(STRAY_PER_SECOND, STRAY_PER_SECOND, now.instant);
        Arc::new(Self {
            state: Mutex::new(State {
                ingest: None,
                strays,
            }),
            listener,
            outbox,
            metrics,
        })
    }

    /// Passes a datagram on to the listeners of the session's station, if it has
    /// one and the datagram is good, or answers it if it is a request; else counts it.
    pub(crate) fn handle_datagram(&self, bytes: &[u8], now: Now) {
        let passed = match bytes.first() {
            Some(&repair::KIND) => self.handle_request(bytes, now),
            _ => self.handle_audio(bytes, now),
        };
        let Err(rejected) = passed else {
            return;
        };
        let reason = rejected.name();
        self.metrics
            .datagrams_rejected
            .get_or_create(&RejectLabel { reason })
            .inc();
        if self.lock().strays.take(now.instant).is_err() {
            let reason = "above 500 datagrams a second that lead nowhere";
            self.outbox.ask_end(CloseCode::Flooding, reason);
        }
    }

    fn handle_audio(&self, bytes: &[u8], now: Now) -> Result<(), Rejected> {
        let mut state = self.lock();
        let ingest = state.ingest.as_mut().ok_or(Rejected::NoSource)?;
        ingest.handle_datagram(bytes, now)?;
        // What is missing shows when something else comes.
        if let Some(request) = ingest.poll_request(now) {
            self.listener.ask(&request);
        }
        Ok(())
    }

    fn handle_request(&self, bytes: &[u8], now: Now) -> Result<(), Rejected> {
        let request = Request::decode(bytes).map_err(|_| Rejected::Malformed)?;
        match self.listener.answer(&request, now.instant, &self.metrics) {
            true => Ok(()),
            false => Err(Rejected::Track),
        }
    }

    /// Makes the session a source.
    pub(crate) fn start(&self, ingest: Ingest) {
        self.lock().ingest = Some(Box::new(ingest));
    }

    /// The session is no source any more; gives back what it was.
    pub(crate) fn stop(&self) -> Option<Ingest> {
        self.lock().ingest.take().map(|ingest| *ingest)
    }

    /// The publish the session makes now.
    pub(crate) fn source(&self) -> Option<SourceId> {
        let state = self.lock();
        let feed = state.ingest.as_ref()?.feed();
        feed.ended().is_none().then_some(feed.source)
    }

    /// Received, lost and rejected so far; none when the session is no source.
    pub(crate) fn totals(&self) -> Option<(u64, u64, u64)> {
        let state = self.lock();
        let ingest = state
            .ingest
            .as_ref()
            .filter(|ingest| ingest.feed().ended().is_none())?;
        Some(ingest.totals())
    }

    /// Asks for the end of a session whose datagram the relay could not handle.
    pub(crate) fn fail(&self) {
        self.outbox.ask_end(CloseCode::Internal, "the relay failed");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
