//! The receiver's way out: decides what sounds next.

use std::time::Duration;

use super::pcm::Source;
use super::slots::{Content, SLOTS};
use super::{Event, Receiver, State, stretch, voice};
use crate::SAMPLE_RATE;
use crate::decoder::CONCEAL_STEP;

/// Silence is made in pieces of 2.5 ms, so that play-out begins on time.
const SILENCE_STEP: usize = 120;

/// Concealment while waiting for a late packet is made in pieces of at most 10 ms: the less
/// was made up when it comes, the less the delay grows.
const DRY_STEP: usize = 480;

/// Concealment of what is known to be missing: at most 60 ms at once, so that a packet which
/// comes meanwhile still finds its place.
const LOST_STEP: u64 = 2880;

/// How often sound is eked out for one packet, and from how many samples on it has been enough.
const EKE_TIMES: u8 = 2;
const EKE_SAMPLES: usize = 480;

/// Sound eked out for a packet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Eked {
    sequence: Option<u64>,
    times: u8,
    samples: usize,
}

/// Share of packets that come sooner than one that is taken for late.
const LATE: f64 = 0.99;

/// Longer pulls are of no use for playing live; the delay is not made up for them.
const PULL_MAX_MS: f64 = 100.0;

fn ms(samples: u64) -> f64 {
    samples as f64 * 1e3 / f64::from(SAMPLE_RATE)
}

impl Receiver {
    /// Fills `out` with interleaved stereo at the output rate, of any length from one sample
    /// pair up; an odd last value is set to 0. `now` is when the first sample leaves.
    ///
    /// Costs one packet's decoding per packet's duration. Does not allocate, but for what the
    /// decoder does ([`crate::decoder::Decoder`]).
    pub fn pull(&mut self, now: Duration, out: &mut [f32]) {
        let seconds = (out.len() / 2) as f64 / f64::from(self.config.output_rate);
        self.pull_ms = (seconds * 1e3).min(PULL_MAX_MS);
        self.eke_out(now, seconds);
        let mut filled = 0;
        while out.len() - filled >= 2 {
            let speed = self.speed.factor();
            let frames = self.voice.pcm.read(&mut out[filled..], speed);
            filled += frames * 2;
            if out.len() - filled >= 2 {
                self.advance(now);
            }
        }
        out[filled..].fill(0.0);
        self.voice.pcm.compact();
        self.correct_speed(now, seconds);
    }

    /// Where sound is about to run out though its packet may come any moment, repeats a little
    /// of what there still is, and once more where that was little: what is stretched sounds
    /// better than what is made up, and the decoder goes on undisturbed.
    fn eke_out(&mut self, now: Duration, seconds: f64) {
        let (State::Playing, 0, Some(stream)) = (self.state, self.dry, self.stream) else {
            return;
        };
        let next = stream.next_sequence;
        if self.eked.sequence != Some(next) {
            self.eked = Eked {
                sequence: Some(next),
                ..Eked::default()
            };
        }
        let is_enough = self.eked.times == EKE_TIMES || self.eked.samples >= EKE_SAMPLES;
        if !self.config.stretch || is_enough || self.slots.is_stored(next) {
            return;
        }
        let needed = (seconds * f64::from(SAMPLE_RATE)) as usize + voice::SEAM_MIN;
        if self.voice.pcm.untouched() >= needed || !self.may_come_yet(now) {
            return;
        }
        let added = self.voice.eke_out(stream.next_timestamp);
        self.eked.times += 1;
        self.eked.samples += added;
        if added > 0 {
            self.counts.stretched_ms += ms(added as u64);
            self.speed.stretched(-ms(added as u64));
        }
    }

    /// Whether the packet whose turn comes next is later than most, or the answer to a request
    /// for it is due.
    fn may_come_yet(&self, now: Duration) -> bool {
        let Some(stream) = self.stream else {
            return false;
        };
        if stream.newest.sequence >= stream.next_sequence {
            return self.repairs.is_answer_due(now, stream.next_sequence);
        }
        let age_ms = self.delay.slack_ms(now, stream.next_timestamp);
        age_ms.is_some_and(|age_ms| age_ms > self.delay.percentile_ms(LATE))
    }

    /// Measures the delay of the sample that plays after this pull. At `now` it is the
    /// longest ahead of its need of all that this pull had decoded, so a packet within the
    /// target is there whichever way packets and pulls interleave.
    fn correct_speed(&mut self, now: Duration, seconds: f64) {
        let (State::Playing, 0, Some(stream)) = (self.state, self.dry, self.stream) else {
            return;
        };
        let Some(decoded_ms) = self.delay.slack_ms(now, stream.next_timestamp) else {
            return;
        };
        let delay_ms = decoded_ms + ms(self.voice.pcm.pending() as u64);
        self.speed.update(delay_ms, self.delay.target_ms(), seconds);
    }

    /// Appends at least one sample to the queue, or moves on in the stream towards doing so.
    fn advance(&mut self, now: Duration) {
        if self.state == State::Playing {
            self.continue_stream(now);
        } else if !self.begin(now) {
            self.voice.silence(SILENCE_STEP);
        }
    }

    fn continue_stream(&mut self, now: Duration) {
        let stream = self.stream.expect("playing without a stream");
        let next = self
            .slots
            .first_stored(stream.next_sequence, stream.newest.sequence);
        let Some((sequence, timestamp)) = next.map(|slot| (slot.sequence, slot.timestamp)) else {
            return self.run_dry();
        };
        let delay_ms = self
            .delay
            .slack_ms(now, stream.next_timestamp)
            .unwrap_or(0.0);
        let limit_ms = self.delay.target_ms() + self.config.skip_above.as_secs_f64() * 1e3;
        if delay_ms > limit_ms && self.skip(now) {
            return;
        }
        let gap = timestamp.saturating_sub(stream.next_timestamp);
        if sequence > stream.next_sequence {
            self.pass_missing(sequence - stream.next_sequence, gap);
        } else if gap >= CONCEAL_STEP as u64 {
            // The source left out time, not packets.
            self.conceal_stream(gap);
        } else {
            self.play(now);
        }
    }

    /// Plays the packet whose turn it is, and those behind it that stretching needs.
    fn play(&mut self, now: Duration) {
        let wish = self.stretch_wish();
        loop {
            self.play_one(now);
            let held = self.voice.held();
            if wish == 0 || held == 0 || held >= stretch::ENOUGH || !self.is_next_at_hand() {
                break;
            }
        }
        let stream = self.stream.expect("playing without a stream");
        let likeness = self.speed.likeness();
        let done = self.voice.release(stream.next_timestamp, wish, likeness);
        if wish != 0 {
            self.counts.stretched_ms += ms(done.unsigned_abs());
            self.speed.stretched(done as f64 / 48.0);
        }
    }

    /// By how many samples sound is to become shorter, or longer below 0; mostly 0.
    fn stretch_wish(&self) -> i64 {
        if !self.config.stretch || self.dry > 0 {
            return 0;
        }
        let wish_ms = self.speed.stretch_ms(self.delay.target_ms());
        (wish_ms * 48.0) as i64
    }

    /// Whether the next packet is here and follows without a gap.
    fn is_next_at_hand(&self) -> bool {
        let stream = self.stream.expect("playing without a stream");
        let slot = self.slots.slot(stream.next_sequence);
        self.slots.is_stored(stream.next_sequence) && slot.timestamp == stream.next_timestamp
    }

    /// Decodes the packet whose turn it is.
    fn play_one(&mut self, now: Duration) {
        let stream = self.stream.as_mut().expect("playing without a stream");
        let slot = self.slots.slot(stream.next_sequence);
        let (samples, timestamp) = (slot.samples, slot.timestamp);
        // What a source sends twice under two numbers is heard once.
        let passed = stream.next_timestamp.saturating_sub(timestamp);
        let passed = passed.min(u64::from(samples));
        let ahead = self.voice.pcm.pending() + self.voice.held();
        let pending = Duration::from_secs_f64(ms(ahead as u64) / 1e3);
        if let (Some(offset), Some(sent)) = (self.clock_offset_us, slot.send_time) {
            let leaves = ((now + pending).as_micros() as i64).wrapping_add(offset);
            let elapsed_us = (leaves as u32).wrapping_sub(sent) as i32;
            self.play_delay.add(f64::from(elapsed_us) / 1e3, 1.0);
        }
        if slot.copy {
            self.counts.recovered += 1;
        } else if slot.repaired {
            self.counts.retransmitted += 1;
        }
        let end = timestamp + u64::from(samples);
        let played = self.voice.play(&slot.payload, passed as usize, end);
        if played.is_err() {
            self.counts.rejected += 1;
            self.counts.concealed_ms += ms(u64::from(samples) - passed);
        }
        self.slots.settle(stream.next_sequence, Content::Played);
        stream.next_sequence += 1;
        stream.next_timestamp = stream.next_timestamp.max(end);
        if self.dry > 0 {
            self.dry = 0;
            self.counts.underruns += 1;
        }
    }

    /// Conceals the packet whose turn it is, one of `missing` that share `gap` samples.
    fn pass_missing(&mut self, missing: u64, gap: u64) {
        let stream = self.stream.as_mut().expect("playing without a stream");
        self.slots.settle(stream.next_sequence, Content::Missed);
        stream.next_sequence += 1;
        self.repairs.passed(stream.next_sequence - 1);
        self.counts.lost += 1;
        // What was made up while waiting turns out to have been in this packet's place.
        let share = gap / missing;
        let filled = (self.dry as u64).min(share);
        self.dry -= filled as usize;
        stream.next_timestamp += filled;
        self.conceal_stream(share - filled);
    }

    /// Conceals `samples` of the stream, at most [`LOST_STEP`], in whole decoder steps.
    fn conceal_stream(&mut self, samples: u64) {
        let stream = self.stream.as_mut().expect("playing without a stream");
        let samples = samples.min(LOST_STEP);
        let whole = samples / CONCEAL_STEP as u64 * CONCEAL_STEP as u64;
        if whole > 0 {
            self.counts.concealed_ms += ms(whole);
            let source = Source::Running(stream.next_timestamp);
            self.voice.conceal(whole as usize, source);
        }
        stream.next_timestamp += samples;
    }

    /// Nothing to play: makes up a little while the stream stands still.
    fn run_dry(&mut self) {
        let stream = self.stream.expect("playing without a stream");
        if self.voice.is_faded() {
            self.counts.underruns += 1;
            self.dry = 0;
            self.speed.restart();
            self.voice.stop();
            self.set_state(State::Interrupted);
            return;
        }
        let step = (stream.newest.samples as usize).min(DRY_STEP) / CONCEAL_STEP * CONCEAL_STEP;
        let step = step.max(CONCEAL_STEP);
        self.voice
            .conceal(step, Source::Held(stream.next_timestamp));
        self.counts.concealed_ms += ms(step as u64);
        self.dry += step;
    }

    /// Begins to play if a packet has waited for long enough.
    fn begin(&mut self, now: Duration) -> bool {
        let Some((sequence, timestamp, delay_ms)) = self.best_start(now) else {
            return false;
        };
        // What begins with this pull is a pull further when it ends.
        if delay_ms < self.delay.target_ms() + self.pull_ms {
            return false;
        }
        self.jump(sequence, timestamp);
        self.set_state(State::Playing);
        true
    }

    /// Passes over what is too old; answers whether anything was.
    fn skip(&mut self, now: Duration) -> bool {
        let from = self.stream.map_or(0, |stream| stream.next_timestamp);
        let Some((sequence, timestamp, _)) = self.best_start(now) else {
            return false;
        };
        if timestamp <= from {
            return false;
        }
        self.counts.skipped_ms += ms(timestamp - from);
        self.voice.splice();
        self.jump(sequence, timestamp);
        self.speed.restart();
        self.push_event(Event::Skipped(from, timestamp));
        true
    }

    /// The oldest stored packet that is not older than the target delay asks for, or else the
    /// newest: sequence, timestamp and delay.
    fn best_start(&self, now: Duration) -> Option<(u64, u64, f64)> {
        let stream = self.stream?;
        let newest = stream.newest.sequence;
        let frame_ms = ms(u64::from(stream.newest.samples));
        let limit_ms = self.delay.target_ms() + self.pull_ms + frame_ms;
        let mut best = None;
        let mut from = stream.next_sequence;
        while let Some(slot) = self.slots.first_stored(from, newest) {
            from = slot.sequence + 1;
            if stream.began && slot.timestamp < stream.next_timestamp {
                // Its time was played already, under another number.
                continue;
            }
            let delay_ms = self.delay.slack_ms(now, slot.timestamp)?;
            best = Some((slot.sequence, slot.timestamp, delay_ms));
            if delay_ms <= limit_ms {
                break;
            }
        }
        best
    }

    /// Goes to a stored packet; settles all before it.
    fn jump(&mut self, sequence: u64, timestamp: u64) {
        let stream = self.stream.as_mut().expect("jumping without a stream");
        let known_from = stream.next_sequence.max(sequence.saturating_sub(SLOTS - 1));
        let mut there = 0;
        for passed in known_from..sequence {
            if self.slots.is_stored(passed) {
                there += 1;
                self.slots.settle(passed, Content::Played);
            } else {
                self.slots.settle(passed, Content::Missed);
            }
        }
        // Beyond the ring nothing is known: those that came were dropped as the oldest.
        self.counts.lost += sequence - known_from - there;
        stream.next_sequence = sequence;
        stream.next_timestamp = timestamp;
        stream.began = true;
        self.dry = 0;
    }
}
