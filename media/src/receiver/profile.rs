//! What the listener prefers: less delay or fewer faults, fewer bytes or more repair.

/// How delay and faults are weighed against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// The smallest delay that holds: for talking and playing together. One packet in 500
    /// may come too late, and no more than 90 ms are spent waiting for repair.
    Interactive,
    /// Balanced, the default: one packet in 1,000, and up to 140 ms for repair.
    #[default]
    Live,
    /// Smooth above all: one packet in 10,000, and up to 1.5 s for repair.
    Safe,
}

/// How many bytes beyond the stream's own may be spent on repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repair {
    /// At most 1.15 times the stream: each missing packet is requested once, no copies.
    Economy,
    /// At most 1.6 times the stream, the default: retransmission where it comes in time,
    /// else copies as far as the budget goes.
    #[default]
    Auto,
    /// At most 3 times: copies as soon as packets are lost, and retransmission.
    Robust,
}

impl Profile {
    /// How many packets may share a datagram where fewer datagrams are wanted and nobody says
    /// how few: each waits for the last of them. None do for [`Interactive`](Self::Interactive).
    #[must_use]
    pub fn bundle(self) -> u8 {
        match self {
            Self::Interactive => 1,
            Self::Live => 2,
            Self::Safe => 4,
        }
    }

    /// Share of packets that are to be there in time.
    pub(super) fn quantile(self) -> f64 {
        match self {
            Self::Interactive => 0.998,
            Self::Live => 0.999,
            Self::Safe => 0.9999,
        }
    }

    /// Added to what was measured, in ms: for rounding and the callback's own jitter.
    pub(super) fn margin_ms(self) -> f64 {
        match self {
            Self::Interactive => 2.0,
            Self::Live => 2.0,
            Self::Safe => 15.0,
        }
    }

    /// The longest that repair is waited for beyond the luckiest packet, in ms.
    pub(super) fn repair_ms_max(self) -> f64 {
        match self {
            Self::Interactive => 90.0,
            Self::Live => 140.0,
            Self::Safe => 1500.0,
        }
    }

    /// Losses of late, in a row counted as one, of 20 s of decaying memory, that make it wait
    /// for repair: a lone loss is cheaper concealed than more delay for all.
    pub(super) fn losses_min(self) -> f64 {
        match self {
            Self::Interactive => 6.0,
            Self::Live => 2.0,
            Self::Safe => 0.3,
        }
    }
}

impl Repair {
    /// Bytes beyond the stream's own, as a share of them.
    pub(super) fn budget(self) -> f64 {
        match self {
            Self::Economy => 0.15,
            Self::Auto => 0.6,
            Self::Robust => 2.0,
        }
    }
}
