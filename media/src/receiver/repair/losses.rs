//! What is known of a path's losses, and what repair of them costs.

use std::time::Duration;

use super::super::profile::{Profile, Repair};

/// Sequences whose requests are remembered.
pub(super) const ASKED: u64 = 256;

/// Packets asked for in vain, in a row, after which nobody waits for answers any more.
const IN_VAIN_MAX: u32 = 12;

/// Intervals between tries that play-out waits for where losses come in bursts.
const BURST_TRIES: f64 = 7.0;

/// Below this share of losses there are bytes and time for tries further apart, which what
/// disturbs a network for a moment does not take together.
const RARE: f64 = 0.015;
const RARE_SPACING_MS: f64 = 12.0;
const RARE_TRIES: f64 = 3.0;

/// The last try is sent this long before it would be too late.
const SPARE_MS: f64 = 4.0;

/// Play-out that waits for repair does so until so much of what it took to begin is left in
/// memory: what disturbs a network returns.
const STILL_WAITS: f64 = 0.1;

/// Bursts in memory from which play-out waits for more tries than one.
const BURSTS_OFTEN: f64 = 10.0;

/// Answers in a row, and nothing that came by itself, after which packets are taken for late
/// ones: more than bursts and handovers take.
const ANSWERS_MAX: u32 = 25;

/// Round trip assumed while none is measured.
const ROUND_TRIP_MS: f64 = 100.0;

/// A round trip is taken to be so much longer than usual at most, as a part of it: what is more
/// is a burst of other traffic, and passes sooner than play-out could follow.
const LONGER_MAX: f64 = 0.3;

/// How much of a round trip later than most an answer is still waited for by eking sound out.
const LATE_ANSWER: f64 = 0.25;

/// Memory of the loss statistics, in seconds.
const MEMORY_S: f64 = 20.0;

/// A gap from here on is an outage, not loss: it says nothing about which repair helps.
const OUTAGE_MS: f64 = 400.0;

/// How long a lower redundancy level has to suffice before it is taken, in packets' time.
const CALM_S: f64 = 15.0;

/// When a sequence was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) sequence: u64,
    pub(super) tries: u8,
    pub(super) first: Duration,
    pub(super) last: Duration,
}

/// What a receiver learnt about losses, and what it asked for.
#[derive(Debug)]
pub(in crate::receiver) struct Repairs {
    pub(super) asked: Box<[Asked]>,
    pub(super) round_trip: Option<Duration>,
    /// How much later packets are at the moment than while that was measured, in ms.
    pub(super) later_ms: f64,
    /// Everything before was judged: lost or not.
    pub(super) judged: Option<u64>,
    /// Decaying counts.
    lost: f64,
    bursts: f64,
    pub(super) total: f64,
    pub(super) reordered: f64,
    /// Whether play-out waits for repair.
    waits: bool,
    /// Packets asked for in a row that never came.
    in_vain: u32,
    /// Packets in a row that came as answers, and none by itself.
    answers: u32,
    /// Losses in a row up to the sequence judged last.
    run: u64,
    /// Share of the stream's bytes that repair may still cost, in seconds of the stream.
    purse_s: f64,
    pub(super) level: u8,
    /// For how long a lower level would have done.
    calm_s: f64,
}

impl Repairs {
    pub(in crate::receiver) fn new() -> Self {
        Self {
            asked: vec![Asked::default(); ASKED as usize].into_boxed_slice(),
            round_trip: None,
            later_ms: 0.0,
            judged: None,
            lost: 0.0,
            bursts: 0.0,
            total: 0.0,
            reordered: 0.0,
            waits: false,
            in_vain: 0,
            answers: 0,
            run: 0,
            purse_s: 0.0,
            level: 0,
            calm_s: 0.0,
        }
    }

    /// Forgets the sequences, not what was learnt about the path.
    pub(in crate::receiver) fn forget_sequences(&mut self) {
        self.judged = None;
        self.run = 0;
        self.asked.fill(Asked::default());
    }

    pub(in crate::receiver) fn round_trip_ms(&self) -> f64 {
        self.round_trip
            .map_or(ROUND_TRIP_MS, |time| time.as_secs_f64() * 1e3)
    }

    /// What it is likely to be at the moment: what a path's delay does it does both ways, on
    /// a cell's radio at least, long before an average tells.
    fn round_trip_now_ms(&self) -> f64 {
        let round_trip_ms = self.round_trip_ms();
        let most_ms = round_trip_ms * LONGER_MAX;
        round_trip_ms + (self.later_ms * 2.0).clamp(-round_trip_ms / 2.0, most_ms)
    }

    /// Whether a packet that arrives now is the answer to a request for it, and not the
    /// packet itself, late. `first` is one that had not come before.
    ///
    /// On a path that became slower everything is asked for before it comes. When nothing
    /// comes by itself any more, it is that, and delays are learnt from what comes.
    pub(in crate::receiver) fn answers(
        &mut self,
        now: Duration,
        sequence: u64,
        first: bool,
    ) -> bool {
        let answer = self.may_answer(now, sequence);
        if !answer {
            self.answers = 0;
        } else if self.answers >= ANSWERS_MAX {
            return false;
        } else if first {
            self.answers += 1;
        }
        answer
    }

    fn may_answer(&mut self, now: Duration, sequence: u64) -> bool {
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

    /// Whether `sequence` was asked for so lately that the answer may come yet.
    pub(in crate::receiver) fn is_answer_due(&self, now: Duration, sequence: u64) -> bool {
        let asked = &self.asked[(sequence % ASKED) as usize];
        let known = asked.tries > 0 && asked.sequence == sequence;
        let latest_ms = self.answer_ms() + self.round_trip_ms() * LATE_ANSWER;
        known && now.saturating_sub(asked.last).as_secs_f64() * 1e3 < latest_ms
    }

    /// How long an answer takes at most, as a rule.
    pub(super) fn answer_ms(&self) -> f64 {
        self.round_trip_ms() * 1.1 + 5.0
    }

    pub(in crate::receiver) fn loss(&self) -> f64 {
        if self.total < 1.0 {
            return 0.0;
        }
        (self.lost / self.total).clamp(0.0, 1.0)
    }

    /// Mean number of packets lost in a row.
    pub(in crate::receiver) fn burst(&self) -> f64 {
        if self.bursts < 0.1 {
            return 1.0;
        }
        (self.lost / self.bursts).max(1.0)
    }

    /// Judges a packet of `seconds`: whether it arrived by itself in good time.
    pub(in crate::receiver) fn judge(&mut self, arrived: bool, seconds: f64) {
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
    pub(in crate::receiver) fn overtaken(&mut self, judged_lost: bool) {
        self.reordered += 1.0;
        if judged_lost {
            self.lost = (self.lost - 1.0).max(0.0);
            self.bursts = (self.bursts - 1.0).max(0.0);
        }
    }

    /// Tries that travel at once, so that one of them and its answer come through.
    pub(in crate::receiver) fn tries(&self, repair: Repair) -> u8 {
        let loss = self.loss().clamp(0.001, 0.5);
        let fail = 1.0 - (1.0 - loss) * (1.0 - loss);
        let least = if loss < RARE && repair != Repair::Economy {
            RARE_TRIES
        } else {
            1.0
        };
        let enough = ((2e-5 / loss).ln() / fail.ln()).ceil().max(least);
        let affordable = (repair.budget() * 0.8 / loss).floor().max(1.0);
        enough.min(affordable).min(5.0) as u8
    }

    pub(in crate::receiver) fn is_bursty(&self) -> bool {
        self.burst() > 1.6
    }

    /// Time between tries that travel at once: bursts are to be outlived.
    pub(in crate::receiver) fn spacing_ms(&self) -> f64 {
        if self.is_bursty() {
            (self.round_trip_ms() / 6.25).clamp(8.0, 40.0)
        } else if self.loss() < RARE {
            RARE_SPACING_MS
        } else {
            2.0
        }
    }

    /// How long after the last try the next one follows, where the answer to one `left_ms`
    /// after it would just come in time and `tries_left` are to follow. Rare losses have tries
    /// spread over all the time there is, but not beyond the answer to the first.
    pub(super) fn pause_ms(&self, left_ms: f64, tries_left: u8) -> f64 {
        let spacing_ms = self.spacing_ms();
        if self.is_bursty() || self.loss() >= RARE {
            return spacing_ms;
        }
        let longest_ms = spacing_ms.max(self.answer_ms());
        let shares = f64::from(tries_left.max(1));
        ((left_ms - SPARE_MS) / shares).clamp(spacing_ms, longest_ms)
    }

    /// How long tries go on without waiting for the answer to the first.
    pub(in crate::receiver) fn spread_ms(&self, repair: Repair) -> f64 {
        // Now and then a handover is no reason to be far behind all the time.
        if self.is_bursty() && self.bursts >= BURSTS_OFTEN {
            self.spacing_ms() * BURST_TRIES
        } else if self.is_bursty() && self.loss() < RARE {
            // One try that is a little late has to do.
            self.spacing_ms() / 2.0
        } else {
            f64::from(self.tries(repair) - 1) * self.spacing_ms()
        }
    }

    /// The delay within which a missing packet is repaired by retransmission, in ms, with as
    /// many tries as fit below `max_ms`; `None` if not even one does.
    pub(in crate::receiver) fn delay_ms(
        &self,
        patience_ms: f64,
        repair: Repair,
        max_ms: f64,
    ) -> Option<f64> {
        let least_ms = patience_ms + self.round_trip_now_ms() + 2.0;
        let room_ms = max_ms - least_ms;
        (room_ms >= 0.0).then(|| least_ms + self.spread_ms(repair).min(room_ms))
    }

    /// Whether packets are lost often enough that play-out waits for repair, now that another
    /// was judged.
    pub(in crate::receiver) fn is_worth_waiting(&mut self, profile: Profile) -> bool {
        let answered = self.round_trip.is_some() && self.in_vain < IN_VAIN_MAX;
        let share = if self.waits { STILL_WAITS } else { 1.0 };
        self.waits = self.bursts >= profile.losses_min() * share;
        answered && self.waits
    }

    /// The turn of `sequence` passed without it.
    pub(in crate::receiver) fn passed(&mut self, sequence: u64) {
        let asked = &self.asked[(sequence % ASKED) as usize];
        if asked.tries > 0 && asked.sequence == sequence {
            self.in_vain = self.in_vain.saturating_add(1);
        }
    }

    /// Pays for copies or answers, as many as `share` packets of `seconds`.
    pub(in crate::receiver) fn spend(&mut self, share: f64, seconds: f64) {
        self.purse_s -= share * seconds;
    }

    fn earn(&mut self, repair: Repair, seconds: f64) {
        self.purse_s = (self.purse_s + repair.budget() * seconds).clamp(-2.0, 6.0);
    }

    /// Chooses the redundancy level anew, after a packet of `seconds`.
    pub(in crate::receiver) fn choose_level(
        &mut self,
        retransmits: bool,
        repair: Repair,
        seconds: f64,
    ) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET_S: f64 = 0.02;

    /// A path of 30 ms on which `seconds` passed, every `every`th packet of them lost.
    fn after(repairs: &mut Repairs, seconds: u32, every: u32) {
        repairs.round_trip = Some(Duration::from_millis(30));
        for n in 0..seconds * 50 {
            repairs.judge(n % every != every - 1, PACKET_S);
        }
    }

    #[test]
    fn losses_that_return_are_waited_for_all_along() {
        let mut repairs = Repairs::new();
        after(&mut repairs, 15, 500);
        assert!(!repairs.is_worth_waiting(Profile::Live), "one loss");
        after(&mut repairs, 10, 200);
        assert!(repairs.is_worth_waiting(Profile::Live), "two more");
        after(&mut repairs, 20, u32::MAX);
        assert!(repairs.is_worth_waiting(Profile::Live), "and a pause");
        after(&mut repairs, 60, u32::MAX);
        assert!(!repairs.is_worth_waiting(Profile::Live), "and no more");
    }

    #[test]
    fn a_path_that_became_slower_is_waited_for_both_ways() {
        let mut repairs = Repairs::new();
        after(&mut repairs, 60, 200);
        let delay_ms = |repairs: &Repairs| repairs.delay_ms(5.0, Repair::Auto, 140.0).unwrap();
        let usual_ms = delay_ms(&repairs);
        for (later_ms, more_ms) in [(4.0, 8.0), (40.0, 9.0), (-4.0, -8.0), (-40.0, -15.0)] {
            repairs.later_ms = later_ms;
            assert_eq!(delay_ms(&repairs) - usual_ms, more_ms, "{later_ms}");
        }
    }

    #[test]
    fn tries_for_a_rare_loss_use_the_time_there_is() {
        let mut repairs = Repairs::new();
        after(&mut repairs, 60, 200);
        assert_eq!(repairs.tries(Repair::Auto), 3);
        assert_eq!(
            repairs.pause_ms(40.0, 2),
            18.0,
            "half, and half for the last"
        );
        assert_eq!(
            repairs.pause_ms(10.0, 1),
            RARE_SPACING_MS,
            "no time to lose"
        );
        assert_eq!(
            repairs.pause_ms(900.0, 1),
            repairs.answer_ms(),
            "time to wait"
        );
    }
}
