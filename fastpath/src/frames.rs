//! Frames of a packet of the application's space (RFC 9000, section 19), as far as finding the
//! acknowledgements among them takes.

use std::ops::Range;

use wire::varint;

use crate::numbers::Numbers;

const PADDING: u64 = 0x00;
const ACK: u64 = 0x02;
const ACK_ECN: u64 = 0x03;

const CONNECTION_CLOSE: [u64; 2] = [0x1c, 0x1d];

/// The types of a DATAGRAM frame that goes on to the end of its packet, and of one with its
/// length (RFC 9221, section 4).
pub(crate) const DATAGRAM_TO_THE_END: u8 = 0x30;
const DATAGRAM_WITH_LENGTH: u64 = 0x31;

/// Of draft-ietf-quic-ack-frequency, as `quinn-proto` has them.
pub(crate) const IMMEDIATE_ACK: u8 = 0x1f;
const ACK_FREQUENCY: u64 = 0xaf;

/// What an ACK_FREQUENCY frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frequency {
    pub(crate) sequence: u64,
    /// So many packets go without an acknowledgement.
    pub(crate) threshold: u64,
    pub(crate) delay_us: u64,
    pub(crate) reordering: u64,
}

impl Frequency {
    fn fields(&self) -> [u64; 5] {
        [
            ACK_FREQUENCY,
            self.sequence,
            self.threshold,
            self.delay_us,
            self.reordering,
        ]
    }

    pub(crate) fn bytes(&self) -> usize {
        self.fields().map(varint::size).iter().sum()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for value in self.fields() {
            varint::encode(value, out);
        }
    }

    /// Reads what follows the frame's type.
    fn read(mut rest: &[u8]) -> Option<Self> {
        Some(Self {
            sequence: number(&mut rest)?,
            threshold: number(&mut rest)?,
            delay_us: number(&mut rest)?,
            reordering: number(&mut rest)?,
        })
    }
}

/// What is found in a packet that goes out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// It is to be acknowledged.
    pub(crate) is_eliciting: bool,
    pub(crate) frequency: Option<Frequency>,
    /// Where a datagram with a length of two bytes is, behind which there are acknowledgements
    /// and padding at most.
    pub(crate) last_datagram: Option<Range<usize>>,
}

/// Looks through a packet up to its end, or to a frame that cannot be read.
pub(crate) fn look_through(payload: &[u8]) -> Found {
    let mut found = Found::default();
    let mut rest = payload;
    while !rest.is_empty() {
        let (at, mut body) = (payload.len() - rest.len(), rest);
        let kind = varint::decode(&mut body).unwrap_or(PADDING);
        match frame(&mut rest, &mut |_, _| {}) {
            Some(Frame::Ack(_) | Frame::Padding) => continue,
            Some(Frame::Other) => found.is_eliciting |= !CONNECTION_CLOSE.contains(&kind),
            None => break,
        }
        if kind == ACK_FREQUENCY {
            found.frequency = Frequency::read(body);
        }
        let has_two_bytes = body.first().is_some_and(|first| first >> 6 == 1);
        let is_one = kind == DATAGRAM_WITH_LENGTH && has_two_bytes;
        found.last_datagram = is_one.then(|| at..payload.len() - rest.len());
    }
    found
}

/// Asks for an acknowledgement in the place of the length of a packet's last datagram, which
/// then goes behind all else and on to the packet's end; false when there is none.
pub(crate) fn ask_at_once(payload: &mut [u8], last_datagram: Option<Range<usize>>) -> bool {
    let Some(datagram) = last_datagram else {
        return false;
    };
    let len = datagram.len();
    payload[datagram.start..].rotate_left(len);
    let start = payload.len() - len;
    payload[start..start + 3].copy_from_slice(&[IMMEDIATE_ACK, PADDING as u8, DATAGRAM_TO_THE_END]);
    true
}

/// What an ACK frame says besides its ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    delay: u64,
    ecn: Option<[u64; 3]>,
}

/// A frame that was read.
enum Frame {
    Ack(Head),
    Padding,
    Other,
}

/// Reads ranges of acknowledged numbers, the highest first: from the first to the second.
type Ranges<'a> = &'a mut dyn FnMut(u64, u64);

/// The ranges of a packet that holds acknowledgements and nothing else; `None` when it holds
/// something else, or what cannot be read.
pub(crate) fn only_acks(mut payload: &[u8], on_range: Ranges<'_>) -> Option<()> {
    while !payload.is_empty() {
        if matches!(frame(&mut payload, on_range)?, Frame::Other) {
            return None;
        }
    }
    Some(())
}

/// The packet with its acknowledgements in `quinn-proto`'s numbers; `None` when it has none.
/// From a frame on that cannot be read the packet stays as it is. `on_range` gets the ranges of
/// the wire.
pub(crate) fn renumbered(
    payload: &[u8],
    numbers: &Numbers,
    on_range: Ranges<'_>,
) -> Option<Vec<u8>> {
    let mut rest = payload;
    let mut out: Option<Vec<u8>> = None;
    // Where what was not copied yet begins.
    let mut kept = 0;
    loop {
        let start = payload.len() - rest.len();
        let mut ranges = Vec::new();
        let read = match rest {
            [] => None,
            _ => frame(&mut rest, &mut |low, high| {
                on_range(low, high);
                merge(&mut ranges, numbers.of_quinn(low, high));
            }),
        };
        match read {
            Some(Frame::Ack(head)) => {
                let out = out.get_or_insert_with(|| Vec::with_capacity(payload.len()));
                out.extend_from_slice(&payload[kept..start]);
                write_ack(head, &ranges, out);
                kept = payload.len() - rest.len();
            }
            Some(Frame::Padding | Frame::Other) => {}
            None => {
                let mut out = out?;
                out.extend_from_slice(&payload[kept..]);
                return Some(out);
            }
        }
    }
}

/// Appends a range below the last one, or lengthens that when nothing is in between.
fn merge(ranges: &mut Vec<(u64, u64)>, range: Option<(u64, u64)>) {
    let Some((low, end)) = range else { return };
    match ranges.last_mut() {
        Some((above, _)) if *above <= end => *above = low.min(*above),
        _ => ranges.push((low, end)),
    }
}

/// Writes an ACK frame of ranges from the first number until before the second, or padding
/// when there are none, as a packet may not be empty.
fn write_ack(head: Head, ranges: &[(u64, u64)], out: &mut Vec<u8>) {
    let Some(((low, end), lower)) = ranges.split_first() else {
        out.push(PADDING as u8);
        return;
    };
    let kind = if head.ecn.is_some() { ACK_ECN } else { ACK };
    for value in [kind, end - 1, head.delay, lower.len() as u64, end - 1 - low] {
        varint::encode(value, out);
    }
    let mut above = *low;
    for (low, end) in lower {
        varint::encode(above - end - 1, out);
        varint::encode(end - 1 - low, out);
        above = *low;
    }
    for count in head.ecn.into_iter().flatten() {
        varint::encode(count, out);
    }
}

/// Reads one frame; `None` when it is unknown, cut short or impossible.
fn frame(rest: &mut &[u8], on_range: Ranges<'_>) -> Option<Frame> {
    let kind = varint::decode(rest).ok()?;
    Some(match kind {
        PADDING => {
            let zeros = rest.iter().take_while(|byte| **byte == 0).count();
            bytes(rest, zeros as u64)?;
            Frame::Padding
        }
        ACK | ACK_ECN => Frame::Ack(ack(kind == ACK_ECN, rest, on_range)?),
        _ => {
            skip(kind, rest)?;
            Frame::Other
        }
    })
}

fn ack(has_ecn: bool, rest: &mut &[u8], on_range: Ranges<'_>) -> Option<Head> {
    let mut high = number(rest)?;
    let delay = number(rest)?;
    let more = number(rest)?;
    let mut low = high.checked_sub(number(rest)?)?;
    on_range(low, high);
    for _ in 0..more {
        high = low.checked_sub(number(rest)?)?.checked_sub(2)?;
        low = high.checked_sub(number(rest)?)?;
        on_range(low, high);
    }
    let ecn = match has_ecn {
        true => Some([number(rest)?, number(rest)?, number(rest)?]),
        false => None,
    };
    Some(Head { delay, ecn })
}

/// Moves behind the body of a frame that is no acknowledgement.
fn skip(kind: u64, rest: &mut &[u8]) -> Option<()> {
    match kind {
        // PING, HANDSHAKE_DONE, IMMEDIATE_ACK
        0x01 | 0x1e | 0x1f => Some(()),
        // RESET_STREAM
        0x04 => numbers(rest, 3),
        // STOP_SENDING, MAX_STREAM_DATA, STREAM_DATA_BLOCKED
        0x05 | 0x11 | 0x15 => numbers(rest, 2),
        // CRYPTO
        0x06 => {
            number(rest)?;
            sized(rest)
        }
        // NEW_TOKEN, DATAGRAM with its length
        0x07 | 0x31 => sized(rest),
        // STREAM: with offset, length, end
        0x08..=0x0f => {
            number(rest)?;
            if kind & 4 != 0 {
                number(rest)?;
            }
            if kind & 2 != 0 {
                sized(rest)
            } else {
                to_the_end(rest)
            }
        }
        // MAX_DATA, MAX_STREAMS, DATA_BLOCKED, STREAMS_BLOCKED, RETIRE_CONNECTION_ID
        0x10 | 0x12..=0x14 | 0x16 | 0x17 | 0x19 => numbers(rest, 1),
        // NEW_CONNECTION_ID
        0x18 => {
            numbers(rest, 2)?;
            let len = *bytes(rest, 1)?.first()?;
            bytes(rest, u64::from(len) + 16).map(|_| ())
        }
        // PATH_CHALLENGE, PATH_RESPONSE
        0x1a | 0x1b => bytes(rest, 8).map(|_| ()),
        // CONNECTION_CLOSE, of the transport and of the application
        0x1c => {
            numbers(rest, 2)?;
            sized(rest)
        }
        0x1d => {
            number(rest)?;
            sized(rest)
        }
        0x30 => to_the_end(rest),
        ACK_FREQUENCY => numbers(rest, 4),
        _ => None,
    }
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    varint::decode(rest).ok()
}

fn numbers(rest: &mut &[u8], count: usize) -> Option<()> {
    (0..count).try_for_each(|_| number(rest).map(|_| ()))
}

fn bytes<'a>(rest: &mut &'a [u8], count: u64) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(usize::try_from(count).ok()?)?;
    *rest = left;
    Some(taken)
}

fn sized(rest: &mut &[u8]) -> Option<()> {
    let len = number(rest)?;
    bytes(rest, len).map(|_| ())
}

fn to_the_end(rest: &mut &[u8]) -> Option<()> {
    *rest = &[];
    Some(())
}

#[cfg(test)]
mod tests;
