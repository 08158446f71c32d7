//! A QUIC client past its opening: it opens packets, acknowledges them and says little, nothing
//! else.
//!
//! quinn's client takes more of a processor for a packet than the server's fast path, so that a
//! swarm of them fills its own long before the server's. What the server sees is the same: an
//! acknowledgement for so many packets, so long after the first, or at once, as it asks for and as
//! quinn's clients do.

use bytes::{Buf, BytesMut};
use engine::testing::HandedOver;
use wire::varint;

/// Ranges of received numbers that are told, the newest.
const RANGES_MAX: usize = 8;

/// Bytes written last that every frame on the control stream repeats, as a packet may be lost.
const REPEATED: usize = 128;

/// Clients acknowledge after so many packets unless they are asked for less.
pub(super) const ACK_EVERY: u32 = 2;

/// One client.
pub(super) struct Light {
    rest: HandedOver,
    /// The end of what was written on the control stream.
    said: Vec<u8>,
    received: Received,
    /// Packets to acknowledge.
    owed: u32,
    /// Acknowledgements sent.
    acknowledged: u64,
}

/// What a packet was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packet {
    /// So many wait for an acknowledgement now; none when this one asks for none.
    Owed(u32),
    /// It is to be acknowledged at once.
    Urgent,
    /// The server has closed the connection.
    Close,
    /// No packet of this connection's.
    Unknown,
}

impl Light {
    pub(super) fn new(rest: HandedOver) -> Self {
        Self {
            rest,
            said: Vec::new(),
            received: Received::default(),
            owed: 0,
            acknowledged: 0,
        }
    }

    /// Takes a packet; `hear` gets each datagram without HTTP/3's prefix.
    pub(super) fn handle_packet(
        &mut self,
        packet: &[u8],
        frames: &mut BytesMut,
        mut hear: impl FnMut(&[u8]),
    ) -> Packet {
        let Some(number) = self.rest.link.open_whole(packet, frames) else {
            return Packet::Unknown;
        };
        if !self.received.add(number) {
            return Packet::Owed(0);
        }
        match walk(frames, &mut hear) {
            Walked::Close => return Packet::Close,
            Walked::AcksAlone => return Packet::Owed(0),
            Walked::Eliciting => {}
            Walked::Urgent => {
                self.owed += 1;
                return Packet::Urgent;
            }
        }
        self.owed += 1;
        Packet::Owed(self.owed)
    }

    /// Which acknowledgement is the next.
    pub(super) fn next_acknowledgement(&self) -> u64 {
        self.acknowledged
    }

    /// Acknowledges all that has come.
    pub(super) fn acknowledge(&mut self, out: &mut Vec<u8>) -> bool {
        self.owed = 0;
        self.acknowledged += 1;
        let frame = self.received.frame();
        frame.is_some_and(|frame| self.rest.link.seal_frames(&frame, out))
    }

    /// Writes on the control stream.
    pub(super) fn say(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        self.rest.control_bytes += bytes.len() as u64;
        self.said.extend_from_slice(bytes);
        let old = self.said.len().saturating_sub(REPEATED.max(bytes.len()));
        self.said.drain(..old);
        let offset = self.rest.control_bytes - self.said.len() as u64;
        let mut frame = Vec::with_capacity(16 + self.said.len());
        // STREAM with an offset and a length.
        for value in [
            0x0e,
            self.rest.control.into(),
            offset,
            self.said.len() as u64,
        ] {
            varint::encode(value, &mut frame);
        }
        frame.extend_from_slice(&self.said);
        self.rest.link.seal_frames(&frame, out)
    }

    /// Closes the connection with the application's code 0.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) -> bool {
        self.rest.link.seal_frames(&[0x1d, 0, 0], out)
    }
}

/// Numbers received, from the first to the second, ascending and apart.
#[derive(Debug, Default)]
struct Received(Vec<(u64, u64)>);

impl Received {
    /// Notes a number; false when it was there.
    fn add(&mut self, number: u64) -> bool {
        let at = self.0.partition_point(|(low, _)| *low <= number);
        if at > 0 && number <= self.0[at - 1].1 {
            return false;
        }
        let joins_lower = at > 0 && self.0[at - 1].1 + 1 == number;
        let joins_upper = self.0.get(at).is_some_and(|(low, _)| number + 1 == *low);
        match (joins_lower, joins_upper) {
            (true, true) => self.0[at - 1].1 = self.0.remove(at).1,
            (true, false) => self.0[at - 1].1 = number,
            (false, true) => self.0[at].0 = number,
            (false, false) => self.0.insert(at, (number, number)),
        }
        if self.0.len() > RANGES_MAX {
            self.0.remove(0);
        }
        true
    }

    /// The ACK frame of all (RFC 9000, section 19.3); none when there is nothing.
    fn frame(&self) -> Option<Vec<u8>> {
        let mut ranges = self.0.iter().rev();
        let &(mut low, high) = ranges.next()?;
        let mut frame = Vec::with_capacity(32);
        for value in [0x02, high, 0, self.0.len() as u64 - 1, high - low] {
            varint::encode(value, &mut frame);
        }
        for &(below, high) in ranges {
            varint::encode(low - high - 2, &mut frame);
            varint::encode(high - below, &mut frame);
            low = below;
        }
        Some(frame)
    }
}

/// What was found in a packet.
enum Walked {
    /// Nothing that asks for an acknowledgement.
    AcksAlone,
    Eliciting,
    /// As well, and at once.
    Urgent,
    Close,
}

impl Walked {
    /// One frame more that asks for an acknowledgement.
    fn eliciting(self) -> Self {
        match self {
            Self::AcksAlone => Self::Eliciting,
            other => other,
        }
    }
}

/// Finds datagrams and the close among a packet's frames. Whatever else there may be on a stream
/// stands behind them, so there it ends.
fn walk(mut rest: &[u8], hear: &mut impl FnMut(&[u8])) -> Walked {
    let mut found = Walked::AcksAlone;
    loop {
        let Ok(kind) = varint::decode(&mut rest) else {
            return found;
        };
        match kind {
            0x00 => {}
            0x02 | 0x03 => {
                if ack(kind == 0x03, &mut rest).is_err() {
                    return found;
                }
            }
            0x1c | 0x1d => return Walked::Close,
            0x30 => {
                datagram(rest, hear);
                return found.eliciting();
            }
            0x31 => {
                found = found.eliciting();
                let Ok(len) = varint::decode(&mut rest) else {
                    return found;
                };
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                let Some(payload) = rest.get(..len) else {
                    return found;
                };
                datagram(payload, hear);
                rest.advance(len);
            }
            // PING, IMMEDIATE_ACK; what the server sets about acknowledging and its windows.
            0x01 => found = found.eliciting(),
            0x1f => found = Walked::Urgent,
            0x10 | 0x11 | 0x12 | 0x13 | 0xaf => {
                found = found.eliciting();
                let values = match kind {
                    0x11 => 2,
                    0xaf => 4,
                    _ => 1,
                };
                if (0..values).any(|_| varint::decode(&mut rest).is_err()) {
                    return found;
                }
            }
            _ => return found.eliciting(),
        }
    }
}

fn datagram(mut payload: &[u8], hear: &mut impl FnMut(&[u8])) {
    if varint::decode(&mut payload).is_ok() {
        hear(payload);
    }
}

/// Moves behind an ACK frame.
fn ack(has_ecn: bool, rest: &mut &[u8]) -> Result<(), varint::Truncated> {
    let _highest = varint::decode(rest)?;
    let _delay = varint::decode(rest)?;
    let more = varint::decode(rest)?;
    let values = 1 + more.saturating_mul(2) + if has_ecn { 3 } else { 0 };
    for _ in 0..values {
        varint::decode(rest)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_any_order_become_ranges() {
        let mut received = Received::default();
        for number in [3, 1, 2, 9, 7, 8, 5] {
            assert!(received.add(number));
            assert!(!received.add(number), "{number} is there");
        }
        assert_eq!(received.0, [(1, 3), (5, 5), (7, 9)]);
        // 9, no delay, two more ranges; 3 in the first; gaps of one number are told as 0.
        let frame = received.frame().unwrap();
        assert_eq!(frame, [0x02, 9, 0, 2, 2, 0, 0, 0, 2]);
        for number in 10..40 {
            received.add(2 * number);
        }
        assert_eq!(received.0.len(), RANGES_MAX);
        assert_eq!(received.0.last(), Some(&(78, 78)));
    }

    #[test]
    fn datagrams_are_found_behind_what_may_come_before_them() {
        let mut heard = Vec::new();
        let mut hear = |datagram: &[u8]| heard.push(datagram.to_vec());
        // PING, ACK with a range more, ACK_FREQUENCY, IMMEDIATE_ACK, a datagram with its length, one to
        // the end.
        let mut frames = vec![0x01, 0x02, 9, 0, 1, 0, 0, 0, 0x40, 0xaf, 0, 9, 25, 2, 0x1f];
        frames.extend([0x31, 2, 0, 7, 0x30, 0, 8, 9]);
        assert!(matches!(walk(&frames, &mut hear), Walked::Urgent));
        assert!(matches!(
            walk(&[0x02, 9, 0, 0, 0, 0], &mut hear),
            Walked::AcksAlone
        ));
        assert!(matches!(walk(&[0x1d, 0, 0], &mut hear), Walked::Close));
        assert!(matches!(walk(&[0x31, 9, 0], &mut hear), Walked::Eliciting));
        assert_eq!(heard, [vec![7], vec![8, 9]]);
    }
}
