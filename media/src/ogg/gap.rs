//! Packets that stand for missing ones.

use crate::toc;

/// Samples at 48 kHz of the shortest Opus frame: a hole is filled to within these.
pub const GAP_STEP: u64 = 120;

/// Fullband CELT frames of 2.5 ms, the finest Opus has.
const FINEST: u8 = 28 << 3;

/// Packets without sound that fill a hole in an Opus stream, as RFC 7845, section 4.1,
/// asks for: a decoder conceals what is missing, and time goes on. Yields each packet and
/// the samples it stands for, 120 ms at most. What is left is shorter than [`GAP_STEP`].
#[derive(Debug)]
pub struct Gap {
    samples: u64,
    toc: u8,
    frame_samples: u64,
}

impl Gap {
    /// A hole of so many samples behind a packet, the first byte of which is `toc`.
    #[must_use]
    pub fn new(toc: u8, samples: u64) -> Self {
        // The code for one frame: the first byte alone is then a whole packet.
        let frame = toc::Toc::parse(&[toc & !3]);
        Self {
            samples,
            toc: toc & !3,
            frame_samples: frame.map_or(GAP_STEP, |toc| u64::from(toc.frame_samples)),
        }
    }
}

impl Iterator for Gap {
    type Item = ([u8; 2], u32);

    fn next(&mut self) -> Option<Self::Item> {
        let (toc, frame) = match self.samples >= self.frame_samples {
            true => (self.toc, self.frame_samples),
            false => (FINEST | (self.toc & 4), GAP_STEP),
        };
        let frames = self.samples.min(toc::SAMPLES_MAX.into()) / frame;
        if frames == 0 {
            return None;
        }
        self.samples -= frames * frame;
        // Code 3: this many frames of the same length, and none of them has a byte.
        Some(([toc | 3, frames as u8], (frames * frame) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_filled_with_packets_every_decoder_takes() {
        for (toc, samples) in [
            (0xfc, 960 * 7 + 250),
            (0x08, 48_000),
            (0x18, 2_879),
            (0, 119),
        ] {
            let mut filled = 0;
            for (packet, samples) in Gap::new(toc, samples) {
                let parsed = toc::Toc::parse(&packet).unwrap();
                assert_eq!(parsed.samples(), samples);
                assert_eq!(parsed.channels, 1 + ((toc >> 2) & 1));
                filled += u64::from(samples);
            }
            assert!((samples - filled) < GAP_STEP, "{filled} of {samples}");
        }
    }

    #[cfg(feature = "native")]
    #[test]
    fn libopus_conceals_it() {
        let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).unwrap();
        let mut sound = vec![0.0; 5760 * 2];
        for (packet, samples) in Gap::new(0xfc, 13_333) {
            let decoded = decoder.decode_float(&packet, &mut sound, false).unwrap();
            assert_eq!(decoded as u32, samples);
        }
    }
}
