//! The receiver's way in: checks a packet and puts it in its place.

use std::time::Duration;

use super::intake::{Place, Verdict};
use super::slots::Seen;
use super::{Arrival, Event, PacketError, Receiver, Stream};
use crate::Packet;
use crate::toc::Toc;

impl Receiver {
    /// Takes a packet that arrived at `now`. Any bytes, any numbers, any order: the worst is
    /// an error, counted as rejected.
    pub fn handle_packet(
        &mut self,
        now: Duration,
        packet: &Packet<'_>,
    ) -> Result<Arrival, PacketError> {
        let result = self.admit(now, packet);
        if result.is_err() {
            self.counts.rejected += 1;
        }
        result
    }

    fn admit(&mut self, now: Duration, packet: &Packet<'_>) -> Result<Arrival, PacketError> {
        if packet.payload.len() > wire::audio::DATAGRAM_BYTES_MAX {
            return Err(PacketError::TooLarge(packet.payload.len()));
        }
        let place = Place {
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            samples: Toc::parse(packet.payload)?.samples(),
        };
        let newest = self.stream.map(|stream| stream.newest);
        match self.intake.judge(newest, place, packet.copy) {
            Verdict::Fits => {}
            Verdict::Doubtful => return Ok(Arrival::Doubtful),
            Verdict::Restart => {
                self.restart();
                self.counts.restarts += 1;
                self.push_event(Event::Restarted(place.timestamp));
            }
            Verdict::Absurd => {
                return Err(PacketError::Absurd {
                    sequence: place.sequence,
                    timestamp: place.timestamp,
                });
            }
        }
        Ok(self.place(now, packet, place))
    }

    fn place(&mut self, now: Duration, packet: &Packet<'_>, place: Place) -> Arrival {
        let stream = self.stream.get_or_insert(Stream {
            next_sequence: place.sequence,
            next_timestamp: place.timestamp,
            newest: place,
            began: false,
        });
        if place.sequence > stream.newest.sequence {
            stream.newest = place;
        }
        if !stream.began && place.sequence < stream.next_sequence {
            stream.next_sequence = place.sequence;
            stream.next_timestamp = place.timestamp;
        }
        let passed = place.sequence < stream.next_sequence;
        let seen = self.slots.seen(place.sequence);
        if !packet.copy && seen != Seen::Before {
            self.counts.packets += 1;
            self.delay.observe(now, place.timestamp, place.samples);
        }
        if seen == Seen::Before {
            // The packet itself after its copy is no duplicate; the copy after it neither.
            return self.handle_again(packet);
        }
        if passed {
            if seen == Seen::Missed && !packet.copy {
                self.counts.late += 1;
                self.counts.lost = self.counts.lost.saturating_sub(1);
                self.slots
                    .settle(place.sequence, super::slots::Content::Played);
            }
            return Arrival::Late;
        }
        let slot = self.slots.store(place.sequence, packet.payload);
        slot.timestamp = place.timestamp;
        slot.samples = place.samples;
        slot.send_time = packet.send_time;
        slot.copy = packet.copy;
        Arrival::Stored
    }

    fn handle_again(&mut self, packet: &Packet<'_>) -> Arrival {
        let slot = self.slots.slot_mut(packet.sequence);
        if packet.copy {
            return Arrival::Duplicate;
        }
        if slot.copy {
            // What only a copy had brought so far has come by itself.
            slot.copy = false;
            slot.send_time = packet.send_time;
            self.counts.packets += 1;
        } else {
            self.counts.duplicates += 1;
        }
        Arrival::Duplicate
    }
}
