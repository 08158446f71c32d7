//! A source, a link and a receiver on one virtual clock.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::time::Duration;

use crate::encoder;
use crate::measure::deinterleave;
use crate::packetizer::Packetizer;
use crate::receiver::{Config, Receiver};
use crate::testing::{Link, LinkConfig};
use crate::{EncodedPacket, MediaClock, Packet};
use wire::TrackId;
use wire::audio::{Copies, Copy, Datagram, SendTime};

/// A packet and copies of earlier ones.
type Sent = Vec<(EncodedPacket, u32, bool)>;

pub(super) struct World {
    pub(super) receiver: Receiver,
    pub(super) link: Link<Sent>,
    /// Everything pulled, interleaved stereo.
    pub(super) sound: Vec<f32>,
    /// Sample pairs per pull.
    pub(super) quantum: usize,
    /// How much faster than true the source's clock runs.
    pub(super) source_ppm: f64,
    /// Distances of the copies each datagram carries.
    pub(super) copies: &'static [usize],
    /// Packets that share a datagram.
    pub(super) bundle: usize,
    waiting: Sent,
    seed: u64,
    rate: u32,
    now: Duration,
    source: Source,
    recent: VecDeque<EncodedPacket>,
    pulled: u64,
    held_until: Duration,
}

struct Source {
    packetizer: Packetizer,
    frame: usize,
    channels: usize,
    /// Media time and clock at which it began, and samples made since.
    began: (u64, Duration),
    made: u64,
    /// Media time of sample 0 of the tone.
    tone_from: u64,
}

impl World {
    pub(super) const CLOCK_OFFSET_US: i64 = 1_790_000_000_000_000;

    pub(super) fn new(link: LinkConfig, seed: u64) -> Self {
        Self::with(link, seed, Config::default(), encoder::Config::default())
    }

    pub(super) fn with(
        link: LinkConfig,
        seed: u64,
        config: Config,
        encoder: encoder::Config,
    ) -> Self {
        let encoder = encoder::Config {
            complexity: 0,
            ..encoder
        };
        Self {
            rate: config.output_rate,
            receiver: Receiver::new(config),
            link: Link::new(link, seed),
            sound: Vec::new(),
            quantum: 480,
            source_ppm: 0.0,
            copies: &[],
            bundle: 1,
            waiting: Vec::new(),
            seed,
            now: Duration::from_secs(1000),
            source: Source::new(encoder, 500, 1_000_000, Duration::from_secs(1000)),
            recent: VecDeque::new(),
            pulled: 0,
            held_until: Duration::ZERO,
        }
    }

    pub(super) fn describe(&self) -> String {
        let stats = self.receiver.stats();
        format!("seed {} {:?} {stats:?}", self.seed, self.link.config)
    }

    pub(super) fn freq(&self) -> f64 {
        440.0
    }

    pub(super) fn output_rate(&self) -> f64 {
        f64::from(self.rate)
    }

    pub(super) fn left(&self) -> Vec<f32> {
        deinterleave(&self.sound, 2, 0)
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// The tone's phase at a media time.
    pub(super) fn phase_at(&self, timestamp: u64) -> f64 {
        let samples = timestamp as f64 - self.source.tone_from as f64;
        (samples * self.freq() / 48_000.0 * TAU).rem_euclid(TAU)
    }

    /// How far what sounds lies behind what the source makes.
    pub(super) fn behind_ms(&self) -> f64 {
        let sounding = self.receiver.position().expect("playing");
        let made = self.source.began.0 + self.source.made;
        (made as f64 - sounding as f64) / 48.0
    }

    /// Everything sent from now on arrives no sooner than after `time`.
    pub(super) fn hold_for(&mut self, time: Duration) {
        self.held_until = self.now + time;
    }

    pub(super) fn restart_source(&mut self, sequence: u64, timestamp: u64) {
        let config = *self.source.packetizer.config();
        self.source = Source::new(config, sequence, timestamp, self.now);
        self.recent.clear();
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let mut out = vec![0.0; self.quantum * 2];
        while self.now < end {
            self.send_due();
            if self.now >= self.held_until {
                while let Some((at, sent)) = self.link.receive(self.now) {
                    self.deliver(at.max(self.held_until), &sent);
                }
            }
            self.receiver.pull(self.now, &mut out);
            self.sound.extend_from_slice(&out);
            self.pulled += self.quantum as u64;
            let played = self.pulled as f64 / f64::from(self.rate);
            self.now = Duration::from_secs(1000) + Duration::from_secs_f64(played);
        }
    }

    /// A bundle, as it is on the wire.
    fn deliver_bundle(&mut self, at: Duration, sent: &Sent) {
        let (last, send_time, _) = sent.last().expect("no empty bundle");
        let own = Datagram {
            track: TrackId::new(1).expect("in range"),
            sequence: last.sequence,
            timestamp: last.timestamp,
            send_time: SendTime(*send_time),
            copies: Copies::none(),
            packet: &last.payload,
        };
        let earlier = sent[..sent.len() - 1].iter();
        let copies = earlier.map(|(packet, ..)| Copy {
            distance: (last.sequence - packet.sequence) as u8,
            age: last.timestamp - packet.timestamp,
            packet: &packet.payload,
        });
        let mut bytes = Vec::new();
        own.encode_with(copies, &mut bytes).expect("it fits");
        let datagram = Datagram::decode(&bytes).expect("a datagram");
        self.receiver
            .handle_datagram(at, &datagram)
            .expect("a good datagram");
    }

    fn deliver(&mut self, at: Duration, sent: &Sent) {
        if self.bundle > 1 {
            return self.deliver_bundle(at, sent);
        }
        for (packet, send_time, copy) in sent {
            let packet = Packet {
                copy: *copy,
                ..packet.as_packet((!copy).then_some(*send_time))
            };
            self.receiver
                .handle_packet(at, &packet)
                .expect("a good packet");
        }
    }

    fn send_due(&mut self) {
        loop {
            // A frame can be sent once all of its samples are there.
            let media = self.source.made + self.source.frame as u64;
            let clock = MediaClock::duration(media).div_f64(1.0 + self.source_ppm * 1e-6);
            let at = self.source.began.1 + clock;
            if at > self.now {
                return;
            }
            let server_us = at.as_micros() as i64 + Self::CLOCK_OFFSET_US;
            for packet in self.source.make() {
                if self.bundle > 1 {
                    self.waiting.push((packet, server_us as u32, false));
                    if self.waiting.len() == self.bundle {
                        self.link.send(at, std::mem::take(&mut self.waiting));
                    }
                    continue;
                }
                let mut sent = vec![(packet.clone(), server_us as u32, false)];
                for &distance in self.copies {
                    if let Some(earlier) = self.recent.iter().nth_back(distance - 1) {
                        sent.push((earlier.clone(), 0, true));
                    }
                }
                self.recent.push_back(packet);
                self.recent.truncate(64);
                if self.recent.len() > 8 {
                    self.recent.pop_front();
                }
                self.link.send(at, sent);
            }
        }
    }
}

impl Source {
    fn new(encoder: encoder::Config, sequence: u64, timestamp: u64, now: Duration) -> Self {
        let packetizer = Packetizer::new(encoder, sequence, timestamp).expect("valid");
        Self {
            frame: encoder.frame.samples(),
            channels: encoder.channels.count(),
            began: (timestamp, now),
            made: 0,
            tone_from: packetizer.position(),
            packetizer,
        }
    }

    fn make(&mut self) -> Vec<EncodedPacket> {
        let mut samples = Vec::with_capacity(self.frame * self.channels);
        for n in self.made..self.made + self.frame as u64 {
            let phase = n as f64 * 440.0 / 48_000.0 * TAU;
            samples.extend(std::iter::repeat_n(
                (phase.sin() * 0.5) as f32,
                self.channels,
            ));
        }
        self.made += self.frame as u64;
        let mut packets = Vec::new();
        let emit = |packet| packets.push(packet);
        self.packetizer.push(&samples, emit).expect("encodes");
        packets
    }
}
