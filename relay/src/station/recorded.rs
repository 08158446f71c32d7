//! Recorders and webhooks follow what happens to stations.

use std::sync::Arc;
use std::thread::JoinHandle;

use wire::StationId;

use super::effect::Happening;
use super::{Inner, Stations};
use crate::clock::Now;
use crate::fanout::Track;
use crate::recording::{Broadcast, Folder};
use crate::webhook::{Event, Hooks};

/// The same as webhooks are told it.
fn event(what: &Happening) -> Event<'_> {
    match what {
        Happening::Started => Event::StationStarted,
        Happening::Stopped => Event::StationStopped,
        Happening::Connected(takeover) => Event::SourceConnected {
            takeover: *takeover,
        },
        Happening::Lost(reason) => Event::SourceLost { reason },
        Happening::Peak(listeners) => Event::ListenersPeak {
            listeners: *listeners,
        },
        Happening::Title(_, metadata) => Event::Metadata { metadata },
        Happening::DeadAir(true) => Event::DeadAir,
        Happening::DeadAir(false) => Event::DeadAirEnded,
        Happening::StandIn(true) | Happening::Covered(true) => Event::FallbackStarted,
        Happening::StandIn(false) | Happening::Covered(false) => Event::FallbackEnded,
    }
}

/// Whether a station is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Whether it is whenever it is on air.
    pub(crate) wanted: bool,
    /// Whether it is on air.
    pub(crate) on_air: bool,
}

impl Stations {
    /// Where recordings are.
    pub(crate) fn recordings(&self) -> Arc<Folder> {
        Arc::clone(self.lock().recorders.folder())
    }

    /// Whether the station is recorded; none when there is no such station.
    pub(crate) fn recorded(&self, id: &StationId) -> Option<Recorded> {
        self.lock().recorded(id)
    }

    /// Records the station whenever it is on air, from this moment on, or no more.
    pub(crate) fn record(&self, id: &StationId, wanted: bool) -> Option<Recorded> {
        self.change(|inner, now| {
            inner.recorded(id)?;
            inner.recorders.set_wanted(id, wanted);
            match wanted {
                true => inner.start_recording(id, now),
                false => {
                    let track = inner.source_track(id, now);
                    inner.recorders.stop(id, track.as_deref());
                }
            }
            inner.recorded(id)
        })
    }

    /// Who is told what happens.
    pub(crate) fn hooks(&self) -> Arc<Hooks> {
        Arc::clone(&self.lock().hooks)
    }

    /// Ends every recording; answers the threads to wait for.
    pub(crate) fn stop_recording(&self) -> Vec<JoinHandle<()>> {
        self.lock().recorders.stop_all()
    }
}

impl Inner {
    pub(super) fn follow(&mut self, id: &StationId, what: Happening) {
        self.hooks.tell(id, &event(&what));
        if matches!(what, Happening::DeadAir(true)) {
            self.metrics.dead_air.inc();
        }
        match what {
            Happening::Started => self.start_recording(id, Now::read()),
            // The track takes all its listeners off when it closes.
            Happening::Stopped => {
                self.recorders.stop(id, None);
                self.players.stopped(id);
            }
            Happening::Title(from, metadata) => {
                self.recorders.title(id, from, &metadata);
                self.players.title(id, from, &metadata);
            }
            Happening::Connected(_) | Happening::StandIn(true) => self.players.connected(id),
            Happening::Lost(_)
            | Happening::DeadAir(_)
            | Happening::StandIn(false)
            // Frames that are passed on are never played over.
            | Happening::Covered(_)
            | Happening::Peak(_) => {}
        }
    }

    fn recorded(&self, id: &StationId) -> Option<Recorded> {
        let now = Now::read();
        self.core.station(id, now)?;
        Some(Recorded {
            wanted: self.recorders.wants(id),
            on_air: self.core.on_air(id, now).is_some(),
        })
    }

    fn source_track(&self, id: &StationId, now: Now) -> Option<Arc<Track>> {
        let (_, track, _) = self.core.on_air(id, now)?;
        let live = self.tracks.get(&track)?;
        Some(Arc::clone(&live.track))
    }

    fn start_recording(&mut self, id: &StationId, now: Now) {
        let Some((name, track, titles)) = self.core.on_air(id, now) else {
            return;
        };
        let Some(live) = self.tracks.get(&track) else {
            return;
        };
        self.recorders.start(&Broadcast {
            station: id,
            name,
            track: &live.track,
        });
        for title in titles {
            self.recorders
                .title(id, title.timestamp.unwrap_or(0), &title);
        }
    }
}
