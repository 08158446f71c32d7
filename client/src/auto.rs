//! Which rendition a listener of `auto` takes: moves by measured loss and throughput.
//!
//! Plain state without a clock: once a second it is told what came and answers what to take
//! instead, if anything. The TypeScript client has the same, and one set of vectors
//! (`wire/vectors/auto.json`) holds both to the same decisions.
//!
//! # How it decides
//!
//! What was lost, before repair, and what was made up over the last three seconds tell
//! whether the path carries the rendition. Down it goes at once to the best rendition that
//! what came through leaves room for. Up it goes one step after ten clean seconds; a step
//! that fails within ten seconds doubles the wait for the next, up to five minutes. Loss that
//! fewer bytes do not cure is the path's own: it does not keep anybody down.

/// One rendition to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// Its name on the wire.
    pub name: String,
    /// Bits per second.
    pub bitrate: u32,
}

/// The rendition one asks a client for, never the relay, to have it choose.
pub const AUTO_RENDITION: &str = "auto";

/// What a rendition the relay makes takes, in bits per second.
pub(crate) fn bitrate_of(rendition: &str) -> Option<u32> {
    match rendition {
        "high" => Some(128_000),
        "medium" => Some(64_000),
        "low" => Some(24_000),
        _ => None,
    }
}

/// What came in about a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Second {
    /// Packets that came by themselves.
    pub received: u64,
    /// Packets that did not: lost, or brought by repair.
    pub missing: u64,
    /// Sound made up, in milliseconds.
    pub concealed_ms: f64,
    /// Sound played, the made-up part included, in milliseconds.
    pub played_ms: f64,
}

/// Seconds looked at together.
const WINDOW: usize = 3;

/// After a change nothing is judged for so long: what is seen is of before.
const SETTLE_MS: u64 = 3_000;

/// Loss beyond the path's own, and sound made up, from which a rendition is too much.
const LOSS_BAD: f64 = 0.12;
const CONCEALED_BAD: f64 = 0.04;

/// A single second as bad as this is believed without the others.
const LOSS_AT_ONCE: f64 = 0.3;

/// The same below which all is well.
const LOSS_GOOD: f64 = 0.02;
const CONCEALED_GOOD: f64 = 0.01;

/// The share of what came through that a rendition may take.
const ROOM: f64 = 0.85;

/// Loss that stays above this share of what it was is none of too many bytes.
const CURED: f64 = 0.7;

/// The largest loss that is taken for the path's own.
const FLOOR_MAX: f64 = 0.5;

/// How fast the path's own loss is forgotten when there is less, each second.
const FLOOR_KEPT: f64 = 0.98;

/// Clean time before a step up, at first and at most.
const WAIT_MS: u64 = 10_000;
const WAIT_MS_MAX: u64 = 300_000;

/// How long a step up has to hold.
const TRIAL_MS: u64 = 10_000;

/// A rendition is of use only when it takes less than this share of the next better one.
const STEP: f64 = 0.8;

/// The decision of one listener.
#[derive(Debug, Clone)]
pub struct Auto {
    rungs: Vec<Rung>,
    current: usize,
    window: Vec<Second>,
    /// Nothing is judged before.
    settled_at: u64,
    /// Since when all is well.
    good_since: Option<u64>,
    wait_ms: u64,
    /// Until when the last step up is on trial.
    trial_until: Option<u64>,
    /// The loss that led to the last step down, until it is seen whether that helped.
    loss_before: Option<f64>,
    /// Loss of the path that fewer bytes do not cure.
    floor: f64,
}

impl Auto {
    /// Begins with the first of `rungs`, which come best first; those that would hardly take
    /// less than a better one are left out. Without any there is nothing to decide.
    #[must_use]
    pub fn new(rungs: Vec<Rung>) -> Self {
        let mut useful: Vec<Rung> = Vec::with_capacity(rungs.len());
        for rung in rungs {
            let better = useful.last().map(|better| f64::from(better.bitrate));
            if better.is_none_or(|better| f64::from(rung.bitrate) < better * STEP) {
                useful.push(rung);
            }
        }
        Self {
            rungs: useful,
            current: 0,
            window: Vec::with_capacity(WINDOW),
            settled_at: 0,
            good_since: None,
            wait_ms: WAIT_MS,
            trial_until: None,
            loss_before: None,
            floor: 0.0,
        }
    }

    /// What is taken now.
    #[must_use]
    pub fn current(&self) -> Option<&Rung> {
        self.rungs.get(self.current)
    }

    /// The relay did not give what was chosen: `name` is still taken, and the next try waits
    /// as after a step that failed.
    pub fn refused(&mut self, name: &str, now_ms: u64) {
        let back = self.rungs.iter().position(|rung| rung.name == name);
        self.current = back.unwrap_or(self.current);
        self.wait_ms = (self.wait_ms * 2).min(WAIT_MS_MAX);
        self.settle(now_ms);
        self.trial_until = None;
        self.loss_before = None;
    }

    /// Takes what came since the last call, at `now_ms` of any steady clock; answers what to
    /// take from now on when that is something else.
    pub fn handle(&mut self, now_ms: u64, second: Second) -> Option<&Rung> {
        if now_ms < self.settled_at {
            return None;
        }
        if second.received + second.missing == 0 {
            // Nothing at all is an interruption, which says nothing about bytes.
            self.window.clear();
            self.good_since = None;
            return None;
        }
        if self.window.len() == WINDOW {
            self.window.remove(0);
        }
        self.window.push(second);
        let (loss, concealed) = self.seen();
        self.learn(loss);
        if self.is_bad(loss, concealed) {
            self.good_since = None;
            return self.down(now_ms, loss);
        }
        if loss - self.floor > LOSS_GOOD || concealed > CONCEALED_GOOD + self.floor {
            self.good_since = None;
            return None;
        }
        self.up(now_ms)
    }

    /// Loss and the share of sound made up, over the window.
    fn seen(&self) -> (f64, f64) {
        let sum = |value: fn(&Second) -> f64| self.window.iter().map(value).sum::<f64>();
        let missing = sum(|second| second.missing as f64);
        let all = missing + sum(|second| second.received as f64);
        let played = sum(|second| second.played_ms);
        let concealed = sum(|second| second.concealed_ms);
        (
            missing / all,
            if played > 0.0 {
                concealed / played
            } else {
                0.0
            },
        )
    }

    fn is_bad(&self, loss: f64, concealed: f64) -> bool {
        let excess = loss - self.floor;
        // Whether a step down helped is seen over the whole window.
        let needed = if self.loss_before.is_some() {
            WINDOW
        } else {
            2
        };
        if self.window.len() < needed {
            return excess > LOSS_AT_ONCE;
        }
        excess > LOSS_BAD || concealed > CONCEALED_BAD + self.floor
    }

    /// Sees whether the last step down helped, and forgets what the path lost before.
    fn learn(&mut self, loss: f64) {
        if self.window.len() < WINDOW {
            return;
        }
        if let Some(before) = self.loss_before.take()
            && before > LOSS_BAD
            && loss > before * CURED
        {
            self.floor = loss.min(FLOOR_MAX);
            self.wait_ms = WAIT_MS;
        }
        if loss < self.floor {
            self.floor = loss.max(self.floor * FLOOR_KEPT);
        }
    }

    fn down(&mut self, now_ms: u64, loss: f64) -> Option<&Rung> {
        if self.trial_until.take().is_some_and(|until| now_ms < until) {
            self.wait_ms = (self.wait_ms * 2).min(WAIT_MS_MAX);
        }
        let lowest = self.rungs.len().saturating_sub(1);
        if self.current >= lowest {
            return None;
        }
        let last = self.window.last().map_or(loss, |second| {
            second.missing as f64 / (second.missing + second.received) as f64
        });
        let through = f64::from(self.rungs[self.current].bitrate) * (1.0 - last);
        let fits = |rung: &Rung| f64::from(rung.bitrate) <= through * ROOM;
        let below = self.current + 1;
        let found = self.rungs[below..].iter().position(fits);
        self.current = found.map_or(lowest, |found| below + found);
        self.settle(now_ms);
        self.loss_before = Some(loss);
        self.rungs.get(self.current)
    }

    fn up(&mut self, now_ms: u64) -> Option<&Rung> {
        if self.trial_until.is_some_and(|until| now_ms >= until) {
            self.trial_until = None;
            self.wait_ms = (self.wait_ms / 2).max(WAIT_MS);
        }
        let since = *self.good_since.get_or_insert(now_ms);
        if self.current == 0 || now_ms - since < self.wait_ms {
            return None;
        }
        self.current -= 1;
        self.settle(now_ms);
        self.trial_until = Some(now_ms + SETTLE_MS + TRIAL_MS);
        self.loss_before = None;
        self.rungs.get(self.current)
    }

    fn settle(&mut self, now_ms: u64) {
        self.settled_at = now_ms + SETTLE_MS;
        self.window.clear();
        self.good_since = None;
    }
}

#[cfg(test)]
mod tests;
