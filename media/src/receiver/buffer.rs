//! The receiver's way in: checks a packet and puts it in its place.

use std::time::Duration;

use super::intake::{Place, Verdict};
use super::slots::Seen;
use super::{Arrival, Event, PacketError, Receiver, State, Stream};
use crate::Packet;
use crate::toc::Toc;

/// After a longer silence the path may be another, and the delay is chosen anew; after a
/// shorter one, as a handover's, what comes first is late by what was known before.
const SAME_PATH: Duration = Duration::from_millis(500);

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
            Verdict::Fits if self.begins_in_past(packet, place) => {
                self.restart();
                self.counts.restarts += 1;
                self.push_event(Event::Restarted(place.timestamp));
            }
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

    /// Whether this is a source that began anew with numbers it had before.
    fn begins_in_past(&mut self, packet: &Packet<'_>, place: Place) -> bool {
        let Some(stream) = self.stream else {
            return false;
        };
        if place.sequence >= stream.next_sequence {
            if !packet.copy {
                self.intake.forget_past();
            }
            return false;
        }
        !packet.copy && stream.began && self.intake.is_new_past(place)
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
        let overtaken = place.sequence < stream.newest.sequence;
        let seen = self.slots.seen(place.sequence);
        let first = seen != Seen::Before;
        let repaired = !packet.copy && self.repairs.answers(now, place.sequence, first);
        let original = !packet.copy && !repaired;
        if packet.copy {
            let seconds = f64::from(place.samples) / 48_000.0;
            self.repairs.spend(1.0, seconds);
        }
        if original {
            let silence = now.saturating_sub(self.last_arrival);
            if self.state == State::Interrupted && silence > SAME_PATH {
                self.delay.forget_floor();
            }
            self.last_arrival = now;
            self.observe(now, place, overtaken);
        } else if seen != Seen::Before {
            self.delay.observe_repair(now, place.timestamp);
        }
        let arrival = if seen == Seen::Before {
            self.handle_again(packet)
        } else if passed {
            self.handle_late(place.sequence, original, seen);
            Arrival::Late
        } else {
            let slot = self.slots.store(place.sequence, packet.payload);
            slot.timestamp = place.timestamp;
            slot.samples = place.samples;
            slot.send_time = packet.send_time;
            slot.copy = packet.copy;
            slot.repaired = repaired;
            Arrival::Stored
        };
        if original {
            let slot = self.slots.slot_mut(place.sequence);
            if slot.sequence == place.sequence {
                slot.original = true;
            }
        }
        self.judge_losses();
        arrival
    }

    /// Learns from a packet that came by itself, be it after its copy; not from duplicates.
    fn observe(&mut self, now: Duration, place: Place, overtaken: bool) {
        let slot = self.slots.slot(place.sequence);
        if slot.sequence == place.sequence && slot.original {
            return;
        }
        self.counts.packets += 1;
        self.delay.observe(now, place.timestamp, place.samples);
        if overtaken {
            let judged = self.was_judged(place.sequence);
            self.repairs.overtaken(judged);
            self.counts.missing -= u64::from(judged).min(self.counts.missing);
        }
    }

    fn handle_late(&mut self, sequence: u64, original: bool, seen: Seen) {
        if seen == Seen::Missed && original {
            self.counts.late += 1;
            self.counts.lost = self.counts.lost.saturating_sub(1);
            self.slots.settle(sequence, super::slots::Content::Played);
        }
    }

    /// The packet itself after its copy is no duplicate; the copy after it neither.
    fn handle_again(&mut self, packet: &Packet<'_>) -> Arrival {
        let slot = self.slots.slot_mut(packet.sequence);
        if packet.copy {
            return Arrival::Duplicate;
        }
        if slot.copy {
            // What only a copy had brought so far has come by itself.
            slot.copy = false;
            slot.send_time = packet.send_time;
        } else {
            self.counts.duplicates += 1;
        }
        Arrival::Duplicate
    }
}
