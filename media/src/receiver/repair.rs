//! What is missing: how much is lost and in which way, what to ask for again, and how many
//! copies are worth their bytes.

mod losses;

use std::time::Duration;

use super::profile::{Profile, Repair};
use super::slots::Content;
use super::{Receiver, State, Stream};
pub(super) use losses::Repairs;
use losses::{ASKED, Asked};

/// Sequences in one [`Request`] at most.
pub const REQUEST_MAX: usize = 32;

/// Distances of the copies a datagram carries at each redundancy level: spaced, because
/// neighbours are lost together.
pub const COPY_DISTANCES: [&[u8]; 3] = [&[], &[1], &[1, 4]];

/// Packets expected after the newest that are asked for before a later one proves the loss.
const AHEAD: u64 = 8;

/// Most tries for one packet, over all rounds.
const TRIES_MAX: u8 = 12;

/// Packets to be sent again, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    sequences: [u64; REQUEST_MAX],
    len: usize,
}

impl Request {
    /// The packets' sequences, 1 to [`REQUEST_MAX`], ascending.
    #[must_use]
    pub fn sequences(&self) -> &[u64] {
        &self.sequences[..self.len]
    }
}

impl Receiver {
    /// Tells the round trip to whom requests go, as the session measures it; `None` when it
    /// is not known, then 100 ms are assumed.
    pub fn set_round_trip(&mut self, round_trip: Option<Duration>) {
        self.repairs.round_trip = round_trip;
    }

    /// Takes another profile from now on; the delay follows without a gap.
    pub fn set_profile(&mut self, profile: Profile) {
        self.config.profile = profile;
        self.delay.set_profile(profile);
    }

    /// Takes another budget for repair from now on.
    pub fn set_repair(&mut self, repair: Repair) {
        self.config.repair = repair;
    }

    /// The redundancy level that would serve best: 0, 1 or 2, with copies at
    /// [`COPY_DISTANCES`]. Rises at once, falls after 15 s in which less was enough.
    /// Retransmission is preferred where it comes in time; copies keep within the budget.
    #[must_use]
    pub fn redundancy_wanted(&self) -> u8 {
        self.repairs.level
    }

    /// Packets to be sent again, now. Ask after every packet and every pull, and send every
    /// answer in one datagram; `None` means nothing is to be sent.
    ///
    /// A packet is asked for when it is missing, neither just late nor about to be brought
    /// by a copy, and only while the answer can come before its turn. Where much is lost it
    /// is asked for several times within a round trip, each to be answered, 12 times at most.
    pub fn poll_request(&mut self, now: Duration) -> Option<Request> {
        let stream = self.stream?;
        if self.state == State::Interrupted {
            return None;
        }
        let patience_ms = self.patience_now_ms();
        let mut request = Request {
            sequences: [0; REQUEST_MAX],
            len: 0,
        };
        let end = stream.newest.sequence + AHEAD;
        let from = stream.next_sequence.max(end.saturating_sub(ASKED - 1));
        for sequence in from..=end {
            if request.len == REQUEST_MAX {
                break;
            }
            if self.asks_for(now, &stream, sequence, patience_ms) {
                request.sequences[request.len] = sequence;
                request.len += 1;
            }
        }
        self.counts.requested += request.len as u64;
        let seconds = f64::from(stream.newest.samples) / 48_000.0;
        self.repairs.spend(request.len as f64, seconds);
        (request.len > 0).then_some(request)
    }

    /// How late a packet may be before it is taken for lost.
    fn patience_ms(&self) -> f64 {
        // Where much is lost, asking in vain now and then costs less than asking late.
        let patience_ms = if self.repairs.loss() > 0.02 {
            self.delay.percentile_ms(0.95) + 1.0
        } else {
            self.delay.percentile_ms(0.98) + 2.0
        };
        // What a bundle is to bring is not asked for before, nor learned from then.
        patience_ms.max(self.spread_ms + 2.0)
    }

    /// The same, in the light of the packets before it: on a path whose delay wanders, most
    /// of what is late is known for it sooner.
    fn patience_now_ms(&self) -> f64 {
        let expected_ms = self.delay.expected_ms(0.98).max(self.spread_ms) + 2.0;
        expected_ms.min(self.patience_ms())
    }

    fn asks_for(
        &mut self,
        now: Duration,
        stream: &Stream,
        sequence: u64,
        patience_ms: f64,
    ) -> bool {
        let slot = self.slots.slot(sequence);
        if slot.sequence == sequence && slot.content != Content::Empty {
            return false;
        }
        let timestamp = stream.timestamp_of(sequence);
        let Some(age_ms) = self.delay.slack_ms(now, timestamp) else {
            return false;
        };
        let overtaken = sequence < stream.newest.sequence;
        let in_order = self.repairs.reordered < 0.01 * self.repairs.total;
        let mut patience_ms = if overtaken && in_order {
            0.0
        } else {
            patience_ms
        };
        let round_trip_ms = self.repairs.round_trip_ms();
        let last_useful_ms = self.play_delay_ms(now).max(self.delay.target_ms());
        // Its copy comes with the next packet, if there is time to wait for that and then ask.
        let frame_ms = f64::from(stream.newest.samples) / 48.0;
        let leisure_ms =
            last_useful_ms - round_trip_ms - self.repairs.spread_ms(self.config.repair);
        if self.repairs.level > 0 && patience_ms + frame_ms < leisure_ms {
            patience_ms += frame_ms;
        }
        if age_ms < patience_ms {
            return false;
        }
        let left_ms = last_useful_ms - round_trip_ms - age_ms;
        left_ms >= 0.0 && self.tries_now(now, sequence, left_ms)
    }

    /// Whether `sequence` is to be asked for now, for the first time or again, where tries are
    /// of use for another `left_ms`.
    fn tries_now(&mut self, now: Duration, sequence: u64, left_ms: f64) -> bool {
        let asked = self.repairs.asked[(sequence % ASKED) as usize];
        let first = asked.sequence != sequence || asked.tries == 0;
        if !first {
            let tries = self.repairs.tries(self.config.repair);
            let bursty = self.repairs.is_bursty() && self.config.repair != Repair::Economy;
            let done = asked.tries % tries;
            let waited_ms = now.saturating_sub(asked.last).as_secs_f64() * 1e3;
            let wait_ms = if done == 0 && !bursty {
                self.repairs.answer_ms()
            } else {
                self.repairs.pause_ms(left_ms + waited_ms, tries - done)
            };
            if asked.tries >= TRIES_MAX || waited_ms < wait_ms {
                return false;
            }
        }
        self.repairs.asked[(sequence % ASKED) as usize] = Asked {
            sequence,
            tries: if first { 1 } else { asked.tries + 1 },
            first: if first { now } else { asked.first },
            last: now,
        };
        true
    }

    /// How late after the luckiest packet one may come now and still be played.
    fn play_delay_ms(&self, now: Duration) -> f64 {
        let Some(stream) = self.stream else {
            return 0.0;
        };
        let pending_ms = self.voice.pcm.pending() as f64 / 48.0;
        match self.delay.slack_ms(now, stream.next_timestamp) {
            Some(slack_ms) if self.state == State::Playing => slack_ms + pending_ms,
            _ => 0.0,
        }
    }

    /// Judges what had its time to arrive, now that `newest` is here.
    pub(super) fn judge_losses(&mut self) {
        let Some(stream) = self.stream else {
            return;
        };
        let newest = stream.newest.sequence;
        let seconds = f64::from(stream.newest.samples) / 48_000.0;
        let judged = *self.repairs.judged.get_or_insert(newest);
        let mut next = judged.max(newest.saturating_sub(ASKED));
        // Of what lies further back nothing is known, and there is only an outage to blame.
        self.counts.missing += next - judged;
        // Two later packets make allowance for those that swap places.
        while next + 2 <= newest {
            let slot = self.slots.slot(next);
            let arrived = slot.sequence == next && slot.original;
            if !arrived {
                self.counts.missing += 1;
            }
            self.repairs.judge(arrived, seconds);
            let retransmits = self.retransmission_ms().is_some();
            self.repairs
                .choose_level(retransmits, self.config.repair, seconds);
            next += 1;
        }
        self.repairs.judged = Some(next);
        self.repairs.later_ms = self.delay.later_ms();
        let repair_ms = self.repair_delay_ms();
        self.delay.set_repair_ms(repair_ms);
    }

    /// The delay play-out is to have for repair to come in time; 0 where it is not needed or
    /// cannot.
    fn repair_delay_ms(&mut self) -> f64 {
        if !self.repairs.is_worth_waiting(self.config.profile) {
            return 0.0;
        }
        self.retransmission_ms().unwrap_or(0.0)
    }

    fn retransmission_ms(&self) -> Option<f64> {
        let max_ms = self.config.profile.repair_ms_max();
        self.repairs
            .delay_ms(self.patience_ms(), self.config.repair, max_ms)
    }

    /// Whether `sequence` was judged lost already.
    pub(super) fn was_judged(&self, sequence: u64) -> bool {
        self.repairs.judged.is_some_and(|judged| sequence < judged)
    }
}
