//! Renditions: tracks made from another one while somebody takes them.
//!
//! The codec runs on a thread of the source's own, so that it holds up neither the network
//! nor the source. It takes the source's packets as one more listener and decodes them once,
//! however many renditions are made of them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use media::transcoder::{self, Loudness, Rendition};
use prometheus_client::metrics::gauge::Gauge;
use wire::TrackId;
use wire::audio::{Copies, Datagram, SendTime};

use super::queue::PacketQueue;
use super::{Listener, Packet, Sent, Sink, Track, Tuned};
use crate::config;
use crate::metrics::Metrics;

/// Sound that may wait for the codec while it is kept from running; beyond it the
/// oldest is dropped and concealed.
const CODEC_WAIT: Duration = Duration::from_secs(1);

/// Makes the renditions of one source until it is dropped.
#[derive(Debug)]
pub(crate) struct Transcoder {
    listener: Arc<Listener>,
    intake: Arc<Intake>,
    measured: Measured,
    /// The tracks it makes.
    made: Vec<(TrackId, Rendition)>,
}

impl Transcoder {
    /// Starts with no rendition of what `source` carries.
    pub(crate) fn start(
        source: &Arc<Track>,
        loudness: Option<config::Loudness>,
        metrics: &Arc<Metrics>,
    ) -> Option<Self> {
        let intake = Arc::new(Intake::new(Arc::clone(metrics)));
        let mut transcoder = transcoder::Transcoder::new();
        if let Some(loudness) = loudness {
            transcoder.measure(loudness.target());
        }
        let measured = Measured::default();
        let maker = Maker {
            transcoder,
            measured: Arc::clone(&measured),
            outputs: Vec::new(),
            active: metrics.renditions_active.clone(),
            _running: Running::new(metrics.transcoders_active.clone()),
        };
        let taken = Arc::clone(&intake);
        let thread = std::thread::Builder::new().name("renditions".into());
        if let Err(error) = thread.spawn(move || maker.run(&taken)) {
            tracing::error!(%error, "no thread for renditions");
            return None;
        }
        let listener = Listener::new(Box::new(Tap(Arc::clone(&intake))), Arc::<Tuned>::default());
        source.attach(&listener);
        Some(Self {
            listener,
            intake,
            measured,
            made: Vec::new(),
        })
    }

    /// Makes one more, and gives it to `track`.
    pub(crate) fn add(&mut self, rendition: Rendition, track: &Arc<Track>) {
        self.made.push((track.id(), rendition));
        self.intake
            .command(Command::Add(rendition, Arc::clone(track)));
    }

    /// Makes the rendition of that track no more; false when it never did.
    pub(crate) fn remove(&mut self, track: TrackId) -> bool {
        let Some(at) = self.made.iter().position(|(made, _)| *made == track) else {
            return false;
        };
        let (_, rendition) = self.made.swap_remove(at);
        self.intake.command(Command::Remove(rendition));
        true
    }

    /// Whether it makes nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.made.is_empty()
    }

    /// How loud the source is, when that is measured.
    pub(crate) fn loudness(&self) -> Option<Loudness> {
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes no more packets of that track.
    pub(crate) fn leave(&self, source: &Track) {
        source.detach(&self.listener);
    }
}

impl Drop for Transcoder {
    fn drop(&mut self) {
        self.intake.close();
    }
}

/// How loud the source was last.
type Measured = Arc<Mutex<Option<Loudness>>>;

/// What is to be made from now on.
#[derive(Debug)]
enum Command {
    Add(Rendition, Arc<Track>),
    Remove(Rendition),
}

/// What the codec's thread comes to next.
enum Work {
    Command(Command),
    Packet(Packet),
}

/// Packets and commands on their way to the codec's thread.
#[derive(Debug)]
struct Intake {
    state: Mutex<Waiting>,
    ready: Condvar,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Waiting {
    packets: PacketQueue,
    /// Few: one for each time a rendition begins or ends.
    commands: VecDeque<Command>,
    closed: bool,
}

impl Intake {
    fn new(metrics: Arc<Metrics>) -> Self {
        let waiting = Waiting {
            packets: PacketQueue::new(CODEC_WAIT),
            commands: VecDeque::new(),
            closed: false,
        };
        Self {
            state: Mutex::new(waiting),
            ready: Condvar::new(),
            metrics,
        }
    }

    fn push(&self, packet: Packet) {
        if let Sent::Displaced(count) = self.lock().packets.push(packet) {
            self.metrics.rendition_overflows.inc_by(count.into());
        }
        self.ready.notify_one();
    }

    fn command(&self, command: Command) {
        self.lock().commands.push_back(command);
        self.ready.notify_one();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    /// Waits for something to do; none when there will be no more.
    fn pop(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(command) = state.commands.pop_front() {
                return Some(Work::Command(command));
            }
            if let Some(packet) = state.packets.pop() {
                return Some(Work::Packet(packet));
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The source track's end of [`Intake`].
struct Tap(Arc<Intake>);

impl Sink for Tap {
    fn send(&self, packet: &Packet) -> Sent {
        self.0.push(packet.clone());
        Sent::Aside
    }
}

/// The codec, on its thread.
struct Maker {
    transcoder: transcoder::Transcoder,
    measured: Measured,
    outputs: Vec<Output>,
    active: Gauge,
    _running: Running,
}

/// A codec's thread; counted while it runs, however it ends.
struct Running(Gauge);

impl Running {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Where a rendition goes; counted while it is made, however that ends.
struct Output {
    rendition: Rendition,
    frame_us: u32,
    track: Arc<Track>,
    active: Gauge,
}

impl Drop for Output {
    fn drop(&mut self) {
        self.active.dec();
    }
}

impl Maker {
    fn run(mut self, intake: &Intake) {
        while let Some(work) = intake.pop() {
            match work {
                Work::Packet(packet) => {
                    self.take(&packet.datagram());
                    let measured = self.transcoder.loudness();
                    *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = measured;
                }
                Work::Command(Command::Add(rendition, track)) => self.add(rendition, track),
                Work::Command(Command::Remove(rendition)) => self.remove(rendition),
            }
        }
    }

    fn add(&mut self, rendition: Rendition, track: Arc<Track>) {
        self.remove(rendition);
        if let Err(error) = self.transcoder.add(rendition) {
            tracing::error!(%error, rendition = rendition.name(), "no rendition");
            return;
        }
        self.active.inc();
        self.outputs.push(Output {
            rendition,
            frame_us: rendition.encoder().frame.micros(),
            track,
            active: self.active.clone(),
        });
    }

    fn remove(&mut self, rendition: Rendition) {
        self.transcoder.remove(rendition);
        self.outputs.retain(|output| output.rendition != rendition);
    }

    fn take(&mut self, bytes: &[u8]) {
        let Ok(datagram) = Datagram::decode(bytes) else {
            return;
        };
        // Copies are older than what they travel with.
        for copy in media::Packet::copies_of(&datagram) {
            self.convert(&copy, datagram.send_time);
        }
        self.convert(&media::Packet::of(&datagram), datagram.send_time);
    }

    /// Converts one packet. What comes of it is stamped as the source stamped it, so
    /// that delay is measured from source to ear, the codec's included.
    fn convert(&mut self, packet: &media::Packet<'_>, send_time: SendTime) {
        let outputs = &self.outputs;
        let converted = self.transcoder.handle_packet(packet, |rendition, made| {
            let output = outputs.iter().find(|output| output.rendition == rendition);
            if let Some(output) = output {
                output.send(&made, send_time);
            }
        });
        if let Err(error) = converted {
            tracing::trace!(%error, "a packet that cannot be converted");
        }
    }
}

impl Output {
    fn send(&self, made: &media::EncodedPacket, send_time: SendTime) {
        let datagram = Datagram {
            track: self.track.id(),
            sequence: made.sequence,
            timestamp: made.timestamp,
            send_time,
            copies: Copies::none(),
            packet: &made.payload,
        };
        if let Ok(packet) = Packet::encode(self.frame_us, &datagram) {
            self.track.fan_out(&packet);
        }
    }
}
