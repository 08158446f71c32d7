//! Cuts a stream of MPEG audio (MP3) or AAC in ADTS into its frames, without decoding it.
//!
//! What is no frame is left out: tags, and whatever broke on the way.

use std::time::Duration;

/// What the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// MPEG-1, MPEG-2 and MPEG-2.5 audio, layers I to III (ISO/IEC 11172-3, 13818-3).
    Mpeg,
    /// AAC with ADTS headers (ISO/IEC 14496-3).
    Adts,
}

/// Bytes of the longest header looked at.
const HEADER_BYTES: usize = 7;

/// Bytes of an ID3v2 header, which tells how much follows it.
const ID3_BYTES: usize = 10;

/// Kilobits per second by version and layer: MPEG-1 I, II, III, then MPEG-2 I, and II or III.
const KBPS: [[u16; 15]; 5] = [
    [
        0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
    ],
    [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
    ],
    [
        0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    ],
    [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256,
    ],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Sample rates of MPEG-1; MPEG-2 has half of them and MPEG-2.5 a quarter.
const MPEG_RATES: [u32; 3] = [44_100, 48_000, 32_000];

const ADTS_RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// What a frame's header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Bytes of the whole frame.
    bytes: usize,
    samples: u32,
    rate: u32,
    /// What all frames of a stream have in common.
    kind: u32,
}

/// Finds frames in bytes that come in pieces of any size. Holds less than two frames.
#[derive(Debug)]
pub struct Splitter {
    format: Format,
    bytes: Vec<u8>,
    /// What the frames have in common, once two followed each other.
    kind: Option<u32>,
    /// Bytes of a tag that are still to come.
    skip: usize,
}

impl Splitter {
    /// For a stream that may begin anywhere.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            bytes: Vec::new(),
            kind: None,
            skip: 0,
        }
    }

    /// Takes the next bytes; appends the frames that are whole now to `out` and answers how
    /// long they play.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Duration {
        let tag = self.skip.min(bytes.len());
        self.skip -= tag;
        bytes = &bytes[tag..];
        self.bytes.extend_from_slice(bytes);
        let mut lasts = Duration::ZERO;
        let mut at = 0;
        while let Step::Past(count, header) = self.step(at) {
            if let Some(header) = header {
                out.extend_from_slice(&self.bytes[at..at + header.bytes]);
                self.kind = Some(header.kind);
                let nanos = u64::from(header.samples) * 1_000_000_000 / u64::from(header.rate);
                lasts += Duration::from_nanos(nanos);
            }
            at += count;
            if at > self.bytes.len() {
                self.skip = at - self.bytes.len();
                at = self.bytes.len();
            }
        }
        self.bytes.drain(..at);
        lasts
    }

    /// What is at a place in the buffer.
    fn step(&self, at: usize) -> Step {
        let bytes = &self.bytes[at..];
        if bytes.starts_with(b"ID3") || b"ID3".starts_with(bytes) {
            return match bytes.get(..ID3_BYTES) {
                Some(tag) => Step::Past(ID3_BYTES + id3_bytes(tag), None),
                None => Step::Wait,
            };
        }
        if bytes.len() < HEADER_BYTES {
            return Step::Wait;
        }
        let Some(header) = self.header(bytes) else {
            return Step::Past(1, None);
        };
        if self.kind == Some(header.kind) {
            return match bytes.len() < header.bytes {
                true => Step::Wait,
                false => Step::Past(header.bytes, Some(header)),
            };
        }
        // A frame of another kind is believed when a second one follows it: two bytes alone
        // look like a beginning too often.
        let Some(next) = bytes.get(header.bytes..header.bytes + HEADER_BYTES) else {
            return Step::Wait;
        };
        match self.header(next) {
            Some(next) if next.kind == header.kind => Step::Past(header.bytes, Some(header)),
            _ => Step::Past(1, None),
        }
    }

    fn header(&self, bytes: &[u8]) -> Option<Header> {
        match self.format {
            Format::Mpeg => mpeg(bytes),
            Format::Adts => adts(bytes),
        }
    }
}

enum Step {
    /// So many bytes are a frame, or nothing.
    Past(usize, Option<Header>),
    /// More bytes are needed to tell.
    Wait,
}

/// Bytes behind the header of an ID3v2 tag: four times seven bits.
fn id3_bytes(tag: &[u8]) -> usize {
    tag[6..10]
        .iter()
        .fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f))
}

fn mpeg(bytes: &[u8]) -> Option<Header> {
    if bytes[0] != 0xff || bytes[1] & 0xe0 != 0xe0 {
        return None;
    }
    let version = bytes[1] >> 3 & 3;
    let layer = bytes[1] >> 1 & 3;
    // 1 of the versions and 0 of the layers are reserved; layer III is 1.
    let (halvings, one) = match version {
        3 => (0, true),
        2 => (1, false),
        0 => (2, false),
        _ => return None,
    };
    let (row, slots, slot_bytes) = match (one, layer) {
        (true, 3) => (0, 12, 4),
        (true, 2) => (1, 144, 1),
        (true, 1) => (2, 144, 1),
        (false, 3) => (3, 12, 4),
        (false, 2) => (4, 144, 1),
        (false, 1) => (4, 72, 1),
        _ => return None,
    };
    let kbps = *KBPS[row].get(usize::from(bytes[2] >> 4))?;
    // Frames of a free format do not tell how long they are.
    if kbps == 0 {
        return None;
    }
    let rate = MPEG_RATES.get(usize::from(bytes[2] >> 2 & 3))? >> halvings;
    let padding = usize::from(bytes[2] >> 1 & 1);
    let length = slots * usize::from(kbps) * 1000 / rate as usize + padding;
    let samples = match slots {
        12 => 384,
        72 => 576,
        _ => 1152,
    };
    Some(Header {
        bytes: length * slot_bytes,
        samples,
        rate,
        kind: u32::from(bytes[1] & 0x1e) << 8 | u32::from(bytes[2] & 0x0c),
    })
}

fn adts(bytes: &[u8]) -> Option<Header> {
    if bytes[0] != 0xff || bytes[1] & 0xf6 != 0xf0 {
        return None;
    }
    let rate = *ADTS_RATES.get(usize::from(bytes[2] >> 2 & 15))?;
    let length =
        usize::from(bytes[3] & 3) << 11 | usize::from(bytes[4]) << 3 | usize::from(bytes[5] >> 5);
    let blocks = u32::from(bytes[6] & 3) + 1;
    (length > HEADER_BYTES).then_some(Header {
        bytes: length,
        samples: 1024 * blocks,
        rate,
        kind: u32::from(bytes[1] & 8) << 16 | u32::from(bytes[2]) << 8 | u32::from(bytes[3] & 0xc0),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An MPEG-1 layer III frame of 128 kb/s at 44.1 kHz; its body looks like a beginning.
    fn mp3() -> Vec<u8> {
        let mut frame = vec![0xff, 0xfb, 0x90, 0x64];
        frame.resize(417, 0x55);
        frame[100..102].copy_from_slice(&[0xff, 0xfb]);
        frame
    }

    fn aac(length: usize) -> Vec<u8> {
        let mut frame = vec![0xff, 0xf1, 0x50, 0x80, 0, 0x1f, 0xfc];
        frame[3] |= (length >> 11) as u8;
        frame[4] = (length >> 3) as u8;
        frame[5] |= (length << 5) as u8;
        frame.resize(length, 0xaa);
        frame
    }

    fn cut(format: Format, stream: &[u8], step: usize) -> (Vec<u8>, Duration) {
        let mut splitter = Splitter::new(format);
        let (mut out, mut lasts) = (Vec::new(), Duration::ZERO);
        for piece in stream.chunks(step) {
            lasts += splitter.push(piece, &mut out);
        }
        (out, lasts)
    }

    #[test]
    fn frames_come_out_and_nothing_else() {
        let mut id3 = b"ID3\x04\0\0\0\0\x02\x01".to_vec();
        id3.extend([0xff; 257]);
        let frames = mp3().repeat(4);
        let stream = [
            &id3[..],
            b"junk\xff\xfb",
            &frames,
            &id3,
            &frames,
            b"\0\0\0\0\0\0\0\0",
        ];
        let stream = stream.concat();
        for step in [1, 7, 300, stream.len()] {
            let (out, lasts) = cut(Format::Mpeg, &stream, step);
            assert_eq!(out.len(), 8 * 417, "in pieces of {step}");
            assert_eq!(out, frames.repeat(2));
            assert_eq!(lasts.as_millis(), 208);
        }
        let frames = [aac(300), aac(1023), aac(8)].concat();
        let stream = [&[0xff, 0xf1, 0x3c], &frames[..], &frames, &[0; 20]].concat();
        for step in [1, 10, stream.len()] {
            let (out, lasts) = cut(Format::Adts, &stream, step);
            assert_eq!(out, frames.repeat(2), "in pieces of {step}");
            assert_eq!(lasts.as_millis(), 6 * 1024 * 1000 / 44_100);
        }
    }

    #[test]
    fn the_longest_tag_is_passed_over_without_being_kept() {
        let mut splitter = Splitter::new(Format::Mpeg);
        let mut out = Vec::new();
        splitter.push(b"ID3\x04\0\0\x7f\x7f\x7f\x7f", &mut out);
        for _ in 0..1000 {
            splitter.push(&[0xff; 4096], &mut out);
        }
        assert!(out.is_empty() && splitter.bytes.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_and_few_are_kept(
            bytes in proptest::collection::vec(any::<u8>(), 0..20_000),
            dense in any::<bool>(),
            step in 1usize..5_000,
        ) {
            let bytes: Vec<u8> = match dense {
                true => bytes.iter().map(|byte| if byte % 3 == 0 { 0xff } else { byte | 0xe0 }).collect(),
                false => bytes,
            };
            for format in [Format::Mpeg, Format::Adts] {
                let mut splitter = Splitter::new(format);
                let mut out = Vec::new();
                for piece in bytes.chunks(step) {
                    splitter.push(piece, &mut out);
                    prop_assert!(splitter.bytes.len() < 8192 + HEADER_BYTES);
                }
                prop_assert!(out.len() <= bytes.len());
            }
        }
    }
}
