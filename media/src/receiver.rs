//! The receiver: packets in as they arrive, sound out when it is asked for.
//!
//! # Contract
//!
//! Call [`Receiver::handle_packet`] (or [`Receiver::handle_datagram`]) for every packet when
//! it arrives, and [`Receiver::pull`] whenever sound is needed, with the time of one
//! monotonic clock since any epoch. `pull` always fills its buffer: with sound, with
//! concealment of what is missing, or with silence. [`Receiver::position`] is the media time
//! of the sample the next `pull` begins with, for what is to be shown when it plays.
//!
//! # What it does
//!
//! Packets are put in order in a ring of 1,024. Play-out begins when the oldest packet has
//! waited for the target delay, which follows from measured arrivals: what all but one in
//! 1,000 packets ([`Profile`]) of the last half minute stayed below, however they came, and
//! what it takes for repair to come in time where packets are lost. A packet that is neither
//! here nor, after those before it, just late is asked for again
//! ([`Receiver::poll_request`]) while the answer can still come before its turn; where it
//! cannot, copies are wanted ([`Receiver::redundancy_wanted`]).
//!
//! Just before sound runs out for a packet that may still come, late or as an answer, up to
//! 15 ms of what there is are repeated, once, where they join best; they count as stretched.
//! What is missing then is concealed by the decoder when its turn comes and not before;
//! concealment fades out from 40 to 120 ms, then the state is [`State::Interrupted`] and
//! play-out starts anew with the next packets.
//!
//! A packet that comes while play-out waits for it plays on, so the delay grows at once.
//! Otherwise the delay follows the target by leaving out or repeating a few milliseconds
//! where the sound resembles itself, up to 4 % of the time and at the same pitch, and by
//! playing up to 0.15 % faster or slower, as for a clock that drifts. Far too much delay
//! ([`Config::skip_above`]) is passed over with a cross-fade.
//!
//! # Cost
//!
//! Up to 2 MB. `pull` does not allocate (its decoder may); `handle_packet` does until the
//! ring's slots have grown to the size of the packets.

mod buffer;
mod delay;
mod histogram;
mod intake;
mod interpolator;
mod pcm;
mod play;
mod profile;
mod repair;
mod slots;
mod speed;
mod stats;
mod stretch;
mod voice;

use std::collections::VecDeque;
use std::time::Duration;

pub use profile::{Profile, Repair};
pub use repair::{COPY_DISTANCES, REQUEST_MAX, Request};
pub use stats::{Percentiles, Stats};

use crate::decoder::Decoder;
use crate::{Packet, toc};
use delay::Delay;
use histogram::Histogram;
use intake::Intake;
use play::Eked;
use repair::Repairs;
use slots::Slots;
use speed::Speed;
use voice::Voice;

/// How a receiver plays.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Sample rate of the sound pulled, in Hz, clamped to 8,000 to 192,000. Default 48,000.
    pub output_rate: u32,
    /// Delay assumed before arrivals are measured. Default 30 ms; it fades within ten
    /// seconds.
    pub start_delay: Duration,
    /// Largest delay aimed for; packets later than that are concealed. Default 2 s.
    pub max_delay: Duration,
    /// Less delay or fewer faults. Default [`Profile::Live`].
    pub profile: Profile,
    /// How many bytes repair may cost. Default [`Repair::Auto`].
    pub repair: Repair,
    /// Whether the packets in one datagram are what it asked for, none of them sent along
    /// against loss. Default no.
    pub bundled: bool,
    /// Whether the delay is also changed by time-stretching, at the same pitch. Default yes;
    /// without, it changes by 0.15 % at most.
    pub stretch: bool,
    /// A delay to keep to, whatever the network does. Default none: it adapts.
    pub fixed_delay: Option<Duration>,
    /// Delay beyond the target that is passed over at once instead of by playing faster.
    /// Default 400 ms.
    pub skip_above: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            output_rate: crate::SAMPLE_RATE,
            start_delay: Duration::from_millis(30),
            max_delay: Duration::from_secs(2),
            profile: Profile::default(),
            repair: Repair::default(),
            bundled: false,
            stretch: true,
            fixed_delay: None,
            skip_above: Duration::from_millis(400),
        }
    }
}

/// What a receiver is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Silent: no packets yet, or too few to begin.
    Buffering,
    /// Sound comes out.
    Playing,
    /// Silent: packets stopped coming while it played. Goes on by itself.
    Interrupted,
}

/// What happened, in order; see [`Receiver::poll_event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The state changed to this.
    State(State),
    /// The stream began anew, at this media time.
    Restarted(u64),
    /// Sound was passed over to reduce the delay: from, to (media times).
    Skipped(u64, u64),
}

/// What became of a packet on arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It waits for its turn.
    Stored,
    /// Its turn has passed.
    Late,
    /// It had come before.
    Duplicate,
    /// It does not fit the stream; if more like it follow, the stream restarts there.
    Doubtful,
}

/// Why a packet was refused. The receiver goes on as if it had not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// It is no Opus packet.
    #[error(transparent)]
    Malformed(#[from] toc::Error),
    /// It has more bytes than a datagram.
    #[error("the packet has {0} bytes, above 1,200")]
    TooLarge(usize),
    /// Its sequence or timestamp is above 2^62-1.
    #[error("sequence {sequence} or timestamp {timestamp} is out of range")]
    Absurd {
        /// The packet's sequence.
        sequence: u64,
        /// The packet's timestamp.
        timestamp: u64,
    },
}

/// Events kept for [`Receiver::poll_event`]; the oldest go first.
const EVENTS_MAX: usize = 32;

/// Receives one track and plays it; see the module's documentation.
#[derive(Debug)]
pub struct Receiver {
    config: Config,
    state: State,
    /// The stream being received, once there is one.
    stream: Option<Stream>,
    slots: Slots,
    intake: Intake,
    delay: Delay,
    repairs: Repairs,
    speed: Speed,
    voice: Voice,
    /// Samples made up while play-out waited for its next packet.
    dry: usize,
    /// What was eked out last.
    eked: Eked,
    /// When the last packet came by itself.
    last_arrival: Duration,
    /// Length of the current pull.
    pull_ms: f64,
    /// By how much the first packet of a bundle comes later than its last.
    spread_ms: f64,
    /// Server time minus our clock, in microseconds.
    clock_offset_us: Option<i64>,
    play_delay: Histogram,
    counts: Stats,
    events: VecDeque<Event>,
}

/// Where the stream is: what plays next and what came last.
#[derive(Debug, Clone, Copy)]
struct Stream {
    next_sequence: u64,
    next_timestamp: u64,
    newest: intake::Place,
    /// Whether any of it was played; before, an earlier packet may still become the first.
    began: bool,
}

impl Stream {
    /// Where the packet of `sequence` begins, as far as the newest packet tells.
    fn timestamp_of(&self, sequence: u64) -> u64 {
        let newest = self.newest;
        let samples = u64::from(newest.samples);
        if sequence >= newest.sequence {
            newest.timestamp + (sequence - newest.sequence) * samples
        } else {
            let back = (newest.sequence - sequence) * samples;
            newest.timestamp.saturating_sub(back)
        }
    }
}

impl Receiver {
    /// A receiver with the build's best decoder.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_decoder(config, Decoder::new())
    }

    /// A receiver with a decoder of choice.
    #[must_use]
    pub fn with_decoder(mut config: Config, decoder: Decoder) -> Self {
        config.output_rate = config.output_rate.clamp(8_000, 192_000);
        Self {
            state: State::Buffering,
            stream: None,
            slots: Slots::new(),
            intake: Intake::default(),
            delay: Delay::new(&config),
            repairs: Repairs::new(),
            speed: Speed::default(),
            voice: Voice::new(decoder, config.output_rate),
            dry: 0,
            eked: Eked::default(),
            last_arrival: Duration::ZERO,
            pull_ms: 0.0,
            spread_ms: 0.0,
            clock_offset_us: None,
            play_delay: Histogram::new(),
            counts: Stats::default(),
            events: VecDeque::with_capacity(EVENTS_MAX),
            config,
        }
    }

    /// Takes a datagram apart and handles its packet and copies; the arrival is that of its
    /// own packet. A refused copy is counted and does not stop the rest.
    pub fn handle_datagram(
        &mut self,
        now: Duration,
        datagram: &wire::audio::Datagram<'_>,
    ) -> Result<Arrival, PacketError> {
        // It is counted as rejected; its neighbours may be good.
        if self.config.bundled {
            let mut others = 0;
            for packet in Packet::copies_of(datagram) {
                let copy = false;
                let _ = self.handle_packet(now, &Packet { copy, ..packet });
                others += 1;
            }
            let samples = self.stream.map_or(0, |stream| stream.newest.samples);
            // What is sent again comes alone and says nothing of bundles.
            self.spread_ms = self.spread_ms.max(f64::from(others * samples) / 48.0);
            return self.handle_packet(now, &Packet::of(datagram));
        }
        let arrival = self.handle_packet(now, &Packet::of(datagram));
        for copy in Packet::copies_of(datagram) {
            let _ = self.handle_packet(now, &copy);
        }
        arrival
    }

    /// Whether datagrams are bundles of packets from now on; see [`Config::bundled`].
    pub fn set_bundled(&mut self, bundled: bool) {
        self.config.bundled = bundled;
        self.spread_ms = 0.0;
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Media time of the sample the next [`Self::pull`] begins with; `None` in silence.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.voice.pcm.position()
    }

    /// The next event, oldest first. At most 32 wait; then the oldest are dropped.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Tells how far the server's clock (microseconds since the Unix epoch) is ahead of the
    /// clock given as `now`, so that delays from the source can be measured.
    pub fn set_clock_offset(&mut self, server_minus_now_us: Option<i64>) {
        self.clock_offset_us = server_minus_now_us;
    }

    /// Forgets the stream, keeping what was learnt about the network: call it when the track
    /// changes. The sound fades out; the next packet begins a new stream.
    pub fn restart(&mut self) {
        self.voice.stop();
        self.slots.clear();
        self.intake = Intake::default();
        self.stream = None;
        self.dry = 0;
        self.eked = Eked::default();
        self.delay.forget_floor();
        self.repairs.forget_sequences();
        self.speed.restart();
        self.set_state(State::Buffering);
    }

    /// A copy of the counters and current values.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.counts;
        let end = self
            .stream
            .map(|s| s.newest.timestamp + u64::from(s.newest.samples));
        let buffered = match (end, self.position()) {
            (Some(end), Some(position)) => end.saturating_sub(position),
            (Some(end), None) => self.oldest_stored().map_or(0, |at| end.saturating_sub(at)),
            (None, _) => 0,
        };
        stats.buffer_ms = buffered as f64 / 48.0;
        stats.loss = self.repairs.loss();
        stats.burst = self.repairs.burst();
        stats.jitter_ms = self.delay.jitter_ms();
        stats.target_ms = self.delay.target_ms();
        stats.delay_ms = self.speed.delay_ms().unwrap_or(0.0);
        stats.speed_ppm = (self.speed.factor() - 1.0) * 1e6;
        stats.arrival = Percentiles::of(|share| self.delay.percentile_ms(share));
        stats.play = self
            .play_delay
            .percentile(0.5)
            .map(|_| Percentiles::of(|share| self.play_delay.percentile(share).unwrap_or(0.0)));
        stats
    }

    fn set_state(&mut self, state: State) {
        if self.state != state {
            self.state = state;
            self.push_event(Event::State(state));
        }
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn oldest_stored(&self) -> Option<u64> {
        let stream = self.stream?;
        let slot = self
            .slots
            .first_stored(stream.next_sequence, stream.newest.sequence)?;
        Some(slot.timestamp)
    }
}

#[cfg(test)]
mod tests;
