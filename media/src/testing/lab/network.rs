//! The laboratory's networks: the link model or a trace, each way.

use std::time::Duration;

use super::super::{Link, LinkConfig, Network, Replay};

/// A network between relay and receiver, the same in both directions.
#[derive(Debug, Clone, Copy)]
pub enum Net {
    /// The link model.
    Link(LinkConfig),
    /// A trace.
    Trace(Network),
}

/// One direction of it.
pub(super) enum Way<T> {
    Link(Box<Link<T>>),
    Trace(Replay<T>),
}

impl<T: Clone> Way<T> {
    pub(super) fn new(net: Net, seed: u64, shift: Duration) -> Self {
        match net {
            Net::Link(config) => Self::Link(Box::new(Link::new(config, seed))),
            Net::Trace(network) => Self::Trace(Replay::new(network.trace(), shift)),
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
