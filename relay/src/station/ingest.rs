//! The way of a source's datagrams to its track.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use wire::audio::{COPIES_MAX, Copies, Copy, Datagram, DecodeError, SendTime};
use wire::message::{PublishEndCode, TrackParams};
use wire::repair;

use super::effect::SourceId;
use super::media_clock::MediaClock;
use super::missing::Missing;
use super::standing_in::Way;
use super::window::{Rejected, Window};
use crate::clock::Now;
use crate::dead_air::Ear;
use crate::fanout::{Packet, Track};
use crate::metrics::Metrics;

/// A send time further off than this is replaced, in microseconds: 5 s.
const SEND_TIME_OFF_MAX: i32 = 5_000_000;

/// What the registry and the source's own thread share about one publish.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) source: SourceId,
    pub(crate) params: TrackParams,
    pub(crate) track: Arc<Track>,
    pub(crate) clock: Arc<MediaClock>,
    /// How a stand-in is asked to leave.
    pub(crate) way: Way,
    /// Hears every packet, covered or not, where dead air is to be noticed.
    pub(crate) ear: Option<Ear>,
    /// Whether a stand-in plays over it.
    covered: AtomicBool,
    ended: AtomicU8,
}

/// Takes the datagrams of one publish. Owned by whoever reads them.
#[derive(Debug)]
pub(crate) struct Ingest {
    feed: Arc<Feed>,
    window: Window,
    missing: Missing,
    rejected: u64,
    metrics: Arc<Metrics>,
}

impl Feed {
    pub(crate) fn new(
        source: SourceId,
        params: TrackParams,
        track: Arc<Track>,
        clock: Arc<MediaClock>,
    ) -> Self {
        Self {
            source,
            params,
            track,
            clock,
            way: Way::default(),
            ear: None,
            covered: AtomicBool::new(false),
            ended: AtomicU8::new(0),
        }
    }

    /// Ends the publish from the registry's side.
    pub(crate) fn end(&self, code: PublishEndCode) {
        let mark = match code {
            PublishEndCode::Forbidden => 2,
            _ => 1,
        };
        self.ended.store(mark, Ordering::Release);
    }

    pub(crate) fn set_covered(&self, covered: bool) {
        self.covered.store(covered, Ordering::Release);
    }

    /// Whether its packets are not passed on now.
    pub(crate) fn is_covered(&self) -> bool {
        self.covered.load(Ordering::Acquire)
    }

    /// Lets a packet be heard by who listens for dead air.
    pub(crate) fn hear(&self, packet: &Packet) {
        if let Some(ear) = &self.ear {
            ear.hear(packet);
        }
    }

    /// Why the publish was ended, if it was.
    pub(crate) fn ended(&self) -> Option<PublishEndCode> {
        match self.ended.load(Ordering::Acquire) {
            0 => None,
            2 => Some(PublishEndCode::Forbidden),
            _ => Some(PublishEndCode::TakenOver),
        }
    }
}

impl Ingest {
    /// For a publish whose first packet is to be `first`.
    pub(crate) fn new(feed: Arc<Feed>, first: u64, metrics: Arc<Metrics>, now: Now) -> Self {
        let window = Window::new(first, feed.params.frame_us, now.instant);
        Self {
            feed,
            window,
            missing: Missing::new(first),
            rejected: 0,
            metrics,
        }
    }

    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// Passes a datagram on to every listener, or tells why not.
    pub(crate) fn handle_datagram(&mut self, bytes: &[u8], now: Now) -> Result<(), Rejected> {
        let passed = self.pass(bytes, now);
        match passed {
            Ok(()) => {
                self.metrics.datagrams_in.inc();
            }
            // Not for this version to judge.
            Err(Rejected::Kind) => {}
            Err(_) => self.rejected += 1,
        }
        passed
    }

    /// What to ask the source for now, if anything is missing.
    pub(crate) fn poll_request(&mut self, now: Now) -> Option<Packet> {
        let sequences = self.missing.poll_request(now.instant);
        if sequences.is_empty() {
            return None;
        }
        let track = self.feed.track.id();
        let mut bytes = Vec::with_capacity(repair::BYTES_MAX);
        repair::encode(track, &sequences, &mut bytes).ok()?;
        self.metrics
            .source_repairs_asked
            .inc_by(sequences.len() as u64);
        Some(Packet::request(track, self.feed.params.frame_us, &bytes))
    }

    /// Received, lost and rejected so far.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        let (received, lost) = self.window.totals();
        (received, lost, self.rejected)
    }

    fn pass(&mut self, bytes: &[u8], now: Now) -> Result<(), Rejected> {
        let datagram = Datagram::decode(bytes).map_err(|error| match error {
            DecodeError::Kind(_) => Rejected::Kind,
            _ => Rejected::Malformed,
        })?;
        if datagram.track != self.feed.track.id() || self.feed.ended().is_some() {
            return Err(Rejected::Track);
        }
        self.window.covered = self.feed.is_covered();
        if datagram.copies.into_iter().next().is_none() {
            return self.pass_packet(&datagram, Some(bytes), now);
        }
        for copy in oldest_first(&datagram).into_iter().flatten() {
            let age_us = copy.age.wrapping_mul(1_000) / 48;
            let packet = Datagram {
                sequence: datagram.sequence - u64::from(copy.distance),
                timestamp: datagram.timestamp - copy.age,
                // About when it was sent by itself.
                send_time: SendTime(datagram.send_time.0.wrapping_sub(age_us as u32)),
                packet: copy.packet,
                copies: Copies::none(),
                ..datagram
            };
            // Most of them came before.
            let _ = self.pass_packet(&packet, None, now);
        }
        let own = Datagram {
            copies: Copies::none(),
            ..datagram
        };
        self.pass_packet(&own, None, now)
    }

    /// Passes on one packet by itself: what travels along is for each listener to choose.
    /// `bytes` is how it came, if it came alone.
    fn pass_packet(
        &mut self,
        datagram: &Datagram<'_>,
        bytes: Option<&[u8]>,
        now: Now,
    ) -> Result<(), Rejected> {
        self.window.check(datagram, &self.feed.clock, now.instant)?;
        if self.missing.came(datagram.sequence, now.instant) {
            self.metrics.source_repairs_came.inc();
        }
        let frame_us = self.feed.params.frame_us;
        let encode = |datagram: &Datagram<'_>| {
            Packet::encode(frame_us, datagram).map_err(|_| Rejected::Malformed)
        };
        let off = datagram.send_time.elapsed_us(now.unix_us);
        let packet = match bytes {
            _ if off.unsigned_abs() > SEND_TIME_OFF_MAX.unsigned_abs() => encode(&Datagram {
                send_time: SendTime::from_server_time(now.unix_us),
                ..*datagram
            })?,
            Some(bytes) => Packet::copy_from(frame_us, datagram, bytes),
            None => encode(datagram)?,
        };
        self.feed.hear(&packet);
        let Some(number) = self.window.place(datagram, &self.feed.clock) else {
            return Ok(());
        };
        if number == datagram.sequence {
            self.feed.track.fan_out(&packet);
            return Ok(());
        }
        // Behind what played over it.
        let moved = encode(&Datagram {
            sequence: number,
            ..*datagram
        })?;
        self.feed.track.fan_out(&moved);
        Ok(())
    }
}

/// A datagram's copies in the order of what they are copies of.
fn oldest_first<'a>(datagram: &Datagram<'a>) -> [Option<Copy<'a>>; COPIES_MAX] {
    let mut copies = [None; COPIES_MAX];
    for (slot, copy) in copies.iter_mut().zip(datagram.copies) {
        *slot = Some(copy);
    }
    copies.sort_by_key(|copy| copy.map_or(0, |copy| u8::MAX - copy.distance));
    copies
}
