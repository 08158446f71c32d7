//! Whose a packet number on the wire is.

use std::collections::VecDeque;

use prefetch::prefetch;

/// Packet numbers of one connection's application space, in the order they were given out.
///
/// `quinn-proto` counts its own packets. On the wire these are behind as many of the fast
/// path's as went out before them, so that a number of `quinn-proto`'s is that on the wire less
/// the fast path's below it. Numbers `quinn-proto` skips are skipped on the wire too, and its
/// defence against acknowledgements of packets never sent stays.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// The next on the wire.
    next: u64,
    /// How many of all are the fast path's.
    fast: u64,
    /// Where these are, oldest first; those below the floor are forgotten.
    runs: VecDeque<Run>,
    /// What is below is settled.
    floor: u64,
}

/// Numbers of the fast path's that follow each other.
#[derive(Debug)]
struct Run {
    start: u64,
    len: u64,
    /// How many of the fast path's are below.
    below: u64,
}

impl Run {
    fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// Runs that are remembered. `quinn-proto`'s packets in between that are older count as lost.
const RUNS_MAX: usize = 64;

impl Numbers {
    /// The next number on the wire.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Has the processor fetch what [`take`](Self::take) takes.
    pub(crate) fn prefetch(&self) {
        self.runs.back().inspect(|last| prefetch(*last));
    }

    /// Whether all numbers are `quinn-proto`'s, and the same on the wire.
    pub(crate) fn are_plain(&self) -> bool {
        self.fast == 0
    }

    /// The number on the wire of a packet of `quinn-proto`'s, which are numbered upwards.
    pub(crate) fn on_wire(&mut self, number: u64) -> u64 {
        let number = number + self.fast;
        self.next = number + 1;
        number
    }

    /// A number for the fast path.
    pub(crate) fn take(&mut self) -> u64 {
        let number = self.next;
        match self.runs.back_mut() {
            Some(run) if run.end() == number => run.len += 1,
            _ => {
                self.runs.push_back(Run {
                    start: number,
                    len: 1,
                    below: self.fast,
                });
                if self.runs.len() > RUNS_MAX {
                    self.forget_oldest();
                }
            }
        }
        self.fast += 1;
        self.next += 1;
        number
    }

    /// Nobody will ask for numbers below.
    pub(crate) fn forget_below(&mut self, number: u64) {
        while self.runs.front().is_some_and(|run| run.end() <= number) {
            self.forget_oldest();
        }
    }

    /// The packets of `quinn-proto`'s in a range of the wire: from the first number until
    /// before the second, in its own counting. `None` when there are none, or they are settled.
    pub(crate) fn of_quinn(&self, low: u64, high: u64) -> Option<(u64, u64)> {
        let low = low.max(self.floor);
        if low > high {
            return None;
        }
        let range = (low - self.below(low), high + 1 - self.below(high + 1));
        (range.0 < range.1).then_some(range)
    }

    /// How many of the fast path's are below a number that is not below the floor.
    fn below(&self, number: u64) -> u64 {
        for run in self.runs.iter().rev() {
            if number > run.start {
                return run.below + run.len.min(number - run.start);
            }
        }
        self.runs.front().map_or(self.fast, |run| run.below)
    }

    fn forget_oldest(&mut self) {
        if let Some(run) = self.runs.pop_front() {
            self.floor = run.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list of whose each number is.
        #[test]
        fn a_range_of_the_wire_holds_what_quinn_sent_in_it(
            sends in proptest::collection::vec((any::<bool>(), 0u8..20), 1..300),
            ranges in proptest::collection::vec((0u64..400, 0u64..400), 1..20),
        ) {
            let mut numbers = Numbers::default();
            let mut wire: Vec<Option<u64>> = Vec::new();
            let mut own = 0;
            for (is_fast, skip) in sends {
                if is_fast {
                    prop_assert_eq!(numbers.take(), wire.len() as u64);
                    wire.push(None);
                } else {
                    // A number is skipped now and then: never sent, and yet quinn's.
                    if skip == 0 {
                        wire.push(Some(own));
                        own += 1;
                    }
                    prop_assert_eq!(numbers.on_wire(own), wire.len() as u64);
                    wire.push(Some(own));
                    own += 1;
                }
            }
            for (low, high) in ranges {
                if low > high || high >= numbers.next() || low < numbers.floor {
                    continue;
                }
                let sent = wire[low as usize..=high as usize].iter().flatten();
                let expected = sent.clone().min().zip(sent.max()).map(|(low, high)| (*low, high + 1));
                prop_assert_eq!(numbers.of_quinn(low, high), expected);
            }
        }
    }

    #[test]
    fn what_is_settled_is_forgotten_and_the_rest_still_found() {
        let mut numbers = Numbers::default();
        for own in 0..1000 {
            for _ in 0..3 {
                numbers.take();
            }
            let number = numbers.on_wire(own);
            assert_eq!(number, 4 * own + 3);
            assert_eq!(numbers.of_quinn(number, number), Some((own, own + 1)));
        }
        assert_eq!(numbers.runs.len(), RUNS_MAX);
        // Too old to tell; what is not is found also in a range from the beginning.
        assert_eq!(numbers.of_quinn(3, 3), None);
        assert_eq!(numbers.of_quinn(0, 3999), Some((935, 1000)));
        numbers.forget_below(4000);
        assert!(numbers.runs.is_empty() || numbers.runs[0].end() > 4000);
        numbers.take();
        assert_eq!(numbers.on_wire(1000), 4001);
        assert_eq!(numbers.of_quinn(0, 4001), Some((999, 1001)));
    }
}
