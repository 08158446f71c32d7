//! When a source sends the packet before along, so that the relay need not ask for it.
//!
//! The relay asks for what is lost on the way to it, and what it asks for comes a round trip
//! later, which all listeners wait for. Where much is lost, each packet brings the one before:
//! it fills a gap as soon as the gap shows, for twice the bytes. With copies under way the loss
//! no longer shows, so they are left out now and then, to see whether they are needed still.
//! Where they help little (losses come in long rows, or the network has no room for them), they
//! stay away for longer.

use std::time::Duration;

/// Memory of what was asked for, in seconds of packets.
const MEMORY_S: f64 = 10.0;

/// Share of packets asked for from which copies are sent, and how many at least.
const LOSS_MIN: f64 = 0.01;
const LOST_MIN: f64 = 3.5;

/// How long copies are sent until it is seen again what is lost without: at first and at most.
const HOLD: Duration = Duration::from_secs(30);
const HOLD_MAX: Duration = Duration::from_secs(300);

/// Needed again this soon, they are sent for twice as long.
const SOON: Duration = Duration::from_secs(15);

/// What is asked for within this time was mostly lost before copies were sent.
const SETTLE: Duration = Duration::from_secs(1);

/// After this time it is judged whether copies help: at least this share of losses is to go.
/// In less there are too few losses to tell.
const TRIAL: Duration = Duration::from_secs(10);
const HELP_MIN: f64 = 0.4;

/// How long they stay away when they did not.
const AWAY: Duration = Duration::from_secs(120);

/// Decides per packet; takes time as an argument.
#[derive(Debug)]
pub(super) struct Redundancy {
    frame_s: f64,
    losses: Losses,
    mode: Mode,
    hold: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Off {
        /// Not again before.
        until: Duration,
        /// When copies were left out last to see whether they are needed.
        since: Option<Duration>,
    },
    On {
        since: Duration,
        /// Share that was lost without.
        loss: f64,
    },
}

/// Decaying counts.
#[derive(Debug, Clone, Copy, Default)]
struct Losses {
    total: f64,
    lost: f64,
}

impl Losses {
    fn share(&self) -> f64 {
        self.lost / self.total.max(1.0)
    }
}

impl Redundancy {
    pub(super) fn new(frame_us: u32) -> Self {
        Self {
            frame_s: f64::from(frame_us.max(1)) / 1e6,
            losses: Losses::default(),
            mode: Mode::Off {
                until: Duration::ZERO,
                since: None,
            },
            hold: HOLD,
        }
    }

    /// The relay asked for a packet for the first time.
    pub(super) fn handle_asked(&mut self) {
        self.losses.lost += 1.0;
    }

    /// A packet is sent at `now`: whether the one before goes along.
    pub(super) fn next(&mut self, now: Duration) -> bool {
        let keep = (-self.frame_s / MEMORY_S).exp();
        self.losses.total = self.losses.total * keep + 1.0;
        self.losses.lost *= keep;
        let losses = self.losses;
        match self.mode {
            Mode::Off { until, since } => {
                let many = losses.lost >= LOST_MIN && losses.share() >= LOSS_MIN;
                if !many || now < until {
                    return false;
                }
                let soon = since.is_some_and(|since| now.saturating_sub(since) < SOON);
                self.hold = if soon { self.hold * 2 } else { HOLD }.min(HOLD_MAX);
                let loss = losses.share();
                self.turn(Mode::On { since: now, loss });
                true
            }
            Mode::On { since, loss } => {
                let on_for = now.saturating_sub(since);
                if on_for < SETTLE {
                    self.losses = Losses::default();
                }
                if on_for >= TRIAL && losses.share() > loss * (1.0 - HELP_MIN) {
                    let until = now + AWAY;
                    self.turn(Mode::Off { until, since: None });
                    return false;
                }
                if on_for >= self.hold {
                    let since = Some(now);
                    self.turn(Mode::Off { until: now, since });
                    return false;
                }
                true
            }
        }
    }

    /// What was counted in one mode says nothing about the other.
    fn turn(&mut self, mode: Mode) {
        self.mode = mode;
        self.losses = Losses::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends packets of 20 ms for a while, of which `lost` tells whether one is asked for,
    /// given whether copies travel; answers how many took one along.
    fn send(
        redundancy: &mut Redundancy,
        from_s: u64,
        to_s: u64,
        lost: impl Fn(u64, bool) -> bool,
    ) -> usize {
        let mut copies = 0;
        for sequence in from_s * 50..to_s * 50 {
            let copy = redundancy.next(Duration::from_millis(sequence * 20));
            copies += usize::from(copy);
            if lost(sequence, copy) {
                redundancy.handle_asked();
            }
        }
        copies
    }

    #[test]
    fn a_clean_way_takes_none_and_neither_do_rare_losses() {
        let mut redundancy = Redundancy::new(20_000);
        assert_eq!(send(&mut redundancy, 0, 60, |_, _| false), 0);
        assert_eq!(send(&mut redundancy, 60, 300, |n, _| n % 200 == 7), 0);
    }

    #[test]
    fn much_loss_takes_copies_and_they_end_when_it_does() {
        let mut redundancy = Redundancy::new(20_000);
        let lossy = |n: u64, copy: bool| n % 20 == 7 && !copy;
        let copies = send(&mut redundancy, 0, 30, lossy);
        assert!(copies > 1_200, "{copies}");
        // Left out now and then, for shorter than they were sent.
        let copies = send(&mut redundancy, 30, 630, lossy);
        assert!((25_000..30_000).contains(&copies), "{copies}");
        send(&mut redundancy, 630, 1_000, |_, _| false);
        assert_eq!(send(&mut redundancy, 1_000, 1_100, |_, _| false), 0);
    }

    #[test]
    fn what_was_lost_before_copies_came_does_not_count_against_them() {
        let mut redundancy = Redundancy::new(20_000);
        let mut begun = None;
        // One in fifty without copies; twenty more are asked for as those begin.
        for sequence in 0..50 * 30 {
            let copy = redundancy.next(Duration::from_millis(sequence * 20));
            if copy {
                begun.get_or_insert(sequence);
            }
            let just_begun = begun.is_some_and(|begun| (begun..begun + 20).contains(&sequence));
            if just_begun || (!copy && sequence % 50 == 7) {
                redundancy.handle_asked();
            }
            assert!(copy || begun.is_none(), "given up at {sequence}");
        }
        assert!(begun.is_some());
    }

    #[test]
    fn copies_that_do_not_help_stay_away() {
        // Long rows, of which only the last is saved.
        let mut redundancy = Redundancy::new(20_000);
        let rows = |n: u64, copy: bool| n % 100 < 5 && !(copy && n % 100 == 4);
        let copies = send(&mut redundancy, 0, 600, rows);
        assert!((1..600 * 50 / 6).contains(&copies), "{copies}");
    }
}
