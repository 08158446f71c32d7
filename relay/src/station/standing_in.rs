//! Stand-ins: what plays on a station while no other source is there.
//!
//! A stand-in waits for its turn and becomes a source like any other inside the process.
//! A source that wants the station waits until the stand-in has faded out, so that the
//! two meet at a packet's boundary on the same track: sequence and media time go on.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;
use wire::StationId;

use super::core::{Owner, Published, Turn};
use super::effect::SourceId;
use super::{Inner, LocalSource, Publication, Stations};
use crate::clock::Now;
use crate::dead_air::Ear;

/// The longest a source waits for a stand-in to fade out.
const ASIDE_MAX: Duration = Duration::from_secs(3);

/// What plays on a station while no other source is there. Dropping it takes that away.
#[derive(Debug)]
pub struct StandIn {
    stations: Arc<Stations>,
    station: StationId,
    wait: Duration,
    bell: Arc<Bell>,
}

/// Who is on air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnAir {
    /// Nobody, or a source that vanished a moment ago.
    Nobody,
    /// A source.
    Live,
    /// The stand-in.
    StandIn,
}

/// Wakes a stand-in's thread.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

/// How a source in waiting and a stand-in on air agree.
#[derive(Debug, Default)]
pub(crate) struct Way {
    state: AtomicU8,
    given: Notify,
}

const KEPT: u8 = 0;
const ASKED: u8 = 1;
const GIVEN: u8 = 2;

impl Stations {
    /// Makes the caller the stand-in of a configured station, in place of an earlier one.
    pub(crate) fn stand_in(self: &Arc<Self>, station: StationId, wait: Duration) -> StandIn {
        let bell = Arc::<Bell>::default();
        let mut inner = self.lock();
        inner.bells.insert(station.clone(), Arc::clone(&bell));
        StandIn {
            stations: Arc::clone(self),
            station,
            wait,
            bell,
        }
    }

    /// Asks a stand-in that is on air to fade out and waits until it has, 3 s at most.
    pub(crate) async fn ask_aside(&self, station: &StationId) {
        let feed = {
            let inner = self.lock();
            let source = inner.core.stand_in_on(station);
            source.and_then(|source| inner.feeds.get(&source).cloned())
        };
        if let Some(feed) = feed
            && timeout(ASIDE_MAX, feed.way.ask()).await.is_err()
        {
            tracing::warn!(%station, "the stand-in of {station} did not fade out in time");
        }
    }
}

impl Stations {
    /// A stand-in that played over a source has faded out.
    pub(super) fn uncover(&self, cover: SourceId) {
        self.change(|inner, now| inner.core.uncover(cover, now));
    }

    /// Whether somebody else than a stand-in is the station's source.
    pub(crate) fn is_live(&self, id: &StationId) -> bool {
        let core = &self.lock().core;
        let source = core.source_on(id);
        source.is_some_and(|source| core.stand_in_on(id) != Some(source))
    }

    /// Whether the station's source sends silence; none where nobody wants to know.
    pub(crate) fn is_silent(&self, id: &StationId) -> Option<bool> {
        self.lock().core.is_silent(id)
    }

    /// The same of every station where somebody wants to know.
    pub(crate) fn all_silent(&self) -> Vec<(String, bool)> {
        let inner = self.lock();
        let ids = inner.core.counts().map(|(id, _)| id);
        let silent = ids.filter_map(|id| Some((id.to_string(), inner.core.is_silent(id)?)));
        silent.collect()
    }
}

impl Inner {
    /// Begins to listen for dead air, when the station asks for it.
    pub(super) fn listen_for_dead_air(&self, published: &Published) -> Option<Ear> {
        let (id, source) = (&published.station.id, published.source);
        let config = self.core.dead_air_of(id)?;
        if self.core.stand_in_on(id) == Some(source) {
            return None;
        }
        let stations = Weak::clone(&self.stations);
        Ear::start(config, move |silent| {
            if let Some(stations) = stations.upgrade() {
                stations.change(|inner, _| inner.core.dead_air(source, silent));
            }
        })
    }
}

impl StandIn {
    /// Says whether there is something to play. Without it the station stops when its
    /// source leaves, and ten seconds after it vanished. Nothing at first.
    pub fn set_ready(&self, ready: bool) {
        let wait = ready.then_some(self.wait);
        let set = |inner: &mut Inner, _| inner.core.set_stand_in(&self.station, wait);
        self.stations.change(set);
    }

    /// Waits for its turn, `patience` at most; what `publication` asks for is bent so that
    /// listeners stay on their track. None when the station is somebody else's, or there
    /// is nothing to play.
    ///
    /// Blocks: call it on a thread of its own within the relay's Tokio runtime.
    pub fn take_turn(&self, publication: &Publication, patience: Duration) -> Option<LocalSource> {
        let end = Instant::now() + patience;
        loop {
            let now = Now::read();
            let turn = self.stations.lock().core.turn(&self.station, now);
            let until = match turn {
                Turn::Now => {
                    let published = self
                        .stations
                        .publish_within(Owner::StandIn, publication.clone());
                    match published {
                        Ok(source) => return Some(source),
                        // Somebody was quicker, or there are too many stations.
                        Err(_) => end,
                    }
                }
                Turn::At(at) => at.min(end),
                Turn::No => end,
            };
            if now.instant >= end {
                return None;
            }
            self.bell.wait(until);
        }
    }

    /// Who is on air now.
    #[must_use]
    pub fn on_air(&self) -> OnAir {
        let inner = self.stations.lock();
        match inner.core.source_on(&self.station) {
            None => OnAir::Nobody,
            Some(_) if inner.core.stand_in_on(&self.station).is_some() => OnAir::StandIn,
            Some(_) => OnAir::Live,
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stations.change(|inner, _| {
            let current = inner.bells.get(&self.station);
            if current.is_some_and(|bell| Arc::ptr_eq(bell, &self.bell)) {
                inner.bells.remove(&self.station);
                inner.core.set_stand_in(&self.station, None);
            }
        });
    }
}

impl Bell {
    pub(super) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until it rings or the moment has come. What rang before counts once.
    fn wait(&self, until: Instant) {
        let wait = until.saturating_duration_since(Instant::now());
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(rung, wait, |rung| !*rung);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

impl Way {
    /// Asks for it.
    pub(super) fn request(&self) {
        let _ = self
            .state
            .compare_exchange(KEPT, ASKED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Asks for it and waits.
    async fn ask(&self) {
        self.request();
        loop {
            let given = self.given.notified();
            if self.state.load(Ordering::Acquire) == GIVEN {
                return;
            }
            given.await;
        }
    }

    pub(super) fn is_asked(&self) -> bool {
        self.state.load(Ordering::Acquire) == ASKED
    }

    pub(super) fn give(&self) {
        self.state.store(GIVEN, Ordering::Release);
        self.given.notify_waiters();
    }

    pub(super) fn keep(&self) {
        self.state.store(KEPT, Ordering::Release);
    }
}
