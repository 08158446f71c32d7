//! The laboratory's networks: the link model or a trace, each way.

use std::time::Duration;

use super::super::{Link, LinkConfig, Network, Replay};

/// A network between relay and receiver, the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Net {
    /// The link model.
    Link(LinkConfig),
    /// The trace of a network, made from the scenario's seed.
    Trace(Network),
}

/// One direction of it.
pub(super) enum Way<T> {
    Link(Box<Link<T>>),
    Trace(Replay<T>),
}

impl<T: Clone> Way<T> {
    /// The way from the relay.
    pub(super) fn down(net: Net, seed: u64) -> Self {
        match net {
            Net::Link(config) => Self::Link(Box::new(Link::new(config, seed))),
            Net::Trace(network) => Self::Trace(Replay::new(network.trace(seed), Duration::ZERO)),
        }
    }

    /// The way back to it.
    pub(super) fn up(net: Net, seed: u64) -> Self {
        match net {
            Net::Link(config) => Self::Link(Box::new(Link::new(config, !seed))),
            Net::Trace(network) => {
                Self::Trace(Replay::new(network.trace(seed), network.shift_back()))
            }
        }
    }

    /// Whether what is sent now meets an outage. Only traces have any.
    pub(super) fn is_outage(&self, now: Duration) -> bool {
        match self {
            Self::Link(_) => false,
            Self::Trace(replay) => replay.is_outage(now),
        }
    }

    pub(super) fn send(&mut self, now: Duration, bytes: usize, packet: T) {
        match self {
            Self::Link(link) => link.send_sized(now, bytes, packet),
            Self::Trace(replay) => replay.send(now, packet),
        }
    }

    /// How long a packet would take now; `None` if it would be lost.
    pub(super) fn delay(&self, now: Duration) -> Option<Duration> {
        match self {
            Self::Link(link) => Some(link.config.delay + link.config.jitter),
            Self::Trace(replay) => replay.delay(now),
        }
    }

    pub(super) fn receive(&mut self, now: Duration) -> Option<(Duration, T)> {
        match self {
            Self::Link(link) => link.receive(now),
            Self::Trace(replay) => replay.receive(now),
        }
    }
}
