//! Being told to stop.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long what was being started may take to be there after all.
const STARTED_IN: Duration = Duration::from_secs(2);

/// Hears SIGINT (Ctrl-C) and SIGTERM from its making on, also between two waits: once a
/// process listens for a signal, one that nobody waits for does nothing at all.
#[derive(Debug)]
pub(crate) struct Stop {
    /// None when the signals cannot be had: the program must then be killed.
    signals: Option<[Signal; 2]>,
}

impl Stop {
    /// Begins to listen; call it within a tokio runtime.
    pub(crate) fn listen() -> Self {
        let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
        let signals = terminate.and_then(|terminate| Ok([terminate, interrupt?]));
        Self {
            signals: signals.ok(),
        }
    }

    /// Returns when the program is asked to stop. Dropping the future loses nothing.
    pub(crate) async fn asked(&mut self) {
        let Some([terminate, interrupt]) = &mut self.signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }

    /// What `starting` starts, or `Err` once asked to stop: then with what came of it within
    /// 2 s all the same, for that is to be left in good order. Asked again, it is dropped.
    pub(crate) async fn or_stop<T>(
        &mut self,
        starting: impl Future<Output = T>,
    ) -> Result<T, Option<T>> {
        tokio::pin!(starting);
        tokio::select! {
            started = &mut starting => return Ok(started),
            () = self.asked() => {}
        }
        tokio::select! {
            late = tokio::time::timeout(STARTED_IN, starting) => Err(late.ok()),
            () = self.asked() => Err(None),
        }
    }
}
