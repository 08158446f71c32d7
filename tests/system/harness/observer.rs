//! A session that watches the stations.

use super::*;

/// Knows the stations and their counts as the relay tells them.
pub(crate) struct Observer {
    events: Events,
    _session: Session,
    /// Everything told, in order: what, about which station, and the count of listeners.
    pub(crate) seen: Vec<(String, String, u64)>,
}

impl Observer {
    pub(super) async fn start(server: &str) -> Self {
        let connector = Connector::new(Options {
            server: server.to_owned(),
            // The fallback's turn: the others come over WebTransport.
            prefer: Prefer::Only(client::Transport::WebSocket),
            ..Options::default()
        });
        let stations = SubscribeParams {
            channel: "stations".into(),
            epoch: None,
            offset: None,
        };
        let (session, events, hello) = connector.unwrap().connect(vec![stations]).await.unwrap();
        let mut observer = Self {
            events,
            _session: session,
            seen: Vec::new(),
        };
        let subscribed: &Subscribed = &hello.subscriptions[0];
        let state: StationsState =
            wire::frame::read(subscribed.state.as_ref().expect("the first state")).unwrap();
        for station in state.stations {
            observer.note("state", &station);
        }
        observer
    }

    fn note(&mut self, what: &str, station: &Station) {
        self.seen
            .push((what.to_owned(), station.id.to_string(), station.listeners));
    }

    /// Waits until the relay tells `what` about the station.
    pub(crate) async fn sees(&mut self, what: &str, station: &str) {
        let wanted = |seen: &(String, String, u64)| seen.0 == what && seen.1 == station;
        self.until(&format!("{what} of {station}"), wanted).await;
    }

    /// Waits until the station is on air, as it may be already.
    pub(crate) async fn is_live(&mut self, station: &str) {
        let started = |seen: &(String, String, u64)| {
            matches!(seen.0.as_str(), "state" | "started") && seen.1 == station
        };
        if !self.seen.iter().any(started) {
            self.until(&format!("{station} on air"), started).await;
        }
    }

    /// Waits until the station has so many listeners; looks only at what is told from now on,
    /// or was told last.
    pub(crate) async fn counts(&mut self, station: &str, count: u64) {
        let last = self.seen.iter().rev().find(|seen| seen.1 == station);
        if last.is_some_and(|seen| seen.2 == count) {
            return;
        }
        let wanted = |seen: &(String, String, u64)| {
            seen.0 == "counts" && seen.1 == station && seen.2 == count
        };
        self.until(&format!("{count} listeners of {station}"), wanted)
            .await;
    }

    async fn until(&mut self, what: &str, wanted: impl Fn(&(String, String, u64)) -> bool) {
        let from = self.seen.len();
        let found = tokio::time::timeout(PATIENCE, async {
            while !self.seen[from..].iter().any(&wanted) {
                self.next().await;
            }
        });
        assert!(
            found.await.is_ok(),
            "never told: {what}; told: {:?}",
            self.seen
        );
    }

    async fn next(&mut self) {
        let push = self
            .events
            .next()
            .await
            .expect("the observer's session lives");
        if push.channel != "stations" {
            return;
        }
        if push.kind == "counts" {
            let counts: std::collections::BTreeMap<String, Counts> =
                wire::frame::read(&push.data).unwrap();
            for (station, counts) in counts {
                self.seen.push(("counts".into(), station, counts.count));
            }
        } else {
            let station: Station = wire::frame::read(&push.data).unwrap();
            self.note(&push.kind, &station);
        }
    }
}
