//! The network laboratory: music from a source over a relay and a bad link to a receiver, in
//! virtual time, with what it sounds like measured at the end.
//!
//! The relay keeps the last second, answers as many requests a second as the stream has
//! packets, and sends the redundancy level the receiver asked for last. Requests and levels travel back over a link that is as
//! bad as the one there. The receiver is pulled 128 samples at a time, as in a browser.

mod music;
mod network;

use std::collections::VecDeque;
use std::time::Duration;

use crate::encoder::Frame;
use crate::receiver::{COPY_DISTANCES, Config, Receiver, Repair};
use crate::{MediaClock, Packet};

pub use music::Music;
pub use network::Net;
use network::Way;

/// Packets the relay sends again for each one it sends; a second of them at once.
const ANSWERS_SHARE: f64 = 1.0;

/// Samples per pull: the render quantum of browsers.
const QUANTUM: usize = 128;

/// Bytes of an audio datagram beside its packet, and of a copy beside its own.
const HEADER_BYTES: usize = 16;
const COPY_HEADER_BYTES: usize = 5;

/// The level is told again this often, as what tells it may be lost.
const LEVEL_AGAIN: Duration = Duration::from_millis(500);

/// What is played over which network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scenario {
    /// Its name in tables.
    pub name: &'static str,
    /// The network.
    pub net: Net,
    /// For how long, the first ten seconds included, which are not measured.
    pub time: Duration,
    /// How much faster than the listener's the source's clock runs.
    pub source_ppm: f64,
    /// Length of a packet.
    pub frame: Frame,
    /// For the networks' random numbers.
    pub seed: u64,
}

/// Who receives, and which means are allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The receiver's configuration.
    pub config: Config,
    /// Whether requests are answered.
    pub retransmission: bool,
    /// Whether copies are sent.
    pub redundancy: bool,
}

impl Setup {
    /// Everything allowed.
    #[must_use]
    pub fn of(config: Config) -> Self {
        Self {
            config,
            retransmission: true,
            redundancy: true,
        }
    }

    /// A buffer of fixed delay and nothing else, as simple players have.
    #[must_use]
    pub fn fixed(delay: Duration) -> Self {
        Self {
            config: Config {
                fixed_delay: Some(delay),
                start_delay: delay,
                stretch: false,
                repair: Repair::Economy,
                ..Config::default()
            },
            retransmission: false,
            redundancy: false,
        }
    }
}

/// What came of it, the first ten seconds left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// From capture to the sample leaving the receiver, in ms: half of the time below.
    pub delay_p50_ms: f64,
    /// 95 % of the time below.
    pub delay_p95_ms: f64,
    /// Share of time that was made up or silent, 0 to 1.
    pub concealed: f64,
    /// The same in ms.
    pub concealed_ms: f64,
    /// The share of it that was sent while neither way had an outage; only traces have any.
    pub concealed_outside: f64,
    /// Bytes towards the receiver as a multiple of the stream's own.
    pub bytes: f64,
    /// Packets lost on the way, before repair, as a share.
    pub lost: f64,
    /// Share of time left out or repeated by time-stretching.
    pub stretched: f64,
    /// Sound passed over, in ms.
    pub skipped_ms: f64,
}

/// How long a scenario runs before it is measured.
pub const SETTLE: Duration = Duration::from_secs(10);

/// An Opus packet of the music with its place.
#[derive(Debug, Clone, Copy)]
struct Sent {
    sequence: u64,
    level: u8,
}

/// What goes back to the relay.
#[derive(Debug, Clone)]
enum Wish {
    Again(Vec<u64>),
    Level(u8),
}

/// One who meets the same packets as the receiver, to be compared with it.
pub trait Companion {
    /// A packet arrived at `at`, by itself, as a copy, or sent again.
    fn handle_packet(&mut self, at: Duration, packet: &Packet<'_>);

    /// It is `now`: sound up to now is to be taken. Called every 128 samples.
    fn advance(&mut self, now: Duration);
}

/// The companion of one who is alone.
struct Nobody;

impl Companion for Nobody {
    fn handle_packet(&mut self, _at: Duration, _packet: &Packet<'_>) {}

    fn advance(&mut self, _now: Duration) {}
}

/// Plays a scenario with a setup.
#[must_use]
pub fn run(scenario: &Scenario, setup: &Setup) -> Outcome {
    run_beside(scenario, setup, &mut Nobody)
}

/// Plays a scenario with a setup, and a companion beside.
pub fn run_beside(scenario: &Scenario, setup: &Setup, companion: &mut dyn Companion) -> Outcome {
    let owned;
    let music = if scenario.frame == Frame::Ms20 {
        Music::usual()
    } else {
        owned = Music::new(scenario.frame);
        &owned
    };
    let mut lab = Lab::new(scenario, setup, music);
    while lab.now < SETTLE {
        lab.step(companion);
    }
    lab.begin_measuring();
    while lab.now < scenario.time {
        lab.step(companion);
    }
    lab.outcome()
}

struct Lab<'a> {
    setup: &'a Setup,
    music: &'a Music,
    source_ppm: f64,
    now: Duration,
    steps: u64,
    down: Way<Sent>,
    up: Way<Wish>,
    receiver: Receiver,
    round_trip: Option<Duration>,
    /// What the relay still has, by sequence; those before are gone.
    ring: VecDeque<u64>,
    next_sequence: u64,
    answers_left: f64,
    level_at_relay: u8,
    level_told: (Duration, u8),
    own_bytes: usize,
    all_bytes: usize,
    delays: Vec<u32>,
    silent: u64,
    measured: u64,
    /// Media time that sounds, or would.
    position: u64,
    concealed_ms: f64,
    outside_ms: f64,
    before: crate::receiver::Stats,
    clock_began: Duration,
}

impl<'a> Lab<'a> {
    fn new(scenario: &Scenario, setup: &'a Setup, music: &'a Music) -> Self {
        let receiver = Receiver::new(setup.config.clone());
        let ring = music.packets_per_second();
        Self {
            setup,
            music,
            source_ppm: scenario.source_ppm,
            now: Duration::ZERO,
            steps: 0,
            down: Way::down(scenario.net, scenario.seed),
            up: Way::up(scenario.net, scenario.seed),
            receiver,
            round_trip: None,
            ring: VecDeque::with_capacity(ring),
            next_sequence: 0,
            answers_left: ring as f64,
            level_at_relay: 0,
            level_told: (Duration::ZERO, 0),
            own_bytes: 0,
            all_bytes: 0,
            delays: vec![0; 4096],
            silent: 0,
            measured: 0,
            position: 0,
            concealed_ms: 0.0,
            outside_ms: 0.0,
            before: crate::receiver::Stats::default(),
            clock_began: Duration::ZERO,
        }
    }

    fn begin_measuring(&mut self) {
        self.before = self.receiver.stats();
        self.clock_began = self.now;
        (self.own_bytes, self.all_bytes, self.silent, self.measured) = (0, 0, 0, 0);
        self.outside_ms = 0.0;
        self.delays.fill(0);
    }

    /// One quantum of time.
    fn step(&mut self, companion: &mut dyn Companion) {
        self.send_due();
        self.ping();
        while let Some((at, wish)) = self.up.receive(self.now) {
            self.grant(at, wish);
        }
        while let Some((at, sent)) = self.down.receive(self.now) {
            self.deliver(at, sent, companion);
            self.ask(at);
        }
        let mut out = [0.0; QUANTUM * 2];
        self.receiver.pull(self.now, &mut out);
        self.steps += 1;
        self.now = MediaClock::duration(self.steps * QUANTUM as u64);
        self.ask(self.now);
        companion.advance(self.now);
        self.measure();
        while self.receiver.poll_event().is_some() {}
    }

    /// Tells the receiver the smoothed round trip, as a session that pings every second.
    fn ping(&mut self) {
        if !self.steps.is_multiple_of(375) {
            return;
        }
        let (Some(up), Some(down)) = (self.up.delay(self.now), self.down.delay(self.now)) else {
            return;
        };
        let before = self.round_trip.unwrap_or(up + down);
        let smooth = (before * 7 + up + down) / 8;
        self.round_trip = Some(smooth);
        self.receiver.set_round_trip(Some(smooth));
    }

    /// When media time `timestamp` of the source's clock is captured.
    fn captured(&self, timestamp: u64) -> Duration {
        MediaClock::duration(timestamp).div_f64(1.0 + self.source_ppm * 1e-6)
    }

    fn send_due(&mut self) {
        loop {
            let at = self.captured((self.next_sequence + 1) * self.music.samples);
            if at > self.now {
                return;
            }
            let sequence = self.next_sequence;
            self.next_sequence += 1;
            let kept = self.music.packets_per_second();
            if self.ring.len() == kept {
                self.ring.pop_front();
            }
            self.ring.push_back(sequence);
            self.answers_left = (self.answers_left + ANSWERS_SHARE).min(kept as f64);
            self.own_bytes += self.music.packet(sequence).len() + HEADER_BYTES;
            self.transmit(at, sequence, self.level_at_relay);
        }
    }

    fn transmit(&mut self, at: Duration, sequence: u64, level: u8) {
        let copies: usize = COPY_DISTANCES[usize::from(level)]
            .iter()
            .filter_map(|&distance| sequence.checked_sub(u64::from(distance)))
            .map(|copied| self.music.packet(copied).len() + COPY_HEADER_BYTES)
            .sum();
        let bytes = self.music.packet(sequence).len() + HEADER_BYTES + copies;
        self.all_bytes += bytes;
        self.down.send(at, bytes, Sent { sequence, level });
    }

    /// The relay does as asked.
    fn grant(&mut self, at: Duration, wish: Wish) {
        match wish {
            Wish::Level(level) => self.level_at_relay = level,
            Wish::Again(sequences) => {
                for sequence in sequences {
                    if self.ring.contains(&sequence) && self.answers_left >= 1.0 {
                        self.answers_left -= 1.0;
                        self.transmit(at, sequence, 0);
                    }
                }
            }
        }
    }

    fn deliver(&mut self, at: Duration, sent: Sent, companion: &mut dyn Companion) {
        let distances = COPY_DISTANCES[usize::from(sent.level)].iter().copied();
        for distance in std::iter::once(0).chain(distances) {
            let Some(sequence) = sent.sequence.checked_sub(u64::from(distance)) else {
                continue;
            };
            let packet = Packet {
                sequence,
                timestamp: sequence * self.music.samples,
                send_time: None,
                copy: distance > 0,
                payload: self.music.packet(sequence),
            };
            self.receiver
                .handle_packet(at, &packet)
                .expect("a good packet");
            companion.handle_packet(at, &packet);
        }
    }

    /// Sends what the receiver wants to the relay.
    fn ask(&mut self, at: Duration) {
        if let Some(request) = self.receiver.poll_request(at)
            && self.setup.retransmission
        {
            let wish = Wish::Again(request.sequences().to_vec());
            self.up.send(at, 40, wish);
        }
        let level = self.receiver.redundancy_wanted();
        let (told_at, told) = self.level_told;
        let again = level != told || at.saturating_sub(told_at) >= LEVEL_AGAIN;
        if self.setup.redundancy && again {
            self.level_told = (at, level);
            self.up.send(at, 40, Wish::Level(level));
        }
    }

    /// How long ago the sample that leaves now was captured, and what was made up.
    fn measure(&mut self) {
        self.measured += 1;
        let concealed_ms = self.receiver.stats().concealed_ms;
        let mut made_up_ms = concealed_ms - std::mem::replace(&mut self.concealed_ms, concealed_ms);
        if let Some(position) = self.receiver.position() {
            self.position = position;
            let captured = self.captured(position.saturating_sub(self.music.lookahead));
            let delay_ms = self.now.saturating_sub(captured).as_millis() as usize;
            let bin = delay_ms.min(self.delays.len() - 1);
            self.delays[bin] += 1;
        } else {
            self.silent += 1;
            self.position += QUANTUM as u64;
            made_up_ms += QUANTUM as f64 / 48.0;
        }
        if made_up_ms > 0.0 && !self.was_outage() {
            self.outside_ms += made_up_ms;
        }
    }

    /// Whether the packet that sounds, or the one after it, was sent in an outage.
    fn was_outage(&self) -> bool {
        let sequence = self.position / self.music.samples;
        (1..3).any(|later| {
            let sent = self.captured((sequence + later) * self.music.samples);
            self.down.is_outage(sent) || self.up.is_outage(sent)
        })
    }

    fn percentile_ms(&self, share: f64) -> f64 {
        let total: u64 = self.delays.iter().map(|&count| u64::from(count)).sum();
        let mut left = (total as f64 * share).ceil() as i64;
        let reaches = |&count: &u32| {
            left -= i64::from(count);
            left <= 0
        };
        self.delays.iter().position(reaches).unwrap_or(0) as f64 + 0.5
    }

    fn outcome(&self) -> Outcome {
        let stats = self.receiver.stats();
        let time_ms = (self.now - self.clock_began).as_secs_f64() * 1e3;
        let silent_ms = self.silent as f64 / self.measured as f64 * time_ms;
        let concealed_ms = stats.concealed_ms - self.before.concealed_ms + silent_ms;
        let packets = stats.packets + stats.missing - self.before.packets - self.before.missing;
        Outcome {
            delay_p50_ms: self.percentile_ms(0.5),
            delay_p95_ms: self.percentile_ms(0.95),
            concealed: concealed_ms / time_ms,
            concealed_ms,
            concealed_outside: self.outside_ms / time_ms,
            bytes: self.all_bytes as f64 / self.own_bytes as f64,
            lost: (stats.missing - self.before.missing) as f64 / packets.max(1) as f64,
            stretched: (stats.stretched_ms - self.before.stretched_ms) / time_ms,
            skipped_ms: stats.skipped_ms - self.before.skipped_ms,
        }
    }
}

#[cfg(test)]
mod tests;
