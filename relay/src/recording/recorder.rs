//! The thread that writes one station's recording.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wire::StationId;
use wire::message::Metadata;

use super::core::{Core, Output};
use super::folder::{Folder, Opened};
use crate::clock::Now;
use crate::fanout::queue::PacketQueue;
use crate::fanout::{Listener, Packet, Sent, Sink, Track, Tuned};
use crate::metrics::Metrics;
use crate::webhook::{Event, Hooks};

/// Sound that may wait for the disk; beyond it the oldest is dropped, counted, and
/// becomes a hole in the file that is filled.
const DISK_WAIT: Duration = Duration::from_secs(5);

/// Titles that may wait for the disk; beyond it the oldest is dropped.
const TITLES_WAITING: usize = 64;

/// How often what was written is brought to the disk itself: what a power cut may cost.
const SYNC: Duration = Duration::from_secs(5);

/// How long a disk that failed is left alone.
const RETRY: Duration = Duration::from_secs(2);

/// Records a station until it is dropped.
#[derive(Debug)]
pub(super) struct Recorder {
    listener: Arc<Listener>,
    intake: Arc<Intake>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts recording what `track` carries; `core` may know what plays already.
    pub(super) fn start(
        station: StationId,
        core: Core,
        folder: Arc<Folder>,
        track: &Arc<Track>,
        hooks: Arc<Hooks>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let intake = Arc::new(Intake {
            state: Mutex::new(State::new()),
            ready: Condvar::new(),
            metrics: Arc::clone(&metrics),
        });
        let writer = Writer {
            station,
            core,
            folder,
            hooks,
            metrics,
            file: None,
            failed_at: None,
        };
        let thread = std::thread::Builder::new().name("recorder".into());
        let taken = Arc::clone(&intake);
        let thread = thread.spawn(move || writer.run(&taken))?;
        let listener = Listener::new(Box::new(Tap(Arc::clone(&intake))), Arc::<Tuned>::default());
        track.attach(&listener);
        Ok(Self {
            listener,
            intake,
            thread: Some(thread),
        })
    }

    /// What plays from a media time on.
    pub(super) fn title(&self, timestamp: u64, metadata: Metadata) {
        self.intake.push_title(timestamp, metadata);
    }

    /// Takes no more packets of that track.
    pub(super) fn leave(&self, track: &Track) {
        track.detach(&self.listener);
    }

    /// Ends the recording; the thread ends when what waits is written.
    pub(super) fn finish(mut self) -> Option<JoinHandle<()>> {
        self.thread.take()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.intake.lock().closed = true;
        self.intake.ready.notify_one();
    }
}

/// Packets and titles on their way to the thread.
#[derive(Debug)]
struct Intake {
    state: Mutex<State>,
    ready: Condvar,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct State {
    packets: PacketQueue,
    titles: VecDeque<(u64, Metadata)>,
    closed: bool,
}

/// What the thread does next.
enum Item {
    Title(u64, Metadata),
    Packet(Packet),
    /// Nothing came for a while.
    Idle,
    Closed,
}

impl State {
    fn new() -> Self {
        Self {
            packets: PacketQueue::new(DISK_WAIT),
            titles: VecDeque::new(),
            closed: false,
        }
    }
}

impl Intake {
    fn push(&self, packet: Packet) {
        if let Sent::Displaced(count) = self.lock().packets.push(packet) {
            self.metrics.recording_overflows.inc_by(count.into());
        }
        self.ready.notify_one();
    }

    fn push_title(&self, timestamp: u64, metadata: Metadata) {
        let mut state = self.lock();
        if state.titles.len() == TITLES_WAITING {
            state.titles.pop_front();
        }
        state.titles.push_back((timestamp, metadata));
        drop(state);
        self.ready.notify_one();
    }

    /// Waits up to [`SYNC`] for something to do.
    fn pop(&self) -> Item {
        let is_empty = |state: &mut State| {
            state.titles.is_empty() && state.packets.is_empty() && !state.closed
        };
        let waited = self.ready.wait_timeout_while(self.lock(), SYNC, is_empty);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if let Some((timestamp, metadata)) = state.titles.pop_front() {
            return Item::Title(timestamp, metadata);
        }
        match state.packets.pop() {
            Some(packet) => Item::Packet(packet),
            None if state.closed => Item::Closed,
            None => Item::Idle,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The track's end of [`Intake`].
struct Tap(Arc<Intake>);

impl Sink for Tap {
    fn send(&self, packet: &Packet) -> Sent {
        self.0.push(packet.clone());
        Sent::Aside
    }
}

/// Owns the files.
struct Writer {
    station: StationId,
    core: Core,
    folder: Arc<Folder>,
    hooks: Arc<Hooks>,
    metrics: Arc<Metrics>,
    file: Option<Written>,
    failed_at: Option<Instant>,
}

/// The files of now and how much of the first is whole pages.
struct Written {
    opened: Opened,
    whole: u64,
    /// Whether there is more than its beginning.
    sounds: bool,
    synced_at: Instant,
}

impl Writer {
    fn run(mut self, intake: &Intake) {
        loop {
            match intake.pop() {
                Item::Title(timestamp, metadata) => self.core.handle_title(timestamp, metadata),
                Item::Packet(packet) => {
                    self.retry();
                    let now = Now::read().unix_us;
                    self.core.handle_datagram(&packet.datagram(), now);
                }
                Item::Idle => {}
                Item::Closed => break,
            }
            self.settle();
        }
        self.core.finish(Now::read().unix_us);
        self.settle();
    }

    fn retry(&mut self) {
        if self.core.is_paused() && self.failed_at.is_none_or(|at| at.elapsed() >= RETRY) {
            self.core.resume();
        }
    }

    fn settle(&mut self) {
        while let Some(output) = self.core.poll_output() {
            if let Err(error) = self.apply(output) {
                self.fail(&error);
            }
        }
        let due = |file: &&mut Written| file.synced_at.elapsed() >= SYNC;
        if let Some(file) = self.file.as_mut().filter(due) {
            file.synced_at = Instant::now();
            if let Err(error) = file.opened.sound.sync_data() {
                self.fail(&error);
            }
        }
    }

    fn apply(&mut self, output: Output) -> io::Result<()> {
        match output {
            Output::Begin(at, bytes) => {
                let mut file = Written {
                    opened: self.folder.create(&self.station, at)?,
                    whole: 0,
                    sounds: false,
                    synced_at: Instant::now(),
                };
                if let Err(error) = file.write(&bytes) {
                    file.opened.discard();
                    return Err(error);
                }
                self.file = Some(file);
            }
            Output::Write(bytes) => {
                if let Some(file) = &mut self.file {
                    file.write(&bytes)?;
                    file.sounds = true;
                    if self.failed_at.take().is_some() {
                        tracing::info!(station = %self.station, "recording goes on");
                    }
                }
            }
            Output::Note(line) => {
                if let Some(file) = &mut self.file {
                    file.opened
                        .titles
                        .write_all(format!("{line}\n").as_bytes())?;
                }
            }
            Output::End => {
                if let Some(file) = self.file.take() {
                    file.opened.sound.sync_data()?;
                }
            }
        }
        Ok(())
    }

    /// Leaves the file as it is, whole pages all of it, and the disk alone for a while.
    fn fail(&mut self, error: &io::Error) {
        let station = &self.station;
        // Once for the whole time that a disk stays full.
        if self.failed_at.is_none() {
            tracing::error!(%station, %error, "recording {station} failed; trying again");
            let reason = error.to_string();
            self.hooks.tell(station, &Event::RecordingFailed { reason });
        }
        self.metrics.recording_failures.inc();
        self.failed_at = Some(Instant::now());
        if let Some(file) = self.file.take().filter(|file| !file.sounds) {
            file.opened.discard();
        }
        self.core.pause();
    }
}

impl Written {
    /// Appends whole pages, or nothing.
    fn write(&mut self, pages: &[u8]) -> io::Result<()> {
        let written = self.opened.sound.write_all(pages);
        match &written {
            Ok(()) => self.whole += pages.len() as u64,
            // A disk that filled up took a part of them.
            Err(_) => self.opened.sound.set_len(self.whole)?,
        }
        written
    }
}
