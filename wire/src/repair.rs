//! The request datagram: numbers of packets somebody wants to be sent once more.
//!
//! ```text
//! kind 0x02 | track varint | count u8 | first sequence varint | { gap varint }*
//! ```
//!
//! A listener sends it to the relay, and the relay to a source. Sequences rise:
//! each gap, at least 1, is added to the sequence before it. Nothing answers a
//! request but the packets themselves; it may get lost like them.

use crate::TrackId;
use crate::varint::{self, Truncated};

/// The first byte of a request datagram.
pub const KIND: u8 = 0x02;

/// The most sequences one request names.
pub const SEQUENCES_MAX: usize = 32;

/// The most bytes a request takes.
pub const BYTES_MAX: usize = 1 + 4 + 1 + SEQUENCES_MAX * varint::BYTES_MAX;

/// A request, borrowed from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The track the packets belong to.
    pub track: TrackId,
    /// The packets wanted, 1 to 32.
    pub sequences: Sequences<'a>,
}

/// The sequences of a request, rising; iterate to read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequences<'a> {
    count: u8,
    bytes: &'a [u8],
}

/// Why bytes are no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The first byte names another kind of datagram.
    #[error("kind {0} is no request")]
    Kind(u8),
    /// The bytes end inside a field.
    #[error("the request is cut short")]
    Truncated,
    /// Track 0 or above 2^30-1.
    #[error("{0} is no track id")]
    Track(u64),
    /// No sequence, or more than 32.
    #[error("{0} sequences, not 1 to 32")]
    Count(u8),
    /// A sequence comes twice or lies above 2^62-1.
    #[error("the sequences do not rise")]
    Order,
    /// Bytes follow the last sequence.
    #[error("bytes follow the last sequence")]
    Trailing,
}

impl From<Truncated> for DecodeError {
    fn from(Truncated: Truncated) -> Self {
        Self::Truncated
    }
}

/// A request would name no sequence, more than 32, or some that do not rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request names 1 to 32 rising sequences")]
pub struct EncodeError;

impl<'a> Request<'a> {
    /// Reads and validates one request. Never panics, whatever the bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (&kind, mut rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        if kind != KIND {
            return Err(DecodeError::Kind(kind));
        }
        let number = varint::decode(&mut rest)?;
        let track = TrackId::new(number).ok_or(DecodeError::Track(number))?;
        let (&count, rest) = rest.split_first().ok_or(DecodeError::Truncated)?;
        if count == 0 || usize::from(count) > SEQUENCES_MAX {
            return Err(DecodeError::Count(count));
        }
        let sequences = Sequences { count, bytes: rest };
        sequences.validate()?;
        Ok(Self { track, sequences })
    }
}

/// Appends a request for these sequences of a track; on an error `out` is left as it was.
pub fn encode(track: TrackId, sequences: &[u64], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let last = *sequences.last().ok_or(EncodeError)?;
    let rising = sequences.is_sorted_by(|earlier, later| earlier < later);
    if sequences.len() > SEQUENCES_MAX || !rising || last > varint::MAX {
        return Err(EncodeError);
    }
    out.push(KIND);
    varint::encode(u64::from(track), out);
    out.push(sequences.len() as u8);
    let mut before = 0;
    for sequence in sequences {
        varint::encode(sequence - before, out);
        before = *sequence;
    }
    Ok(())
}

impl Sequences<'_> {
    /// How many there are, 1 to 32.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    fn validate(&self) -> Result<(), DecodeError> {
        let mut rest = self.bytes;
        let mut sequence = varint::decode(&mut rest)?;
        for _ in 1..self.count {
            let gap = varint::decode(&mut rest)?;
            // Two values of 62 bits never run over.
            sequence += gap;
            if gap == 0 || sequence > varint::MAX {
                return Err(DecodeError::Order);
            }
        }
        match rest {
            [] => Ok(()),
            _ => Err(DecodeError::Trailing),
        }
    }
}

impl<'a> IntoIterator for Sequences<'a> {
    type Item = u64;
    type IntoIter = SequenceIter<'a>;

    fn into_iter(self) -> SequenceIter<'a> {
        SequenceIter {
            before: 0,
            bytes: self.bytes,
        }
    }
}

/// Reads the sequences of a request that was validated when it was decoded.
#[derive(Debug, Clone)]
pub struct SequenceIter<'a> {
    before: u64,
    bytes: &'a [u8],
}

impl Iterator for SequenceIter<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.before += varint::decode(&mut self.bytes).ok()?;
        Some(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn track() -> TrackId {
        TrackId::new(5).expect("5 is a track id")
    }

    #[test]
    fn what_cannot_be_asked_leaves_the_buffer_as_it_was() {
        let mut out = vec![1];
        let many: Vec<_> = (0..33).collect();
        for bad in [&[][..], &[4, 4], &[5, 4], &[varint::MAX + 1], &many] {
            assert_eq!(encode(track(), bad, &mut out), Err(EncodeError), "{bad:?}");
        }
        assert_eq!(out, [1]);
    }

    proptest! {
        #[test]
        fn round_trip(
            number in 1..=TrackId::MAX,
            sequences in prop::collection::btree_set(0..=varint::MAX, 1..=SEQUENCES_MAX),
        ) {
            let track = TrackId::new(number.into()).unwrap();
            let sequences: Vec<_> = sequences.into_iter().collect();
            let mut bytes = Vec::new();
            encode(track, &sequences, &mut bytes).unwrap();
            prop_assert!(bytes.len() <= BYTES_MAX);
            let request = Request::decode(&bytes).unwrap();
            prop_assert_eq!(request.track, track);
            prop_assert_eq!(request.sequences.len(), sequences.len());
            prop_assert_eq!(request.sequences.into_iter().collect::<Vec<_>>(), sequences);
            for end in 0..bytes.len() {
                prop_assert_eq!(Request::decode(&bytes[..end]), Err(DecodeError::Truncated));
            }
            bytes.push(0);
            prop_assert_eq!(Request::decode(&bytes), Err(DecodeError::Trailing));
        }

        #[test]
        fn any_bytes_decode_or_err(mut bytes in prop::collection::vec(any::<u8>(), 1..300)) {
            bytes[0] = KIND;
            if let Ok(request) = Request::decode(&bytes) {
                let sequences: Vec<_> = request.sequences.into_iter().collect();
                prop_assert_eq!(sequences.len(), request.sequences.len());
                let mut again = Vec::new();
                encode(request.track, &sequences, &mut again).unwrap();
                prop_assert_eq!(Request::decode(&again).unwrap().sequences.into_iter().collect::<Vec<_>>(), sequences);
            }
        }
    }
}
