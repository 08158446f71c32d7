//! Recording: a station's own packets, written to Ogg Opus files as they come.
//!
//! A recorder is one more listener of the source's track with a thread and a bounded
//! queue of its own, so that a slow or full disk is a matter of the recording alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use wire::StationId;
use wire::message::Metadata;

use crate::config;
use crate::fanout::Track;
use crate::metrics::Metrics;
use crate::webhook::Hooks;

mod core;
mod folder;
mod recorder;

use self::core::Core;
pub(crate) use folder::{Entry, Folder, Name};
use recorder::Recorder;

/// How often old recordings are looked for.
const TIDY: Duration = Duration::from_secs(60);

/// Which stations are recorded, and those on air that are recorded now.
#[derive(Debug)]
pub(crate) struct Recorders {
    every: bool,
    configured: BTreeSet<StationId>,
    /// What was asked for since the start, by station.
    asked: BTreeMap<StationId, bool>,
    cut: config::Cut,
    folder: Arc<Folder>,
    running: HashMap<StationId, Recorder>,
    ending: Vec<JoinHandle<()>>,
    hooks: Arc<Hooks>,
    metrics: Arc<Metrics>,
}

/// A station that is on air: what a recorder begins with.
pub(crate) struct Broadcast<'a> {
    pub(crate) station: &'a StationId,
    /// Its name for people.
    pub(crate) name: &'a str,
    /// The source's packets.
    pub(crate) track: &'a Arc<Track>,
}

impl Recorders {
    pub(crate) fn new(config: &config::Config, hooks: &Arc<Hooks>, metrics: Arc<Metrics>) -> Self {
        let recording = &config.recording;
        let stations = recording.stations.iter();
        Self {
            every: recording.stations.iter().any(|station| station == "*"),
            asked: BTreeMap::new(),
            configured: stations
                .filter_map(|station| station.parse().ok())
                .collect(),
            cut: recording.cut,
            folder: Folder::new(folder(recording, &config.data_dir)),
            running: HashMap::new(),
            ending: Vec::new(),
            hooks: Arc::clone(hooks),
            metrics,
        }
    }

    pub(crate) fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// Whether the station is recorded when it is on air.
    pub(crate) fn wants(&self, station: &StationId) -> bool {
        let asked = self.asked.get(station).copied();
        asked.unwrap_or(self.every || self.configured.contains(station))
    }

    /// Records the station from now on, whenever it is on air, or no more.
    pub(crate) fn set_wanted(&mut self, station: &StationId, wanted: bool) {
        self.asked.insert(station.clone(), wanted);
    }

    /// The station is on air: it is recorded if it is to be and is not already.
    pub(crate) fn start(&mut self, broadcast: &Broadcast<'_>) {
        let station = broadcast.station;
        if !self.wants(station) || self.running.contains_key(station) {
            return;
        }
        self.ending.retain(|thread| !thread.is_finished());
        let recorder = Recorder::start(
            station.clone(),
            Core::new(broadcast.name.to_owned(), self.cut, rand::random()),
            Arc::clone(&self.folder),
            broadcast.track,
            Arc::clone(&self.hooks),
            Arc::clone(&self.metrics),
        );
        match recorder {
            Ok(recorder) => {
                self.metrics.recordings_active.inc();
                self.running.insert(station.clone(), recorder);
            }
            Err(error) => {
                self.metrics.recording_failures.inc();
                tracing::error!(%station, %error, "no thread to record {station}");
            }
        }
    }

    /// Something else plays from a media time on.
    pub(crate) fn title(&self, station: &StationId, timestamp: u64, metadata: &Metadata) {
        if let Some(recorder) = self.running.get(station) {
            recorder.title(timestamp, metadata.clone());
        }
    }

    /// The station is recorded no more; what came in time is still written. `track` is
    /// what it sends, while it sends.
    pub(crate) fn stop(&mut self, station: &StationId, track: Option<&Track>) {
        if let Some(recorder) = self.running.remove(station) {
            self.metrics.recordings_active.dec();
            if let Some(track) = track {
                recorder.leave(track);
            }
            self.ending.extend(recorder.finish());
        }
    }

    /// Ends all of them; answers the threads to wait for.
    pub(crate) fn stop_all(&mut self) -> Vec<JoinHandle<()>> {
        let stations: Vec<_> = self.running.keys().cloned().collect();
        for station in &stations {
            self.stop(station, None);
        }
        std::mem::take(&mut self.ending)
    }
}

fn folder(recording: &config::Recording, data_dir: &Path) -> std::path::PathBuf {
    let folder = recording.folder.clone();
    folder.unwrap_or_else(|| data_dir.join("recordings"))
}

/// Removes recordings that are too old or too many, until it is dropped.
pub(crate) async fn keep_tidy(folder: Arc<Folder>, config: config::Recording) {
    let age = Duration::from_secs(u64::from(config.keep_days) * 86_400);
    let age = (config.keep_days > 0).then_some(age);
    let bytes = (config.keep_bytes > 0).then_some(config.keep_bytes);
    if age.is_none() && bytes.is_none() {
        return std::future::pending().await;
    }
    loop {
        let folder = Arc::clone(&folder);
        let tidy = move || folder.tidy(age, bytes, SystemTime::now());
        if let Ok(Err(error)) = tokio::task::spawn_blocking(tidy).await {
            tracing::error!(%error, "old recordings cannot be removed");
        }
        tokio::time::sleep(TIDY).await;
    }
}
