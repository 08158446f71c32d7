//! Renditions: a track made from another one while somebody takes it.
//!
//! The codec runs on a thread of its own, so that it holds up neither the
//! network nor the source. It takes the source's packets as one more listener.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use media::transcoder;
use wire::audio::{Copies, Datagram, SendTime};

use super::queue::PacketQueue;
use super::{Listener, Packet, Sent, Sink, Track, Tuned};
use crate::metrics::Metrics;

/// Sound that may wait for the codec while it is kept from running; beyond it the
/// oldest is dropped and concealed.
const CODEC_WAIT: Duration = Duration::from_secs(1);

/// Makes one rendition until it is dropped.
#[derive(Debug)]
pub(crate) struct Transcoder {
    listener: Arc<Listener>,
    intake: Arc<Intake>,
}

impl Transcoder {
    /// Starts making `rendition` of what `source` carries and gives it to `track`.
    pub(crate) fn start(
        rendition: transcoder::Rendition,
        source: &Arc<Track>,
        track: &Arc<Track>,
        metrics: Arc<Metrics>,
    ) -> Option<Self> {
        let intake = Arc::new(Intake::new(Arc::clone(&metrics)));
        let maker = match transcoder::Transcoder::new(rendition.encoder(), 0) {
            Ok(transcoder) => Maker {
                transcoder,
                frame_us: rendition.encoder().frame.micros(),
                track: Arc::clone(track),
            },
            Err(error) => {
                tracing::error!(%error, rendition = rendition.name(), "no rendition");
                return None;
            }
        };
        let running = Running {
            intake: Arc::clone(&intake),
            metrics,
        };
        let thread = std::thread::Builder::new().name(format!("rendition {}", rendition.name()));
        if let Err(error) = thread.spawn(move || running.run(maker)) {
            tracing::error!(%error, rendition = rendition.name(), "no thread for a rendition");
            return None;
        }
        let listener = Listener::new(Box::new(Tap(Arc::clone(&intake))), Arc::<Tuned>::default());
        source.attach(&listener);
        Some(Self { listener, intake })
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

/// Packets on their way to the codec's thread.
#[derive(Debug)]
struct Intake {
    state: Mutex<(PacketQueue, bool)>,
    ready: Condvar,
    metrics: Arc<Metrics>,
}

impl Intake {
    fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            state: Mutex::new((PacketQueue::new(CODEC_WAIT), false)),
            ready: Condvar::new(),
            metrics,
        }
    }

    fn push(&self, packet: Packet) {
        if let Sent::Displaced(count) = self.lock().0.push(packet) {
            self.metrics.rendition_overflows.inc_by(count.into());
        }
        self.ready.notify_one();
    }

    fn close(&self) {
        self.lock().1 = true;
        self.ready.notify_one();
    }

    /// Waits for a packet; none when there will be no more.
    fn pop(&self) -> Option<Packet> {
        let mut state = self.lock();
        loop {
            if state.1 {
                return None;
            }
            if let Some(packet) = state.0.pop() {
                return Some(packet);
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, (PacketQueue, bool)> {
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

/// The thread of one rendition; counted while it runs, however it ends.
struct Running {
    intake: Arc<Intake>,
    metrics: Arc<Metrics>,
}

impl Running {
    fn run(self, mut maker: Maker) {
        self.metrics.renditions_active.inc();
        while let Some(packet) = self.intake.pop() {
            maker.take(&packet.datagram());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.metrics.renditions_active.dec();
    }
}

struct Maker {
    transcoder: transcoder::Transcoder,
    frame_us: u32,
    track: Arc<Track>,
}

impl Maker {
    fn take(&mut self, bytes: &[u8]) {
        let Ok(datagram) = Datagram::decode(bytes) else {
            return;
        };
        // Copies are older than what they travel with.
        for copy in datagram.copies {
            self.convert(
                &media::Packet {
                    sequence: datagram.sequence - u64::from(copy.distance),
                    timestamp: datagram.timestamp - copy.age,
                    send_time: None,
                    copy: true,
                    payload: copy.packet,
                },
                datagram.send_time,
            );
        }
        self.convert(
            &media::Packet {
                sequence: datagram.sequence,
                timestamp: datagram.timestamp,
                send_time: Some(datagram.send_time.0),
                copy: false,
                payload: datagram.packet,
            },
            datagram.send_time,
        );
    }

    /// Converts one packet. What comes of it is stamped as the source stamped it, so
    /// that delay is measured from source to ear, the codec's included.
    fn convert(&mut self, packet: &media::Packet<'_>, send_time: SendTime) {
        let (track, frame_us) = (&self.track, self.frame_us);
        let converted = self.transcoder.handle_packet(packet, |made| {
            let datagram = Datagram {
                track: track.id(),
                sequence: made.sequence,
                timestamp: made.timestamp,
                send_time,
                copies: Copies::none(),
                packet: &made.payload,
            };
            if let Ok(packet) = Packet::encode(frame_us, &datagram) {
                track.fan_out(&packet);
            }
        });
        if let Err(error) = converted {
            tracing::trace!(%error, "a packet that cannot be converted");
        }
    }
}
