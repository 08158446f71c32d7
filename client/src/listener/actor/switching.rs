//! From one station or rendition to another, within the connection.

use std::time::Duration;

use tokio::sync::oneshot;
use wire::message::{ListenParams, ListenResult};

use super::{Actor, Connection, Switched};
use crate::Error;
use crate::listener::Event;

impl Actor {
    /// Takes another rendition when that serves better.
    pub(super) fn choose(&mut self, now: Duration, connection: &Connection) {
        let Some(chooser) = &mut self.chooser else {
            return;
        };
        if self.switching.is_some() || !matches!(connection, Connection::Up(..)) {
            return;
        }
        let playout = &self.playout;
        if let Some(rendition) = chooser.look(now, || playout.stats()) {
            tracing::debug!(rendition, "another rendition serves better");
            let mut params = self.params.clone();
            params.rendition = rendition;
            // Nobody waits: that it flows is told as ever.
            let (done, _) = oneshot::channel();
            self.switch(params, done, connection);
        }
    }

    /// Asks the relay for another station or rendition.
    pub(super) fn switch(
        &mut self,
        mut params: ListenParams,
        done: Switched,
        connection: &Connection,
    ) {
        let Connection::Up(session, _) = connection else {
            let _ = done.send(Err(Error::CutOff("not connected now".into())));
            return;
        };
        let session = session.clone();
        params.redundancy = self.params.redundancy;
        params.bundle = self.params.bundle;
        let before = std::mem::replace(&mut self.params, params.clone());
        if before.station != params.station || before.rewind_ms != params.rewind_ms {
            // Its pushes may overtake the reply, so its timeline begins here.
            self.playout.forget_metadata();
        }
        let request = Box::pin(async move { session.request("listen", &params).await });
        if let Some((.., superseded)) = self.switching.replace((request, before, done)) {
            let _ = superseded.send(Err(Error::BadArguments("superseded".into())));
        }
    }

    pub(super) async fn handle_switched(
        &mut self,
        result: Result<ListenResult, Error>,
        connection: &mut Connection,
    ) {
        let (_, before, done) = self.switching.take().expect("it was polled");
        let result = match result {
            Ok(listening) => {
                let goes_on = before.station == self.params.station
                    && before.rewind_ms == self.params.rewind_ms;
                self.flows(&listening, goes_on);
                if let Connection::Up(session, _) = connection {
                    let event = Event::Tuned {
                        transport: session.transport(),
                        station: Box::new(listening.station),
                        track: listening.track,
                        behind: self.playout.behind(),
                    };
                    self.tell(event).await;
                }
                Ok(())
            }
            Err(error) => {
                // The relay goes on sending what it sent.
                if let Some(chooser) = &mut self.chooser {
                    let now = self.connector.clock().now();
                    chooser.refused(&before.rendition, now);
                }
                self.params = before;
                Err(error)
            }
        };
        let _ = done.send(result);
    }
}
