//! From one track to another of the same media time without a seam: the packets of the new
//! track are numbered on from those of the old.
//!
//! A receiver then plays on as if nothing had changed: what it has of the old track, then the
//! new. Both tracks fall on the media time as they like, so that at the change at most half a
//! packet is heard twice or made up.

use wire::audio::Datagram;

use crate::toc::Toc;

/// Packets that may be missing at the change; a longer hole is left out of the numbers.
const HOLE_MAX: u64 = 50;

/// The numbers of the track played, as a receiver knows them.
#[derive(Debug, Default)]
pub struct Renumber {
    /// What is added to a packet's own sequence.
    shift: i64,
    /// The first number of this track.
    first: u64,
    newest: Option<Newest>,
    changing: bool,
}

#[derive(Debug, Clone, Copy)]
struct Newest {
    number: u64,
    /// The media time behind it.
    end: u64,
}

impl Renumber {
    /// Another track of the same media time follows.
    pub fn change(&mut self) {
        self.changing = self.newest.is_some();
        if !self.changing {
            self.reset();
        }
    }

    /// Something else follows, with its own numbers.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// The datagram as the receiver is to see it; none when what it holds came already with
    /// the track before.
    pub fn map<'a>(&mut self, mut datagram: Datagram<'a>) -> Option<Datagram<'a>> {
        // What is no Opus packet keeps its place, for the receiver to refuse it.
        let samples = Toc::parse(datagram.packet).map_or(0, |toc| u64::from(toc.samples()));
        if self.changing {
            self.begin(&datagram, samples.max(1))?;
        }
        let number = datagram.sequence.checked_add_signed(self.shift)?;
        if number < self.first {
            return None;
        }
        let newer = self.newest.is_none_or(|newest| number > newest.number);
        if newer && samples > 0 {
            let end = datagram.timestamp + samples;
            self.newest = Some(Newest { number, end });
        }
        datagram.sequence = number;
        Some(datagram)
    }

    /// The track's own sequence of a packet the receiver asks for; none when it is of the
    /// track before.
    #[must_use]
    pub fn unmap(&self, number: u64) -> Option<u64> {
        if self.changing || number < self.first {
            return None;
        }
        number.checked_add_signed(-self.shift)
    }

    fn begin(&mut self, datagram: &Datagram<'_>, samples: u64) -> Option<()> {
        let newest = self.newest?;
        if datagram.timestamp + samples / 2 < newest.end {
            return None;
        }
        let after = datagram.timestamp.saturating_sub(newest.end) + samples / 2;
        let number = newest.number + 1 + (after / samples).min(HOLE_MAX);
        self.shift = number as i64 - datagram.sequence as i64;
        self.first = number;
        self.changing = false;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::Decoder;
    use crate::encoder::{self, Encoder};
    use crate::measure::{deinterleave, find_gaps};
    use crate::receiver::{Config, Receiver};
    use crate::transcoder::{Rendition, Transcoder};
    use std::time::Duration;
    use wire::TrackId;
    use wire::audio::{Copies, SendTime};

    /// A packet of silence, 20 ms.
    const SILENCE: [u8; 3] = [0xfc, 0xff, 0xfe];

    fn datagram(sequence: u64, timestamp: u64) -> Datagram<'static> {
        Datagram {
            track: TrackId::new(1).unwrap(),
            sequence,
            timestamp,
            send_time: SendTime(0),
            copies: Copies::none(),
            packet: &SILENCE,
        }
    }

    fn mapped(numbers: &mut Renumber, sequence: u64, timestamp: u64) -> Option<u64> {
        let datagram = numbers.map(datagram(sequence, timestamp));
        datagram.map(|datagram| datagram.sequence)
    }

    #[test]
    fn another_track_is_numbered_on() {
        let mut numbers = Renumber::default();
        assert_eq!(mapped(&mut numbers, 70, 9_600), Some(70));
        assert_eq!(mapped(&mut numbers, 71, 10_560), Some(71));
        numbers.change();
        assert_eq!(numbers.unmap(71), None, "nobody has the old track any more");
        // Three quarters of it were there already; of the next a quarter.
        assert_eq!(mapped(&mut numbers, 3, 10_800), None);
        assert_eq!(mapped(&mut numbers, 4, 11_760), Some(72));
        assert_eq!(mapped(&mut numbers, 6, 13_680), Some(74));
        assert_eq!(
            mapped(&mut numbers, 3, 10_800),
            None,
            "late, of before the change"
        );
        assert_eq!(mapped(&mut numbers, 5, 12_720), Some(73));
        assert_eq!((numbers.unmap(73), numbers.unmap(71)), (Some(5), None));
        // A hole at the next change stays a hole.
        numbers.change();
        assert_eq!(mapped(&mut numbers, 1_000, 14_640 + 2 * 960), Some(77));
        numbers.reset();
        assert_eq!(mapped(&mut numbers, 1, 0), Some(1));
    }

    #[test]
    fn a_change_before_anything_came_changes_nothing() {
        let mut numbers = Renumber::default();
        numbers.change();
        assert_eq!(mapped(&mut numbers, 500, 0), Some(500));
        assert_eq!(
            mapped(&mut numbers, u64::MAX / 4, u64::MAX / 4),
            Some(u64::MAX / 4)
        );
        numbers.change();
        assert_eq!(
            numbers
                .map(datagram(0, 0))
                .map(|datagram| datagram.sequence),
            None
        );
    }

    /// A tone as source and in every rendition; a receiver goes through all of them.
    #[test]
    fn renditions_change_without_a_gap() {
        let mut source = Encoder::new(encoder::Config::default()).unwrap();
        let mut transcoder = Transcoder::new();
        for rendition in Rendition::ALL {
            transcoder.add(rendition).unwrap();
        }
        let mut receiver = Receiver::with_decoder(Config::default(), Decoder::new());
        let mut numbers = Renumber::default();
        let mut heard = Vec::new();
        let mut taken = 0;
        for n in 0..1_000_u64 {
            let sound: Vec<f32> = (0..1920)
                .map(|at| ((n * 960 + at / 2) as f32 * 0.0577).sin() / 2.0)
                .collect();
            let payload = source.encode(&sound).unwrap().to_vec();
            let now = Duration::from_millis(20 * n);
            // Every second another one: down, and up again.
            let take = [0, 1, 2, 3, 2, 1][(n / 50) as usize % 6];
            if take != taken {
                taken = take;
                numbers.change();
            }
            let packet = crate::Packet {
                sequence: n,
                timestamp: 48_000 + n * 960,
                send_time: None,
                copy: false,
                payload: &payload,
            };
            let mut give = |sequence, timestamp, payload: &[u8]| {
                let datagram = Datagram {
                    sequence,
                    timestamp,
                    packet: payload,
                    ..datagram(0, 0)
                };
                if let Some(datagram) = numbers.map(datagram) {
                    receiver.handle_datagram(now, &datagram).unwrap();
                }
            };
            transcoder
                .handle_packet(&packet, |rendition, made| {
                    if take > 0 && rendition == Rendition::ALL[take - 1] {
                        give(made.sequence, made.timestamp, &made.payload);
                    }
                })
                .unwrap();
            if take == 0 {
                give(n, packet.timestamp, &payload);
            }
            for half in 0..2 {
                let mut out = [0.0; 960];
                receiver.pull(now + Duration::from_millis(10 * half), &mut out);
                heard.extend(out);
            }
        }
        let stats = receiver.stats();
        assert_eq!((stats.restarts, stats.skipped_ms), (0, 0.0), "{stats:?}");
        assert!(stats.concealed_ms < 20.0 * 20.0, "at 20 changes: {stats:?}");
        let left = deinterleave(&heard, 2, 0);
        let freq = 0.0577 * 48_000.0 / std::f64::consts::TAU;
        // Nowhere silence for half a packet.
        let mut gaps = find_gaps(&left[24_000..], 48_000.0, freq, 0.5);
        gaps.retain(|gap| gap.length >= 480);
        assert!(gaps.is_empty(), "{gaps:?}");
    }
}
