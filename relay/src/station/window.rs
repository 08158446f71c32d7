//! Which packets of a source came, and which datagrams are to be believed.

use std::time::{Duration, Instant};

use wire::audio::Datagram;

use super::media_clock::{MediaClock, TIMESTAMP_RANGE};
use crate::session::bucket::Bucket;

/// How far behind the newest a sequence may be.
pub(crate) const BEHIND_MAX: u64 = 512;

/// How far ahead of the newest a sequence may be: a minute of the longest frames.
pub(crate) const AHEAD_MAX: u64 = 3_000;

const WORDS: usize = BEHIND_MAX as usize / 64;

/// Why a source's datagram is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// No audio datagram.
    Malformed,
    /// A datagram of a kind this version does not know.
    Kind,
    /// A track the session does not own, or owns no more.
    Track,
    /// Too far behind or ahead of the newest.
    Sequence,
    /// Passed on before.
    Duplicate,
    /// Too far from the station's clock.
    Timestamp,
    /// Far more packets than the track's frames make.
    Rate,
    /// The session is no source.
    NoSource,
}

impl Rejected {
    /// A word for it in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Kind => "kind",
            Self::Track => "track",
            Self::Sequence => "sequence",
            Self::Duplicate => "duplicate",
            Self::Timestamp => "timestamp",
            Self::Rate => "rate",
            Self::NoSource => "no_source",
        }
    }
}

/// Judges the datagrams of one publish.
#[derive(Debug)]
pub(crate) struct Window {
    first: u64,
    newest: Option<u64>,
    /// Bit n of the whole is set when sequence `newest - n` came.
    seen: [u64; WORDS],
    came: u64,
    frame_samples: u64,
    rate: Bucket,
    followed_at: Instant,
    /// Whether a stand-in plays over the source.
    pub(super) covered: bool,
    /// Since it did: the source's first packet that is passed on again, and by how much
    /// its numbers are moved.
    moved: Option<(u64, u64)>,
    /// Whether packets are kept back until their place is known.
    out_of_place: bool,
}

impl Window {
    /// For a publish whose first packet is to be `first`.
    pub(crate) fn new(first: u64, frame_us: u32, now: Instant) -> Self {
        // Twice the frame rate on average, and ten seconds of it at once: what the
        // range of timestamps allows. Beyond it nobody could play what is sent.
        let per_second = 2_000_000_u32.div_ceil(frame_us.max(1));
        Self {
            first,
            newest: None,
            seen: [0; WORDS],
            came: 0,
            frame_samples: u64::from(frame_us) * 48 / 1000,
            rate: Bucket::new(per_second, per_second * 10, now),
            followed_at: now,
            covered: false,
            moved: None,
            out_of_place: false,
        }
    }

    /// Judges a datagram of the right track; one that passes is noted.
    pub(crate) fn check(
        &mut self,
        datagram: &Datagram<'_>,
        clock: &MediaClock,
        now: Instant,
    ) -> Result<(), Rejected> {
        let sequence = datagram.sequence;
        let newest = self.newest.unwrap_or(self.first);
        let oldest = newest.saturating_sub(BEHIND_MAX).max(self.first);
        if sequence < oldest || sequence > newest + AHEAD_MAX {
            return Err(Rejected::Sequence);
        }
        if datagram.timestamp.abs_diff(clock.timestamp(now)) > TIMESTAMP_RANGE {
            return Err(Rejected::Timestamp);
        }
        if self.has(sequence) {
            return Err(Rejected::Duplicate);
        }
        self.rate.take(now).map_err(|_| Rejected::Rate)?;
        let is_newest = self.newest.is_none_or(|newest| sequence > newest);
        self.note(sequence);
        if is_newest && self.covered {
            self.out_of_place = true;
        }
        if is_newest && !self.out_of_place {
            let sequence = sequence + self.moved.map_or(0, |(_, by)| by);
            clock.passed(sequence, datagram.timestamp + self.frame_samples);
            let since = now.saturating_duration_since(self.followed_at);
            // Tiny steps would round to nothing.
            if since >= Duration::from_millis(250) {
                clock.follow(datagram.timestamp, now, since);
                self.followed_at = now;
            }
        }
        Ok(())
    }

    /// The number under which listeners get a packet that was checked; none when they do
    /// not, because a stand-in plays over the source, or did when it was sent.
    pub(crate) fn place(&mut self, datagram: &Datagram<'_>, clock: &MediaClock) -> Option<u64> {
        if self.covered {
            return None;
        }
        if self.out_of_place {
            let (next, end) = clock.end();
            if self.newest != Some(datagram.sequence) || datagram.timestamp < end {
                return None;
            }
            self.out_of_place = false;
            let by = next.saturating_sub(datagram.sequence);
            self.moved = Some((datagram.sequence, by));
            let end = datagram.timestamp + self.frame_samples;
            clock.passed(datagram.sequence + by, end);
        }
        match self.moved {
            Some((from, _)) if datagram.sequence < from => None,
            Some((_, by)) => Some(datagram.sequence + by),
            None => Some(datagram.sequence),
        }
    }

    /// Packets that came, and those up to the newest that did not.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let expected = self.newest.map_or(0, |newest| newest + 1 - self.first);
        (self.came, expected.saturating_sub(self.came))
    }

    fn has(&self, sequence: u64) -> bool {
        let Some(age) = self.newest.and_then(|newest| newest.checked_sub(sequence)) else {
            return false;
        };
        // What is as old as the window is long cannot be told from a duplicate.
        age >= BEHIND_MAX || self.seen[age as usize / 64] & (1 << (age % 64)) != 0
    }

    fn note(&mut self, sequence: u64) {
        self.came += 1;
        match self.newest {
            Some(newest) if sequence <= newest => {
                let age = newest - sequence;
                self.seen[age as usize / 64] |= 1 << (age % 64);
            }
            newest => {
                self.age(newest.map_or(BEHIND_MAX, |newest| sequence - newest));
                self.newest = Some(sequence);
                self.seen[0] |= 1;
            }
        }
    }

    /// Makes everything seen older by `steps`.
    fn age(&mut self, steps: u64) {
        if steps >= BEHIND_MAX {
            self.seen = [0; WORDS];
            return;
        }
        let (words, bits) = (steps as usize / 64, steps % 64);
        for index in (0..WORDS).rev() {
            let low = index.checked_sub(words).map_or(0, |from| self.seen[from]);
            let carry = index
                .checked_sub(words + 1)
                .map_or(0, |from| self.seen[from]);
            let carried = if bits == 0 { 0 } else { carry >> (64 - bits) };
            self.seen[index] = low << bits | carried;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};
    use std::collections::BTreeSet;
    use wire::TrackId;
    use wire::audio::{Copies, SendTime};

    fn datagram(sequence: u64, timestamp: u64) -> Datagram<'static> {
        Datagram {
            track: TrackId::new(1).unwrap(),
            sequence,
            timestamp,
            send_time: SendTime(0),
            copies: Copies::none(),
            packet: &[1],
        }
    }

    #[test]
    fn absurd_sequences_and_timestamps_are_rejected() {
        let now = Instant::now();
        let clock = MediaClock::new(now);
        let mut window = Window::new(1000, 20_000, now);
        let mut check =
            |sequence, timestamp| window.check(&datagram(sequence, timestamp), &clock, now);
        assert_eq!(check(999, 0), Err(Rejected::Sequence), "before the publish");
        assert_eq!(check(4_001, 0), Err(Rejected::Sequence));
        assert_eq!(check(u64::MAX >> 2, 0), Err(Rejected::Sequence));
        assert_eq!(check(1000, 480_001), Err(Rejected::Timestamp));
        assert_eq!(check(1000, u64::MAX >> 2), Err(Rejected::Timestamp));
        assert_eq!(check(1000, 480_000), Ok(()));
        assert_eq!(check(1000, 0), Err(Rejected::Duplicate));
        assert_eq!(check(4_000, 0), Ok(()));
        assert_eq!(check(3_488, 0), Err(Rejected::Duplicate), "too old to tell");
        assert_eq!(check(3_489, 0), Ok(()));
        assert_eq!(check(3_487, 0), Err(Rejected::Sequence));
    }

    #[test]
    fn a_source_that_was_played_over_goes_on_behind_what_played() {
        let now = Instant::now();
        let clock = MediaClock::new(now);
        let mut window = Window::new(0, 20_000, now);
        let place = |window: &mut Window, sequence: u64| {
            let datagram = datagram(sequence, sequence * 960);
            window.check(&datagram, &clock, now).unwrap();
            window.place(&datagram, &clock)
        };
        for sequence in [0, 1, 2, 4] {
            assert_eq!(place(&mut window, sequence), Some(sequence));
        }
        // A stand-in sends in frames of half the length, six of them.
        window.covered = true;
        for sequence in [5, 6, 8] {
            assert_eq!(place(&mut window, sequence), None);
        }
        assert_eq!(clock.end(), (5, 5 * 960), "what nobody hears moves nothing");
        for number in 5..11 {
            clock.passed(number, 4_800 + (number - 4) * 480);
        }
        window.covered = false;
        assert_eq!(place(&mut window, 3), None, "older than what played");
        assert_eq!(place(&mut window, 7), None, "it was played over");
        assert_eq!(place(&mut window, 9), Some(11));
        assert_eq!(place(&mut window, 11), Some(13));
        assert_eq!(place(&mut window, 10), Some(12), "late, but in its place");
        assert_eq!(clock.end(), (14, 12 * 960));
    }

    #[test]
    fn a_hundred_times_too_fast_is_cut_to_twice() {
        let start = Instant::now();
        let clock = MediaClock::new(start);
        let mut window = Window::new(0, 20_000, start);
        let (mut passed, mut sequence) = (0, 0);
        for step in 0..60_000 {
            let now = start + Duration::from_millis(step);
            for _ in 0..5 {
                let timestamp = clock.timestamp(now);
                passed += u64::from(
                    window
                        .check(&datagram(sequence, timestamp), &clock, now)
                        .is_ok(),
                );
                sequence += 1;
            }
        }
        assert!(passed <= 60 * 100 + 1000, "{passed}");
    }

    #[test]
    fn it_agrees_with_a_set_on_random_arrivals() {
        let seed: u64 = rand::random();
        println!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let now = Instant::now();
        let clock = MediaClock::new(now);
        let mut window = Window::new(0, 20_000, now);
        window.rate = Bucket::new(1, 1_000_000, now);
        let (mut came, mut newest) = (BTreeSet::new(), 0_u64);
        for _ in 0..20_000 {
            let leap = if random.random_bool(0.01) { 600 } else { 4 };
            let step = random.random_range(0..leap);
            let back = random.random_range(0..100);
            let sequence = (newest + step).saturating_sub(back);
            let fresh = came.insert(sequence);
            let passed = window.check(&datagram(sequence, 0), &clock, now);
            assert_eq!(
                passed,
                if fresh {
                    Ok(())
                } else {
                    Err(Rejected::Duplicate)
                }
            );
            newest = newest.max(sequence);
        }
        assert_eq!(
            window.totals(),
            (came.len() as u64, newest + 1 - came.len() as u64)
        );
    }
}
