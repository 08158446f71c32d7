//! The ways in for datagrams, on the threads they arrive on.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use engine::{SessionId, Uplink};
use tokio::runtime::Handle;

use crate::clock::Now;
use crate::session::ingress::Ingress;

/// Brings datagrams to their sessions. Its lock is written when a session begins or ends.
#[derive(Debug)]
pub(super) struct Arrivals {
    sessions: RwLock<HashMap<SessionId, Arc<Ingress>>>,
    /// What a packet begins runs there, as the engine's threads have no runtime.
    runtime: Handle,
}

impl Arrivals {
    pub(super) fn new(runtime: Handle) -> Self {
        Self {
            sessions: RwLock::default(),
            runtime,
        }
    }

    pub(super) fn add(&self, session: SessionId, ingress: Arc<Ingress>) {
        let mut sessions = self
            .sessions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        sessions.insert(session, ingress);
    }

    pub(super) fn remove(&self, session: SessionId) {
        let mut sessions = self
            .sessions
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&session);
    }
}

impl Uplink for Arrivals {
    fn handle_datagram(&self, session: SessionId, bytes: &Bytes) {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        let Some(ingress) = sessions.get(&session).cloned() else {
            return;
        };
        drop(sessions);
        let _runtime = self.runtime.enter();
        let handle = || ingress.handle_datagram(bytes, Now::read());
        if catch_unwind(AssertUnwindSafe(handle)).is_err() {
            tracing::error!(%session, "the handling of a datagram panicked");
            ingress.fail();
        }
    }
}
