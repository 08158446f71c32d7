//! The channel `stations`: joining it, and catching up.

use serde_json::value::RawValue;
use wire::frame::Push;
use wire::message::{STATIONS_CHANNEL, Station, StationState, Subscribed};

use super::Core;
use crate::clock::Now;
use crate::session::SessionId;

impl Core {
    /// Subscribes a session to `stations` and tells it the state, or all it
    /// missed since `position`, an epoch and an offset, in at most `bytes_max` of JSON.
    pub(crate) fn subscribe(
        &mut self,
        session: SessionId,
        position: Option<(&str, u64)>,
        bytes_max: usize,
        now: Now,
    ) -> Subscribed {
        self.subscribers.insert(session);
        let missed = position.and_then(|(epoch, offset)| self.log.since(epoch, offset, bytes_max));
        let recovered = missed.is_some();
        Subscribed {
            channel: STATIONS_CHANNEL.to_owned(),
            epoch: Some(self.log.epoch().to_owned()),
            offset: Some(self.log.offset()),
            recovered,
            events: missed.unwrap_or_default(),
            state: (!recovered).then(|| self.stations_state(bytes_max, now)),
            error: None,
        }
    }

    /// Ends the subscription to `stations`; false when there was none.
    pub(crate) fn unsubscribe(&mut self, session: SessionId) -> bool {
        self.subscribers.remove(&session)
    }

    /// The stations on air, those with most listeners first, as many as fit a frame.
    fn stations_state(&self, bytes_max: usize, now: Now) -> Box<RawValue> {
        let mut stations: Vec<_> = self.stations(now).filter(is_on_air).collect();
        stations.sort_by_key(|station| std::cmp::Reverse(station.listeners));
        let mut json = String::from("{\"stations\":[");
        let mut comma = "";
        for station in &stations {
            // A push is only a way to the JSON that wire's types promise to have.
            let station = Push::new("", "", station).data;
            if json.len() + station.get().len() > bytes_max {
                break;
            }
            json.push_str(comma);
            json.push_str(station.get());
            comma = ",";
        }
        json.push_str("]}");
        RawValue::from_string(json).expect("an array of JSON values is JSON")
    }
}

fn is_on_air(station: &Station) -> bool {
    station.state != StationState::Offline
}
