//! The structure of an Opus packet without decoding it (RFC 6716, section 3).
//!
//! Everything that enters a decoder is checked here first, so that malformed packets are
//! errors at the edge, whichever decoder is behind it.

/// What an Opus packet's first bytes say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toc {
    /// 1 or 2.
    pub channels: u8,
    /// Samples at 48 kHz in each of its frames: 120, 240, 480, 960, 1920 or 2880.
    pub frame_samples: u32,
    /// How many frames it holds: 1 to 48.
    pub frames: u8,
}

/// Why bytes are no Opus packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no bytes.
    #[error("the Opus packet is empty")]
    Empty,
    /// The frame lengths do not add up to the packet.
    #[error("the Opus packet's frame lengths do not add up")]
    Lengths,
    /// No frames, or more than 120 ms of them.
    #[error("the Opus packet holds {0} frames of {1} samples, above 120 ms or none")]
    Duration(u8, u32),
}

/// The longest Opus packet, in samples at 48 kHz (120 ms).
pub const SAMPLES_MAX: u32 = 5760;

/// The most bytes one Opus frame may have.
const FRAME_BYTES_MAX: usize = 1275;

impl Toc {
    /// Reads and checks a packet's structure by the rules R1 to R7 of RFC 6716, section 3.4.
    pub fn parse(packet: &[u8]) -> Result<Self, Error> {
        let (&first, rest) = packet.split_first().ok_or(Error::Empty)?;
        let frame_samples = frame_samples(first >> 3);
        let channels = 1 + ((first >> 2) & 1);
        let frames = match first & 3 {
            0 => one_frame(rest)?,
            1 => two_equal(rest)?,
            2 => two_different(rest)?,
            _ => many(rest, frame_samples)?,
        };
        Ok(Self {
            channels,
            frame_samples,
            frames,
        })
    }

    /// How many samples at 48 kHz the packet decodes to, per channel.
    #[must_use]
    pub fn samples(&self) -> u32 {
        self.frame_samples * u32::from(self.frames)
    }
}

fn frame_samples(config: u8) -> u32 {
    match config {
        0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        12..=15 => [480, 960][usize::from(config & 1)],
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    }
}

fn one_frame(rest: &[u8]) -> Result<u8, Error> {
    if rest.len() > FRAME_BYTES_MAX {
        return Err(Error::Lengths);
    }
    Ok(1)
}

fn two_equal(rest: &[u8]) -> Result<u8, Error> {
    if !rest.len().is_multiple_of(2) || rest.len() / 2 > FRAME_BYTES_MAX {
        return Err(Error::Lengths);
    }
    Ok(2)
}

fn two_different(mut rest: &[u8]) -> Result<u8, Error> {
    let first = frame_length(&mut rest)?;
    match rest.len().checked_sub(first) {
        Some(second) if second <= FRAME_BYTES_MAX => Ok(2),
        _ => Err(Error::Lengths),
    }
}

fn many(rest: &[u8], frame_samples: u32) -> Result<u8, Error> {
    let (&head, mut rest) = rest.split_first().ok_or(Error::Lengths)?;
    let frames = head & 0x3f;
    if frames == 0 || u32::from(frames) * frame_samples > SAMPLES_MAX {
        return Err(Error::Duration(frames, frame_samples));
    }
    let padding = if head & 0x40 == 0 {
        0
    } else {
        padding(&mut rest)?
    };
    let mut left = rest.len().checked_sub(padding).ok_or(Error::Lengths)?;
    if head & 0x80 == 0 {
        let count = usize::from(frames);
        if !left.is_multiple_of(count) || left / count > FRAME_BYTES_MAX {
            return Err(Error::Lengths);
        }
        return Ok(frames);
    }
    for _ in 1..frames {
        let before = rest.len();
        let length = frame_length(&mut rest)?;
        left = left
            .checked_sub(length + before - rest.len())
            .ok_or(Error::Lengths)?;
    }
    if left > FRAME_BYTES_MAX {
        return Err(Error::Lengths);
    }
    Ok(frames)
}

fn padding(rest: &mut &[u8]) -> Result<usize, Error> {
    let mut total = 0;
    loop {
        match take(rest)? {
            255 => total += 254,
            last => return Ok(total + usize::from(last)),
        }
    }
}

fn frame_length(rest: &mut &[u8]) -> Result<usize, Error> {
    let first = usize::from(take(rest)?);
    if first < 252 {
        return Ok(first);
    }
    Ok(usize::from(take(rest)?) * 4 + first)
}

fn take(rest: &mut &[u8]) -> Result<u8, Error> {
    let (&first, tail) = rest.split_first().ok_or(Error::Lengths)?;
    *rest = tail;
    Ok(first)
}

/// Cuts a packet into packets of one frame each, which decode to the same sound.
pub fn split(packet: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let toc = Toc::parse(packet)?;
    let (first, mut rest) = packet.split_first().ok_or(Error::Empty)?;
    let count = usize::from(toc.frames);
    let mut lengths = Vec::with_capacity(count);
    match first & 3 {
        0 => lengths.push(rest.len()),
        1 => lengths.extend([rest.len() / 2; 2]),
        2 => {
            lengths.push(frame_length(&mut rest)?);
            lengths.push(rest.len().saturating_sub(lengths[0]));
        }
        _ => {
            let head = take(&mut rest)?;
            let padding = if head & 0x40 == 0 {
                0
            } else {
                padding(&mut rest)?
            };
            if head & 0x80 != 0 {
                for _ in 1..count {
                    lengths.push(frame_length(&mut rest)?);
                }
            }
            let sound = rest.len().checked_sub(padding).ok_or(Error::Lengths)?;
            rest = &rest[..sound];
            if head & 0x80 == 0 {
                lengths.extend(vec![sound / count; count]);
            } else {
                let others: usize = lengths.iter().sum();
                lengths.push(sound.checked_sub(others).ok_or(Error::Lengths)?);
            }
        }
    }
    let mut frames = Vec::with_capacity(count);
    for length in lengths {
        let (frame, after) = rest.split_at_checked(length).ok_or(Error::Lengths)?;
        rest = after;
        frames.push([&[first & !3], frame].concat());
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_follow_table_2_of_rfc_6716() {
        for (config, samples) in [(0, 480), (3, 2880), (13, 960), (16, 120), (31, 960)] {
            let toc = Toc::parse(&[config << 3, 1, 2]).unwrap();
            assert_eq!(toc.samples(), samples, "config {config}");
        }
    }

    #[test]
    fn malformed_packets_are_named() {
        assert_eq!(Toc::parse(&[]), Err(Error::Empty));
        assert_eq!(Toc::parse(&[1, 0]), Err(Error::Lengths), "odd pair");
        assert_eq!(Toc::parse(&[2, 9, 0]), Err(Error::Lengths), "short pair");
        assert_eq!(Toc::parse(&[3, 0]), Err(Error::Duration(0, 480)));
        assert_eq!(Toc::parse(&[0xfb, 7]), Err(Error::Duration(7, 960)));
        assert_eq!(Toc::parse(&[0; 1277]), Err(Error::Lengths), "long frame");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_packet_of_at_most_120_ms_or_an_error(bytes: Vec<u8>) {
            if let Ok(toc) = Toc::parse(&bytes) {
                prop_assert!((120..=SAMPLES_MAX).contains(&toc.samples()));
            }
        }

        #[test]
        fn split_frames_are_packets_of_the_same_length(bytes: Vec<u8>) {
            let whole = Toc::parse(&bytes);
            prop_assert_eq!(split(&bytes).is_ok(), whole.is_ok());
            if let Ok(whole) = whole {
                let frames = split(&bytes).unwrap();
                prop_assert_eq!(frames.len(), usize::from(whole.frames));
                for frame in frames {
                    prop_assert_eq!(Toc::parse(&frame).unwrap().samples(), whole.frame_samples);
                }
            }
        }

        #[cfg(feature = "native")]
        #[test]
        fn split_frames_are_those_libopus_finds(bytes in proptest::collection::vec(any::<u8>(), 1..600)) {
            let Ok(theirs) = opus::packet::parse(&bytes) else {
                return Ok(());
            };
            let ours = split(&bytes).unwrap();
            let ours: Vec<_> = ours.iter().map(|packet| &packet[1..]).collect();
            prop_assert_eq!(ours, theirs.frames);
        }

        #[cfg(feature = "native")]
        #[test]
        fn libopus_agrees_about_samples(bytes in proptest::collection::vec(any::<u8>(), 1..600)) {
            let theirs = opus::packet::parse(&bytes).is_ok();
            prop_assert_eq!(Toc::parse(&bytes).is_ok(), theirs, "{:?}", bytes);
        }
    }
}
