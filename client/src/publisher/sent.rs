//! What a source sent last, for the relay to ask for again, and to send along.

use std::collections::VecDeque;

use bytes::Bytes;
use wire::TrackId;
use wire::audio::{Copy, Datagram};
use wire::repair::Request;

/// Datagrams kept at most: about a second of 2.5 ms packets.
const KEPT_MAX: usize = 400;

/// How often one datagram is sent again: what is lost so often comes too late anyway.
const TIMES_MAX: u8 = 4;

/// The last second of one publish.
#[derive(Debug)]
pub(super) struct Sent {
    track: TrackId,
    size: usize,
    /// By sequence, rising.
    kept: VecDeque<Kept>,
}

/// A datagram to send again.
#[derive(Debug)]
pub(super) struct Again {
    pub(super) bytes: Bytes,
    /// Whether it is asked for the first time.
    pub(super) first: bool,
}

#[derive(Debug)]
struct Kept {
    sequence: u64,
    bytes: Bytes,
    times: u8,
}

impl Sent {
    pub(super) fn new(track: TrackId, frame_us: u32) -> Self {
        let size = (1_000_000 / frame_us.max(1)) as usize;
        Self {
            track,
            size: size.clamp(8, KEPT_MAX),
            kept: VecDeque::new(),
        }
    }

    /// Keeps a datagram, later than all before.
    pub(super) fn keep(&mut self, sequence: u64, bytes: Bytes) {
        if self.kept.len() == self.size {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept {
            sequence,
            bytes,
            times: 0,
        });
    }

    /// The datagram kept last, with a copy of the packet before it; `None` when that is not
    /// kept or both do not fit.
    pub(super) fn with_copy(&self) -> Option<Bytes> {
        let mut kept = self.kept.iter().rev();
        let (newest, before) = (kept.next()?, kept.next()?);
        let datagram = Datagram::decode(&newest.bytes).ok()?;
        let earlier = Datagram::decode(&before.bytes).ok()?;
        let distance = newest.sequence.checked_sub(before.sequence)?;
        let copy = Copy {
            distance: u8::try_from(distance).ok()?,
            age: datagram.timestamp.checked_sub(earlier.timestamp)?,
            packet: earlier.packet,
        };
        let mut bytes = Vec::with_capacity(newest.bytes.len() + copy.encoded_len());
        let copies = std::iter::once(copy);
        datagram.encode_with(copies, &mut bytes).ok()?;
        Some(bytes.into())
    }

    /// What to send again for a request, as far as it is kept.
    pub(super) fn again(&mut self, request: &[u8]) -> Vec<Again> {
        let request = Request::decode(request).ok();
        let Some(request) = request.filter(|request| request.track == self.track) else {
            return Vec::new();
        };
        let kept = &mut self.kept;
        let again = request.sequences.into_iter().filter_map(|sequence| {
            let at = kept.binary_search_by_key(&sequence, |kept| kept.sequence);
            let kept = kept.get_mut(at.ok()?)?;
            if kept.times == TIMES_MAX {
                return None;
            }
            kept.times += 1;
            Some(Again {
                bytes: kept.bytes.clone(),
                first: kept.times == 1,
            })
        });
        again.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(track: u64, sequences: &[u64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let track = TrackId::new(track).unwrap();
        wire::repair::encode(track, sequences, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_last_second_is_sent_again_a_few_times() {
        let mut sent = Sent::new(TrackId::new(4).unwrap(), 20_000);
        for sequence in 10..100_u8 {
            sent.keep(sequence.into(), vec![sequence].into());
        }
        let numbers = |again: Vec<Again>| {
            let numbers = again.iter().map(|again| again.bytes[0]);
            numbers.collect::<Vec<_>>()
        };
        let wanted = request(4, &[9, 49, 50, 99, 100]);
        assert!(sent.again(&wanted).iter().all(|again| again.first));
        assert!(sent.again(&wanted).iter().all(|again| !again.first));
        for _ in 2..4 {
            assert_eq!(numbers(sent.again(&wanted)), [50, 99]);
        }
        for _ in 0..1000 {
            assert!(sent.again(&wanted).is_empty(), "too often");
        }
        assert!(sent.again(&request(5, &[60])).is_empty(), "another track");
        assert!(sent.again(b"\x02\x00").is_empty(), "nonsense");
        assert_eq!(numbers(sent.again(&request(4, &[60]))), [60]);
    }

    #[test]
    fn a_copy_travels_with_its_age_and_the_packet_kept_stays_plain() {
        let track = TrackId::new(4).unwrap();
        let mut sent = Sent::new(track, 20_000);
        assert!(sent.with_copy().is_none());
        for sequence in 0..6_u8 {
            let datagram = Datagram {
                track,
                sequence: sequence.into(),
                timestamp: u64::from(sequence) * 960,
                send_time: wire::audio::SendTime(0),
                copies: wire::audio::Copies::none(),
                packet: &[sequence],
            };
            let mut bytes = Vec::new();
            datagram.encode(&mut bytes).unwrap();
            sent.keep(sequence.into(), bytes.into());
        }
        let bytes = sent.with_copy().unwrap();
        let datagram = Datagram::decode(&bytes).unwrap();
        let copy = datagram.copies.into_iter().next().unwrap();
        assert_eq!((datagram.sequence, datagram.packet), (5, &[5][..]));
        assert_eq!((copy.distance, copy.age), (1, 960));
        assert_eq!(copy.packet, [4]);
        let again = sent.again(&request(4, &[5]));
        let again = Datagram::decode(&again[0].bytes).unwrap();
        assert_eq!(again.copies.into_iter().count(), 0);
    }
}
