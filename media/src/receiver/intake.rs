//! Decides whether a packet belongs to the stream, is absurd, or begins another stream.
//!
//! One absurd packet must not stop the sound, and a source that begins anew must not stay
//! silent: a packet that does not fit is put aside, and only when others follow from it the
//! stream restarts there.

/// Sequences this far from the newest may belong to the stream.
const SEQUENCE_REACH: u64 = 3000;

/// How far, in samples, a timestamp may lie from where its sequence puts it: one second.
const TIMESTAMP_REACH: u64 = 48_000;

/// Packets that have to follow from each other for the stream to restart at them.
const PROOF: u32 = 3;

/// Largest sequence and timestamp believed, that of a QUIC varint.
const NUMBER_MAX: u64 = (1 << 62) - 1;

/// A place on the line of sequences and timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) timestamp: u64,
    pub(super) samples: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It belongs to the stream.
    Fits,
    /// Too little is known; it is not used.
    Doubtful,
    /// It begins another stream.
    Restart,
    /// It can belong to no stream.
    Absurd,
}

/// Packets long past that have to follow from each other, in order, for the stream to restart
/// at them: more than repair brings late, and soon enough for 20 ms packets.
const PROOF_OF_PAST: u32 = 6;

#[derive(Debug, Default)]
pub(super) struct Intake {
    aside: Option<(Place, u32)>,
    past: Option<(Place, u32)>,
}

impl Intake {
    /// Judges `packet` against the stream's newest packet, if there is a stream.
    pub(super) fn judge(&mut self, newest: Option<Place>, packet: Place, copy: bool) -> Verdict {
        if packet.sequence > NUMBER_MAX || packet.timestamp > NUMBER_MAX {
            return Verdict::Absurd;
        }
        let Some(newest) = newest else {
            return Verdict::Fits;
        };
        if follows(newest, packet) {
            self.aside = None;
            return Verdict::Fits;
        }
        // A copy comes with a packet of its own, which is the one to judge.
        if copy {
            return Verdict::Doubtful;
        }
        let count = match self.aside {
            Some((before, count)) if follows(before, packet) && packet != before => count + 1,
            _ => 1,
        };
        if count >= PROOF {
            self.aside = None;
            return Verdict::Restart;
        }
        self.aside = Some((packet, count));
        Verdict::Doubtful
    }
}

impl Intake {
    /// A source that begins anew with lower numbers looks like packets long past: tells
    /// whether this is one of enough of them, each right after the one before, while nothing
    /// newer came.
    pub(super) fn is_new_past(&mut self, packet: Place) -> bool {
        let count = match self.past {
            Some((before, count))
                if packet.sequence == before.sequence + 1
                    && packet.timestamp == before.timestamp + u64::from(before.samples) =>
            {
                count + 1
            }
            _ => 1,
        };
        self.past = Some((packet, count));
        count >= PROOF_OF_PAST
    }

    /// Something of the stream itself came.
    pub(super) fn forget_past(&mut self) {
        self.past = None;
    }
}

/// Whether `packet` lies where a neighbour of `known` would.
fn follows(known: Place, packet: Place) -> bool {
    let distance = packet.sequence.abs_diff(known.sequence);
    if distance > SEQUENCE_REACH {
        return false;
    }
    let after = packet.sequence > known.sequence;
    if distance > 0 && (packet.timestamp > known.timestamp) != after {
        return false;
    }
    let moved = packet.timestamp.abs_diff(known.timestamp);
    let expected = distance * u64::from(known.samples);
    if distance == 0 {
        return moved == 0;
    }
    // The frame size may change along the way, so a long distance allows for more.
    moved.abs_diff(expected) <= TIMESTAMP_REACH.max(expected / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(sequence: u64, timestamp: u64) -> Place {
        Place {
            sequence,
            timestamp,
            samples: 960,
        }
    }

    #[test]
    fn neighbours_fit_and_lone_strangers_do_not() {
        let mut intake = Intake::default();
        let newest = Some(at(1000, 960_000));
        let mut judge = |packet| intake.judge(newest, packet, false);
        assert_eq!(judge(at(1001, 960_960)), Verdict::Fits);
        assert_eq!(judge(at(1100, 960_000 + 96_000)), Verdict::Fits);
        assert_eq!(judge(at(990, 960_000 - 9_600)), Verdict::Fits);
        assert_eq!(judge(at(1001, 959_000)), Verdict::Doubtful, "back in time");
        assert_eq!(
            judge(at(1001, 5_000_000)),
            Verdict::Doubtful,
            "far ahead in time"
        );
        assert_eq!(judge(at(1 << 40, 960_960)), Verdict::Doubtful);
        assert_eq!(judge(at(u64::MAX, 0)), Verdict::Absurd);
        assert_eq!(judge(at(1001, u64::MAX)), Verdict::Absurd);
    }

    #[test]
    fn three_that_follow_each_other_restart_the_stream() {
        let mut intake = Intake::default();
        let newest = Some(at(1000, 96_000_000));
        assert_eq!(intake.judge(newest, at(5, 0), false), Verdict::Doubtful);
        assert_eq!(
            intake.judge(newest, at(5, 0), false),
            Verdict::Doubtful,
            "the same again"
        );
        assert_eq!(intake.judge(newest, at(6, 960), false), Verdict::Doubtful);
        assert_eq!(
            intake.judge(newest, at(4, 9), true),
            Verdict::Doubtful,
            "a copy"
        );
        assert_eq!(intake.judge(newest, at(8, 2880), false), Verdict::Restart);
    }
}
