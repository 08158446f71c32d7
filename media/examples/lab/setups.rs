//! What is compared.

use std::time::Duration;

use skywave_media::receiver::{Config, Profile, Repair};
use skywave_media::testing::lab::{Outcome, Setup};

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The receiver as it is used.
    Ours,
    /// Another receiver.
    Baseline,
    /// Ours without one of its means.
    Mutation,
}

/// A line of a table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) outcome: Outcome,
}

/// Name, kind and setup of every row.
pub(crate) fn setups() -> Vec<(&'static str, Kind, Setup)> {
    let ours = |profile, repair| {
        Setup::of(Config {
            profile,
            repair,
            ..Config::default()
        })
    };
    let ms = Duration::from_millis;
    let (live, auto, robust) = (Profile::Live, Repair::Auto, Repair::Robust);
    let unanswered = Setup {
        retransmission: false,
        ..ours(live, auto)
    };
    let bare = Setup {
        redundancy: false,
        ..ours(live, robust)
    };
    let unstretched = Setup::of(Config {
        stretch: false,
        ..Config::default()
    });
    vec![
        ("interactive", Kind::Ours, ours(Profile::Interactive, auto)),
        ("live", Kind::Ours, ours(live, auto)),
        ("safe", Kind::Ours, ours(Profile::Safe, auto)),
        ("live, economy", Kind::Ours, ours(live, Repair::Economy)),
        ("live, robust", Kind::Ours, ours(live, robust)),
        ("fixed 60 ms", Kind::Baseline, Setup::fixed(ms(60))),
        ("fixed 100 ms", Kind::Baseline, Setup::fixed(ms(100))),
        ("fixed 200 ms", Kind::Baseline, Setup::fixed(ms(200))),
        ("live, no retransmission", Kind::Mutation, unanswered),
        ("robust, no copies", Kind::Mutation, bare),
        ("live, no stretching", Kind::Mutation, unstretched),
    ]
}
