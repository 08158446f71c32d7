//! What the peer is asked to do about acknowledging (draft-ietf-quic-ack-frequency).
//!
//! `quinn-proto` asks a peer that has the extension for an acknowledgement in so many packets,
//! but within 25 ms or a round trip, which frames of 20 ms make one for two. For those the fast
//! path asks for more time: [`DELAY`]. It does so in its own packets, so that who only talks
//! goes on as before. `quinn-proto` does not know of it, and would take a packet of its own for
//! lost while the peer takes its time: after such a packet the peer is asked to acknowledge at
//! once, in that very packet where there is room for it, else in the next of the fast path's.

use std::time::Duration;

use crate::frames::{self, Frequency};

/// How long the peer may take for an acknowledgement while frames go past `quinn-proto`: five
/// of the usual intervals and a half, so that acknowledgements do not come while the sixth
/// packet goes out to everybody.
pub const DELAY: Duration = Duration::from_millis(110);

/// What a fast path's packet may have besides its datagram: `quinn-proto` leaves as much for a
/// longer packet number and a datagram's length.
pub(crate) const ROOM: usize = 10;

/// The number of the request: the greatest of one byte, far above `quinn-proto`'s, which asks
/// once or twice. The peer heeds the greatest.
const SEQUENCE: u64 = 63;

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    /// What `quinn-proto` has asked for last; none from a peer that has no such extension.
    quinn: Option<Frequency>,
    /// From this packet on each of the fast path's asks, until the peer has one of them.
    since: Option<u64>,
    is_heard: bool,
    /// A packet of `quinn-proto`'s waits for its acknowledgement.
    is_urgent: bool,
    /// The last packet was one of the fast path's.
    is_flowing: bool,
}

impl Asking {
    /// `quinn-proto` sends a packet of these frames.
    pub(crate) fn look_at(&mut self, frames: &mut [u8]) {
        let found = frames::look_through(frames);
        if found.frequency.is_some() {
            self.quinn = found.frequency;
        }
        if !found.is_eliciting || self.quinn.is_none() {
            return;
        }
        let is_alone = std::mem::take(&mut self.is_flowing);
        let asks = is_alone && frames::ask_at_once(frames, found.last_datagram);
        self.is_urgent |= !asks;
    }

    /// Puts what is to be asked at the head of a fast path's packet, [`ROOM`] bytes at most.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.is_urgent {
            out.push(frames::IMMEDIATE_ACK);
        }
        if let Some(request) = self.request() {
            request.write(out);
        }
    }

    /// That packet goes out with this number.
    pub(crate) fn has_sent(&mut self, number: u64) {
        self.is_flowing = true;
        self.is_urgent = false;
        if self.since.is_none() && self.request().is_some() {
            self.since = Some(number);
        }
    }

    /// The peer has this packet of the fast path's.
    pub(crate) fn is_acknowledged(&mut self, number: u64) {
        self.is_heard |= self.since.is_some_and(|since| number >= since);
    }

    fn request(&self) -> Option<Frequency> {
        let quinn = self.quinn.filter(|_| !self.is_heard)?;
        let request = Frequency {
            sequence: SEQUENCE,
            delay_us: quinn.delay_us.max(DELAY.as_micros() as u64),
            ..quinn
        };
        // With the byte that may be before it.
        (request.bytes() < ROOM).then_some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUINN: Frequency = Frequency {
        sequence: 0,
        threshold: 9,
        delay_us: 25_000,
        reordering: 2,
    };

    fn written(asking: &Asking) -> Vec<u8> {
        let mut out = Vec::new();
        asking.write(&mut out);
        assert!(out.len() <= ROOM);
        out
    }

    /// ACK_FREQUENCY of quinn's, and a datagram of three bytes with its length.
    fn asks() -> Vec<u8> {
        let mut frames = Vec::new();
        QUINN.write(&mut frames);
        frames.extend([0x31, 0x40, 3, 7, 8, 9]);
        frames
    }

    #[test]
    fn a_peer_without_the_extension_is_asked_nothing() {
        let mut asking = Asking::default();
        asking.has_sent(0);
        let mut frames = vec![0x31, 0x40, 3, 7, 8, 9];
        asking.look_at(&mut frames);
        assert_eq!(frames, [0x31, 0x40, 3, 7, 8, 9]);
        assert!(written(&asking).is_empty());
    }

    #[test]
    fn it_asks_until_it_is_heard() {
        let mut asking = Asking::default();
        asking.look_at(&mut asks());
        let mut request = vec![frames::IMMEDIATE_ACK];
        Frequency {
            sequence: SEQUENCE,
            delay_us: 110_000,
            ..QUINN
        }
        .write(&mut request);
        assert_eq!(written(&asking), request);
        asking.has_sent(5);
        assert_eq!(written(&asking), request[1..]);
        asking.has_sent(6);
        asking.is_acknowledged(4);
        assert_eq!(written(&asking), request[1..]);
        asking.is_acknowledged(6);
        assert!(written(&asking).is_empty());
    }

    #[test]
    fn a_lone_frame_of_quinns_is_acknowledged_at_once_and_others_by_the_next_packet() {
        let mut asking = Asking::default();
        asking.look_at(&mut asks());
        asking.has_sent(1);
        asking.is_acknowledged(1);
        let mut lone = vec![0x31, 0x40, 3, 7, 8, 9];
        asking.look_at(&mut lone);
        assert_eq!(lone, [0x1f, 0x00, 0x30, 7, 8, 9]);
        assert!(written(&asking).is_empty());
        // Nothing of the fast path's came between.
        let mut next = vec![0x31, 0x40, 3, 7, 8, 9];
        asking.look_at(&mut next);
        assert_eq!(next, [0x31, 0x40, 3, 7, 8, 9]);
        assert_eq!(written(&asking), [0x1f]);
        asking.has_sent(4);
        // No room in a packet that ends with a stream's bytes.
        let mut stream = vec![0x0a, 4, 2, 1, 1];
        asking.look_at(&mut stream);
        assert_eq!(stream, [0x0a, 4, 2, 1, 1]);
        assert_eq!(written(&asking), [0x1f]);
        asking.has_sent(5);
        // Acknowledgements are not acknowledged.
        asking.look_at(&mut [0x02, 9, 0, 0, 0]);
        assert!(written(&asking).is_empty());
    }
}
