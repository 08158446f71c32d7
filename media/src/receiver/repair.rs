//! What is missing: how much is lost and in which way, what to ask for again, and how many
//! copies are worth their bytes.

use std::time::Duration;

use super::profile::{Profile, Repair};
use super::slots::Content;
use super::{Receiver, State, Stream};

/// Sequences in one [`Request`] at most.
pub const REQUEST_MAX: usize = 32;

/// Distances of the copies a datagram carries at each redundancy level: spaced, because
/// neighbours are lost together.
pub const COPY_DISTANCES: [&[u8]; 3] = [&[], &[1], &[1, 4]];

/// Sequences whose requests are remembered.
const ASKED: u64 = 256;

/// Packets expected after the newest that are asked for before a later one proves the loss.
const AHEAD: u64 = 8;

/// Most tries for one packet, over all rounds.
const TRIES_MAX: u8 = 12;

/// Packets asked for in vain, in a row, after which nobody waits for answers any more.
const IN_VAIN_MAX: u32 = 12;

/// Intervals between tries that play-out waits for where losses come in bursts.
const BURST_TRIES: f64 = 4.7;

/// Round trip assumed while none is measured.
const ROUND_TRIP_MS: f64 = 100.0;

/// Memory of the loss statistics, in seconds.
const MEMORY_S: f64 = 20.0;

/// A gap from here on is an outage, not loss: it says nothing about which repair helps.
const OUTAGE_MS: f64 = 400.0;

/// How long a lower redundancy level has to suffice before it is taken, in packets' time.
const CALM_S: f64 = 15.0;

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

/// When a sequence was asked for.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    sequence: u64,
    tries: u8,
    first: Duration,
    last: Duration,
}

#[derive(Debug)]
pub(super) struct Repairs {
    asked: Box<[Asked]>,
    round_trip: Option<Duration>,
    /// Everything before was judged: lost or not.
    judged: Option<u64>,
    /// Decaying counts.
    lost: f64,
    bursts: f64,
    total: f64,
    reordered: f64,
    /// Packets asked for in a row that never came.
    in_vain: u32,
    /// Losses in a row up to the sequence judged last.
    run: u64,
    /// Share of the stream's bytes that repair may still cost, in seconds of the stream.
    purse_s: f64,
    level: u8,
    /// For how long a lower level would have done.
    calm_s: f64,
}

impl Repairs {
    pub(super) fn new() -> Self {
        Self {
            asked: vec![Asked::default(); ASKED as usize].into_boxed_slice(),
            round_trip: None,
            judged: None,
            lost: 0.0,
            bursts: 0.0,
            total: 0.0,
            reordered: 0.0,
            in_vain: 0,
            run: 0,
            purse_s: 0.0,
            level: 0,
            calm_s: 0.0,
        }
    }

    /// Forgets the sequences, not what was learnt about the path.
    pub(super) fn forget_sequences(&mut self) {
        self.judged = None;
        self.run = 0;
        self.asked.fill(Asked::default());
    }

    fn round_trip_ms(&self) -> f64 {
        self.round_trip
            .map_or(ROUND_TRIP_MS, |time| time.as_secs_f64() * 1e3)
    }

    /// Whether a packet that arrives now is the answer to a request for it, and not the
    /// packet itself, late.
    pub(super) fn answers(&mut self, now: Duration, sequence: u64) -> bool {
        let asked = &self.asked[(sequence % ASKED) as usize];
        let known = asked.tries > 0 && asked.sequence == sequence;
        let soonest = Duration::from_secs_f64(self.round_trip_ms() * 0.9 / 1e3);
        let soonest = if self.round_trip.is_none() {
            Duration::from_millis(2)
        } else {
            soonest
        };
        let answer = known && now.saturating_sub(asked.first) >= soonest;
        if answer {
            self.in_vain = 0;
        }
        answer
    }

    pub(super) fn loss(&self) -> f64 {
        if self.total < 1.0 {
            return 0.0;
        }
        (self.lost / self.total).clamp(0.0, 1.0)
    }

    /// Mean number of packets lost in a row.
    pub(super) fn burst(&self) -> f64 {
        if self.bursts < 0.1 {
            return 1.0;
        }
        (self.lost / self.bursts).max(1.0)
    }

    /// Judges a packet of `seconds`: whether it arrived by itself in good time.
    fn judge(&mut self, arrived: bool, seconds: f64) {
        let keep = (-seconds / MEMORY_S).exp();
        for count in [
            &mut self.lost,
            &mut self.bursts,
            &mut self.total,
            &mut self.reordered,
        ] {
            *count *= keep;
        }
        self.total += 1.0;
        if arrived {
            self.run = 0;
            return;
        }
        self.run += 1;
        if self.run == 1 {
            self.bursts += 1.0;
        }
        let outage = (OUTAGE_MS / 1e3 / seconds.max(0.001)) as u64;
        if self.run < outage {
            self.lost += 1.0;
        } else if self.run == outage {
            self.lost = (self.lost - outage as f64).max(0.0);
            self.bursts = (self.bursts - 1.0).max(0.0);
        }
    }

    /// A packet overtaken by others came after all.
    pub(super) fn overtaken(&mut self, judged_lost: bool) {
        self.reordered += 1.0;
        if judged_lost {
            self.lost = (self.lost - 1.0).max(0.0);
            self.bursts = (self.bursts - 1.0).max(0.0);
        }
    }

    /// Tries that travel at once, so that one of them and its answer come through.
    fn tries(&self, repair: Repair) -> u8 {
        let loss = self.loss().clamp(0.001, 0.5);
        let fail = 1.0 - (1.0 - loss) * (1.0 - loss);
        let enough = ((2e-5 / loss).ln() / fail.ln()).ceil().max(1.0);
        let affordable = (repair.budget() * 0.8 / loss).floor().max(1.0);
        enough.min(affordable).min(5.0) as u8
    }

    fn is_bursty(&self) -> bool {
        self.burst() > 1.6
    }

    /// Time between tries that travel at once: bursts are to be outlived.
    fn spacing_ms(&self) -> f64 {
        if self.is_bursty() {
            (self.round_trip_ms() / 4.0).clamp(8.0, 40.0)
        } else {
            2.0
        }
    }

    /// How long tries go on without waiting for the answer to the first.
    fn spread_ms(&self, repair: Repair) -> f64 {
        if self.is_bursty() {
            self.spacing_ms() * BURST_TRIES
        } else {
            f64::from(self.tries(repair) - 1) * self.spacing_ms()
        }
    }

    /// The delay within which a missing packet is repaired by retransmission, in ms, with as
    /// many tries as fit below `max_ms`; `None` if not even one does.
    fn delay_ms(&self, patience_ms: f64, repair: Repair, max_ms: f64) -> Option<f64> {
        let least_ms = patience_ms + self.round_trip_ms() + 2.0;
        let room_ms = max_ms - least_ms;
        (room_ms >= 0.0).then(|| least_ms + self.spread_ms(repair).min(room_ms))
    }

    /// Whether packets are lost often enough that play-out waits for repair.
    fn is_worth_waiting(&self, profile: Profile) -> bool {
        let answered = self.round_trip.is_some() && self.in_vain < IN_VAIN_MAX;
        answered && self.bursts >= profile.losses_min()
    }

    /// The turn of `sequence` passed without it.
    pub(super) fn passed(&mut self, sequence: u64) {
        let asked = &self.asked[(sequence % ASKED) as usize];
        if asked.tries > 0 && asked.sequence == sequence {
            self.in_vain = self.in_vain.saturating_add(1);
        }
    }

    /// Pays for copies or answers, as many as `share` packets of `seconds`.
    pub(super) fn spend(&mut self, share: f64, seconds: f64) {
        self.purse_s -= share * seconds;
    }

    fn earn(&mut self, repair: Repair, seconds: f64) {
        self.purse_s = (self.purse_s + repair.budget() * seconds).clamp(-2.0, 6.0);
    }

    /// Chooses the redundancy level anew, after a packet of `seconds`.
    fn choose_level(&mut self, retransmits: bool, repair: Repair, seconds: f64) {
        self.earn(repair, seconds);
        let loss = self.loss();
        let rough = self.burst() > 1.6 || loss > 0.05;
        let wanted = match repair {
            Repair::Economy => 0,
            _ if self.lost < 2.0 || loss < 0.005 => 0,
            Repair::Auto if retransmits => 0,
            Repair::Auto => 1,
            Repair::Robust => 1 + u8::from(rough),
        };
        // The purse opens again only when it holds for a while.
        let least = if self.level == 0 { 2.0 } else { 0.0 };
        let wanted = if self.purse_s > least { wanted } else { 0 };
        if wanted >= self.level || self.purse_s <= 0.0 {
            self.level = wanted;
            self.calm_s = 0.0;
            return;
        }
        self.calm_s += seconds;
        if self.calm_s > CALM_S {
            self.level = wanted;
            self.calm_s = 0.0;
        }
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
        let patience_ms = self.patience_ms();
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
        if self.repairs.loss() > 0.02 {
            self.delay.percentile_ms(0.95) + 1.0
        } else {
            self.delay.percentile_ms(0.98) + 2.0
        }
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
        if age_ms + round_trip_ms > last_useful_ms {
            return false;
        }
        let tries = self.repairs.tries(self.config.repair);
        let spacing_ms = self.repairs.spacing_ms();
        let bursty = self.repairs.is_bursty() && self.config.repair != Repair::Economy;
        let asked = &mut self.repairs.asked[(sequence % ASKED) as usize];
        if asked.sequence != sequence || asked.tries == 0 {
            *asked = Asked {
                sequence,
                tries: 1,
                first: now,
                last: now,
            };
            return true;
        }
        let pauses = !bursty && asked.tries.is_multiple_of(tries);
        let wait_ms = if pauses {
            round_trip_ms * 1.1 + 5.0
        } else {
            spacing_ms
        };
        let waited_ms = now.saturating_sub(asked.last).as_secs_f64() * 1e3;
        if asked.tries >= TRIES_MAX || waited_ms < wait_ms {
            return false;
        }
        asked.tries += 1;
        asked.last = now;
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
        self.delay.set_repair_ms(self.repair_delay_ms());
    }

    /// The delay play-out is to have for repair to come in time; 0 where it is not needed or
    /// cannot.
    fn repair_delay_ms(&self) -> f64 {
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
