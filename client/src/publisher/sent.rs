//! What a source sent last, for the relay to ask for again.

use std::collections::VecDeque;

use bytes::Bytes;
use wire::TrackId;
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

    /// What to send again for a request, as far as it is kept.
    pub(super) fn again(&mut self, request: &[u8]) -> Vec<Bytes> {
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
            Some(kept.bytes.clone())
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
        let numbers = |again: Vec<Bytes>| again.iter().map(|bytes| bytes[0]).collect::<Vec<_>>();
        let wanted = request(4, &[9, 49, 50, 99, 100]);
        for _ in 0..4 {
            assert_eq!(numbers(sent.again(&wanted)), [50, 99]);
        }
        for _ in 0..1000 {
            assert!(sent.again(&wanted).is_empty(), "too often");
        }
        assert!(sent.again(&request(5, &[60])).is_empty(), "another track");
        assert!(sent.again(b"\x02\x00").is_empty(), "nonsense");
        assert_eq!(numbers(sent.again(&request(4, &[60]))), [60]);
    }
}
