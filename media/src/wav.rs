//! WAV files of 32-bit float or 16-bit integer samples (RIFF WAVE).

use std::io::{self, Seek, SeekFrom, Write};

/// How samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// 32-bit float: exact. The default.
    #[default]
    Float32,
    /// 16-bit integer: half the size, clipped to full scale.
    Int16,
}

/// Bytes before the samples.
const HEADER_BYTES: u32 = 58;

/// Writes a WAV file. The lengths in its header are brought up to date by [`Self::finish`];
/// a file that was not finished claims to be as long as the format allows, which players
/// read to its real end.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    format: Format,
    channels: u16,
    data_bytes: u64,
    buffer: Vec<u8>,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins a file for `channels` interleaved channels at `rate` Hz.
    pub fn new(mut out: W, channels: u16, rate: u32, format: Format) -> io::Result<Self> {
        out.write_all(&header(channels, rate, format))?;
        Ok(Self {
            out,
            format,
            channels,
            data_bytes: 0,
            buffer: Vec::new(),
        })
    }

    /// Appends interleaved samples.
    pub fn write(&mut self, samples: &[f32]) -> io::Result<()> {
        self.buffer.clear();
        for &sample in samples {
            match self.format {
                Format::Float32 => self.buffer.extend_from_slice(&sample.to_le_bytes()),
                Format::Int16 => {
                    let value = (sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16;
                    self.buffer.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
        self.out.write_all(&self.buffer)?;
        self.data_bytes += self.buffer.len() as u64;
        Ok(())
    }

    /// Writes the lengths and answers the inner writer.
    pub fn finish(mut self) -> io::Result<W> {
        let most = u64::from(u32::MAX - HEADER_BYTES);
        let data = self.data_bytes.min(most) as u32;
        let frames = data / u32::from(self.channels.max(1)) / self.format.bytes();
        for (at, value) in [
            (4, data + HEADER_BYTES - 8),
            (46, frames),
            (HEADER_BYTES - 4, data),
        ] {
            self.out.seek(SeekFrom::Start(u64::from(at)))?;
            self.out.write_all(&value.to_le_bytes())?;
        }
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl Format {
    fn bytes(self) -> u32 {
        match self {
            Self::Float32 => 4,
            Self::Int16 => 2,
        }
    }
}

/// RIFF, a format chunk with an (empty) extension, a fact chunk, and the data chunk's start.
fn header(channels: u16, rate: u32, format: Format) -> Vec<u8> {
    let bytes = format.bytes();
    let frame_bytes = u32::from(channels) * bytes;
    let code: u16 = match format {
        Format::Float32 => 3,
        Format::Int16 => 1,
    };
    let mut header = Vec::with_capacity(HEADER_BYTES as usize);
    header.extend_from_slice(b"RIFF\xff\xff\xff\xffWAVEfmt ");
    header.extend_from_slice(&18u32.to_le_bytes());
    header.extend_from_slice(&code.to_le_bytes());
    header.extend_from_slice(&channels.to_le_bytes());
    header.extend_from_slice(&rate.to_le_bytes());
    header.extend_from_slice(&rate.saturating_mul(frame_bytes).to_le_bytes());
    header.extend_from_slice(&(frame_bytes as u16).to_le_bytes());
    header.extend_from_slice(&((bytes * 8) as u16).to_le_bytes());
    header.extend_from_slice(&0u16.to_le_bytes());
    header.extend_from_slice(b"fact");
    header.extend_from_slice(&4u32.to_le_bytes());
    header.extend_from_slice(&u32::MAX.to_le_bytes());
    header.extend_from_slice(b"data\xff\xff\xff\xff");
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn a_finished_file_tells_its_lengths() {
        let mut writer = Writer::new(Cursor::new(Vec::new()), 2, 48_000, Format::Int16).unwrap();
        writer.write(&[0.0, 1.0, -1.0, 2.0]).unwrap();
        let bytes = writer.finish().unwrap().into_inner();
        assert_eq!(bytes.len(), HEADER_BYTES as usize + 8);
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((number(4), number(46), number(54)), (58, 2, 8));
        assert_eq!(&bytes[58..], [0, 0, 255, 127, 1, 128, 255, 127]);
    }
}
