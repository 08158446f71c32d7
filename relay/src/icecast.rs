//! Sources that speak Icecast or SHOUTcast instead of a session.
//!
//! Whatever reads TCP connections looks at their first bytes and brings those of sources
//! here ([`Sources::serve`]), for no HTTP server accepts every form of `SOURCE`. A source's
//! bytes go through a bounded queue to a thread of its own ([`desk`]), which takes the
//! stream apart, paces it by its media time and publishes it like any local source. A
//! source that sends too fast is held back by TCP; one that sends nothing, or nothing that
//! is sound, is let go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::StationId;
use wire::frame::Error;
use wire::message::Metadata;

use crate::config;
use crate::session::host::Host;

pub(crate) mod admin;
mod answer;
mod connection;
mod delivery;
mod desk;
mod format;
mod pace;
mod rewind;

pub(crate) use connection::{Opening, sniffed};
use format::Format;
pub(crate) use rewind::Rewind;

/// Everyone who sends by HTTP.
#[derive(Debug)]
pub(crate) struct Sources {
    host: Arc<Host>,
    config: config::Icecast,
    mounts: Mutex<HashMap<StationId, FirstTitle>>,
}

/// What a source said it plays before the first of its sound was there.
type FirstTitle = Arc<Mutex<Option<Metadata>>>;

/// A source's hold on its station; dropping it frees the station for another.
#[derive(Debug)]
struct Claim {
    sources: Arc<Sources>,
    station: StationId,
    first_title: FirstTitle,
}

/// Why a source cannot have a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Unclaimed {
    /// The words are Icecast's: encoders show them.
    #[error("Mountpoint in use")]
    InUse,
    #[error("too many sources connected")]
    TooMany,
}

impl Sources {
    pub(crate) fn new(host: Arc<Host>, config: config::Icecast) -> Arc<Self> {
        Arc::new(Self {
            host,
            config,
            mounts: Mutex::default(),
        })
    }

    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.host
    }

    pub(crate) fn config(&self) -> &config::Icecast {
        &self.config
    }

    /// Notes what a station plays. Encoders say it as soon as they are welcome, before the
    /// station is on air: then it is kept for its first packet.
    fn set_title(&self, station: &StationId, title: Metadata) -> Result<(), Error> {
        let first_title = self.lock().get(station).cloned();
        let keep = |title| {
            if let Some(slot) = &first_title {
                // Every change is one assignment.
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = title;
            }
        };
        // Kept before it is tried, so that it cannot fall between the two.
        keep(Some(title.clone()));
        match self.host.shared().stations.set_title(station, title) {
            Ok(()) => keep(None),
            Err(error) if first_title.is_none() => return Err(error),
            Err(_) => {}
        }
        Ok(())
    }

    fn claim(self: &Arc<Self>, station: StationId) -> Result<Claim, Unclaimed> {
        let mut mounts = self.lock();
        let live = self.host.shared().stations.is_live(&station);
        if live || mounts.contains_key(&station) {
            return Err(Unclaimed::InUse);
        }
        if mounts.len() >= self.config.sources_max {
            return Err(Unclaimed::TooMany);
        }
        let first_title = FirstTitle::default();
        mounts.insert(station.clone(), Arc::clone(&first_title));
        drop(mounts);
        Ok(Claim {
            sources: Arc::clone(self),
            station,
            first_title,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StationId, FirstTitle>> {
        // Every change is one insertion or removal.
        self.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.sources.lock().remove(&self.station);
    }
}

/// The station a path names, with or without a file extension.
pub(crate) fn station_of(path: &str) -> Option<StationId> {
    path.strip_prefix('/')?.parse().ok()
}
