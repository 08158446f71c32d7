//! How much of its time a thread works.

use std::time::{Duration, Instant};

/// The share of time a thread did not sleep, over the last [`WINDOWS`] windows.
#[derive(Debug)]
pub(super) struct Load {
    began: Instant,
    slept: Duration,
    /// Of each window, in thousandths; the newest at `next - 1`.
    windows: [u32; WINDOWS],
    next: usize,
    is_full: bool,
}

/// Four seconds of the usual windows: a thousand listeners that come at once keep a thread
/// busy for less, and are no reason to refuse the next.
const WINDOWS: usize = 16;

/// Windows that must have become light again.
const RECENT: usize = 4;

/// Working so many thousandths of its time a thread is full, and below so many no longer.
const FULL: u32 = 950;
const LIGHT: u32 = 850;

impl Load {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            slept: Duration::ZERO,
            windows: [0; WINDOWS],
            next: 0,
            is_full: false,
        }
    }

    /// The thread has slept.
    pub(super) fn slept(&mut self, time: Duration) {
        self.slept += time;
    }

    /// Ends a window. Returns whether the thread is full: it should take nobody more, or the
    /// sound of those it has comes late.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        let time = now.saturating_duration_since(self.began).as_micros().max(1);
        let slept = self.slept.as_micros().min(time);
        self.windows[self.next] = (1000 * (time - slept) / time) as u32;
        self.next = (self.next + 1) % WINDOWS;
        (self.began, self.slept) = (now, Duration::ZERO);
        let newest = |count: usize| {
            let windows = (1..=count).map(|back| (self.next + WINDOWS - back) % WINDOWS);
            windows.map(|at| self.windows[at]).sum::<u32>() / count as u32
        };
        self.is_full = match self.is_full {
            true => newest(RECENT) >= LIGHT,
            false => newest(WINDOWS) >= FULL,
        };
        self.is_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(250);

    /// Windows of so many thousandths of work each; whether it is full after each.
    fn run(load: &mut Load, now: &mut Instant, work: u32, windows: usize) -> Vec<bool> {
        let window = |_| {
            *now += WINDOW;
            load.slept(WINDOW * (1000 - work) / 1000);
            load.is_full(*now)
        };
        (0..windows).map(window).collect()
    }

    #[test]
    fn it_is_full_after_four_seconds_and_light_again_after_one() {
        let mut now = Instant::now();
        let mut load = Load::new(now);
        assert_eq!(run(&mut load, &mut now, 1000, 15), [false; 15]);
        assert_eq!(run(&mut load, &mut now, 1000, 4), [true; 4]);
        assert_eq!(run(&mut load, &mut now, 900, 20), [true; 20]);
        assert_eq!(run(&mut load, &mut now, 820, 4), [true, true, false, false]);
    }

    #[test]
    fn a_crowd_that_comes_at_once_is_not_too_many() {
        let mut now = Instant::now();
        let mut load = Load::new(now);
        for _ in 0..10 {
            assert!(!run(&mut load, &mut now, 1000, 12).contains(&true));
            assert!(!run(&mut load, &mut now, 700, 8).contains(&true));
        }
    }
}
