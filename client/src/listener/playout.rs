//! From datagrams and metadata to what is heard and shown when: no I/O, no clock.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use media::receiver::{self, Receiver};
use media::renumber::Renumber;
use wire::audio::Datagram;
use wire::message::{Metadata, Track};
use wire::repair;

use super::{BLOCK_FRAMES, Block};

/// Metadata that may wait for its moment; the relay announces no more than this ahead
/// and tells no more of the past to who goes back.
const PENDING_MAX: usize = 128;

/// How far from where the sound is to begin a datagram may be of it, in samples: 2 s.
const EXPECTED_REACH: u64 = 96_000;

/// What a datagram was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Sound of the track played.
    Sound,
    /// Anything else.
    Foreign,
}

/// Plays one track at a time.
#[derive(Debug)]
pub(super) struct Playout {
    receiver: Receiver,
    numbers: Renumber,
    track: Option<Track>,
    /// How much later than live the track is sent.
    behind: Duration,
    /// Where the sound begins, until it came or until then.
    expected: Option<(u64, Duration)>,
    /// By timestamp, earliest first.
    pending: VecDeque<(u64, Metadata)>,
}

impl Playout {
    pub(super) fn new(config: &super::Config) -> Self {
        Self {
            receiver: Receiver::new(receiver_config(config)),
            numbers: Renumber::default(),
            track: None,
            behind: Duration::ZERO,
            expected: None,
            pending: VecDeque::new(),
        }
    }

    /// Plays that track from now on, so much later than live; the same as before goes on. So
    /// does another one of the same media time (`goes_on`), where the sound of before ends.
    pub(super) fn set_track(&mut self, track: Option<Track>, behind: Duration, goes_on: bool) {
        let id = |track: &Option<Track>| track.as_ref().map(|track| track.id);
        let same = self.behind == behind;
        if same && goes_on && self.track.is_some() && track.is_some() {
            if id(&self.track) != id(&track) {
                self.numbers.change();
            }
        } else if !same || id(&self.track) != id(&track) {
            self.receiver.restart();
            self.numbers.reset();
        }
        self.track = track;
        self.behind = behind;
    }

    /// Forgets stream and metadata, keeping what was learnt about the network: the numbers and
    /// the media time of what comes may be others, be its track's id the same.
    pub(super) fn begin_anew(&mut self) {
        self.receiver.restart();
        self.numbers.reset();
        self.track = None;
        self.pending.clear();
    }

    /// How much later than live the sound comes.
    pub(super) fn behind(&self) -> Duration {
        self.behind
    }

    /// Sound begins at that media time: until it came, or until then, what is far from it is
    /// of the moment before.
    pub(super) fn expect(&mut self, timestamp: Option<u64>, until: Duration) {
        self.expected = timestamp.map(|timestamp| (timestamp, until));
    }

    /// The track played.
    pub(super) fn track(&self) -> Option<&Track> {
        self.track.as_ref()
    }

    /// Forgets metadata of a timeline that is over.
    pub(super) fn forget_metadata(&mut self) {
        self.pending.clear();
    }

    pub(super) fn handle_datagram(&mut self, at: Duration, bytes: &[u8]) -> Heard {
        let Ok(datagram) = Datagram::decode(bytes) else {
            return Heard::Foreign;
        };
        if self.track.as_ref().map(|track| track.id) != Some(datagram.track) {
            return Heard::Foreign;
        }
        if let Some((begin, until)) = self.expected {
            if at < until && datagram.timestamp.abs_diff(begin) > EXPECTED_REACH {
                return Heard::Foreign;
            }
            self.expected = None;
        }
        if let Some(datagram) = self.numbers.map(datagram) {
            // What is no Opus packet is counted by the receiver as rejected.
            let _ = self.receiver.handle_datagram(at, &datagram);
        }
        Heard::Sound
    }

    /// Keeps metadata until its sample plays; without a timestamp it holds at once.
    pub(super) fn handle_metadata(&mut self, metadata: Metadata) {
        let from = metadata.timestamp.unwrap_or(0);
        let at = self.pending.partition_point(|(other, _)| *other <= from);
        self.pending.insert(at, (from, metadata));
        if self.pending.len() > PENDING_MAX {
            self.pending.pop_back();
        }
    }

    /// The next 10 ms, whose first sample leaves at `now`, and what holds from within them on.
    pub(super) fn pull(&mut self, now: Duration) -> (Block, Vec<(u64, Metadata)>) {
        let mut samples = vec![0.0; BLOCK_FRAMES * 2].into_boxed_slice();
        self.receiver.pull(now, &mut samples);
        // Asked afterwards: where it begins to play within the block, there is no position before.
        let end = self.receiver.position();
        let position = end.map(|end| end.saturating_sub(BLOCK_FRAMES as u64));
        let mut due = Vec::new();
        if let (Some(position), Some(end)) = (position, end) {
            while self.pending.front().is_some_and(|(from, _)| *from < end) {
                let (_, metadata) = self.pending.pop_front().expect("looked at above");
                due.push((position, metadata));
            }
        }
        (Block { samples, position }, due)
    }

    /// What to ask the relay for now.
    pub(super) fn poll_request(&mut self, now: Duration) -> Option<Bytes> {
        let track = self.track.as_ref()?.id;
        let request = self.receiver.poll_request(now)?;
        let wanted = request.sequences().iter();
        let sequences: Vec<u64> = wanted
            .filter_map(|number| self.numbers.unmap(*number))
            .collect();
        let mut bytes = Vec::with_capacity(repair::BYTES_MAX);
        repair::encode(track, &sequences, &mut bytes).ok()?;
        Some(bytes.into())
    }

    /// The level of redundancy that would serve best.
    pub(super) fn redundancy_wanted(&self) -> u8 {
        self.receiver.redundancy_wanted()
    }

    pub(super) fn set_round_trip(&mut self, round_trip: Option<Duration>) {
        self.receiver.set_round_trip(round_trip);
    }

    /// What comes late by intent is not late: delays are measured from when it was sent.
    pub(super) fn set_clock_offset(&mut self, server_minus_now_us: i64) {
        let offset = server_minus_now_us - self.behind.as_micros() as i64;
        self.receiver.set_clock_offset(Some(offset));
    }

    pub(super) fn stats(&self) -> receiver::Stats {
        self.receiver.stats()
    }
}

#[expect(
    clippy::field_reassign_with_default,
    reason = "the struct is not exhaustive"
)]
fn receiver_config(config: &super::Config) -> receiver::Config {
    let together = config.packets_together();
    // The first of a bundle comes so much later than the last, for packets of 20 ms.
    let spread = Duration::from_millis(20) * u32::from(together.saturating_sub(1));
    let mut receiver = receiver::Config::default();
    receiver.start_delay = config.start_delay + spread;
    receiver.profile = config.latency;
    receiver.repair = config.repair.unwrap_or_default();
    receiver.bundled = together > 1;
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::encoder::Config as EncoderConfig;
    use media::packetizer::Packetizer;
    use wire::TrackId;
    use wire::audio::{Copies, SendTime};
    use wire::message::{Codec, TrackParams};

    fn playout() -> Playout {
        let config = super::super::Config::new("tone".parse().unwrap());
        Playout::new(&super::super::Config {
            start_delay: Duration::from_millis(40),
            ..config
        })
    }

    fn track(id: u64) -> Track {
        Track {
            id: TrackId::new(id).unwrap(),
            rendition: "source".into(),
            params: TrackParams {
                codec: Codec::Opus,
                channels: 2,
                frame_us: 20_000,
                bitrate: 128_000,
            },
        }
    }

    fn datagrams(id: u64, from: u64) -> Vec<Vec<u8>> {
        numbered(id, 0, from)
    }

    fn numbered(id: u64, sequence: u64, from: u64) -> Vec<Vec<u8>> {
        let mut packetizer = Packetizer::new(EncoderConfig::default(), sequence, from).unwrap();
        let mut datagrams = Vec::new();
        let sound: Vec<f32> = (0..48_000 * 2)
            .map(|n| (n as f32 * 0.02).sin() / 2.0)
            .collect();
        let emit = |packet: media::EncodedPacket| {
            let mut bytes = Vec::new();
            let datagram = Datagram {
                track: TrackId::new(id).unwrap(),
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                send_time: SendTime(0),
                copies: Copies::none(),
                packet: &packet.payload,
            };
            datagram.encode(&mut bytes).unwrap();
            datagrams.push(bytes);
        };
        packetizer.push(&sound, emit).unwrap();
        datagrams
    }

    fn titled(title: &str, timestamp: u64) -> Metadata {
        Metadata {
            title: title.into(),
            timestamp: Some(timestamp),
            ..Metadata::default()
        }
    }

    #[test]
    fn metadata_is_told_with_the_block_its_sample_is_in() {
        let mut playout = playout();
        playout.set_track(Some(track(4)), Duration::ZERO, false);
        playout.handle_metadata(titled("second", 96_000 + 24_000));
        playout.handle_metadata(titled("first", 0));
        let mut told = Vec::new();
        for (n, datagram) in datagrams(4, 96_000).iter().enumerate() {
            let now = Duration::from_millis(20 * n as u64);
            assert_eq!(playout.handle_datagram(now, datagram), Heard::Sound);
            for half in 0..2 {
                let (block, due) = playout.pull(now + Duration::from_millis(10 * half));
                assert_eq!(block.samples.len(), 960);
                told.extend(due.into_iter().map(|(at, metadata)| (metadata.title, at)));
            }
        }
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].0 == "first" && told[0].1 < 97_500, "{told:?}");
        let second = told[1].1;
        assert!(
            told[1].0 == "second" && (119_520..=120_000).contains(&second),
            "{told:?}"
        );
    }

    #[test]
    fn other_tracks_and_nonsense_are_foreign() {
        let mut playout = playout();
        let now = Duration::ZERO;
        let datagram = &datagrams(4, 0)[0];
        assert_eq!(playout.handle_datagram(now, datagram), Heard::Foreign);
        playout.set_track(Some(track(5)), Duration::ZERO, false);
        assert_eq!(playout.handle_datagram(now, datagram), Heard::Foreign);
        playout.set_track(Some(track(4)), Duration::ZERO, false);
        assert_eq!(playout.handle_datagram(now, datagram), Heard::Sound);
        assert_eq!(playout.handle_datagram(now, &datagram[..3]), Heard::Foreign);
        assert_eq!(playout.handle_datagram(now, b"\xff"), Heard::Foreign);
    }

    /// Plays a second; answers when the first sound of it left, after its first packet.
    fn begins(playout: &mut Playout, from: Duration, datagrams: &[Vec<u8>]) -> Option<Duration> {
        let mut began = None;
        for (n, datagram) in datagrams.iter().enumerate() {
            let now = from + Duration::from_millis(20 * n as u64);
            assert_eq!(playout.handle_datagram(now, datagram), Heard::Sound);
            for half in 0..2 {
                let now = now + Duration::from_millis(10 * half);
                let sounds = playout.pull(now).0.position.is_some();
                began = began.or(sounds.then(|| now - from));
            }
        }
        began
    }

    #[test]
    fn a_relay_that_restarted_is_heard_within_half_a_second() {
        let mut playout = playout();
        playout.set_track(Some(track(4)), Duration::ZERO, false);
        let mut now = Duration::ZERO;
        assert!(begins(&mut playout, now, &datagrams(4, 960_000)).is_some());
        // To another rendition, whose packets are numbered on, and an outage.
        playout.set_track(Some(track(5)), Duration::ZERO, true);
        now += Duration::from_secs(1);
        assert!(begins(&mut playout, now, &numbered(5, 200, 960_000 + 48_000)).is_some());
        now += Duration::from_secs(4);
        for _ in 0..100 {
            playout.pull(now - Duration::from_secs(1));
        }
        // The new relay counts from the beginning, also its tracks.
        playout.begin_anew();
        playout.set_track(Some(track(5)), Duration::ZERO, false);
        let began = begins(&mut playout, now, &datagrams(5, 0));
        assert!(
            began.is_some_and(|after| after <= Duration::from_millis(500)),
            "{began:?}"
        );
    }

    #[test]
    fn a_step_back_in_time_is_no_lateness() {
        let mut playout = playout();
        playout.set_track(Some(track(4)), Duration::ZERO, false);
        let past = datagrams(4, 96_000);
        let back = Duration::from_secs(20);
        // Packets of a live moment that are still under way after the step.
        let live = datagrams(4, 96_000 + 20 * 48_000);
        playout.set_track(Some(track(4)), back, false);
        playout.expect(Some(96_000), Duration::from_secs(1));
        // Sent at server time 0 by the source, sent again 20 s later, and 5 ms under way.
        playout.set_clock_offset(20_005_000);
        let mut heard = None;
        for (n, datagram) in past.iter().enumerate() {
            let now = Duration::from_millis(20 * n as u64);
            if n == 0 {
                assert_eq!(playout.handle_datagram(now, &live[n]), Heard::Foreign);
            }
            playout.set_clock_offset(20_005_000 - now.as_micros() as i64);
            assert_eq!(playout.handle_datagram(now, datagram), Heard::Sound);
            for half in 0..2 {
                let (block, _) = playout.pull(now + Duration::from_millis(10 * half));
                heard = heard.or(block.position);
            }
        }
        assert!(heard.is_some_and(|at| at < 97_500), "{heard:?}");
        let stats = playout.stats();
        assert_eq!(
            (stats.late, stats.lost, stats.restarts),
            (0, 0, 0),
            "{stats:?}"
        );
        let delay = stats.play.unwrap();
        assert!(delay.p99 < 200.0, "the delay is that of the way: {delay:?}");
        // Later on everything is taken: a station may pause.
        playout.expect(Some(5), Duration::from_secs(3));
        let late = Duration::from_secs(4);
        assert_eq!(playout.handle_datagram(late, &live[49]), Heard::Sound);
    }

    #[test]
    fn announcing_without_end_is_bounded() {
        let mut playout = playout();
        for at in 0..10_000 {
            playout.handle_metadata(titled("x", at));
        }
        assert_eq!(playout.pending.len(), PENDING_MAX);
        assert_eq!(playout.pending[0].0, 0);
    }
}
