//! Timers of many sessions, lazily kept.
//!
//! A listener's probe timeout moves ahead with every packet sent to it. So a session's
//! deadline is a number in a table, written whenever it changes, and the wheel holds at
//! most one valid entry a session, at or before that deadline. An entry that comes up
//! early is put back: one cheap move per session and probe timeout, nothing per packet.

use std::time::{Duration, Instant};

/// Slots of one millisecond; deadlines further away come up once a turn.
const SLOTS: usize = 512;

const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Wheel {
    origin: Instant,
    /// The first tick that has not been looked at.
    next: u64,
    slots: Vec<Vec<u32>>,
    occupied: [u64; SLOTS / 64],
    sessions: Vec<Deadline>,
}

#[derive(Debug, Clone, Copy)]
struct Deadline {
    due: u64,
    /// Where the valid entry is; entries elsewhere are leftovers.
    armed: u64,
}

impl Wheel {
    pub(crate) fn new(origin: Instant) -> Self {
        Self {
            origin,
            next: 0,
            slots: vec![Vec::new(); SLOTS],
            occupied: [0; SLOTS / 64],
            sessions: Vec::new(),
        }
    }

    /// Sets or clears a session's deadline.
    pub(crate) fn set(&mut self, session: usize, deadline: Option<Instant>) {
        if session >= self.sessions.len() {
            let unset = Deadline {
                due: NEVER,
                armed: NEVER,
            };
            self.sessions.resize(session + 1, unset);
        }
        let due = deadline.map_or(NEVER, |deadline| self.tick_at_or_after(deadline));
        self.sessions[session].due = due;
        if due < self.sessions[session].armed {
            self.arm(session, due);
        }
    }

    /// Takes out the sessions that are due, into `due`.
    pub(crate) fn expire(&mut self, now: Instant, due: &mut Vec<usize>) {
        let now = now.saturating_duration_since(self.origin).as_millis() as u64;
        // After a long sleep every slot is looked at once.
        let first = self.next.max((now + 1).saturating_sub(SLOTS as u64));
        for tick in first..=now {
            let slot = tick as usize % SLOTS;
            if self.occupied[slot / 64] & 1 << (slot % 64) == 0 {
                continue;
            }
            self.occupied[slot / 64] &= !(1 << (slot % 64));
            let mut entries = std::mem::take(&mut self.slots[slot]);
            self.next = tick + 1;
            for session in entries.drain(..) {
                self.visit(session as usize, slot, now, due);
            }
            // Keep the allocation unless something was armed into this very slot.
            if self.slots[slot].is_empty() {
                self.slots[slot] = entries;
            }
        }
        self.next = self.next.max(now + 1);
    }

    /// When to call [`expire`](Self::expire) next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        const WORDS: usize = SLOTS / 64;
        let first = self.next as usize % SLOTS;
        // The word of the first slot is looked at twice: its upper part, and after a
        // turn its lower part.
        let upper = u64::MAX << (first % 64);
        for step in 0..=WORDS {
            let at = (first / 64 + step) % WORDS;
            let word = match step {
                0 => self.occupied[at] & upper,
                WORDS => self.occupied[at] & !upper,
                _ => self.occupied[at],
            };
            if word != 0 {
                let slot = at * 64 + word.trailing_zeros() as usize;
                let ahead = (slot + SLOTS - first) % SLOTS;
                return Some(self.origin + Duration::from_millis(self.next + ahead as u64));
            }
        }
        None
    }

    fn visit(&mut self, session: usize, slot: usize, now: u64, due: &mut Vec<usize>) {
        let deadline = self.sessions[session];
        if deadline.armed as usize % SLOTS != slot || deadline.armed > now {
            return;
        }
        self.sessions[session].armed = NEVER;
        if deadline.due <= now {
            self.sessions[session].due = NEVER;
            due.push(session);
        } else if deadline.due != NEVER {
            self.arm(session, deadline.due);
        }
    }

    fn arm(&mut self, session: usize, due: u64) {
        let tick = due.clamp(self.next, self.next + SLOTS as u64 - 1);
        let slot = tick as usize % SLOTS;
        self.sessions[session].armed = tick;
        self.slots[slot].push(session as u32);
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    fn tick_at_or_after(&self, deadline: Instant) -> u64 {
        let nanos = deadline.saturating_duration_since(self.origin).as_nanos();
        nanos.div_ceil(1_000_000) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expired(wheel: &mut Wheel, at: Instant) -> Vec<usize> {
        let mut due = Vec::new();
        wheel.expire(at, &mut due);
        due.sort_unstable();
        due
    }

    #[test]
    fn a_deadline_that_moves_ahead_comes_up_once() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let mut wheel = Wheel::new(start);
        for sent in (0..1000).step_by(20) {
            wheel.set(3, Some(ms(sent + 30)));
            assert!(expired(&mut wheel, ms(sent + 19)).is_empty());
        }
        assert!(expired(&mut wheel, ms(1009)).is_empty());
        assert_eq!(expired(&mut wheel, ms(1010)), [3]);
        assert!(expired(&mut wheel, ms(9999)).is_empty());
        assert_eq!(wheel.next_deadline(), None);
    }

    proptest! {
        #[test]
        fn nothing_is_early_nothing_is_missed(
            steps in proptest::collection::vec((0usize..8, proptest::option::of(0u64..3000), 0u64..700), 1..200)
        ) {
            let start = Instant::now();
            let mut wheel = Wheel::new(start);
            let mut model = [None; 8];
            let mut now = 0;
            for (session, ahead, wait) in steps {
                let deadline = ahead.map(|ahead| now + ahead);
                model[session] = deadline;
                wheel.set(session, deadline.map(|at| start + Duration::from_millis(at)));
                if let Some(first) = model.iter().flatten().min() {
                    let wake = wheel.next_deadline().expect("something is set");
                    prop_assert!(wake <= start + Duration::from_millis((*first).max(now + 1)));
                }
                now += wait;
                let due = expired(&mut wheel, start + Duration::from_millis(now));
                let mut expected = Vec::new();
                for (session, deadline) in model.iter_mut().enumerate() {
                    if deadline.is_some_and(|at| at <= now) {
                        expected.push(session);
                        *deadline = None;
                    }
                }
                // A deadline in a tick already looked at comes up with the next one.
                if wait > 0 {
                    prop_assert_eq!(due, expected);
                } else {
                    for session in expected {
                        if !due.contains(&session) {
                            model[session] = Some(now);
                        }
                    }
                }
            }
        }
    }
}
