//! Playlists: what configured stations play while nobody is live.
//!
//! Each station with a fallback has three threads. The librarian looks which files there
//! are and what they say about themselves; the reel decodes and mixes what plays next,
//! half a second ahead; the studio waits for its turn on air, encodes and sends at its
//! time. While somebody is live, the reel holds the beginning of the next track and
//! nothing runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use wire::StationId;

use crate::config::Settings;

mod library;
mod mixer;
mod order;
mod program;
mod reel;
mod studio;

pub(crate) use order::{Entry, Order, Refused, Requests};
pub(crate) use program::{Program, Track, title};

/// Every station's playlist, playing; dropping it ends them.
#[derive(Debug)]
pub(crate) struct AutoDj {
    programs: Arc<Programs>,
    stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// The playlists by their stations.
pub(crate) type Programs = BTreeMap<StationId, Arc<Program>>;

impl AutoDj {
    /// Starts what the settings name. Needs the relay's Tokio runtime.
    pub(crate) fn start(settings: &Settings, relay: &relay::Handle) -> std::io::Result<Self> {
        let mut programs = Programs::new();
        for station in &settings.stations {
            if let Some(fallback) = &station.fallback {
                let name = station.name.clone();
                let program = Program::new(
                    station.id.clone(),
                    name.unwrap_or_else(|| station.id.to_string()),
                    fallback.clone(),
                    relay,
                );
                programs.insert(station.id.clone(), Arc::new(program));
            }
        }
        let mut playing = Self {
            programs: Arc::new(programs),
            stopped: Arc::default(),
            threads: Vec::new(),
        };
        let programs: Vec<_> = playing.programs.values().cloned().collect();
        for program in programs {
            playing.spawn("librarian", &program, reel::keep_library)?;
            playing.spawn("studio", &program, studio::run)?;
        }
        Ok(playing)
    }

    /// For the API.
    pub(crate) fn programs(&self) -> &Arc<Programs> {
        &self.programs
    }

    fn spawn(
        &mut self,
        what: &str,
        program: &Arc<Program>,
        run: impl FnOnce(&Arc<Program>, &AtomicBool) + Send + 'static,
    ) -> std::io::Result<()> {
        let (program, stopped) = (Arc::clone(program), Arc::clone(&self.stopped));
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new().name(format!("{what} {}", program.station()));
        self.threads.push(thread.spawn(move || {
            let _entered = runtime.enter();
            run(&program, &stopped);
        })?);
        Ok(())
    }
}

impl Drop for AutoDj {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // They look several times a second; a panic in one was told already.
            let _ = thread.join();
        }
    }
}
