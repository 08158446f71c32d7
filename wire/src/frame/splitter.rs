//! Cuts a byte stream into frames: a varint length, then that many bytes.

use super::FRAME_BYTES_MAX;
use crate::varint;

/// A frame on the stream claims more than [`FRAME_BYTES_MAX`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes, above 65,536")]
pub struct FrameTooLarge(pub u64);

/// Takes bytes of a stream as they come and yields whole frames.
///
/// Holds at most one frame and what arrived behind it: feed it in pieces no
/// larger than you want to hold, and drain it after each.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    start: usize,
}

impl Splitter {
    /// Takes the next bytes of the stream.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or None until more bytes arrive. After an error the
    /// stream cannot be read on.
    pub fn poll_frame(&mut self) -> Result<Option<&[u8]>, FrameTooLarge> {
        let mut rest = &self.buffer[self.start..];
        let Ok(length) = varint::decode(&mut rest) else {
            return Ok(None);
        };
        let length = match usize::try_from(length) {
            Ok(length) if length <= FRAME_BYTES_MAX => length,
            _ => return Err(FrameTooLarge(length)),
        };
        if rest.len() < length {
            return Ok(None);
        }
        let begin = self.buffer.len() - rest.len();
        self.start = begin + length;
        Ok(Some(&self.buffer[begin..self.start]))
    }

    /// Whether bytes of a frame not yet whole are held.
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        self.start < self.buffer.len()
    }
}

/// Appends `json` as one frame of a stream. Frames our own side makes are within
/// the limit, so this cannot fail.
pub fn write_framed(json: &str, out: &mut Vec<u8>) {
    debug_assert!(
        json.len() <= FRAME_BYTES_MAX,
        "our own frames are within the limit"
    );
    varint::encode(json.len() as u64, out);
    out.extend_from_slice(json.as_bytes());
}
