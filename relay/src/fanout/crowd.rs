//! Who takes a track's packets: some one by one, most as a crowd.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wire::TrackId;

use super::bundle::Bundles;
use super::repair::redundant;
use super::ring::Ring;
use super::{Level, Listener, Packet};

/// A listener's place among those whose packets something else sends to each of them.
pub(crate) trait Seat {
    /// All that share it, the same for every seat of a relay.
    fn crowd(&self) -> &dyn Crowd;
    /// Takes that track's packets from now on, and no other's.
    fn take(&self, track: TrackId);
    /// Takes none.
    fn leave(&self);
    /// Takes packets of that level, on whatever track.
    fn set_level(&self, level: Level);
}

/// Sends a packet to all that took its track.
pub(crate) trait Crowd {
    /// Hands it over, once for all of them. Never waits.
    fn send(&self, packet: &Encodings<'_>);
}

/// A packet as listeners of each level take it, made when the first asks.
#[derive(Debug)]
pub(crate) struct Encodings<'a> {
    packet: &'a Packet,
    ring: &'a Ring,
    bundles: &'a Bundles,
    made: [Option<Made>; Level::MADE.len()],
}

/// What listeners of a level are sent at a packet.
#[derive(Debug)]
pub(crate) enum Made {
    Sent(Packet),
    /// Nothing: it waits for the packets it travels with.
    Waits,
}

/// The listeners of a track.
#[derive(Debug, Default)]
pub(super) struct Audience {
    /// Served one by one.
    pub(super) single: Vec<Arc<Listener>>,
    /// Served as a crowd.
    pub(super) seated: Vec<Arc<Listener>>,
}

/// How many of the seated listeners take each level: only these levels are encoded.
#[derive(Debug, Default)]
pub(super) struct Levels([AtomicU32; Level::MADE.len() + 1]);

impl<'a> Encodings<'a> {
    pub(super) fn new(packet: &'a Packet, ring: &'a Ring, bundles: &'a Bundles) -> Self {
        let made = Default::default();
        Self {
            packet,
            ring,
            bundles,
            made,
        }
    }

    /// The packet as it is.
    pub(crate) fn plain(&self) -> &Packet {
        self.packet
    }

    /// What was made of it for that level, if anything was.
    pub(crate) fn made(&self, level: Level) -> Option<&Made> {
        let own = (level as usize).checked_sub(1)?;
        self.made[own].as_ref()
    }

    /// What goes out at that level now.
    pub(super) fn make(&mut self, level: Level) -> Option<&Packet> {
        let Some(own) = (level as usize).checked_sub(1) else {
            return Some(self.packet);
        };
        let Self {
            packet,
            ring,
            bundles,
            made,
        } = self;
        let made = made[own].get_or_insert_with(|| match level.bundle() {
            1 => Made::Sent(redundant(packet, level, ring)),
            _ => match bundles.put(level, packet, ring) {
                Some(bundle) => Made::Sent(bundle),
                None => Made::Waits,
            },
        });
        match made {
            Made::Sent(packet) => Some(packet),
            Made::Waits => None,
        }
    }
}

impl Audience {
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.single.iter().chain(&self.seated)
    }

    pub(super) fn crowd(&self) -> Option<&dyn Crowd> {
        Some(self.seated.first()?.sink.seat()?.crowd())
    }

    pub(super) fn with(&self, listener: &Arc<Listener>) -> Self {
        let mut after = self.without(listener);
        match listener.sink.seat() {
            None => after.single.push(Arc::clone(listener)),
            Some(_) => after.seated.push(Arc::clone(listener)),
        }
        after
    }

    pub(super) fn without(&self, listener: &Arc<Listener>) -> Self {
        let others = |list: &[Arc<Listener>]| {
            let mut others = Vec::with_capacity(list.len() + 1);
            let kept = list.iter().filter(|other| !Arc::ptr_eq(other, listener));
            others.extend(kept.cloned());
            others
        };
        Self {
            single: others(&self.single),
            seated: others(&self.seated),
        }
    }
}

impl Levels {
    pub(super) fn add(&self, level: Level) {
        self.0[level as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, level: Level) {
        self.0[level as usize].fetch_sub(1, Ordering::Relaxed);
    }

    /// How many take it.
    pub(super) fn count(&self, level: Level) -> u32 {
        self.0[level as usize].load(Ordering::Relaxed)
    }
}
