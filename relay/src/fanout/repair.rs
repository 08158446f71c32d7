//! Against loss: packets sent once more, and copies sent along.

use std::sync::{Arc, Weak};
use std::time::Instant;

use wire::audio::{Copy, DATAGRAM_BYTES_MAX, Datagram};
use wire::repair::Request;

use super::ring::Ring;
use super::{Level, Listener, Packet, Track};
use crate::metrics::{Metrics, Repair as Outcome};
use crate::session::bucket::Bucket;

/// A listener's way to what its track carried before. Touched by the listener's own
/// requests and when it changes its track, never while packets pass.
#[derive(Debug, Default)]
pub(super) struct Repair {
    pub(super) track: Weak<Track>,
    /// It takes the track's packets as one of a crowd.
    pub(super) is_seated: bool,
    allowance: Option<Bucket>,
}

impl Repair {
    /// For a listener that turns to a track, or away from all.
    pub(super) fn on(track: Option<&Arc<Track>>, is_seated: bool) -> Self {
        Self {
            is_seated,
            track: track.map(Arc::downgrade).unwrap_or_default(),
            allowance: None,
        }
    }
}

impl Listener {
    /// Sends once more what the listener asks for, to it alone, as far as it is kept and
    /// the listener's allowance goes. False when it is on no such track.
    pub(crate) fn answer(&self, request: &Request<'_>, now: Instant, metrics: &Metrics) -> bool {
        let mut repair = self.repair();
        let track = repair.track.upgrade();
        let track = track.filter(|track| track.id == request.track);
        let Some((track, ring)) = track.as_ref().and_then(|track| track.kept()) else {
            metrics.count_repairs(Outcome::foreign, request.sequences.len() as u64);
            return false;
        };
        let allowance = repair.allowance.get_or_insert_with(|| track.allowance(now));
        for sequence in request.sequences {
            let outcome = match (allowance.take(now), ring.get(sequence)) {
                (Err(_), _) => Outcome::limited,
                (_, None) => Outcome::gone,
                (Ok(()), Some(packet)) => {
                    self.send(&packet);
                    Outcome::sent
                }
            };
            metrics.count_repairs(outcome, 1);
        }
        true
    }
}

impl Track {
    fn kept(&self) -> Option<(&Self, &Ring)> {
        Some((self, self.ring.get()?))
    }

    /// What one listener may ask for: the frame rate, which doubles its bytes at most and
    /// allows for a tenth to be lost and asked for again and again until it comes.
    fn allowance(&self, now: Instant) -> Bucket {
        let frames = self.ring.get().map_or(1, Ring::repair_packets);
        Bucket::new(frames, frames, now)
    }
}

/// The packet with earlier ones sent along; the same one when there is none to add or no room.
pub(super) fn redundant(packet: &Packet, level: Level, ring: &Ring) -> Packet {
    let bytes = packet.datagram();
    let Ok(datagram) = Datagram::decode(&bytes) else {
        return packet.clone();
    };
    let mut room = DATAGRAM_BYTES_MAX - bytes.len();
    let mut kept = Vec::with_capacity(level.distances().len());
    for distance in level.distances() {
        let sequence = datagram.sequence.checked_sub((*distance).into());
        if let Some(earlier) = sequence.and_then(|sequence| ring.get(sequence)) {
            kept.push((*distance, earlier.datagram()));
        }
    }
    let mut copies = Vec::with_capacity(kept.len());
    for (distance, earlier) in &kept {
        let Some(copy) = copy_of(earlier, *distance, datagram.timestamp) else {
            continue;
        };
        // The nearest come first, so that the oldest are left out.
        let Some(rest) = room.checked_sub(copy.encoded_len()) else {
            break;
        };
        room = rest;
        copies.push(copy);
    }
    if copies.is_empty() {
        return packet.clone();
    }
    let copies = copies.into_iter();
    Packet::encode_with(packet.frame_us, &datagram, copies).unwrap_or_else(|_| packet.clone())
}

pub(super) fn copy_of(earlier: &[u8], distance: u8, timestamp: u64) -> Option<Copy<'_>> {
    let earlier = Datagram::decode(earlier).ok()?;
    Some(Copy {
        distance,
        age: timestamp.checked_sub(earlier.timestamp)?,
        packet: earlier.packet,
    })
}
