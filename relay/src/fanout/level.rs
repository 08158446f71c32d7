//! In which encoding a listener takes a track's packets.

use wire::message::{BUNDLE_MAX, REDUNDANCY_MAX};

/// What travels in one datagram to a listener. The sequences, timestamps and packets are the
/// same at every level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Level {
    /// One packet, the source's own bytes.
    #[default]
    Plain,
    /// A packet and a copy of packet n-1.
    Single,
    /// A packet and copies of n-1 and n-4.
    Spaced,
    /// Two packets that travel in no other datagram.
    Pairs,
    /// Three.
    Triples,
    /// Four.
    Quads,
}

impl Level {
    /// The levels that take an encoding of their own.
    pub(crate) const MADE: [Self; 5] = [
        Self::Single,
        Self::Spaced,
        Self::Pairs,
        Self::Triples,
        Self::Quads,
    ];

    const ALL: [Self; 6] = [
        Self::Plain,
        Self::Single,
        Self::Spaced,
        Self::Pairs,
        Self::Triples,
        Self::Quads,
    ];

    /// The level of that redundancy in the protocol.
    pub(crate) fn of_redundancy(redundancy: u8) -> Option<Self> {
        let levels = &Self::ALL[..=usize::from(REDUNDANCY_MAX)];
        levels.get(usize::from(redundancy)).copied()
    }

    /// The level of bundles of so many packets; 1 is none.
    pub(crate) fn of_bundle(packets: u8) -> Option<Self> {
        match packets {
            1 => Some(Self::Plain),
            2..=BUNDLE_MAX => Self::from_number(packets + 1),
            _ => None,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// How many packets it waits for, 1 but in bundles.
    pub(super) fn bundle(self) -> u64 {
        match self {
            Self::Plain | Self::Single | Self::Spaced => 1,
            Self::Pairs => 2,
            Self::Triples => 3,
            Self::Quads => 4,
        }
    }

    /// How many packets back each copy against loss is, the nearest first.
    pub(super) fn distances(self) -> &'static [u8] {
        match self {
            // The next packet brings it: one frame of delay hides any single loss.
            Self::Single => &[1],
            // Far enough apart that a burst of three takes but one of the two.
            Self::Spaced => &[1, 4],
            Self::Plain | Self::Pairs | Self::Triples | Self::Quads => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_the_numbers_they_are_found_by() {
        for (number, level) in (0..).zip(Level::ALL) {
            assert_eq!(level as u8, number);
            assert_eq!(Level::from_number(number), Some(level));
        }
        assert_eq!(Level::from_number(6), None);
        assert_eq!(Level::of_redundancy(2), Some(Level::Spaced));
        assert_eq!(Level::of_redundancy(3), None);
        let bundles = [0, 1, 2, 3, 4, 5].map(|count| Level::of_bundle(count).map(Level::bundle));
        assert_eq!(bundles, [None, Some(1), Some(2), Some(3), Some(4), None]);
    }
}
