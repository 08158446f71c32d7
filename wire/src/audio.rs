//! The audio datagram: one Opus packet, optionally with copies of earlier ones.
//!
//! ```text
//! kind 0x01 | track varint | sequence varint | timestamp varint | send time u32
//!           | copies u8 | { distance u8 | age varint | length varint | packet }* | packet
//! ```
//!
//! At most [`DATAGRAM_BYTES_MAX`] bytes. Decoding borrows from the datagram and
//! allocates nothing; it validates the whole of it first, so that reading the
//! copies later cannot fail.

use crate::TrackId;
use crate::varint::{self, Truncated};

/// The first byte of an audio datagram.
pub const KIND: u8 = 0x01;

/// The largest datagram: below the smallest path MTU QUIC asks for, 1,200 bytes
/// of UDP payload, less its own header where datagrams travel in one packet.
pub const DATAGRAM_BYTES_MAX: usize = 1200;

/// The most copies a datagram holds besides its own packet.
pub const COPIES_MAX: usize = 7;

/// Bytes the header and a copy's header take at most, for sizing buffers.
pub const HEADER_BYTES_MAX: usize = 1 + 4 + 8 + 8 + 4 + 1;

/// Samples per second of every media timestamp.
pub const SAMPLE_RATE: u32 = 48_000;

/// An audio datagram, borrowed from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The relay-wide track this packet belongs to.
    pub track: TrackId,
    /// The packet's number within the track; rises by one per packet.
    pub sequence: u64,
    /// Media time of the packet's first sample, in samples at 48 kHz.
    pub timestamp: u64,
    /// When the source sent the packet.
    pub send_time: SendTime,
    /// Earlier packets that travel along.
    pub copies: Copies<'a>,
    /// The Opus packet, at least one byte.
    pub packet: &'a [u8],
}

/// Server time in microseconds, modulo 2^32: it wraps every 71 minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendTime(pub u32);

impl SendTime {
    /// The low 32 bits of a server time in microseconds since the Unix epoch.
    #[must_use]
    pub fn from_server_time(micros: u64) -> Self {
        Self(micros as u32)
    }

    /// Microseconds from this send time to `server_time_us`, negative when it lies
    /// ahead; right while the two are within 35 minutes of each other.
    #[must_use]
    pub fn elapsed_us(self, server_time_us: u64) -> i32 {
        (server_time_us as u32).wrapping_sub(self.0) as i32
    }
}

/// An earlier packet inside a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy<'a> {
    /// How many packets before the datagram's own: 1 to 255.
    pub distance: u8,
    /// How many samples before the datagram's own timestamp.
    pub age: u64,
    /// The Opus packet, at least one byte.
    pub packet: &'a [u8],
}

/// The copies of a datagram; iterate to read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copies<'a> {
    count: u8,
    bytes: &'a [u8],
}

/// Why bytes are no audio datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The first byte names another kind of datagram.
    #[error("kind {0} is no audio datagram")]
    Kind(u8),
    /// The bytes end inside a field, or before a packet.
    #[error("the datagram is cut short")]
    Truncated,
    /// More than 1,200 bytes.
    #[error("the datagram has {0} bytes, above 1,200")]
    TooLarge(usize),
    /// Track 0 or above 2^30-1.
    #[error("{0} is no track id")]
    Track(u64),
    /// More copies than a datagram may hold.
    #[error("{0} copies, above 7")]
    TooManyCopies(u8),
    /// A copy of the packet itself, or from before the track's first packet or sample.
    #[error("a copy lies outside the track")]
    Copy,
}

impl From<Truncated> for DecodeError {
    fn from(Truncated: Truncated) -> Self {
        Self::Truncated
    }
}

/// Why a datagram cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// It would take more than 1,200 bytes.
    #[error("the datagram would take {0} bytes, above 1,200")]
    TooLarge(usize),
    /// The packet or a copy is empty, there are too many copies, or a copy lies
    /// outside the track.
    #[error("the packet or a copy is empty or out of range")]
    Range,
}

impl<'a> Datagram<'a> {
    /// Reads and validates one datagram. Never panics, whatever the bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > DATAGRAM_BYTES_MAX {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        let mut rest = bytes;
        match take(&mut rest, 1)?[0] {
            KIND => {}
            other => return Err(DecodeError::Kind(other)),
        }
        let number = varint::decode(&mut rest)?;
        let track = TrackId::new(number).ok_or(DecodeError::Track(number))?;
        let sequence = varint::decode(&mut rest)?;
        let timestamp = varint::decode(&mut rest)?;
        let send_time = take(&mut rest, 4)?
            .try_into()
            .expect("four bytes were taken");
        let copies = Copies::decode(&mut rest, sequence, timestamp)?;
        if rest.is_empty() {
            return Err(DecodeError::Truncated);
        }
        Ok(Self {
            track,
            sequence,
            timestamp,
            send_time: SendTime(u32::from_be_bytes(send_time)),
            copies,
            packet: rest,
        })
    }

    /// Appends this datagram to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encode_with(self.copies.into_iter(), out)
    }

    /// Appends this datagram to `out` with `copies` in place of its own.
    ///
    /// On an error `out` is left as it was.
    pub fn encode_with<'b>(
        &self,
        copies: impl Iterator<Item = Copy<'b>>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        let written = self.write(copies, out);
        let size = out.len() - start;
        let result = match written {
            Ok(()) if size > DATAGRAM_BYTES_MAX => Err(EncodeError::TooLarge(size)),
            other => other,
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn write<'b>(
        &self,
        copies: impl Iterator<Item = Copy<'b>>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if self.packet.is_empty() || self.sequence > varint::MAX || self.timestamp > varint::MAX {
            return Err(EncodeError::Range);
        }
        out.push(KIND);
        varint::encode(u64::from(self.track), out);
        varint::encode(self.sequence, out);
        varint::encode(self.timestamp, out);
        out.extend_from_slice(&self.send_time.0.to_be_bytes());
        let count_at = out.len();
        out.push(0);
        for copy in copies {
            if usize::from(out[count_at]) == COPIES_MAX
                || copy.packet.is_empty()
                || !copy.lies_within(self.sequence, self.timestamp)
            {
                return Err(EncodeError::Range);
            }
            out[count_at] += 1;
            out.push(copy.distance);
            varint::encode(copy.age, out);
            varint::encode(copy.packet.len() as u64, out);
            out.extend_from_slice(copy.packet);
        }
        out.extend_from_slice(self.packet);
        Ok(())
    }
}

impl Copy<'_> {
    /// Bytes it takes inside a datagram.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let size = self.packet.len();
        1 + varint::size(self.age) + varint::size(size as u64) + size
    }

    fn lies_within(&self, sequence: u64, timestamp: u64) -> bool {
        self.distance > 0 && u64::from(self.distance) <= sequence && self.age <= timestamp
    }
}

impl<'a> Copies<'a> {
    /// No copies.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// How many there are, at most [`COPIES_MAX`].
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn decode(rest: &mut &'a [u8], sequence: u64, timestamp: u64) -> Result<Self, DecodeError> {
        let count = take(rest, 1)?[0];
        if usize::from(count) > COPIES_MAX {
            return Err(DecodeError::TooManyCopies(count));
        }
        let before = *rest;
        for _ in 0..count {
            let copy = read_copy(rest)?;
            if copy.packet.is_empty() || !copy.lies_within(sequence, timestamp) {
                return Err(DecodeError::Copy);
            }
        }
        let bytes = &before[..before.len() - rest.len()];
        Ok(Self { count, bytes })
    }
}

/// Reads the copies of a datagram that was validated when it was decoded.
#[derive(Debug, Clone)]
pub struct CopyIter<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for CopyIter<'a> {
    type Item = Copy<'a>;

    fn next(&mut self) -> Option<Copy<'a>> {
        read_copy(&mut self.bytes).ok()
    }
}

impl<'a> IntoIterator for Copies<'a> {
    type Item = Copy<'a>;
    type IntoIter = CopyIter<'a>;

    fn into_iter(self) -> CopyIter<'a> {
        CopyIter { bytes: self.bytes }
    }
}

fn read_copy<'a>(rest: &mut &'a [u8]) -> Result<Copy<'a>, DecodeError> {
    let distance = take(rest, 1)?[0];
    let age = varint::decode(rest)?;
    let length = varint::decode(rest)?;
    let length = usize::try_from(length).map_err(|_| DecodeError::Truncated)?;
    let packet = take(rest, length)?;
    Ok(Copy {
        distance,
        age,
        packet,
    })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], DecodeError> {
    let (head, tail) = rest.split_at_checked(count).ok_or(DecodeError::Truncated)?;
    *rest = tail;
    Ok(head)
}

#[cfg(test)]
mod tests;
